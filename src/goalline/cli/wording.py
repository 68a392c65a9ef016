"""What is wrong with a value, in plain words instead of the library's."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

_PLAIN = {
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "bool_parsing": "must be true or false",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "string_type": "must be a text",
    "string_too_long": "must have at most {max_length} characters",
    "missing": "is missing",
    "model_type": "must be an object",
    "list_type": "must be a list",
}
_EMPTY = "must not be empty"


def plain(error: Mapping[str, Any]) -> str:
    """Return what is wrong, from one of the `errors()`; a value that is no secret may be repeated in it."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in ("string_too_short", "too_short") and context.get("min_length") == 1:
        return _EMPTY
    if kind in _PLAIN:
        return _PLAIN[kind].format(**context)
    return str(error["msg"]).removeprefix("Value error, ")


def first_fault(error: ValidationError) -> str:
    """Return what is wrong first."""
    return plain(error.errors(include_url=False, include_input=False)[0])
