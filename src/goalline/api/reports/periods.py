"""Stretches of time in a query: days of the project, or moments."""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import Annotated

from fastapi import Query as QueryParameter
from pydantic import BeforeValidator, WithJsonSchema

from goalline.api.deps import Query
from goalline.domain.calendar import DAY, TIME, Interval, day_or_time, day_start, local_day
from goalline.domain.refusal import Invalid
from goalline.domain.text import Line

_MOST_INTERVALS = 1_100
_SHORTEST = {Interval.DAY: 1, Interval.WEEK: 7, Interval.MONTH: 28}
"""The fewest days that an interval has."""


def _day_or_time(value: object) -> date | datetime:
    return day_or_time(value if isinstance(value, str) else "")


Day = Annotated[
    date | datetime,
    BeforeValidator(_day_or_time),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "format": form, "pattern": f"^[2-8][0-9]{{3}}{written.pattern[8:]}$"}
                for form, written in (("date", DAY), ("date-time", TIME))
            ]
        }
    ),
]
"""A local day of the project, or a time with zone."""


class PeriodQuery(Query):
    """Which conversations a request is about, by their end; days are the project's local ones, both included."""

    from_: Annotated[Day | None, QueryParameter(alias="from")] = None
    to: Day | None = None

    def days(self, time_zone: str) -> tuple[date | None, date | None]:
        """Return the first and the last local day asked for; a time stands for the day that it falls on.

        Raises:
            Invalid: they are the wrong way round.
        """
        first, last = _day_in(self.from_, time_zone), _day_in(self.to, time_zone)
        if first and last and first > last:
            raise _wrong_way_round()
        return first, last

    def moments(self, time_zone: str) -> tuple[datetime | None, datetime | None]:
        """Return the first moment asked for, and the one behind the last; a day is meant from its start to its end.

        Raises:
            Invalid: they are the wrong way round.
        """
        return moments(self.from_, self.to, time_zone)


class SeriesQuery(PeriodQuery):
    """What a report with a series is about; a time in `from` and `to` stands for the local day that it falls on."""

    agent: Line | None = None
    interval: Annotated[
        Interval | None, QueryParameter(description="Left out: days, or what is needed to keep the series short.")
    ] = None

    def cut(self, first: date | None, last: date | None, days: Collection[date]) -> tuple[Interval, date, date]:
        """Return how the series is cut, its first and its last day: those asked for, or those on which there is any.

        Raises:
            Invalid: the series would be too long.
        """
        # One call with a wrong date must not make the series of days endless, nor take the report away.
        first, last = first or min(days, default=None), last or max(days, default=None)
        if not (first and last):
            # What ends before it begins has no interval.
            return self.interval or Interval.DAY, date.max, date.min
        for interval, length in _SHORTEST.items():
            if self.interval in (None, interval) and (last - first).days <= _MOST_INTERVALS * length:
                return interval, first, last
        raise Invalid(
            f"this is more than {_MOST_INTERVALS:,} intervals; choose a longer one or a shorter time", "interval"
        )


def moments(
    start: date | datetime | None, end: date | datetime | None, time_zone: str, names: tuple[str, str] = ("from", "to")
) -> tuple[datetime | None, datetime | None]:
    """Return the first moment of a stretch of time, and the one behind its last; a day is meant whole.

    Raises:
        Invalid: they are the wrong way round; `names` are those of their parameters.
    """
    if start is not None and not isinstance(start, datetime):
        start = day_start(start, time_zone)
    if isinstance(end, datetime):
        # The moment itself is meant as well, and no time is stored more finely than this.
        end += datetime.resolution
    elif end is not None:
        end = day_start(end + timedelta(days=1), time_zone)
    if start and end and start >= end:
        raise _wrong_way_round(*names)
    return start, end


def _wrong_way_round(first: str = "from", last: str = "to") -> Invalid:
    return Invalid(f"{first} must not be later than {last}", first)


def _day_in(value: date | datetime | None, time_zone: str) -> date | None:
    return local_day(value, time_zone) if isinstance(value, datetime) else value
