"""The geometry of the charts: rates and counts as percentages across and pixels down, without a word of SVG."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from goalline.domain.calendar import Interval
from goalline.domain.rates import Counts
from goalline.store.reports.rates import Tally

RATE_TOP, RATE_HEIGHT = 30, 190
COUNT_TOP, COUNT_HEIGHT = 266, 80
LABELS_AT = COUNT_TOP + COUNT_HEIGHT + 20
HEIGHT = LABELS_AT + 8

_WIDEST_BAR = 4.0
_MOST_LABELS = 8
_MOST_DOTS = 45


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a stacked bar. `part` is an outcome, or `no_verdict`."""

    part: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Column:
    """One interval: its whole slot, its bar in the middle of it, and the height of its rate, if it has one."""

    start: date
    tally: Tally
    left: float
    slot: float
    middle: float
    bar_left: float
    bar_width: float
    rate_y: float | None
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Neighbouring intervals that all have a rate: SVG paths of its line and of the band of its interval.

    Both live in a square of 100 by 100 that is stretched to the size of the panel.
    """

    line: str
    band: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A horizontal line of the grid, with what it stands for."""

    y: float
    value: int


@dataclass(frozen=True, slots=True)
class Label:
    """The name of an interval below the chart; a `minor` one is left out on narrow screens."""

    x: float
    start: date
    minor: bool


@dataclass(frozen=True, slots=True)
class RateChart:
    """The success rate over time, above the counts that it is made of."""

    interval: Interval
    columns: tuple[Column, ...]
    stretches: tuple[Stretch, ...]
    rate_ticks: tuple[Tick, ...]
    count_ticks: tuple[Tick, ...]
    labels: tuple[Label, ...]
    dots: tuple[Column, ...]


def rate_chart(points: Sequence[tuple[date, Tally]], interval: Interval) -> RateChart:
    """Lay out a series, oldest interval first; intervals without a verdict get a gap and no rate of 0."""
    slot = 100 / max(len(points), 1)
    bar_width = min(slot * 0.68, _WIDEST_BAR)
    top = ceiling(max((max(tally.conversations, tally.counts.evaluated) for _, tally in points), default=0))
    columns = tuple(
        Column(
            start=start,
            tally=tally,
            left=_round(place * slot),
            slot=_round(slot),
            middle=_round((place + 0.5) * slot),
            bar_left=_round((place + 0.5) * slot - bar_width / 2),
            bar_width=_round(bar_width),
            rate_y=None if tally.counts.rate is None else _round(RATE_TOP + RATE_HEIGHT * (1 - tally.counts.rate)),
            bars=tuple(stack(tally, top)),
        )
        for place, (start, tally) in enumerate(points)
    )
    return RateChart(
        interval=interval,
        columns=columns,
        stretches=tuple(stretches(columns)),
        rate_ticks=tuple(
            Tick(_round(RATE_TOP + RATE_HEIGHT * (1 - value / 100)), value) for value in (0, 25, 50, 75, 100)
        ),
        count_ticks=tuple(
            Tick(_round(COUNT_TOP + COUNT_HEIGHT * (1 - value / top)), value) for value in sorted({0, top // 2, top})
        ),
        labels=tuple(labels(columns)),
        dots=tuple(dotted(columns)),
    )


def ceiling(count: int) -> int:
    """Return a round even number that is at least `count`, for the top of an axis."""
    magnitude = 1
    while count > 10 * magnitude:
        magnitude *= 10
    return next(step * magnitude for step in (2, 4, 6, 8, 10) if count <= step * magnitude)


def stack(tally: Tally, top: int) -> Iterator[Bar]:
    """Yield the parts of a bar from the bottom up, on an axis that ends at `top`; empty parts are left out."""
    counts = tally.counts
    parts = {
        "achieved": counts.achieved,
        "partial": counts.partial,
        "not_achieved": counts.not_achieved,
        "no_verdict": max(tally.conversations - counts.evaluated, 0),
    }
    y = float(COUNT_TOP + COUNT_HEIGHT)
    for part, number in parts.items():
        if number:
            height = COUNT_HEIGHT * number / top
            y -= height
            yield Bar(part, _round(y), _round(height))


def stretches(columns: Sequence[Column]) -> Iterator[Stretch]:
    """Yield a line and a band for each run of intervals that have a rate.

    A single interval gets a band as wide as its bar, and no line.
    """
    for evaluated, run in groupby(columns, lambda column: column.rate_y is not None):
        if not evaluated:
            continue
        shown = list(run)
        middles = [(column.middle, column.tally.counts) for column in shown]
        if len(shown) == 1:
            edges = (shown[0].bar_left, shown[0].bar_left + shown[0].bar_width)
            yield Stretch("", _band([(x, shown[0].tally.counts) for x in edges]))
        else:
            line = " L".join(f"{_plain(x)},{_plain(100 * (1 - (counts.rate or 0.0)))}" for x, counts in middles)
            yield Stretch(f"M{line}", _band(middles))


def dotted(columns: tuple[Column, ...]) -> Iterator[Column]:
    """Yield the intervals whose rate gets a dot: all, or of very many only those that no line leads to."""
    for place, column in enumerate(columns):
        beside = columns[max(place - 1, 0) : place] + columns[place + 1 : place + 2]
        lonely = all(neighbour.rate_y is None for neighbour in beside)
        if column.rate_y is not None and (lonely or len(columns) <= _MOST_DOTS):
            yield column


def labels(columns: Sequence[Column]) -> Iterator[Label]:
    """Yield at most eight labels at even distances, the last interval's among them."""
    step = math.ceil(len(columns) / _MOST_LABELS) or 1
    for count, column in enumerate(columns[::-1][::step]):
        yield Label(column.middle, column.start, minor=count % 2 == 1)


def shares(counts: Counts) -> list[tuple[str, float, float]]:
    """Return (outcome, left, width) in percent for a single lying bar; outcomes without a verdict are left out."""
    bars, left = [], 0.0
    for outcome in ("achieved", "partial", "not_achieved"):
        number: int = getattr(counts, outcome)
        if number:
            width = 100 * number / counts.evaluated
            bars.append((outcome, _round(left), _round(width)))
            left += width
    return bars


def _band(points: Sequence[tuple[float, Counts]]) -> str:
    bounds = [(x, counts.interval or (0.0, 1.0)) for x, counts in points]
    upper = [f"{_plain(x)},{_plain(100 * (1 - high))}" for x, (_, high) in bounds]
    lower = [f"{_plain(x)},{_plain(100 * (1 - low))}" for x, (low, _) in reversed(bounds)]
    return "M" + " L".join(upper + lower) + " Z"


def _round(value: float) -> float:
    return round(value, 3)


def _plain(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
