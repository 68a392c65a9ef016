"""Reports read from the rollups: success rates, and how often each goal was reached, whole and as a series."""

from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, select
from sqlmodel import Session

from goalline.domain import rates
from goalline.domain.calendar import Interval, day_start, summed
from goalline.domain.goal import Kind
from goalline.domain.rates import Counts
from goalline.store.goals.goals import CurrentGoal
from goalline.store.reports import precedence
from goalline.store.reports.places import PlaceFilter
from goalline.store.tables import (
    Conversation,
    ConversationRollup,
    Evaluation,
    Goal,
    Project,
    Verdict,
    VerdictRollup,
    table,
)

_verdicts, _conversations, _goals = table(VerdictRollup), table(ConversationRollup), table(Goal)
# What was counted and taken off again leaves rows of zeros behind.
_SOMETHING = func.sum(_verdicts.c.achieved + _verdicts.c.partial + _verdicts.c.not_achieved) > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RateFilter(PlaceFilter):
    """What a rate is taken over; None means everything."""

    kind: Kind | None = None
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """Verdicts by outcome, and the conversations that they are measured by.

    `comparable` is false where there is no telling how many of the conversations could have a verdict, or where one
    of them can have several.
    """

    counts: Counts = Counts()
    conversations: int = 0
    comparable: bool = True

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.counts + other.counts,
            self.conversations + other.conversations,
            self.comparable and other.comparable,
        )

    @property
    def coverage(self) -> float | None:
        """The share of the conversations that have a verdict; None where there is none, or it cannot be told."""
        return rates.coverage(self.counts.evaluated, self.conversations) if self.comparable else None


@dataclass(frozen=True, slots=True)
class GoalTally:
    """How often one goal was reached, day by day.

    This is the rule of completion rates. A goal's conversations are those that ended in the time asked for, of its
    own agent or, for a project-wide goal, of all agents. They count whether or not the goal was active when they
    ended, and with a revision, whichever wording was in force: so coverage is low where a goal is young. Only one
    sort is left out: an agent's conversations from days on which the agent had a primary goal of its own are none of
    a project-wide primary goal's. Rollups know days and no hours. On a day on which the agent's own goal came or
    went, all its conversations count, and the day is not comparable.
    """

    goal: CurrentGoal
    days: Mapping[date, Tally]

    @property
    def total(self) -> Tally:
        """All days together."""
        return sum(self.days.values(), Tally())


def daily(session: Session, project_id: UUID, wanted: RateFilter) -> dict[date, Tally]:
    """Return the tally of each day on which anything happened, in order, over all goals at once.

    They are comparable for primary goals only: of these, a conversation has one verdict at most.
    """
    columns = _verdicts.c
    counts = {
        day: Counts(*map(int, sums))
        for day, *sums in session.execute(
            select(columns.day, *_sums())
            .where(*_verdict_conditions(project_id, wanted))
            .group_by(columns.day)
            .having(_SOMETHING)
        )
    }
    conversations = _conversations_by_day(session, project_id, wanted)
    return _tallies(counts, conversations, () if wanted.kind is Kind.PRIMARY else {*counts, *conversations})


def by_goal(session: Session, project: Project, wanted: RateFilter, shown: Sequence[CurrentGoal]) -> list[GoalTally]:
    """Return how often each of some goals was reached; those of other agents than the wanted one are left out."""
    shown = [goal for goal in shown if wanted.agent_id is None or goal.agent_id in (None, wanted.agent_id)]
    counts = _counts_by_goal(session, project.id, wanted, shown)
    everybody = _conversations_by_day(session, project.id, wanted)
    owned = _conversations_of_owners(session, project.id, wanted)
    taken = precedence.taken(session, project, [goal for goal in shown if not goal.agent_id], owned)
    found = []
    for goal in shown:
        conversations, unclear = owned.get(goal.agent_id or "", {}), set[date]()
        if not goal.agent_id:
            away, unclear = taken[goal.id]
            conversations = {day: number - away[day] for day, number in everybody.items()}
        found.append(GoalTally(goal, _tallies(counts[goal.id], conversations, unclear)))
    return found


