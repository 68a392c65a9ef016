"""Intake: a delivery becomes a conversation that has ended, once, and its evaluation waits for the judge."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel import Session

from goalline.domain.evaluation import RING_AGAIN_AFTER, Reason, Status
from goalline.domain.refusal import Conflict, NotFound
from goalline.domain.transcript import Delivery, is_empty
from goalline.store import rollups
from goalline.store.contacts import deactivation, erasure
from goalline.store.conversations import conversations, evaluations
from goalline.store.rollups import ConversationPlace
from goalline.store.tables import Conversation, Project
from goalline.store.track import recording


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a delivery. With `ring` its evaluation waits for the bell; with `needless` it never will.

    What came with it led to `told` messages for subscriptions.
    """

    row_id: UUID
    conversation_id: str
    evaluation_id: UUID
    status: Status
    duplicate: bool
    ring: bool
    needless: Reason | None = None
    told: int = 0


def take_in(
    session: Session, project: Project, delivery: Delivery, words: str, now: datetime, *, keep_words: bool = False
) -> Receipt:
    """Store a conversation, whose words have the digest `words`, and queue its evaluation, once.

    `pipeline.receive` tells what becomes of one that comes again.

    Raises:
        Conflict: the conversation is stored with another agent.
    """
    silent = bool(deactivation.deactivated(session, project.id, [delivery.contact_id]))
    row: Conversation | None = None
    while row is None:
        stored = conversations.insert_once(session, project, delivery, words, now, silent=silent)
        if stored:
            row_id, day = stored
            needless = Reason.CONTACT_DEACTIVATED if silent else None
            receipt = _first(session, project.id, row_id, delivery, needless, now)
            rollups.count_conversations(session, ConversationPlace(project.id, day, delivery.agent_id), 1)
            return receipt
        # Deleted between the two looks at it, it is new after all.
        with suppress(NotFound):
            row = conversations.get(session, project.id, delivery.conversation_id, lock=True)

    if row.ended_at is None:
        # Its events came first.
        return _end(session, row, delivery, words, now)
    if row.erased_at is not None:
        return _unchanged(session, row)
    if row.agent_id != delivery.agent_id:
        raise Conflict(
            f"conversation {row.conversation_id!r} is stored with agent {row.agent_id!r}; "
            "a conversation cannot move to another agent",
            "agent_id",
        )
    if row.transcript_digest == words or (keep_words and is_empty(delivery.transcript)):
        return _unchanged(session, row)
    if _is_silent(session, row, delivery):
        return _unchanged(session, row)
    conversations.replace_transcript(session, row, delivery, words)
    evaluation_id = evaluations.enqueue_again(session, row, now, now + RING_AGAIN_AFTER)
    return Receipt(row.id, row.conversation_id, evaluation_id, Status.QUEUED, duplicate=True, ring=True)


def _first(
    session: Session, project_id: UUID, row_id: UUID, delivery: Delivery, needless: Reason | None, now: datetime
) -> Receipt:
    if needless:
        evaluation_id, status = evaluations.skip(session, project_id, row_id, needless, now), Status.SKIPPED
    else:
        evaluation_id = evaluations.enqueue(session, project_id, row_id, 1, now, now + RING_AGAIN_AFTER)
        status = Status.QUEUED
    ring = not needless
    return Receipt(
        row_id, delivery.conversation_id, evaluation_id, status, duplicate=False, ring=ring, needless=needless
    )


def _end(session: Session, row: Conversation, delivery: Delivery, words: str, now: datetime) -> Receipt:
    needless = Reason.ERASED if row.erased_at else None
    if not needless and _is_silent(session, row, delivery):
        needless = Reason.CONTACT_DEACTIVATED
    day = conversations.end(session, row, delivery, words, now, silent=needless is not None)
    receipt = _first(session, row.project_id, row.id, delivery, needless, now)
    # Goals are locked before rollups, by everybody: see goals.remove.
    recording.hold_goals(session, [row.id])
    rollups.count_conversations(session, ConversationPlace(row.project_id, day, delivery.agent_id), 1)
    recording.adopt(session, row.project_id, row.id, row.agent_id, delivery.agent_id)
    if needless is Reason.CONTACT_DEACTIVATED:
        erasure.erase(session, row.project_id, {row.id: delivery.agent_id}, now)
    return receipt


def _unchanged(session: Session, row: Conversation) -> Receipt:
    latest = evaluations.newest(session, row)
    return Receipt(row.id, row.conversation_id, latest.id, latest.status, duplicate=True, ring=False)


def _is_silent(session: Session, row: Conversation, delivery: Delivery) -> bool:
    # Asked anew, now that the conversation is held: whoever deactivates a contact has ended before, or waits.
    return bool(deactivation.deactivated(session, row.project_id, {delivery.contact_id, row.contact_id}))
