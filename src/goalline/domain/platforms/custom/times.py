"""Times as platforms write them."""

import math
import re
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from goalline.domain.platforms.platform import after
from goalline.domain.transcript import Time

TimeForm = Literal["auto", "seconds", "milliseconds", "rfc3339"]
"""How times are written; `auto` tells by their type, and numbers by their size."""

TurnTimeForm = Literal["auto", "seconds", "milliseconds", "rfc3339", "seconds_from_start", "milliseconds_from_start"]
"""The same for what happened during a conversation, of which some count from its start."""

_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")
_TIME: TypeAdapter[datetime] = TypeAdapter(Time)
# As milliseconds it lies in 1973, as seconds in 5138.
_LEAST_MILLISECONDS = 100_000_000_000


def moment(value: object, form: TurnTimeForm, started_at: datetime | None = None) -> datetime | None:
    """Return the time that a value says; None where it says none, or counts from a start that nobody knows.

    Raises:
        ValueError: it is no time of this form.
    """
    if value is None or value == "":
        return None
    number = _number(value)
    if form == "rfc3339" or (form == "auto" and number is None):
        return _plausible(value)
    if number is None:
        raise ValueError(f"must be a number of {form.replace('_', ' ')}")
    if form.startswith("milliseconds") or (form == "auto" and abs(number) >= _LEAST_MILLISECONDS):
        number /= 1_000
    if not form.endswith("_from_start"):
        return _plausible(_from_1970(number))
    return _plausible(after(started_at, number)) if started_at else None


def _number(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return math.inf
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else None


def _from_1970(seconds: float) -> Any:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def _plausible(value: Any) -> datetime:
    if value is None:
        raise ValueError("must be a time that a calendar has")
    try:
        return _TIME.validate_python(value)
    except ValidationError as error:
        raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