def series(days: Mapping[date, Tally], interval: Interval, first: date, last: date) -> list[tuple[date, Tally]]:
    """Sum daily tallies by interval, from the one of `first` to the one of `last`, empty ones included."""
    return summed(days, interval, first, last, Tally())


def agents(session: Session, project_id: UUID) -> list[str]:
    """Return the agents that have ever had a conversation, by name."""
    columns = _conversations.c
    return list(
        session.execute(
            select(columns.agent_id)
            .where(columns.project_id == project_id)
            .group_by(columns.agent_id)
            .having(func.sum(columns.conversations) > 0)
            .order_by(columns.agent_id)
        ).scalars()
    )


def any_judged_by(session: Session, project: Project, wanted: RateFilter, model: str) -> bool:
    """Tell whether a verdict that counts was made by this very model, over an agent and days.

    This cannot be read from rollups. The evaluations of one model are found by an index of their own.
    """
    evaluation, verdict, conversation = table(Evaluation).c, table(Verdict).c, table(Conversation)
    counted = exists().where(verdict.evaluation_id == evaluation.id, verdict.counted)
    there = exists().where(
        conversation.c.id == evaluation.conversation_id, *wanted.conditions(conversation, project.id)
    )
    query = select(evaluation.id).where(evaluation.model == model, counted, there).limit(1)
    if wanted.first_day:
        # No conversation is judged before it has ended.
        query = query.where(evaluation.created_at >= day_start(wanted.first_day, project.time_zone))
    return session.execute(query).first() is not None


def _tallies(
    counts: Mapping[date, Counts], conversations: Mapping[date, int], unclear: Container[date]
) -> dict[date, Tally]:
    days = sorted(counts.keys() | {day for day, number in conversations.items() if number})
    return {day: Tally(counts.get(day, Counts()), conversations.get(day, 0), day not in unclear) for day in days}


def _counts_by_goal(
    session: Session, project_id: UUID, wanted: RateFilter, shown: Sequence[CurrentGoal]
) -> dict[UUID, dict[date, Counts]]:
    columns = _verdicts.c
    found = defaultdict[UUID, dict[date, Counts]](dict)
    for goal_id, day, *sums in session.execute(
        select(columns.goal_id, columns.day, *_sums())
        .where(*_verdict_conditions(project_id, wanted), columns.goal_id.in_([goal.id for goal in shown]))
        .group_by(columns.goal_id, columns.day)
        .having(_SOMETHING)
    ):
        found[goal_id][day] = Counts(*map(int, sums))
    return found


def _conversations_by_day(session: Session, project_id: UUID, wanted: RateFilter) -> dict[date, int]:
    columns = _conversations.c
    rows = session.execute(
        select(columns.day, func.sum(columns.conversations))
        .where(*wanted.conditions(_conversations, project_id))
        .group_by(columns.day)
    )
    return {day: int(number) for day, number in rows}


def _conversations_of_owners(session: Session, project_id: UUID, wanted: RateFilter) -> dict[str, dict[date, int]]:
    # Of agents that have goals of their own: of the others, nobody asks for each one's.
    columns = _conversations.c
    owners = select(_goals.c.agent_id).where(_goals.c.project_id == project_id, _goals.c.agent_id.is_not(None))
    found = defaultdict[str, dict[date, int]](dict)
    for agent_id, day, number in session.execute(
        select(columns.agent_id, columns.day, columns.conversations).where(
            *wanted.conditions(_conversations, project_id),
            columns.agent_id.in_(owners),
            columns.conversations > 0,
        )
    ):
        found[agent_id][day] = number
    return found


def _sums() -> list[ColumnElement[Any]]:
    columns = _verdicts.c
    return [func.sum(columns.achieved), func.sum(columns.partial), func.sum(columns.not_achieved)]


def _verdict_conditions(project_id: UUID, wanted: RateFilter) -> list[ColumnElement[bool]]:
    conditions = wanted.conditions(_verdicts, project_id)
    if wanted.revision is not None:
        conditions.append(_verdicts.c.revision == wanted.revision)
    if wanted.kind is not None:
        conditions.append(_verdicts.c.kind == wanted.kind)
    return conditions
