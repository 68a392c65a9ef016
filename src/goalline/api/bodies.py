"""The limits on request bodies: what says that it is larger is refused unread, the rest as soon as it turns out."""

from collections.abc import Awaitable, Callable, Mapping

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from goalline.api.problems import FieldProblem, problem


def install(app: FastAPI, limit: int, stricter: Mapping[str, int]) -> None:
    """Refuse bodies of more than `limit` bytes, at some paths of fewer, with a problem that names the limit."""

    def limit_at(path: str) -> int:
        return min(limit, stricter.get(path.rstrip("/"), limit))

    def too_large(request: Request, _: Exception) -> JSONResponse:
        return _refusal(limit_at(request.url.path))

    app.add_exception_handler(413, too_large)
    app.add_middleware(_Limited, limit_at=limit_at)


def _refusal(limit: int) -> JSONResponse:
    detail = f"the body is too large; the limit is {limit:,} bytes"
    return problem(413, detail, [FieldProblem(field="body", detail=detail)])


class _Limited:
    def __init__(self, app: ASGIApp, limit_at: Callable[[str], int]) -> None:
        self._app, self._limit_at = app, limit_at

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http":
            return self._app(scope, receive, send)
        limit = self._limit_at(scope["path"])
        declared = Headers(scope=scope).get("content-length", "")
        # More digits than any length has would take long to be made a number of.
        if declared.isdecimal() and (len(declared) > 18 or int(declared) > limit):
            # Starlette's own limit answers in plain text where the length is declared, so such bodies never get there.
            return _refusal(limit)(scope, receive, send)
        return RequestBodyLimitMiddleware(self._app, max_body_size=limit)(scope, receive, send)
