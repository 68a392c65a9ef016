"""The charts' geometry: nothing evaluated is a gap, what is drawn adds up, and everything stays inside."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goalline.api.pages import charts
from goalline.api.pages.charts import COUNT_HEIGHT, COUNT_TOP, RATE_HEIGHT, RATE_TOP, RateChart, rate_chart
from goalline.domain.calendar import Interval
from goalline.domain.rates import Counts
from goalline.store.reports.rates import Tally

FIRST = date(2026, 11, 2)
NOTHING = Tally()

tallies = st.builds(
    lambda a, p, n, more: Tally(Counts(a, p, n), a + p + n + more), *[st.integers(0, 10_000) for _ in range(4)]
)


def chart(*of: Tally) -> RateChart:
    return rate_chart([(FIRST + timedelta(days=n), tally) for n, tally in enumerate(of)], Interval.DAY)


def tally(achieved: int, not_achieved: int = 0, unevaluated: int = 0) -> Tally:
    return Tally(Counts(achieved, 0, not_achieved), achieved + not_achieved + unevaluated)


def test_a_rate_of_one_is_drawn_at_the_top_and_a_rate_of_nought_at_the_bottom() -> None:
    heights = [column.rate_y for column in chart(tally(3), tally(0, 3), tally(1, 1)).columns]
    assert heights == [RATE_TOP, RATE_TOP + RATE_HEIGHT, RATE_TOP + RATE_HEIGHT / 2]


def test_where_nothing_was_evaluated_there_is_no_rate_and_the_line_is_broken() -> None:
    drawn = chart(tally(1), tally(1, 1), tally(0, 0, unevaluated=5), tally(2, 2), tally(2))
    assert drawn.columns[2].rate_y is None
    assert [stretch.line for stretch in drawn.stretches] == ["M10,0 L30,50", "M70,50 L90,0"]


def test_a_single_rate_between_gaps_has_a_dot_and_a_band_and_no_line() -> None:
    drawn = chart(NOTHING, tally(1, 1), NOTHING)
    (stretch,) = drawn.stretches
    assert stretch.line == ""
    assert stretch.band.count("L") == 3
    assert drawn.dots == (drawn.columns[1],)


def test_of_many_intervals_only_lonely_rates_have_dots() -> None:
    drawn = chart(*[tally(1)] * 60, NOTHING, tally(1), NOTHING)
    assert drawn.dots == (drawn.columns[61],)


def test_the_band_is_the_wilson_interval() -> None:
    low, high = Counts(8, 0, 2).interval or (0, 0)
    (stretch,) = chart(tally(8, 2), tally(8, 2)).stretches
    top, bottom = f"{100 * (1 - high):.3f}", f"{100 * (1 - low):.3f}"
    assert stretch.band == f"M25,{top} L75,{top} L75,{bottom} L25,{bottom} Z"


def test_bars_stand_on_the_axis_and_on_each_other() -> None:
    (column,) = chart(Tally(Counts(4, 2, 1), 8)).columns
    assert [bar.part for bar in column.bars] == ["achieved", "partial", "not_achieved", "no_verdict"]
    assert [bar.height for bar in column.bars] == [40, 20, 10, 10]
    assert [bar.y for bar in column.bars] == [COUNT_TOP + 40, COUNT_TOP + 20, COUNT_TOP + 10, COUNT_TOP]


def test_an_empty_series_is_an_empty_chart() -> None:
    drawn = chart()
    assert (drawn.columns, drawn.stretches, drawn.labels, drawn.dots) == ((), (), (), ())


@pytest.mark.parametrize(("count", "top"), [(0, 2), (1, 2), (2, 2), (3, 4), (7, 8), (11, 20), (99, 100), (4001, 6000)])
def test_an_axis_ends_at_a_round_even_number(count: int, top: int) -> None:
    assert charts.ceiling(count) == top


@pytest.mark.parametrize("number", [1, 7, 8, 9, 13, 30, 90])
def test_labels_are_few_and_end_with_the_last_interval(number: int) -> None:
    labels = chart(*[NOTHING] * number).labels
    assert 1 <= len(labels) <= 8
    assert labels[0].start == FIRST + timedelta(days=number - 1)
    assert len([label for label in labels if not label.minor]) <= 4


def test_the_parts_of_a_lying_bar_fill_it() -> None:
    assert charts.shares(Counts(1, 1, 2)) == [("achieved", 0, 25), ("partial", 25, 25), ("not_achieved", 50, 50)]
    assert charts.shares(Counts(3, 0, 0)) == [("achieved", 0, 100)]
    assert charts.shares(Counts()) == []


@given(st.lists(tallies, max_size=40))
def test_everything_stays_inside_its_panel(series: list[Tally]) -> None:
    drawn = chart(*series)
    assert len(drawn.columns) == len(series)
    for column in drawn.columns:
        assert 0 <= column.left <= column.bar_left <= column.bar_left + column.bar_width <= 100.01
        assert column.rate_y is None or RATE_TOP <= column.rate_y <= RATE_TOP + RATE_HEIGHT
        for bar in column.bars:
            assert bar.y >= COUNT_TOP - 0.01
            assert bar.y + bar.height <= COUNT_TOP + COUNT_HEIGHT + 0.01
    evaluated = [column for column in drawn.columns if column.tally.counts.evaluated]
    assert [column for column in drawn.columns if column.rate_y is not None] == evaluated
