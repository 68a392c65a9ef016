"""Days and longer stretches of days as a project's time zone sees them."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Protocol, Self, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator


class _Addable(Protocol):
    def __add__(self, other: Self, /) -> Self: ...


T = TypeVar("T", bound=_Addable)


class Interval(StrEnum):
    """How a series is cut: by day, by week (from Monday), or by month."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no IANA time zone; write one such as Europe/Berlin") from error
    return name


TimeZone = Annotated[str, AfterValidator(_known_zone)]
"""The name of an IANA time zone."""

DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
TIME = re.compile(DAY.pattern + r"[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})")
_FIRST_YEAR, _LAST_YEAR = 2000, 8999


def day_or_time(text: str) -> date | datetime:
    """Return the day that a text names, or the time with zone (a datetime is a date too).

    Raises:
        ValueError: it names neither, or lies far outside of what can be meant.
    """
    found = _read(text)
    if found is None:
        raise ValueError("must be a day such as 2026-11-21, or an RFC 3339 time such as 2026-11-21T09:30:00Z")
    if not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        raise ValueError(f"must lie between the years {_FIRST_YEAR} and {_LAST_YEAR + 1}")
    return found


def _read(text: str) -> date | datetime | None:
    # Python reads more than these two forms, such as weeks, and not all its versions read the same.
    with suppress(ValueError):
        if DAY.fullmatch(text):
            return date.fromisoformat(text)
        if TIME.fullmatch(text):
            return datetime.fromisoformat(text.upper())
    return None


def local_day(at: datetime, time_zone: str) -> date:
    """Return the calendar day of an aware time in a time zone."""
    return at.astimezone(ZoneInfo(time_zone)).date()


def day_start(day: date, time_zone: str) -> datetime:
    """Return the moment at which a calendar day begins in a time zone, in UTC.

    A day without a midnight, as the clocks go forward just then, begins at its first moment; a day that the calendar
    leaves out begins where the next one does. Where clocks went back across midnight (in Newfoundland until 2011),
    the hour that the earlier day had twice lies behind this moment for the second time.
    """
    return datetime.combine(day, time.min, ZoneInfo(time_zone)).astimezone(UTC)


def interval_start(day: date, interval: Interval) -> date:
    """Return the first day of the interval that `day` lies in."""
    match interval:
        case Interval.DAY:
            return day
        case Interval.WEEK:
            return day - timedelta(days=day.weekday())
        case Interval.MONTH:
            return day.replace(day=1)


def interval_starts(first: date, last: date, interval: Interval) -> Iterator[date]:
    """Yield the start of every interval from the one of `first` to the one of `last`."""
    start = interval_start(first, interval)
    while start <= last:
        yield start
        # 32 days on from a first of the month lies in the next month, whatever its length.
        start = interval_start(start + timedelta(days={"day": 1, "week": 7, "month": 32}[interval]), interval)


def summed(days: Mapping[date, T], interval: Interval, first: date, last: date, nothing: T) -> list[tuple[date, T]]:
    """Sum what there is of each day by interval, from the one of `first` to the one of `last`, empty ones included.

    Args:
        days: what there is of each day, all of them between `first` and `last`.
        interval: what to sum by.
        first: a day of the first interval.
        last: a day of the last interval.
        nothing: what an empty interval has.
    """
    sums = dict.fromkeys(interval_starts(first, last, interval), nothing)
    for day, value in days.items():
        sums[interval_start(day, interval)] += value
    return list(sums.items())
