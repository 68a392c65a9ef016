"""Durations as people write them: hours, minutes and seconds."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_WRITTEN = re.compile(r"([0-9]{2,4}):([0-5][0-9]):([0-5][0-9])")
_SECOND = timedelta(seconds=1)


def written(duration: timedelta) -> str:
    """Return a duration that is not negative as HH:MM:SS, the hours with as many digits as they need, at least two."""
    minutes, seconds = divmod(duration // _SECOND, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"


def _read(value: object) -> timedelta:
    text = written(value) if isinstance(value, timedelta) and not value % _SECOND else value
    found = _WRITTEN.fullmatch(text) if isinstance(text, str) else None
    if not found:
        raise ValueError('send the duration as a string HH:MM:SS, such as "02:45:00"; hours have 2 to 4 digits')
    hours, minutes, seconds = map(int, found.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


Duration = Annotated[
    timedelta,
    BeforeValidator(_read),
    PlainSerializer(written, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": f"^{_WRITTEN.pattern}$", "examples": ["02:45:00"]}),
]
"""Whole seconds, written as HH:MM:SS with 2 to 4 digits for the hours."""
