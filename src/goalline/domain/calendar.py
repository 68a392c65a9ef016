"""Days and longer stretches of days as a project's time zone sees them."""

from collections.abc import Iterator, Mapping
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
