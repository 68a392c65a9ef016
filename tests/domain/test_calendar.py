"""Days, weeks and months of a project's time zone."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from goalline.domain.calendar import Interval, TimeZone, day_start, interval_start, interval_starts, local_day

ZONE: TypeAdapter[str] = TypeAdapter(TimeZone)
DATES = st.dates(date(2000, 1, 1), date(2100, 1, 1))
INTERVALS = st.sampled_from(Interval)


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Argentina/Buenos_Aires"])
def test_a_known_time_zone_is_accepted(name: str) -> None:
    assert ZONE.validate_python(name) == name


@pytest.mark.parametrize(
    "name", ["", "Mars/Base", "Europe", "+01:00", "../../etc/passwd", "/etc/localtime", "a\x00b", "\ud800", "x" * 5000]
)
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="is no IANA time zone"):
        ZONE.validate_python(name)


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("UTC", date(2026, 11, 20)),
        ("Europe/Berlin", date(2026, 11, 21)),
        ("Asia/Kathmandu", date(2026, 11, 21)),
        ("America/Los_Angeles", date(2026, 11, 20)),
    ],
)
def test_the_day_of_a_time_is_the_one_on_the_wall_calendar_there(zone: str, day: date) -> None:
    assert local_day(datetime(2026, 11, 20, 23, 30, tzinfo=UTC), zone) == day


def test_the_day_starts_an_hour_of_utc_earlier_in_summer() -> None:
    assert local_day(datetime(2026, 7, 1, 22, 0, tzinfo=UTC), "Europe/Berlin") == date(2026, 7, 2)
    assert local_day(datetime(2026, 12, 1, 22, 0, tzinfo=UTC), "Europe/Berlin") == date(2026, 12, 1)


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)])
def test_a_day_of_a_clock_change_has_23_or_25_hours(day: date, hours: int) -> None:
    first = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=12)
    all_hours = (first + timedelta(hours=number) for number in range(60))
    assert sum(local_day(at, "Europe/Berlin") == day for at in all_hours) == hours


@pytest.mark.parametrize(
    ("zone", "day", "start"),
    [
        ("UTC", date(2026, 11, 21), datetime(2026, 11, 21, tzinfo=UTC)),
        ("Europe/Berlin", date(2026, 3, 29), datetime(2026, 3, 28, 23, tzinfo=UTC)),
        ("Europe/Berlin", date(2026, 3, 30), datetime(2026, 3, 29, 22, tzinfo=UTC)),
        ("Europe/Berlin", date(2026, 10, 26), datetime(2026, 10, 25, 23, tzinfo=UTC)),
        # No midnight: the clocks went from 24:00 to 1:00.
        ("America/Sao_Paulo", date(2018, 11, 4), datetime(2018, 11, 4, 3, tzinfo=UTC)),
        # Two midnights: the clocks went from 1:00 to 0:00.
        ("America/Havana", date(2026, 11, 1), datetime(2026, 11, 1, 4, tzinfo=UTC)),
        # A day that never was: Samoa went to the other side of the date line.
        ("Pacific/Apia", date(2011, 12, 30), datetime(2011, 12, 30, 10, tzinfo=UTC)),
        ("Pacific/Apia", date(2011, 12, 31), datetime(2011, 12, 30, 10, tzinfo=UTC)),
    ],
)
def test_a_day_starts_at_its_first_moment_there(zone: str, day: date, start: datetime) -> None:
    assert day_start(day, zone) == start


@given(DATES, st.sampled_from(["Europe/Berlin", "America/Sao_Paulo", "Africa/Cairo", "Asia/Beirut", "Pacific/Apia"]))
def test_where_a_day_starts_the_calendar_turns_over(day: date, zone: str) -> None:
    start = day_start(day, zone)
    assert local_day(start, zone) >= day > local_day(start - datetime.resolution, zone)


@given(st.integers(0, 10**9), st.sampled_from(["UTC", "Asia/Tokyo", "America/New_York"]))
def test_the_same_moment_has_one_day_however_it_is_written(seconds: int, zone: str) -> None:
    at = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    assert local_day(at, zone) == local_day(at.astimezone(ZoneInfo("Pacific/Apia")), zone)


def test_a_week_starts_on_monday_and_a_month_on_its_first() -> None:
    sunday = date(2026, 11, 1)
    assert interval_start(sunday, Interval.DAY) == sunday
    assert interval_start(sunday, Interval.WEEK) == date(2026, 10, 26)
    assert interval_start(sunday + timedelta(days=1), Interval.WEEK) == date(2026, 11, 2)
    assert interval_start(date(2026, 11, 30), Interval.MONTH) == sunday


def test_months_follow_each_other_whatever_their_length() -> None:
    starts = list(interval_starts(date(2027, 11, 30), date(2028, 4, 1), Interval.MONTH))
    assert starts == [date(2027, 11, 1), date(2027, 12, 1), *(date(2028, month, 1) for month in (1, 2, 3, 4))]


@given(DATES, st.integers(0, 800), INTERVALS)
def test_intervals_cover_every_day_once(first: date, days: int, interval: Interval) -> None:
    last = first + timedelta(days=days)
    starts = list(interval_starts(first, last, interval))
    assert starts == sorted({interval_start(first + timedelta(days=number), interval) for number in range(days + 1)})
    for start, following in pairwise(starts):
        assert interval_start(following - timedelta(days=1), interval) == start


@given(DATES, INTERVALS)
def test_a_series_that_ends_before_it_starts_has_no_interval_or_the_one_that_holds_both(
    day: date, interval: Interval
) -> None:
    starts = list(interval_starts(day, day - timedelta(days=1), interval))
    assert starts in ([], [interval_start(day - timedelta(days=1), interval)])
