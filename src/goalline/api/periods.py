"""Stretches of time in a query: days of the project, or times that are turned into them."""

from datetime import date, datetime
from typing import Annotated

from pydantic import BeforeValidator

from goalline.domain.calendar import local_day


def _day_or_time(value: object) -> object:
    if isinstance(value, str):
        try:
            day = date.fromisoformat(value)
        except ValueError:
            pass
        else:
            return _plausible(day)
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            at = None
        if at is not None and at.tzinfo is not None:
            _plausible(at.date())
            return at
    raise ValueError("must be a day such as 2026-11-21, or an RFC 3339 time with zone")


def _plausible(day: date) -> date:
    if not 2000 <= day.year < 9000:
        raise ValueError("must lie between the years 2000 and 9000")
    return day


Day = Annotated[date | datetime, BeforeValidator(_day_or_time)]
"""A local day of the project, or a time with zone that falls on one."""


def day_in(value: date | datetime | None, time_zone: str) -> date | None:
    """Return the project's local day that a query names."""
    return local_day(value, time_zone) if isinstance(value, datetime) else value
