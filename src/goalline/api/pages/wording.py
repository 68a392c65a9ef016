"""How numbers, times and outcomes are written on the pages."""

import json
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from goalline.domain import money
from goalline.domain.cycle import CycleState
from goalline.domain.evaluation import Status
from goalline.domain.verdict import Outcome
from goalline.store.tables import Evaluation

_SPACE = "\N{NARROW NO-BREAK SPACE}"
_FIRM_SPACE = "\N{NO-BREAK SPACE}"
_NOTHING = "\N{EN DASH}"

OUTCOMES = {Outcome.ACHIEVED: "Achieved", Outcome.PARTIAL: "Partial", Outcome.NOT_ACHIEVED: "Not achieved"}
STATES = {CycleState.COMPLETED: "Completed", CycleState.PARTIAL: "Partial", CycleState.INCOMPLETE: "Incomplete"}
STATUSES = {
    Status.QUEUED: "Queued",
    Status.RUNNING: "Running",
    Status.SUCCEEDED: "Succeeded",
    Status.FAILED: "Failed",
    Status.SKIPPED: "Skipped",
}


def percent(share: float | None) -> str:
    """Write a share of 1 as a percentage; only a share of exactly 0 or 1 is written as 0 % or 100 %."""
    if share is None:
        return _NOTHING
    if 0 < share < 0.005:
        return f"<1{_SPACE}%"
    if 0.995 <= share < 1:
        return f">99{_SPACE}%"
    return f"{share * 100:.0f}{_SPACE}%"


def interval(bounds: tuple[float, float] | None) -> str:
    """Write an interval of shares."""
    return f"{percent(bounds[0])} to {percent(bounds[1])}" if bounds else _NOTHING


def number(count: int | None) -> str:
    """Write a count with a comma at every thousand."""
    return _NOTHING if count is None else f"{count:,}"


def things(count: int, one: str, several: str | None = None) -> str:
    """Write a count with what is counted, in the right number."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def moment(at: datetime, time_zone: str) -> str:
    """Write a time to the minute, as clocks show it in `time_zone`."""
    local = at.astimezone(ZoneInfo(time_zone))
    return f"{day(local.date())} {local.year}, {local:%H:%M}"


def clock(at: datetime, time_zone: str) -> str:
    """Write the time of day to the second, as clocks show it in `time_zone`."""
    return f"{at.astimezone(ZoneInfo(time_zone)):%H:%M:%S}"


def instant(at: datetime, time_zone: str, on: date) -> str:
    """Write a time to the second, and its day where that is not `on`."""
    local = at.astimezone(ZoneInfo(time_zone)).date()
    return clock(at, time_zone) if local == on else f"{day(local)} {local.year}, {clock(at, time_zone)}"


def day(at: date) -> str:
    """Write a day without its year."""
    return f"{at.day} {at:%b}"


def length(start: datetime, end: datetime) -> str:
    """Write how long something lasted, so that no line breaks inside."""
    minutes, seconds = divmod(int((end - start).total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}{_SPACE}h{_FIRM_SPACE}{minutes}{_SPACE}min"
    return f"{minutes}{_SPACE}min{_FIRM_SPACE}{seconds}{_SPACE}s" if minutes else f"{seconds}{_SPACE}s"


def dollars(cost: Decimal | None) -> str:
    """Write a cost in US dollars to its last digit."""
    return _NOTHING if cost is None else f"${money.written(cost)}"


def amount(exact: Decimal, currency: str) -> str:
    """Write an amount of money with its currency, and a comma at every thousand."""
    whole, point, rest = money.shown(exact, currency).partition(".")
    return f"{int(whole):,}{point}{rest}{_FIRM_SPACE}{currency}"


def letters(place: int) -> str:
    """Return the label of the goal at a place, numbered from 0: A to Z, then AA, AB and so on."""
    label = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        label = chr(ord("A") + rest) + label
    return label


def plain(value: object) -> str:
    """Write a value of a conversation's metadata: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def state(run: Evaluation, time_zone: str) -> str | None:
    """Say why an evaluation ended as it did or what it waits for; None where its status says everything."""
    if run.reason is None:
        return {Status.QUEUED: "Waits for a free worker.", Status.RUNNING: "The judge is reading."}.get(run.status)
    if run.status is Status.QUEUED:
        return f"{run.reason.explanation} Next attempt: {moment(run.due_at, time_zone)}."
    return run.reason.explanation if run.status in (Status.FAILED, Status.SKIPPED) else None
