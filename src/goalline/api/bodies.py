"""The limit on request bodies: what says that it is larger is refused unread, the rest as soon as it turns out."""

from collections.abc import Awaitable
from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from goalline.api.problems import FieldProblem, problem


def install(app: FastAPI, limit: int) -> None:
    """Refuse bodies of more than `limit` bytes with a problem that names the limit."""

    def too_large(*_: object) -> JSONResponse:
        detail = f"the body is too large; the limit is {limit:,} bytes"
        return problem(413, detail, [FieldProblem(field="body", detail=detail)])

    app.add_exception_handler(413, too_large)
    # Starlette's own limit answers in plain text where the length is declared, so such bodies never get there.
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=limit)
    app.add_middleware(_DeclaredLength, limit=limit, refusal=too_large())


@dataclass(frozen=True, slots=True)
class _DeclaredLength:
    app: ASGIApp
    limit: int
    refusal: JSONResponse

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        declared = Headers(scope=scope).get("content-length", "") if scope["type"] == "http" else ""
        # More digits than any length has would take long to be made a number of.
        too_large = declared.isdecimal() and (len(declared) > 18 or int(declared) > self.limit)
        return (self.refusal if too_large else self.app)(scope, receive, send)
