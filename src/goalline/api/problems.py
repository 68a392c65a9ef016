"""Every refusal as `application/problem+json` (RFC 9457): what was wrong, where, and what to do."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.routing import Match, Mount

from goalline.domain.refusal import Conflict, Invalid, NotFound, Refusal
from goalline.domain.text import storable
from goalline.store.database import DatabaseUnavailable
from goalline.telemetry import log, place_of

_log = log(__name__)
_STATUS = {NotFound: 404, Conflict: 409, Invalid: 422}
_RETRY_AFTER_SECONDS = "5"
_MOST_ERRORS = 50
_MOST_NAMED = 5
_LONGEST_FIELD = 200
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


_LIST, _OBJECT, _TEXT = "must be a list", "must be a JSON object", "must be a string"
_NUMBER, _TRUTH = "must be a whole number", "must be true or false"
_MOMENT = "must be an RFC 3339 time with zone, such as 2026-11-21T09:30:00Z"
_SENTENCES = {
    "missing": "is missing",
    "extra_forbidden": "is not a known field; remove it or check its spelling",
    "list_type": _LIST,
    "tuple_type": _LIST,
    "set_type": _LIST,
    "dict_type": _OBJECT,
    "mapping_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "string_type": _TEXT,
    "string_unicode": "must not contain lone surrogates; remove them",
    "string_too_short": "must have at least {min_length:,} characters",
    "string_too_long": "must have at most {max_length:,} characters",
    "too_long": "must have at most {max_length:,} items",
    "bool_type": _TRUTH,
    "bool_parsing": _TRUTH,
    "int_type": _NUMBER,
    "int_parsing": _NUMBER,
    "int_from_float": _NUMBER,
    "int_parsing_size": "must be a smaller number",
    "greater_than_equal": "must be at least {ge:,}",
    "less_than_equal": "must be at most {le:,}",
    "enum": "must be one of {expected}",
    "literal_error": "must be one of {expected}",
    "uuid_type": "must be a UUID",
    "uuid_parsing": "must be a UUID",
    "datetime_type": _MOMENT,
    "datetime_parsing": _MOMENT,
    "datetime_from_date_parsing": _MOMENT,
    "timezone_aware": _MOMENT,
}
"""What is wrong, by Pydantic's name for it, as people who write JSON say it; the rest keeps Pydantic's words."""


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


_, _schema = models_json_schema([(Problem, "serialization")], ref_template="#/components/schemas/{model}")
SCHEMAS: dict[str, Any] = _schema["$defs"]
"""What a problem looks like, for the OpenAPI document that `documented` refers to."""


class TooLarge(Exception):
    """A transcript is over the limit; the message says which limit."""


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
    return problem(413, str(error), [FieldProblem(field="transcript", detail=str(error))])


def _invalid(_request: Request, error: Exception) -> JSONResponse:
    faults = cast(RequestValidationError, error).errors()
    if faults[0]["type"] == "json_invalid":
        return _unreadable(f"it is no valid JSON from character {faults[0]['loc'][-1]} on")
    # Only where and what: the value that was sent may be a transcript, and answers end up in logs.
    # A body can hold any number of faults, and a field can have any name: both are cut short.
    errors = [FieldProblem(field=_field(item["loc"]), detail=_sentence(item)) for item in faults[:_MOST_ERRORS]]
    more = f"; and {len(faults) - 1:,} more; see errors" if len(faults) > 1 else ""
    return problem(422, f"the request is not valid: {errors[0].field}: {errors[0].detail}{more}", errors)


def summary(faults: Sequence[Any]) -> str:
    """Say in one line what is wrong with a part of a request, by the faults that Pydantic found."""
    # Like a body of its own, so that its fields are named and nothing before them.
    named = [(_field(("body", *item["loc"])) if item["loc"] else "", _sentence(item)) for item in faults[:_MOST_NAMED]]
    more = f"; and {len(faults) - _MOST_NAMED:,} more" if len(faults) > _MOST_NAMED else ""
    return "; ".join(f"{field}: {sentence}" if field else sentence for field, sentence in named) + more


def _unreadable(reason: str) -> JSONResponse:
    return problem(400, f"the body cannot be read: {reason}", [FieldProblem(field="body", detail=reason)])


def _http(request: Request, error: Exception) -> JSONResponse:
    error = cast(HTTPException, error)
    headers = dict(error.headers or {})
    match error.status_code:
        case 400:
            return _unreadable("it is not UTF-8, nested too deeply, or holds a number that is too long")
        case 404:
            return problem(404, "there is nothing at this address; /docs lists what there is", headers=headers)
        case 405:
            headers["Allow"] = _allowed(request) or headers.get("Allow", "")
            return problem(405, f"this address takes {headers['Allow']} only; /docs tells more", headers=headers)
        case status:
            return problem(status, error.detail, headers=headers)


def _allowed(request: Request) -> str:
    # The router names the methods of one route only, and an address often has several.
    return ", ".join(
        method
        for method in _METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
            if not isinstance(route, Mount)
        )
    )


def _database_unavailable(_request: Request, error: Exception) -> JSONResponse:
    _log.error("database_unavailable", cause=str(error))
    return problem(
        503,
        "the database cannot be reached or cannot write; nothing was stored, send the request again",
        headers={"Retry-After": _RETRY_AFTER_SECONDS},
    )


def _broken(request: Request, error: Exception) -> JSONResponse:
    # The route's own path: the one that was asked for may hold ids.
    route = getattr(request.scope.get("route"), "path", None)
    _log.error("request_failed", method=request.method, route=route, error=place_of(error))
    return problem(500, "Goalline met an error of its own; its log tells where it happened")


def _field(location: tuple[int | str, ...]) -> str:
    name = str(location[1] if len(location) > 1 else location[0])
    for part in location[2:]:
        name += f"[{part}]" if isinstance(part, int) else f".{part}"
    return storable(name)[:_LONGEST_FIELD]


def _sentence(item: dict[str, Any]) -> str:
    if item["loc"] == ("body",) and item["type"] in ("missing", "model_attributes_type"):
        return "must be a JSON object, sent with Content-Type: application/json"
    context = item.get("ctx", {})
    if item["type"] == "string_too_short" and context["min_length"] == 1:
        return "must not be empty"
    sentence = _SENTENCES.get(item["type"])
    message: str = sentence.format(**context) if sentence else item["msg"].removeprefix("Value error, ")
    return message
