"""Dossiers: everything that is stored of a contact, in one order, a few conversations at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Session, col, select

from goalline.domain.track import Track
from goalline.store.tables import Conversation, Cycle, Evaluation, Goal, GoalRevision, StepEvent, Verdict
from goalline.store.track import recording

AT_ONCE = 20
"""Most conversations that are in memory at a time."""

Found = TypeVar("Found", Evaluation, Verdict, StepEvent, Cycle)


@dataclass(frozen=True, slots=True)
class Dossier:
    """One conversation with all that hangs on it; verdicts with their goal's name in the revision they rest on."""

    conversation: Conversation
    evaluations: Sequence[Evaluation]
    verdicts: Sequence[tuple[Verdict, str]]
    events: Sequence[StepEvent]
    cycles: Sequence[tuple[Cycle, str]]
    track: Track


def of_contact(session: Session, project_id: UUID, contact_id: str) -> list[UUID]:
    """Return the conversations of a contact, in the order in which they were first heard of."""
    query = (
        select(Conversation.id)
        .where(Conversation.project_id == project_id, Conversation.contact_id == contact_id)
        .order_by(col(Conversation.received_at), col(Conversation.id))
    )
    return list(session.exec(query).all())


def load(session: Session, project_id: UUID, contact_id: str, row_ids: Sequence[UUID]) -> Iterator[Dossier]:
    """Yield the dossiers of those of some conversations that are still the contact's, in the order given."""
    found = session.exec(
        select(Conversation).where(
            Conversation.project_id == project_id,
            Conversation.contact_id == contact_id,
            col(Conversation.id).in_(row_ids),
        )
    ).all()
    rows = sorted(found, key=lambda row: row_ids.index(row.id))
    evaluations = _by_conversation(session, Evaluation, row_ids)
    verdicts = _by_conversation(session, Verdict, row_ids)
    events = _by_conversation(session, StepEvent, row_ids)
    cycles = _by_conversation(session, Cycle, row_ids)
    wordings, newest = _names(session, verdicts, cycles)
    for row in rows:
        yield Dossier(
            row,
            sorted(evaluations.get(row.id, []), key=lambda run: run.number),
            sorted(
                ((verdict, wordings[verdict.goal_id, verdict.revision]) for verdict in verdicts.get(row.id, [])),
                key=lambda pair: (pair[0].kind, pair[1], str(pair[0].evaluation_id)),
            ),
            sorted(events.get(row.id, []), key=lambda event: (event.occurred_at, event.event_id)),
            sorted(
                ((cycle, newest[cycle.goal_id]) for cycle in cycles.get(row.id, [])),
                key=lambda pair: (pair[1], str(pair[0].goal_id), pair[0].number),
            ),
            recording.load(session, row.id),
        )


def elsewhere(session: Session, project_id: UUID, contact_id: str) -> Sequence[tuple[StepEvent, str]]:
    """Return events that name a contact in conversations of others, each with the platform's id of its conversation."""
    query = (
        select(StepEvent, Conversation.conversation_id)
        .join(Conversation, col(Conversation.id) == col(StepEvent.conversation_id))
        .where(
            StepEvent.project_id == project_id,
            StepEvent.contact_id == contact_id,
            col(Conversation.contact_id).is_distinct_from(contact_id),
        )
    )
    return sorted(session.exec(query).all(), key=lambda pair: (pair[0].occurred_at, pair[0].event_id))


def _by_conversation(session: Session, kind: type[Found], row_ids: Sequence[UUID]) -> dict[UUID, list[Found]]:
    found: dict[UUID, list[Found]] = {}
    for row in session.exec(select(kind).where(col(kind.conversation_id).in_(row_ids))):
        found.setdefault(row.conversation_id, []).append(row)
    return found


def _names(
    session: Session, verdicts: dict[UUID, list[Verdict]], cycles: dict[UUID, list[Cycle]]
) -> tuple[dict[tuple[UUID, int], str], dict[UUID, str]]:
    judged = {verdict.goal_id for of_one in verdicts.values() for verdict in of_one}
    tracked = {cycle.goal_id for of_one in cycles.values() for cycle in of_one}
    rows = session.execute(
        sa.select(col(GoalRevision.goal_id), col(GoalRevision.number), col(GoalRevision.name), col(Goal.revision))
        .join(Goal, col(Goal.id) == col(GoalRevision.goal_id))
        .where(col(GoalRevision.goal_id).in_(judged | tracked))
    ).all()
    wordings = {(goal_id, number): name for goal_id, number, name, _ in rows}
    return wordings, {goal_id: name for goal_id, number, name, newest in rows if number == newest}
