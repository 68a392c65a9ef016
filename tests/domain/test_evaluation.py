"""Evaluations: usage adds up, the delay grows and is bounded, every reason explains itself."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goalline.domain.evaluation import (
    Effort,
    JudgementFailed,
    JudgeUnavailable,
    Reason,
    Usage,
    release_delay,
    ring_again_delay,
)

TOKENS = st.none() | st.integers(0, 10**6)
USAGES = st.builds(Usage, st.integers(0, 9), TOKENS, TOKENS)
WAITED = st.timedeltas(timedelta(0), timedelta(days=2))


def test_the_delay_doubles_from_attempt_to_attempt_up_to_half_an_hour() -> None:
    waited, delays = timedelta(0), []
    for _ in range(9):
        delays.append(release_delay(waited).total_seconds())
        waited += release_delay(waited)
    assert delays == [15, 30, 60, 120, 240, 480, 960, 1_800, 1_800]


@given(WAITED, WAITED, st.none() | st.floats(0, 1e6))
def test_the_delay_never_shrinks_with_the_waiting(one: timedelta, two: timedelta, retry_after: float | None) -> None:
    assert release_delay(min(one, two), retry_after) <= release_delay(max(one, two), retry_after)


@given(WAITED, st.floats(0, 86_400))
def test_the_delay_is_never_less_than_the_provider_asked_for(waited: timedelta, retry_after: float) -> None:
    assert release_delay(waited, retry_after) == max(release_delay(waited), timedelta(seconds=retry_after))


@pytest.mark.parametrize("retry_after", [86_401.0, 1e12, float("inf")])
def test_of_what_the_provider_asks_for_at_most_a_day_is_believed(retry_after: float) -> None:
    assert release_delay(timedelta(0), retry_after) == timedelta(days=1)


@pytest.mark.parametrize("retry_after", [0.0, -5.0])
def test_a_provider_cannot_shorten_the_delay(retry_after: float) -> None:
    assert release_delay(timedelta(minutes=1), retry_after) == release_delay(timedelta(minutes=1))


def test_a_clock_that_runs_behind_does_not_shorten_the_delay() -> None:
    assert release_delay(timedelta(seconds=-9)) == timedelta(seconds=15)


@pytest.mark.parametrize(("overdue", "delay"), [(-5, 60), (0, 60), (60, 60), (90, 90), (599, 599), (10_000, 600)])
def test_the_longer_a_bell_goes_unanswered_the_less_often_it_rings(overdue: int, delay: int) -> None:
    assert ring_again_delay(timedelta(seconds=overdue)) == timedelta(seconds=delay)


def test_usage_adds_up_and_unknown_tokens_stay_unknown_until_one_call_reports_them() -> None:
    assert Usage(1, 10, None) + Usage(2, 5, None) == Usage(3, 15, None)
    assert Usage(1, None, 7) + Usage(1, 3, 1) == Usage(2, 3, 8)


@given(USAGES, USAGES, USAGES)
def test_usage_adds_up_in_any_order(one: Usage, two: Usage, three: Usage) -> None:
    assert one + two == two + one
    assert (one + two) + three == one + (two + three)
    assert one + Usage() == one


def test_every_reason_is_explained_in_its_own_words() -> None:
    explanations = [reason.explanation for reason in Reason]
    assert len(set(explanations)) == len(Reason)
    assert all(text.endswith(".") and text[0].isupper() for text in explanations)


def test_the_judges_exceptions_carry_the_reason_and_the_effort_and_no_other_text() -> None:
    effort = Effort("model", "digest", Usage(1, 2, 3), Decimal("0.1"))
    failed, unavailable = JudgementFailed(Reason.REFUSED, effort), JudgeUnavailable(effort, retry_after=3.0)
    assert (str(failed), failed.reason, failed.effort) == ("refused", Reason.REFUSED, effort)
    assert (str(unavailable), unavailable.effort, unavailable.retry_after) == ("unavailable", effort, 3.0)
