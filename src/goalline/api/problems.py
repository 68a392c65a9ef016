"""Every refusal as `application/problem+json` (RFC 9457): what was wrong, where, and what to do."""

from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from goalline.domain.refusal import Conflict, Invalid, NotFound, Refusal
from goalline.store.database import DatabaseUnavailable
from goalline.telemetry import log

_log = log(__name__)
_STATUS = {NotFound: 404, Conflict: 409, Invalid: 422}
_RETRY_AFTER_SECONDS = "5"


class FieldProblem(BaseModel):
    """One thing that is wrong in a request."""

    field: str
    detail: str


class Problem(BaseModel):
    """What went wrong, in the form of RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] = []


class TooLarge(Exception):
    """A transcript or a body is over the limit; the message says which limit."""


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the entries that tell OpenAPI which refusals a route answers with."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def problem(
    status: int, detail: str, errors: list[FieldProblem] | None = None, headers: dict[str, str] | None = None
) -> JSONResponse:
    """Return a response that tells of a problem."""
    body = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, errors=errors or [])
    return JSONResponse(body.model_dump(), status, headers, media_type="application/problem+json")


def install(app: FastAPI) -> None:
    """Make an application answer all its errors in this form."""
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(TooLarge, _too_large)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(DatabaseUnavailable, _database_unavailable)
    app.add_exception_handler(Exception, _broken)


def _refused(_request: Request, error: Exception) -> JSONResponse:
    error = cast(Refusal, error)
    errors = [FieldProblem(field=error.field, detail=error.detail)] if error.field else []
    return problem(_STATUS[type(error)], error.detail, errors)


def _too_large(_request: Request, error: Exception) -> JSONResponse:
    return problem(413, str(error))


def _invalid(_request: Request, error: Exception) -> JSONResponse:
    faults = cast(RequestValidationError, error).errors()
    # Only where and what: the value that was sent may be a transcript, and answers end up in logs.
    errors = [FieldProblem(field=_field(item["loc"]), detail=_sentence(item)) for item in faults]
    if any(item["type"] == "json_invalid" for item in faults):
        return problem(400, "the body is not valid JSON", errors)
    return problem(422, f"the request is not valid: {errors[0].field}: {errors[0].detail}", errors)


def _http(_request: Request, error: Exception) -> JSONResponse:
    error = cast(HTTPException, error)
    detail = error.detail if error.detail != HTTPStatus(error.status_code).phrase else _ADVICE.get(error.status_code)
    return problem(error.status_code, detail or error.detail, headers=dict(error.headers or {}))


_ADVICE = {
    404: "there is nothing at this address; /docs lists what there is",
    405: "this address does not take this method; /docs lists those it takes",
    400: "the body could not be read as JSON",
}


def _database_unavailable(_request: Request, error: Exception) -> JSONResponse:
    _log.error("database_unavailable", cause=str(error))
    return problem(
        503,
        "the database cannot be reached or cannot write; nothing was stored, send the request again",
        headers={"Retry-After": _RETRY_AFTER_SECONDS},
    )


def _broken(request: Request, error: Exception) -> JSONResponse:
    _log.error("request_failed", path=request.scope.get("route_path", ""), error=type(error).__name__)
    return problem(500, "Goalline met an error of its own; nothing was stored, and its log tells where it happened")


def _field(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location[1:]) or str(location[0])


def _sentence(item: dict[str, Any]) -> str:
    if item["type"] == "extra_forbidden":
        return "there is no such field; remove it or check its spelling"
    if item["type"] == "model_attributes_type":
        return "must be a JSON object, sent with Content-Type: application/json"
    message: str = item["msg"].removeprefix("Value error, ")
    return message
