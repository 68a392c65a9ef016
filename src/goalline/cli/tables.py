"""Tables that fit into 80 columns, and how times and shares are written in them."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

from rich.box import SIMPLE_HEAD
from rich.table import Column, Table


def table(*columns: Column, title: str | None = None) -> Table:
    """Return a table without a frame, which would cost two characters at every column."""
    return Table(
        *columns,
        title=title,
        title_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )


def whole(header: str) -> Column:
    """Return a column whose cells are neither cut nor broken: ids, times, fixed words."""
    return Column(header, no_wrap=True)


def folding(header: str) -> Column:
    """Return a column that gives way: long names go on in the next line."""
    return Column(header, overflow="fold")


def figures(header: str) -> Column:
    """Return a column of numbers."""
    return Column(header, no_wrap=True, justify="right")


def ids(header: str, values: Sequence[str], most: int = 36) -> Column:
    """Return a column of ids, whole as long as none is longer than a UUID."""
    return whole(header) if all(len(value) <= most for value in values) else folding(header)


def minute(at: datetime) -> str:
    """Write a time to the minute, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"


def short_minute(at: datetime, zone: tzinfo) -> str:
    """Write a time to the minute and without its year, as clocks show it in a time zone."""
    return f"{at.astimezone(zone):%m-%d %H:%M}"


def percent(share: float) -> str:
    """Write a share of 1 as a percentage; only a share of exactly 0 or 1 is written as 0 % or 100 %."""
    return f"{_hundredths(share)} %"


def interval(bounds: Sequence[float]) -> str:
    """Write an interval of shares, as in `37 to 69 %`."""
    low, high = map(_hundredths, bounds)
    return f"{low} to {high} %"


def _hundredths(share: float) -> str:
    if 0 < share < 0.005:
        return "<1"
    return ">99" if 0.995 <= share < 1 else f"{share * 100:.0f}"
