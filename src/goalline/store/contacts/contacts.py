"""Contacts: what is known of each, gathered from their conversations; and how it is erased."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Session

from goalline.domain.cycle import CycleState
from goalline.domain.event import EventType
from goalline.domain.refusal import NotFound
from goalline.store.contacts import deactivation, erasure
from goalline.store.goals import goals
from goalline.store.tables import Conversation, Cycle, Goal, GoalRevision, StepEvent, table
from goalline.store.track import events

MOST_SHOWN = 50
"""How many of a contact's conversations a profile names, the latest ones."""

_AT_ONCE = 50
_conversation, _cycle, _event = table(Conversation), table(Cycle), table(StepEvent)


@dataclass(frozen=True, slots=True)
class Named:
    """A conversation of a contact; the agent is None while nobody has said who it is, the end while there is none."""

    id: UUID
    conversation_id: str
    agent_id: str | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Completions:
    """How often a contact has completed something, for the first and for the last time when.

    `goal_id` is None for a task.
    """

    goal_id: UUID | None
    name: str
    completed: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of a contact: `latest` are some of the `conversations`, the others are in the list."""

    contact_id: str
    deactivated_at: datetime | None
    conversations: int
    latest: Sequence[Named]
    goals: Sequence[Completions]
    tasks: Sequence[Completions]


def profile(session: Session, project_id: UUID, contact_id: str) -> Profile:
    """Return what is known of a contact.

    Raises:
        NotFound: no conversation is stored of this contact, nor that it was deactivated.
    """
    number, deactivated_at = known(session, project_id, contact_id)
    of_contact = _of(project_id, contact_id)
    rows = session.execute(
        sa.select(
            _conversation.c.id, _conversation.c.conversation_id, _conversation.c.agent_id, _conversation.c.ended_at
        )
        .where(of_contact)
        .order_by(sa.func.coalesce(_conversation.c.ended_at, _conversation.c.received_at).desc(), _conversation.c.id)
        .limit(MOST_SHOWN)
    )
    latest = [Named(row_id, reference, agent_id or None, ended_at) for row_id, reference, agent_id, ended_at in rows]
    return Profile(contact_id, deactivated_at, number, latest, _goals(session, of_contact), _tasks(session, of_contact))


def known(session: Session, project_id: UUID, contact_id: str) -> tuple[int, datetime | None]:
    """Return how many conversations a contact has, and since when it is deactivated, if it is.

    Raises:
        NotFound: no conversation is stored of this contact, nor that it was deactivated.
    """
    count = sa.select(sa.func.count()).select_from(_conversation).where(_of(project_id, contact_id))
    number: int = session.execute(count).scalar_one()
    deactivated_at = deactivation.since(session, project_id, contact_id)
    if not number and deactivated_at is None:
        raise NotFound(f"there is no contact {contact_id!r}: no conversation names it")
    return number, deactivated_at


def erase_some(session: Session, project_id: UUID, contact_id: str, now: datetime) -> int:
    """Erase some of what is stored of a contact, and return how many conversations that changed; 0: nothing is left.

    What other contacts' conversations hold stays, without the events that happen to name this contact doing so.
    """
    # In one order, as everybody who holds several.
    held = _hold(session, _of(project_id, contact_id))
    if held:
        erasure.erase(session, project_id, held, now)
        return len(held)
    naming = (_event.c.project_id == project_id) & (_event.c.contact_id == contact_id)
    named = session.execute(sa.select(_event.c.conversation_id).where(naming).distinct().limit(_AT_ONCE)).scalars()
    held = _hold(session, _conversation.c.id.in_(named.all()))
    goals.lock_existing(session, sorted(events.goals_of(session, list(held))))
    session.execute(sa.update(_event).where(naming, _event.c.conversation_id.in_(held)).values(contact_id=None))
    return len(held)


def _hold(session: Session, which: sa.ColumnElement[bool]) -> dict[UUID, str]:
    rows = session.execute(
        sa.select(_conversation.c.id, _conversation.c.agent_id)
        .where(which)
        .order_by(_conversation.c.id)
        .limit(_AT_ONCE)
        .with_for_update()
    )
    return {row.id: row.agent_id for row in rows}


def _of(project_id: UUID, contact_id: str) -> sa.ColumnElement[bool]:
    return (_conversation.c.project_id == project_id) & (_conversation.c.contact_id == contact_id)


def _goals(session: Session, of_contact: sa.ColumnElement[bool]) -> list[Completions]:
    goal, revision = table(Goal), table(GoalRevision)
    completed = (
        sa.select(
            _cycle.c.goal_id,
            sa.func.count().label("number"),
            sa.func.min(_cycle.c.completed_at).label("first_at"),
            sa.func.max(_cycle.c.completed_at).label("last_at"),
        )
        .join_from(_cycle, _conversation)
        .where(of_contact, _cycle.c.state == CycleState.COMPLETED)
        .group_by(_cycle.c.goal_id)
        .subquery()
    )
    query = (
        sa.select(goal.c.id, revision.c.name, completed.c.number, completed.c.first_at, completed.c.last_at)
        .join_from(completed, goal, goal.c.id == completed.c.goal_id)
        .join(revision, (revision.c.goal_id == goal.c.id) & (revision.c.number == goal.c.revision))
    )
    return _by_name(session, query)


def _tasks(session: Session, of_contact: sa.ColumnElement[bool]) -> list[Completions]:
    at = _event.c.occurred_at
    query = (
        sa.select(sa.null(), _event.c.name, sa.func.count(), sa.func.min(at), sa.func.max(at))
        .join_from(_event, _conversation)
        .where(of_contact, _event.c.type == EventType.TASK_COMPLETED)
        .group_by(_event.c.name)
    )
    return _by_name(session, query)


def _by_name(session: Session, query: sa.Select[Any]) -> list[Completions]:
    # Databases differ in how they sort text.
    return sorted((Completions(*row) for row in session.execute(query)), key=lambda one: (one.name, str(one.goal_id)))
