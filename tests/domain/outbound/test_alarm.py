"""The alarm of a rate: told once when it drops, and again only after it has recovered."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from goalline.domain.outbound.alarm import Alarm, watch
from goalline.domain.outbound.subscription import RateRule
from goalline.domain.rates import Counts

RULE = RateRule(threshold=0.6, conversations=10)


def window(achieved: int, of: int = 10) -> Counts:
    return Counts(achieved, 0, of - achieved)


def told(rule: RateRule, windows: list[Counts]) -> list[bool]:
    raised, found = False, []
    for each in windows:
        alarm = watch(rule, each, raised=raised)
        raised = alarm.raised
        found.append(alarm.news)
    return found


def test_a_rate_below_the_threshold_is_news() -> None:
    assert watch(RULE, window(5), raised=False) == Alarm(raised=True, news=True)


def test_a_rate_at_the_threshold_is_none() -> None:
    assert watch(RULE, window(6), raised=False) == Alarm(raised=False)


def test_what_was_told_is_not_told_again() -> None:
    assert watch(RULE, window(2), raised=True) == Alarm(raised=True)


def test_a_rate_that_is_back_at_the_threshold_has_not_recovered() -> None:
    assert watch(RULE, window(6), raised=True) == Alarm(raised=True)


def test_a_rate_at_the_recovery_can_drop_again() -> None:
    assert watch(RULE, window(7), raised=True) == Alarm(raised=False)
    assert told(RULE, [window(5), window(6), window(5), window(7), window(5)]) == [True, False, False, False, True]


@pytest.mark.parametrize("raised", [False, True])
def test_a_window_that_is_not_full_changes_nothing(raised: bool) -> None:
    assert watch(RULE, window(0, of=9), raised=raised) == Alarm(raised)
    assert watch(RULE, Counts(), raised=raised) == Alarm(raised)


def test_partial_counts_as_not_achieved_as_in_every_rate() -> None:
    assert watch(RULE, Counts(achieved=5, partial=5), raised=False).news


def test_recovery_is_a_twentieth_above_the_threshold_unless_said_otherwise() -> None:
    assert RULE.recovers_at == pytest.approx(0.65)
    assert RateRule(threshold=0.98).recovers_at == 1.0
    assert RateRule(threshold=0.6, recovery=0.6).recovers_at == 0.6


def test_a_recovery_below_the_threshold_is_refused() -> None:
    with pytest.raises(ValidationError, match="recovery must not be below threshold"):
        RateRule(threshold=0.6, recovery=0.5)


@given(
    st.floats(0.01, 1).flatmap(lambda low: st.tuples(st.just(low), st.floats(low, 1))),
    st.lists(st.integers(0, 10), max_size=60),
)
def test_between_two_alarms_the_rate_has_recovered(bounds: tuple[float, float], rates: list[int]) -> None:
    rule = RateRule(threshold=bounds[0], conversations=10, recovery=bounds[1])
    windows = [window(rate) for rate in rates]
    news = [place for place, is_news in enumerate(told(rule, windows)) if is_news]
    for place in news:
        assert (windows[place].rate or 0) < rule.threshold
    for earlier, later in pairwise(news):
        assert any((each.rate or 0) >= rule.recovers_at for each in windows[earlier:later])


@given(st.lists(st.integers(0, 10), min_size=1, max_size=60))
def test_whoever_was_never_told_has_never_been_below_the_threshold(rates: list[int]) -> None:
    windows = [window(rate) for rate in rates]
    assert any(told(RULE, windows)) == any((each.rate or 0) < RULE.threshold for each in windows)
