"""Agreement of verdicts with cycles: which say the same, how often, and how sure that is."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goalline.domain.agreement import OUTCOME_OF, Comparison, kappa_error
from goalline.domain.cycle import CycleState
from goalline.domain.rates import Agreement, wilson
from goalline.domain.verdict import Outcome

A, P, N = Outcome
STATES = (CycleState.COMPLETED, CycleState.PARTIAL, CycleState.INCOMPLETE)
ROWS = st.tuples(*[st.tuples(*[st.integers(0, 20)] * 3)] * 3)
Rows = tuple[tuple[int, ...], ...]

SKIN = ((10, 4, 1, 0), (5, 10, 12, 2), (2, 4, 12, 5), (0, 2, 6, 13))
"""Two dermatologists on 88 patients: the worked example of the FREQ procedure in the user's guide of SAS/STAT."""


def comparison(rows: Rows) -> Comparison:
    """Return a comparison of outcomes (rows: achieved, partial, not achieved) with states (completed to incomplete)."""
    return Comparison(
        {
            (outcome, state): number
            for outcome, row in zip(Outcome, rows, strict=True)
            for state, number in zip(STATES, row, strict=True)
        }
    )


def kappa(rows: Rows) -> float:
    """Return Cohen's kappa by the definition."""
    total = sum(map(sum, rows))
    observed = sum(rows[a][a] for a in range(len(rows))) / total
    expected = sum(sum(rows[a]) * sum(row[a] for row in rows) for a in range(len(rows))) / total**2
    return (observed - expected) / (1 - expected)


def test_achieved_agrees_with_completed_partial_with_partial_and_not_achieved_with_incomplete() -> None:
    assert OUTCOME_OF == {CycleState.COMPLETED: A, CycleState.PARTIAL: P, CycleState.INCOMPLETE: N}


def test_the_agreement_rate_is_the_share_of_those_on_the_diagonal() -> None:
    found = comparison(((5, 1, 0), (1, 3, 1), (0, 0, 1)))
    assert (found.compared, found.agreeing, found.rate) == (12, 9, 0.75)
    assert found.interval == wilson(9, 12)


def test_without_a_cycle_or_without_a_verdict_nothing_is_compared() -> None:
    rows = ((5, 1, 0), (1, 3, 1), (0, 0, 1))
    alone = comparison(rows)
    more = Comparison({**alone.cells, (A, None): 7, (N, None): 2, (None, CycleState.COMPLETED): 4})
    figures = ("compared", "agreeing", "rate", "interval", "kappa", "kappa_interval")
    assert [getattr(more, figure) for figure in figures] == [getattr(alone, figure) for figure in figures]
    assert (alone.judged, more.judged) == (12, 21)
    assert (more.number(A, None), more.number(None, CycleState.COMPLETED), more.number(P, None)) == (7, 4, 0)


def test_with_nothing_to_compare_there_is_no_rate_and_no_kappa() -> None:
    found = Comparison({(A, None): 7})
    assert (found.rate, found.interval, found.kappa, found.kappa_interval) == (None, None, None, None)


def test_where_everything_is_achieved_and_completed_kappa_is_undefined() -> None:
    found = comparison(((7, 0, 0), (0, 0, 0), (0, 0, 0)))
    assert (found.rate, found.kappa, found.kappa_interval) == (1.0, None, None)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (((3, 0, 0), (0, 2, 0), (0, 0, 1)), 1.0),
        (((0, 5, 0), (5, 0, 0), (0, 0, 0)), -1.0),
        (((5, 3, 2), (0, 0, 0), (0, 0, 0)), 0.0),
    ],
    ids=["all agree", "all disagree", "one judge never varies"],
)
def test_an_error_of_nothing_is_no_interval(rows: Rows, expected: float) -> None:
    found = comparison(rows)
    assert found.kappa == pytest.approx(expected)
    assert found.kappa_interval is None


def test_the_error_of_kappa_is_that_of_a_worked_example() -> None:
    error = kappa_error(SKIN)
    assert error is not None
    assert (round(kappa(SKIN), 4), round(error, 4)) == (0.3449, 0.0724)
    assert [round(kappa(SKIN) + sign * 1.959964 * error, 4) for sign in (-1, 1)] == [0.2030, 0.4868]


def test_the_error_of_kappa_is_what_drawing_again_and_again_gives() -> None:
    rows = ((150, 20, 10), (15, 60, 25), (5, 15, 100))
    total, cells = sum(map(sum, rows)), [(a, b) for a in range(3) for b in range(3)]
    dice, drawn = random.Random(1), []
    for _ in range(2_000):
        again = [[0, 0, 0] for _ in range(3)]
        for a, b in dice.choices(cells, [rows[a][b] for a, b in cells], k=total):
            again[a][b] += 1
        drawn.append(kappa(tuple(map(tuple, again))))
    mean = sum(drawn) / len(drawn)
    spread = math.sqrt(sum((one - mean) ** 2 for one in drawn) / (len(drawn) - 1))
    # The spread of 2,000 draws is itself known to about 1.6 %.
    assert kappa_error(rows) == pytest.approx(spread, rel=0.06)


def test_ten_times_as_many_conversations_make_the_error_smaller_by_the_root_of_ten() -> None:
    few, many = ((10, 2, 1), (1, 5, 1), (0, 1, 8)), ((100, 20, 10), (10, 50, 10), (0, 10, 80))
    one, other = kappa_error(few), kappa_error(many)
    assert one is not None
    assert other == pytest.approx(one / math.sqrt(10))


@given(ROWS)
def test_kappa_is_that_of_the_same_pairs_and_lies_in_its_interval(rows: Rows) -> None:
    found = comparison(rows)
    pairs = [
        (outcome, OUTCOME_OF[state])
        for outcome, row in zip(Outcome, rows, strict=True)
        for state, number in zip(STATES, row, strict=True)
        for _ in range(number)
    ]
    assert found.kappa == Agreement.between(pairs).kappa
    assert found.rate == Agreement.between(pairs).accuracy
    if found.kappa is not None and found.kappa_interval is not None:
        low, high = found.kappa_interval
        assert -1 <= low < found.kappa < high <= 1


@given(ROWS)
def test_which_instrument_comes_first_makes_no_difference(rows: Rows) -> None:
    one, other = comparison(rows), comparison(tuple(zip(*rows, strict=True)))
    assert one.kappa == pytest.approx(other.kappa)
    assert one.kappa_interval == pytest.approx(other.kappa_interval)


@given(st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50)))
def test_full_agreement_has_a_kappa_of_one_unless_all_are_alike(numbers: tuple[int, int, int]) -> None:
    first, second, third = numbers
    found = comparison(((first, 0, 0), (0, second, 0), (0, 0, third)))
    alike = sum(number > 0 for number in numbers) < 2
    assert found.kappa is None if alike else found.kappa == pytest.approx(1.0)
    assert found.kappa_interval is None


@given(ROWS)
def test_the_error_is_never_negative_and_defined_where_kappa_is(rows: Rows) -> None:
    error = kappa_error(rows)
    assert (error is None) == (comparison(rows).kappa is None)
    assert error is None or error >= 0
