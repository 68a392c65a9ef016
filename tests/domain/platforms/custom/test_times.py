"""Times: by type and size, in one form only, or counted from the start."""

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goalline.domain.platforms.custom.times import TurnTimeForm, moment
from tests.domain.platforms.bodies import ANY_JSON

START = datetime(2026, 10, 6, 14, 3, 11, tzinfo=UTC)
LATER = datetime(2026, 10, 6, 14, 3, 12, 173_000, tzinfo=UTC)
FORMS = get_args(TurnTimeForm)
SECONDS, MILLISECONDS = 1_791_295_392.173, 1_791_295_392_173


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("auto", SECONDS),
        ("auto", str(SECONDS)),
        ("auto", MILLISECONDS),
        ("auto", str(MILLISECONDS)),
        ("auto", "2026-10-06T14:03:12.173Z"),
        ("auto", "2026-10-06T16:03:12.173+02:00"),
        ("seconds", SECONDS),
        ("seconds", str(SECONDS)),
        ("milliseconds", MILLISECONDS),
        ("milliseconds", float(MILLISECONDS)),
        ("rfc3339", "2026-10-06T14:03:12.173Z"),
        ("seconds_from_start", 1.173),
        ("seconds_from_start", "1.173"),
        ("milliseconds_from_start", 1_173),
    ],
    ids=repr,
)
def test_a_time_is_read_in_its_form(form: TurnTimeForm, value: object) -> None:
    assert moment(value, form, START) == LATER


def test_numbers_are_told_apart_by_their_size_from_1973_to_5138() -> None:
    assert moment(99_999_999_999, "auto") == datetime(5138, 11, 16, 9, 46, 39, tzinfo=UTC)
    with pytest.raises(ValueError, match="between the years 2000 and 9000"):
        moment(100_000_000_000, "auto")
    assert moment(946_684_800, "auto") == moment(946_684_800_000, "auto") == datetime(2000, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", [None, ""])
def test_no_value_is_no_time(form: TurnTimeForm, value: object) -> None:
    assert moment(value, form, START) is None


def test_what_counts_from_a_start_that_is_not_known_has_no_time() -> None:
    assert moment(1.5, "seconds_from_start", None) is None


def test_what_counts_from_the_start_may_lie_before_it() -> None:
    assert moment(-1.5, "seconds_from_start", START) == START - timedelta(seconds=1.5)


@pytest.mark.parametrize(
    ("form", "value", "why"),
    [
        ("auto", 1.173, "between the years 2000 and 9000"),
        ("auto", "noon", "RFC 3339"),
        ("auto", "2026-10-06T14:03:12", "timezone"),
        ("auto", True, "RFC 3339"),
        ("auto", [], "RFC 3339"),
        ("seconds", "2026-10-06T14:03:12Z", "a number of seconds"),
        ("seconds", MILLISECONDS, "a calendar has"),
        ("seconds", float("nan"), "a calendar has"),
        ("milliseconds", "1e9", "a number of milliseconds"),
        ("milliseconds", SECONDS, "between the years 2000 and 9000"),
        ("milliseconds", 10**400, "a calendar has"),
        ("rfc3339", SECONDS, "RFC 3339"),
        ("rfc3339", str(int(SECONDS)), "RFC 3339"),
        ("seconds_from_start", "soon", "a number of seconds from start"),
        ("seconds_from_start", 1e300, "a calendar has"),
        ("seconds_from_start", float("inf"), "a calendar has"),
        ("milliseconds_from_start", -1e15, "a calendar has|between the years"),
    ],
)
def test_what_is_no_time_of_its_form_is_refused_with_what_is_asked_for(form: Any, value: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        moment(value, form, START)


@given(ANY_JSON, st.sampled_from(FORMS), st.none() | st.just(START))
def test_any_value_is_a_time_none_or_refused(value: Any, form: TurnTimeForm, start: datetime | None) -> None:
    try:
        found = moment(value, form, start)
    except ValueError:
        return
    assert found is None or found.tzinfo is UTC
