"""The pages, rendered on the server: the dashboard, a conversation, sign-in. No script runs on any of them.

The API's reference at /docs is the exception.
"""

import json
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from goalline.api.pages import conversation, dashboard, sign_in
from goalline.api.pages.attempts import Attempts
from goalline.api.pages.frame import is_page, reference, render, static_files
from goalline.api.problems import TooLarge
from goalline.domain.refusal import Refusal
from goalline.store.database import DatabaseUnavailable

__all__ = ["install"]

_GENERATED = ("content-length", "content-type")

Answer = Callable[[Request, Exception], Response]


def install(app: FastAPI) -> None:
    """Add the pages to an application whose errors are problem+json already; on pages they become pages as well."""
    app.add_exception_handler(sign_in.SignInNeeded, sign_in.to_sign_in)
    for kind in (Refusal, TooLarge, RequestValidationError, HTTPException, DatabaseUnavailable, Exception):
        app.add_exception_handler(kind, _also_as_page(app.exception_handlers[kind]))
    for part in (dashboard, conversation, sign_in):
        app.include_router(part.router)
    app.add_api_route("/docs", reference, include_in_schema=False)
    app.mount("/static", static_files)
    app.state.attempts = Attempts(app.state.services.settings.wrong_sign_ins_per_minute)


def _also_as_page(answer: Any) -> Answer:
    def answered(request: Request, error: Exception) -> Response:
        response: Response = answer(request, error)
        if not is_page(request) or response.media_type != "application/problem+json":
            return response
        problem = json.loads(bytes(response.body))
        headers = {name: value for name, value in response.headers.items() if name not in _GENERATED}
        return render("problem.html", status=response.status_code, headers=headers, problem=problem)

    return answered
