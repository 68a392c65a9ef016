"""Stretches of time in a query: days of the project, or times that are turned into them."""

from datetime import date, datetime
from typing import Annotated

from fastapi import Query as QueryParameter
from pydantic import BeforeValidator

from goalline.api.deps import Query
from goalline.domain.calendar import local_day
from goalline.domain.refusal import Invalid


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


class PeriodQuery(Query):
    """Which conversations a request is about, by their end; days are the project's local ones, both included."""

    from_: Annotated[Day | None, QueryParameter(alias="from")] = None
    to: Day | None = None

    def bounds(self, time_zone: str) -> tuple[date | None, date | None]:
        """Return the first and the last local day asked for.

        Raises:
            Invalid: they are the wrong way round.
        """
        first, last = _day_in(self.from_, time_zone), _day_in(self.to, time_zone)
        if first and last and first > last:
            raise Invalid("from must not be later than to", "from")
        return first, last


def _day_in(value: date | datetime | None, time_zone: str) -> date | None:
    return local_day(value, time_zone) if isinstance(value, datetime) else value
