"""Evaluations: queued once for each delivery, and read."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert, update
from sqlmodel import Session, col, select

from goalline.domain.evaluation import Reason, Status
from goalline.store.database import run
from goalline.store.tables import Conversation, Evaluation, table

_evaluation = table(Evaluation)
_ENQUEUE = insert(_evaluation)


def enqueue(
    session: Session, project_id: UUID, conversation_id: UUID, number: int, now: datetime, ring_again_at: datetime
) -> UUID:
    """Store the `number`-th evaluation of a conversation as queued, due at once, and return its id.

    Whoever commits this rings the bell; should nobody have heard it by `ring_again_at`, the sweep rings again. The
    conversation is either new in this transaction or locked by it.
    """
    row = _new(project_id, conversation_id, number, now) | {"ring_at": ring_again_at}
    run(session, _ENQUEUE, row)
    if number > 1:
        conversation = table(Conversation)
        session.execute(update(conversation).where(conversation.c.id == conversation_id).values(evaluations=number))
    evaluation_id: UUID = row["id"]
    return evaluation_id


def enqueue_again(session: Session, row: Conversation, now: datetime, ring_again_at: datetime) -> UUID:
    """Store the next evaluation of a conversation, as `enqueue` does; one that is still queued is as good as new."""
    return _still_queued(session, row.id, now, ring_again_at) or enqueue(
        session, row.project_id, row.id, row.evaluations + 1, now, ring_again_at
    )


def enqueue_next(
    session: Session, project_id: UUID, newest: Mapping[UUID, int], now: datetime, ring_again_at: datetime
) -> list[UUID]:
    """Store the next evaluation of each of some conversations of a project, as `enqueue` does, and return their ids.

    `newest` has the number of the newest one of each. The conversations are locked by this transaction.
    """
    if not newest:
        return []
    rows = [_new(project_id, row_id, number + 1, now) | {"ring_at": ring_again_at} for row_id, number in newest.items()]
    session.connection().execute(_ENQUEUE, rows)
    conversation = table(Conversation)
    session.execute(
        update(conversation)
        .where(conversation.c.id.in_(newest.keys()))
        .values(evaluations=conversation.c.evaluations + 1)
    )
    return [row["id"] for row in rows]


def skip(session: Session, project_id: UUID, conversation_id: UUID, reason: Reason, now: datetime) -> UUID:
    """Store the only evaluation that a conversation will have, skipped before anybody could claim it; return its id."""
    row = _new(project_id, conversation_id, 1, now) | {"status": Status.SKIPPED, "reason": reason, "finished_at": now}
    run(session, _ENQUEUE, row)
    evaluation_id: UUID = row["id"]
    return evaluation_id


def newest(session: Session, row: Conversation) -> Evaluation:
    """Return a conversation's newest evaluation."""
    return session.exec(
        select(Evaluation).where(Evaluation.conversation_id == row.id, Evaluation.number == row.evaluations)
    ).one()


def of_conversation(session: Session, row: Conversation) -> Sequence[Evaluation]:
    """Return all evaluations of a conversation, newest first."""
    return session.exec(
        select(Evaluation).where(Evaluation.conversation_id == row.id).order_by(col(Evaluation.number).desc())
    ).all()


def newest_of(session: Session, rows: Sequence[Conversation]) -> dict[UUID, Evaluation]:
    """Return the newest evaluation of each of some conversations."""
    found = session.exec(
        select(Evaluation)
        .join(Conversation, col(Evaluation.conversation_id) == col(Conversation.id))
        .where(
            col(Conversation.id).in_([row.id for row in rows]),
            col(Evaluation.number) == col(Conversation.evaluations),
        )
    )
    return {evaluation.conversation_id: evaluation for evaluation in found}


def _still_queued(session: Session, conversation_id: UUID, now: datetime, ring_again_at: datetime) -> UUID | None:
    """Return the evaluation that will judge the conversation as it is stored when this transaction commits.

    That is the newest one still queued. Delays that a failing LLM brought upon it end, and its deadline is a new
    one's, as the bell is rung for it. Its row is held until the commit: a worker that claims it next reads what is
    committed.
    """
    queued = session.execute(
        update(_evaluation)
        .where(_evaluation.c.conversation_id == conversation_id, _evaluation.c.status == Status.QUEUED)
        .values(tried_since=now, due_at=_evaluation.c.created_at, ring_at=ring_again_at, interruptions=0)
        .returning(_evaluation.c.number, _evaluation.c.id)
    ).all()
    return max(queued)[1] if queued else None


def _new(project_id: UUID, conversation_id: UUID, number: int, now: datetime) -> dict[str, Any]:
    return {
        "id": uuid4(),
        "project_id": project_id,
        "conversation_id": conversation_id,
        "number": number,
        "status": Status.QUEUED,
        "created_at": now,
        "tried_since": now,
        "due_at": now,
        "ring_at": now,
        "attempts": 0,
        "interruptions": 0,
        "calls": 0,
    }
