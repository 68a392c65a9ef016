"""Durations: hours, minutes and seconds, there and back."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from goalline.domain.duration import Duration, written
from tests.domain.steps import DURATIONS

DURATION: TypeAdapter[timedelta] = TypeAdapter(Duration)


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [("00:00:00", 0), ("00:03:00", 180), ("02:45:00", 9_900), ("9999:59:59", 35_999_999), ("0002:00:01", 7_201)],
)
def test_a_duration_is_hours_minutes_and_seconds(sent: str, seconds: int) -> None:
    assert DURATION.validate_python(sent) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "sent",
    [
        *("", "2:45:00", "02:45", "02:60:00", "02:00:60", "99999:00:00", "-02:00:00", "02:00:00.5", " 02:00:00", "2h"),
        *("PT2H", "02:00:00\n", "٠٢:٠٠:٠٠", 180, 180.0, None, True, [2, 45, 0]),
        *(timedelta(seconds=-1), timedelta(microseconds=1), timedelta(hours=10_000)),
    ],
    ids=repr,
)
def test_what_is_no_duration_is_refused_with_the_way_to_send_it(sent: Any) -> None:
    with pytest.raises(ValidationError, match=r'HH:MM:SS, such as "02:45:00"'):
        DURATION.validate_python(sent)


@given(st.integers(0, 35_999_999))
def test_a_duration_survives_json_to_the_second(seconds: int) -> None:
    duration = timedelta(seconds=seconds)
    assert DURATION.validate_json(DURATION.dump_json(duration)) == DURATION.validate_python(duration) == duration


@given(DURATIONS)
def test_a_duration_is_written_as_it_was_sent(sent: str) -> None:
    assert written(DURATION.validate_python(sent)) == sent


def test_a_sum_of_durations_may_have_more_hours_than_one() -> None:
    assert written(timedelta(hours=123_456, seconds=7)) == "123456:00:07"
