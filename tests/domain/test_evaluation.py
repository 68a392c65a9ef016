"""Evaluations: usage adds up, the delay grows and is bounded, every reason explains itself."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goalline.domain.evaluation import Effort, JudgementFailed, JudgeUnavailable, Reason, Usage, release_delay

TOKENS = st.none() | st.integers(0, 10**6)
USAGES = st.builds(Usage, st.integers(0, 9), TOKENS, TOKENS)
ATTEMPTS = st.integers(1, 10_000)


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(1, 15), (2, 30), (3, 60), (4, 120), (7, 960), (8, 1_800), (9, 1_800), (5_000, 1_800)]
)
def test_the_delay_doubles_up_to_half_an_hour(attempts: int, seconds: int) -> None:
    assert release_delay(attempts) == timedelta(seconds=seconds)


@given(ATTEMPTS, st.none() | st.floats(0, 1e6))
def test_the_delay_never_shrinks_with_the_attempts(attempts: int, retry_after: float | None) -> None:
    assert release_delay(attempts, retry_after) <= release_delay(attempts + 1, retry_after)


@given(ATTEMPTS, st.floats(0, 86_400))
def test_the_delay_is_never_less_than_the_provider_asked_for(attempts: int, retry_after: float) -> None:
    assert release_delay(attempts, retry_after) == max(release_delay(attempts), timedelta(seconds=retry_after))


@pytest.mark.parametrize("retry_after", [86_401.0, 1e12, float("inf")])
def test_of_what_the_provider_asks_for_at_most_a_day_is_believed(retry_after: float) -> None:
    assert release_delay(1, retry_after) == timedelta(days=1)


@pytest.mark.parametrize("retry_after", [0.0, -5.0])
def test_a_provider_cannot_shorten_the_delay(retry_after: float) -> None:
    assert release_delay(3, retry_after) == release_delay(3)


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
