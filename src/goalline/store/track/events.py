"""Stored events: put in once, read by conversation."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlmodel import Session

from goalline.domain.cycle import StepReached
from goalline.domain.event import Event, EventType
from goalline.domain.step import Step
from goalline.domain.track import StepExecuted, TaskCompleted, Tracked
from goalline.store.database import Upsert, run
from goalline.store.tables import Conversation, GoalRevision, StepEvent, table

_event, _revision, _conversation = table(StepEvent).c, table(GoalRevision).c, table(Conversation).c
_STORED = (
    _event.conversation_id,
    _event.event_id,
    _event.type,
    _event.goal_id,
    _event.revision,
    _event.step,
    _event.name,
    _event.occurred_at,
    _event.agent_id,
    _event.contact_id,
)
_OF_CONVERSATIONS = sa.select(*_STORED).where(_event.conversation_id.in_(bindparam("row_ids", expanding=True)))
_OF_ALL = (
    sa.select(*_STORED, _conversation.project_id, _conversation.agent_id)
    .join_from(table(StepEvent), table(Conversation))
    .order_by(_event.conversation_id)
)
_GOALS_OF = (
    sa.select(_event.goal_id)
    .where(_event.conversation_id.in_(bindparam("row_ids", expanding=True)), _event.goal_id.is_not(None))
    .distinct()
)
_INSERT = Upsert(
    table(StepEvent),
    lambda statement: statement.on_conflict_do_nothing(index_elements=["project_id", "event_id"]).returning(
        _event.event_id
    ),
)

Revisions = dict[tuple[UUID, int], dict[str, Step]]


@dataclass(frozen=True, slots=True)
class Told:
    """An event, and whom it names."""

    tracked: Tracked
    agent_id: str | None
    contact_id: str | None


@dataclass(frozen=True, slots=True)
class Followed:
    """The events of one conversation, and where it is counted."""

    project_id: UUID
    agent_id: str
    conversation_id: UUID
    events: Sequence[Tracked]


def load(session: Session, row_ids: Sequence[UUID], goal_id: UUID | None = None) -> dict[UUID, list[Told]]:
    """Return the events of some conversations, or those of one goal's steps, in no order."""
    found: dict[UUID, list[Told]] = {row_id: [] for row_id in row_ids}
    query = _OF_CONVERSATIONS.where(_event.goal_id == goal_id) if goal_id else _OF_CONVERSATIONS
    rows = run(session, query, row_ids=row_ids).all()
    steps = _steps(session, {(row.goal_id, row.revision) for row in rows if row.goal_id})
    for row in rows:
        if row.goal_id and (row.goal_id, row.revision) not in steps:
            # Deleted with its goal since the look at the events, which whoever only reads does not prevent.
            continue
        found[row.conversation_id].append(Told(_tracked(row, steps), row.agent_id, row.contact_id))
    return found


def goals_of(session: Session, row_ids: Sequence[UUID]) -> set[UUID]:
    """Return the goals that events of some conversations are of."""
    return set(run(session, _GOALS_OF, row_ids=row_ids).scalars())


def every(session: Session) -> Iterator[Followed]:
    """Yield each conversation that has events, of all projects, without holding more than a few in memory."""
    steps = _steps(session, None)
    rows = session.execute(_OF_ALL, execution_options={"yield_per": 5_000})
    for conversation_id, group in groupby(rows, key=lambda row: row.conversation_id):
        told = list(group)
        # A goal may have been edited since the look at the revisions.
        newer = {(row.goal_id, row.revision) for row in told if row.goal_id} - steps.keys()
        steps |= _steps(session, newer)
        yield Followed(told[0][-2], told[0][-1], conversation_id, [_tracked(row, steps) for row in told])


def insert(session: Session, rows: Sequence[dict[str, Any]]) -> set[str]:
    """Store events and return the ids of those that were new to the project."""
    if not rows:
        return set()
    # One order for everybody, in case two transactions bring the same ids for different conversations.
    return set(_INSERT.run(session, sorted(rows, key=lambda row: str(row["event_id"]))).scalars())


def conversations_at(goal_id: UUID, key: str) -> sa.Select[tuple[UUID]]:
    """Return the query of the conversations that reached a step of a goal."""
    return sa.select(_event.conversation_id).where(_event.goal_id == goal_id, _event.step == key)


def delete_step(session: Session, goal_id: UUID, key: str) -> None:
    """Delete the events of a step of a goal."""
    session.execute(sa.delete(table(StepEvent)).where(_event.goal_id == goal_id, _event.step == key))


def row_of(project_id: UUID, conversation_id: UUID, event: Event, told: Told, now: datetime) -> dict[str, Any]:
    """Return an event as it is stored."""
    tracked = told.tracked
    reached = tracked if isinstance(tracked, StepReached) else None
    return {
        "project_id": project_id,
        "event_id": event.id,
        "conversation_id": conversation_id,
        "type": event.type,
        "goal_id": reached and reached.goal_id,
        "revision": reached and reached.revision,
        "step": reached and reached.step.key,
        "name": None if reached else event.label,
        "occurred_at": tracked.at,
        "received_at": now,
        "agent_id": event.agent_id,
        "contact_id": event.contact_id,
    }


def _tracked(row: Any, steps: Mapping[tuple[UUID, int], Mapping[str, Step]]) -> Tracked:
    if row.type is EventType.GOAL_STEP:
        step = steps[row.goal_id, row.revision][row.step]
        return StepReached(row.event_id, row.occurred_at, row.goal_id, row.revision, step)
    kind = TaskCompleted if row.type is EventType.TASK_COMPLETED else StepExecuted
    return kind(row.event_id, row.occurred_at, row.name)


def _steps(session: Session, revisions: Iterable[tuple[UUID, int]] | None) -> Revisions:
    query = sa.select(_revision.goal_id, _revision.number, _revision.steps)
    if revisions is not None:
        wanted = sorted(revisions)
        if not wanted:
            return {}
        query = query.where(_revision.goal_id.in_({goal_id for goal_id, _ in wanted}))
    return {(goal_id, number): {step.key: step for step in steps} for goal_id, number, steps in session.execute(query)}
