"""Rates: counts, Wilson's interval against published values, agreement against hand-computed ones."""

import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goalline.domain.rates import Agreement, Counts, coverage, wilson
from goalline.domain.verdict import Outcome

A, P, N = Outcome.ACHIEVED, Outcome.PARTIAL, Outcome.NOT_ACHIEVED
NUMBERS = st.integers(0, 10_000)
COUNTS = st.builds(Counts, NUMBERS, NUMBERS, NUMBERS)


@st.composite
def proportions(draw: st.DrawFn, most: int = 100_000) -> tuple[int, int]:
    trials = draw(st.integers(1, most))
    return draw(st.integers(0, trials)), trials


# The values are those of R. G. Newcombe, "Two-sided confidence intervals for the single proportion: comparison of
# seven methods", Statistics in Medicine 17 (1998), 857-872, table I, method 3.
@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_the_published_one(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)


@given(proportions())
def test_the_interval_is_where_the_rate_is_1_96_standard_errors_away(proportion: tuple[int, int]) -> None:
    successes, trials = proportion
    for bound in wilson(successes, trials) or ():
        distance = abs(bound - successes / trials)
        assert distance == pytest.approx(1.959964 * math.sqrt(bound * (1 - bound) / trials), abs=1e-6)


@given(proportions())
def test_the_interval_contains_the_rate_and_stays_between_0_and_1(proportion: tuple[int, int]) -> None:
    low, high = wilson(*proportion) or (math.nan, math.nan)
    assert 0 <= low <= proportion[0] / proportion[1] <= high <= 1
    assert low < high


@given(proportions(most=1_000), st.integers(2, 50))
def test_the_interval_narrows_as_the_trials_grow(proportion: tuple[int, int], times: int) -> None:
    def width(successes: int, trials: int) -> float:
        low, high = wilson(successes, trials) or (math.nan, math.nan)
        return high - low

    successes, trials = proportion
    assert width(successes * times, trials * times) < width(successes, trials)


def test_a_certain_rate_has_an_exact_bound() -> None:
    assert (wilson(0, 7) or (None,))[0] == 0.0
    assert (wilson(7, 7) or (None,))[-1] == 1.0


def test_nothing_evaluated_has_no_rate_and_no_interval() -> None:
    assert Counts().rate is None
    assert Counts().interval is None
    assert wilson(0, 0) is None
    assert coverage(0, 0) is None


def test_partial_and_not_achieved_both_count_against_the_rate() -> None:
    counts = Counts(achieved=2, partial=1, not_achieved=1)
    assert counts.rate == 0.5
    assert counts.evaluated == 4
    assert counts.interval == wilson(2, 4)
    assert coverage(4, 5) == 0.8


@given(COUNTS, COUNTS, COUNTS)
def test_counts_add_up_and_take_off_like_numbers(one: Counts, two: Counts, three: Counts) -> None:
    assert one + two == two + one
    assert (one + two) + three == one + (two + three)
    assert one + two + -two == one


@pytest.mark.parametrize("outcome", Outcome)
def test_one_verdict_is_counted_under_its_own_outcome(outcome: Outcome) -> None:
    assert {o: getattr(Counts.of(outcome), o.value) for o in Outcome} == {o: int(o is outcome) for o in Outcome}


def pairs(*rows: tuple[int, int, int]) -> Iterator[tuple[Outcome, Outcome]]:
    for first, row in zip(Outcome, rows, strict=True):
        for second, number in zip(Outcome, row, strict=True):
            yield from [(first, second)] * number


def test_kappa_of_three_outcomes_is_the_one_computed_by_hand() -> None:
    agreement = Agreement.between(pairs((4, 1, 0), (1, 3, 1), (0, 0, 2)))
    # Alike 9 of 12; by chance (5*5 + 5*4 + 2*3) / 144 = 51/144; so (108 - 51) / (144 - 51).
    assert agreement.total == 12
    assert agreement.accuracy == pytest.approx(9 / 12)
    assert agreement.kappa == pytest.approx(57 / 93)
    assert agreement.matrix[A] == {A: 4, P: 1, N: 0}
    assert agreement.matrix[P][N] == 1


@pytest.mark.parametrize(
    ("rows", "kappa"),
    [
        (((20, 5, 0), (10, 15, 0), (0, 0, 0)), 0.4),
        (((25, 0, 25), (0, 0, 0), (25, 0, 25)), 0.0),
        (((3, 0, 0), (0, 2, 0), (0, 0, 1)), 1.0),
        (((0, 5, 0), (5, 0, 0), (0, 0, 0)), -1.0),
    ],
    ids=["textbook", "by chance", "perfect", "opposed"],
)
def test_kappa_is_0_by_chance_1_in_agreement_and_negative_in_opposition(
    rows: tuple[tuple[int, int, int], ...], kappa: float
) -> None:
    assert Agreement.between(pairs(*rows)).kappa == pytest.approx(kappa)


def test_kappa_is_undefined_without_cases_or_without_variation() -> None:
    assert Agreement.between([]).kappa is None
    assert Agreement.between([]).accuracy is None
    always_alike = Agreement.between([(P, P)] * 7)
    assert always_alike.accuracy == 1.0
    assert always_alike.kappa is None


@given(st.lists(st.tuples(st.sampled_from(Outcome), st.sampled_from(Outcome)), max_size=30))
def test_kappa_does_not_ask_which_rater_came_first(rated: list[tuple[Outcome, Outcome]]) -> None:
    kappa = Agreement.between(rated).kappa
    assert kappa is None or -1 <= kappa <= 1 + 1e-12
    assert Agreement.between((second, first) for first, second in rated).kappa == pytest.approx(kappa)
