"""The report on agreement: verdicts against the cycles of the same goal in the same conversation.

It is read from verdicts and cycles themselves: a count for each pair of them would have to change with either.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Session

from goalline.domain.agreement import OUTCOME_OF, Cell, Comparison
from goalline.domain.verdict import Outcome
from goalline.store.goals.goals import CurrentGoal
from goalline.store.reports.places import PlaceFilter
from goalline.store.tables import Conversation, Cycle, GoalRevision, Verdict, table

_conversation, _verdict, _cycle, _revision = table(Conversation), table(Verdict), table(Cycle), table(GoalRevision)
_STATES = tuple(OUTCOME_OF)[::-1]
"""From the least state to the furthest."""

# The furthest of a conversation's cycles counts, as it is what the conversation came to; NULL where it has none.
_FURTHEST = sa.func.max(sa.case(*((_cycle.c.state == state, rank) for rank, state in enumerate(_STATES))))


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementFilter(PlaceFilter):
    """Which conversations are compared; None means everything.

    Days are those of a conversation's end. With a revision, verdicts on that wording
    are compared, and conversations without a verdict are left out: they are of no wording.
    """

    revision: int | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """A conversation of one cell of the table; one that has not ended is in none."""

    id: UUID
    conversation_id: str
    agent_id: str
    ended_at: datetime


def by_goal(
    session: Session, project_id: UUID, wanted: AgreementFilter, shown: Sequence[CurrentGoal]
) -> list[tuple[CurrentGoal, Comparison]]:
    """Return how verdicts and cycles agree, for each of some goals."""
    cells: dict[UUID, dict[Cell, int]] = defaultdict(dict)
    goal_ids = [goal.id for goal in shown]
    for pairs in _pairs(project_id, wanted, goal_ids):
        found = pairs.subquery()
        for goal_id, outcome, rank, number in session.execute(
            sa.select(found.c.goal_id, found.c.outcome, found.c.rank, sa.func.count()).group_by(
                found.c.goal_id, found.c.outcome, found.c.rank
            )
        ):
            cells[goal_id][outcome and Outcome(outcome), None if rank is None else _STATES[rank]] = number
    return [(goal, Comparison(cells[goal.id])) for goal in shown]


def page(
    session: Session,
    project_id: UUID,
    wanted: AgreementFilter,
    goal_id: UUID,
    cell: Cell,
    *,
    after: tuple[datetime, UUID] | None = None,
    limit: int,
) -> list[Compared]:
    """Return up to `limit` conversations of a cell of a goal's table, the one that ended last first, behind `after`."""
    outcome, state = cell
    judged, not_judged = _pairs(project_id, wanted, [goal_id])
    found = (judged if outcome else not_judged).subquery()
    columns = _conversation.c
    query = (
        sa.select(columns.id, columns.conversation_id, columns.agent_id, columns.ended_at)
        .join_from(found, _conversation, columns.id == found.c.conversation_id)
        .where(
            found.c.outcome == outcome if outcome else sa.true(),
            found.c.rank == _STATES.index(state) if state else found.c.rank.is_(None),
        )
        .order_by(columns.ended_at.desc(), columns.id.desc())
        .limit(limit)
    )
    if after:
        ended_at, row_id = after
        query = query.where((columns.ended_at < ended_at) | ((columns.ended_at == ended_at) & (columns.id < row_id)))
    return [Compared(*row) for row in session.execute(query)]


def _pairs(
    project_id: UUID, wanted: AgreementFilter, goal_ids: Sequence[UUID]
) -> tuple[sa.Select[Any], sa.Select[Any]]:
    # Of each conversation and goal: outcome and furthest state, first where there is a verdict, then where there is
    # none. Grouped after the join, so that a database may begin with whatever the filters leave least of.
    conversation = _conversation.c
    filters = [*wanted.conditions(_conversation, project_id), conversation.day.is_not(None)]
    # The day decides. The moment is for the index that there is: no time zone is a whole day away from UTC.
    if wanted.first_day is not None:
        filters.append(conversation.ended_at >= _midnight(wanted.first_day, -1))
    if wanted.last_day is not None:
        filters.append(conversation.ended_at < _midnight(wanted.last_day, 2))
    verdict, revision = _verdict.c, _revision.c
    # A verdict on a wording without steps has no cycle because there was nothing to track, not because it is missing.
    tracked = sa.exists().where(
        revision.goal_id == verdict.goal_id,
        revision.number == verdict.revision,
        # As text: PostgreSQL compares no JSON.
        sa.cast(revision.steps, sa.Text) != "[]",
    )
    judged = (
        sa.select(verdict.goal_id, verdict.conversation_id, verdict.outcome, _FURTHEST.label("rank"))
        .join_from(_verdict, _conversation, conversation.id == verdict.conversation_id)
        .outerjoin(
            _cycle,
            (_cycle.c.conversation_id == verdict.conversation_id) & (_cycle.c.goal_id == verdict.goal_id),
        )
        .where(*filters, verdict.goal_id.in_(goal_ids), verdict.counted)
        .where(_cycle.c.conversation_id.is_not(None) | tracked)
        .group_by(verdict.goal_id, verdict.conversation_id, verdict.outcome)
    )
    if wanted.revision is not None:
        judged = judged.where(verdict.revision == wanted.revision)
    its_verdict = sa.exists().where(
        verdict.conversation_id == _cycle.c.conversation_id, verdict.goal_id == _cycle.c.goal_id, verdict.counted
    )
    not_judged = (
        sa.select(
            _cycle.c.goal_id,
            _cycle.c.conversation_id,
            sa.cast(sa.null(), sa.String).label("outcome"),
            _FURTHEST.label("rank"),
        )
        .join_from(_cycle, _conversation, conversation.id == _cycle.c.conversation_id)
        .where(*filters, _cycle.c.goal_id.in_(goal_ids), ~its_verdict)
        .where(sa.literal(wanted.revision is None))
        .group_by(_cycle.c.goal_id, _cycle.c.conversation_id)
    )
    return judged, not_judged


def _midnight(day: date, days_later: int) -> datetime:
    return datetime.combine(day + timedelta(days=days_later), time.min, UTC)
