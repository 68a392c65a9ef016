"""The limits on request bodies: what says that it is larger is refused unread, the rest as soon as it turns out.

What comes to the API without any key is refused unread as well.

Nothing is unpacked: a few kilobytes of gzip may be a gigabyte of zeros.
"""

from collections.abc import Awaitable, Callable, Mapping

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from goalline.api.deps import CHALLENGE, NO_KEY
from goalline.api.problems import FieldProblem, problem

SIGNED = "/v1/hooks/"
"""Where platforms sign their bodies in place of sending a key."""


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


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


def _packed(headers: Headers) -> bool:
    codings = [coding.strip().lower() for value in headers.getlist("content-encoding") for coding in value.split(",")]
    return _has_body(headers) and any(coding not in ("", "identity") for coding in codings)


def _unwelcome() -> JSONResponse:
    detail = "bodies are not unpacked here; send it as it is, without Content-Encoding"
    # By RFC 9110, this header tells that it is the coding, not the type, that is not supported.
    return problem(415, detail, [FieldProblem(field="body", detail=detail)], {"Accept-Encoding": "identity"})


class _Limited:
    def __init__(self, app: ASGIApp, limit_at: Callable[[str], int]) -> None:
        self._app, self._limit_at = app, limit_at

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http":
            return self._app(scope, receive, send)
        limit, headers = self._limit_at(scope["path"]), Headers(scope=scope)
        keyed = scope["path"].startswith("/v1/") and not scope["path"].startswith(SIGNED)
        if _has_body(headers) and keyed and "authorization" not in headers:
            # Routes look at the key only when they have the body, and anybody could make them take in large ones.
            return problem(401, NO_KEY, headers=CHALLENGE)(scope, receive, send)
        if _packed(headers):
            return _unwelcome()(scope, receive, send)
        declared = headers.get("content-length", "")
        # More digits than any length has would take long to be made a number of.
        if declared.isdecimal() and (len(declared) > 18 or int(declared) > limit):
            # Starlette's own limit answers in plain text where the length is declared, so such bodies never get there.
            return _refusal(limit)(scope, receive, send)
        return RequestBodyLimitMiddleware(self._app, max_body_size=limit)(scope, receive, send)
