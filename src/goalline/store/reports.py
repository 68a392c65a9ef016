"""Reports: success rates read from the rollups, whole and as a series."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Table, func, select
from sqlmodel import Session

from goalline.domain.calendar import Interval, interval_start, interval_starts
from goalline.domain.goal import Kind
from goalline.domain.rates import Counts
from goalline.store.tables import ConversationRollup, VerdictRollup, table

_verdicts, _conversations = table(VerdictRollup), table(ConversationRollup)
# What was counted and taken off again leaves rows of zeros behind.
_SOMETHING = func.sum(_verdicts.c.achieved + _verdicts.c.partial + _verdicts.c.not_achieved) > 0


@dataclass(frozen=True, slots=True)
class RateFilter:
    """What a rate is taken over; None means everything. Days are the project's local ones, both included."""

    agent_id: str | None = None
    goal_id: UUID | None = None
    revision: int | None = None
    kind: Kind | None = None
    first_day: date | None = None
    last_day: date | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """Verdicts by outcome, and how many conversations there were."""

    counts: Counts = Counts()
    conversations: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.counts + other.counts, self.conversations + other.conversations)


def daily(session: Session, project_id: UUID, wanted: RateFilter) -> dict[date, Tally]:
    """Return the tally of each day on which anything happened, in order."""
    tallies: dict[date, Tally] = {}
    for day, *sums in session.execute(
        select(_verdicts.c.day, *_sums())
        .where(*_verdict_conditions(project_id, wanted))
        .group_by(_verdicts.c.day)
        .having(_SOMETHING)
    ):
        tallies[day] = Tally(Counts(*map(int, sums)))
    columns = _conversations.c
    for day, number in session.execute(
        select(columns.day, func.sum(columns.conversations))
        .where(*_place_conditions(_conversations, project_id, wanted))
        .group_by(columns.day)
        .having(func.sum(columns.conversations) > 0)
    ):
        tallies[day] = tallies.get(day, Tally()) + Tally(conversations=int(number))
    return dict(sorted(tallies.items()))


def series(days: Mapping[date, Tally], interval: Interval, first: date, last: date) -> list[tuple[date, Tally]]:
    """Sum daily tallies by interval, from the one of `first` to the one of `last`, empty ones included."""
    sums = dict.fromkeys(interval_starts(first, last, interval), Tally())
    for day, tally in days.items():
        sums[interval_start(day, interval)] += tally
    return list(sums.items())


def by_goal(session: Session, project_id: UUID, wanted: RateFilter) -> dict[UUID, Counts]:
    """Return the counts of each goal that has any."""
    rows = session.execute(
        select(_verdicts.c.goal_id, *_sums())
        .where(*_verdict_conditions(project_id, wanted))
        .group_by(_verdicts.c.goal_id)
        .having(_SOMETHING)
    )
    return {goal_id: Counts(*map(int, sums)) for goal_id, *sums in rows}


def conversations_by_agent(session: Session, project_id: UUID, wanted: RateFilter) -> dict[str, int]:
    """Return how many conversations each agent had."""
    columns = _conversations.c
    rows = session.execute(
        select(columns.agent_id, func.sum(columns.conversations))
        .where(*_place_conditions(_conversations, project_id, wanted))
        .group_by(columns.agent_id)
        .having(func.sum(columns.conversations) > 0)
    )
    return {agent_id: int(number) for agent_id, number in rows}


def _sums() -> list[ColumnElement[Any]]:
    columns = _verdicts.c
    return [func.sum(columns.achieved), func.sum(columns.partial), func.sum(columns.not_achieved)]


def _place_conditions(rollup: Table, project_id: UUID, wanted: RateFilter) -> list[ColumnElement[bool]]:
    conditions = [rollup.c.project_id == project_id]
    if wanted.agent_id is not None:
        conditions.append(rollup.c.agent_id == wanted.agent_id)
    if wanted.first_day is not None:
        conditions.append(rollup.c.day >= wanted.first_day)
    if wanted.last_day is not None:
        conditions.append(rollup.c.day <= wanted.last_day)
    return conditions


def _verdict_conditions(project_id: UUID, wanted: RateFilter) -> list[ColumnElement[bool]]:
    conditions = _place_conditions(_verdicts, project_id, wanted)
    if wanted.goal_id is not None:
        conditions.append(_verdicts.c.goal_id == wanted.goal_id)
    if wanted.revision is not None:
        conditions.append(_verdicts.c.revision == wanted.revision)
    if wanted.kind is not None:
        conditions.append(_verdicts.c.kind == wanted.kind)
    return conditions
