"""The log: what a subscription was told, every attempt to do so, and messages that are to be delivered again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlmodel import Session, col, select

from goalline.domain.outbound.message import MessageStatus
from goalline.domain.refusal import Conflict, NotFound
from goalline.store.database import run
from goalline.store.outbound import subscriptions
from goalline.store.tables import Attempt, Message, is_untold, table

_message, _attempt = table(Message), table(Attempt)
_ROWS: sa.BindParameter[Any] = bindparam("row_ids", expanding=True)
_FORGET = sa.delete(_message).where(_message.c.conversation_id.in_(_ROWS))
_FORGET_ANSWERS = (
    sa.update(_attempt)
    .where(
        _attempt.c.message.in_(sa.select(_message.c.number).where(_message.c.conversation_id.in_(_ROWS))),
        _attempt.c.answer != "",
    )
    .values(answer="")
)
_OLD = (
    sa.select(_message.c.number)
    .where(_message.c.ended_at.is_not(None), _message.c.ended_at < bindparam("before"))
    .order_by(_message.c.ended_at)
    .limit(bindparam("most"))
)
_DELETE = sa.delete(_message).where(
    _message.c.number.in_(bindparam("numbers", expanding=True)), _message.c.ended_at.is_not(None)
)
_AGAIN = {
    "status": MessageStatus.WAITING,
    "tried_since": None,
    "ended_at": None,
    "due_at": bindparam("now", type_=_message.c.due_at.type),
}
_FAILED = (
    sa.select(_message.c.number)
    .where(
        _message.c.subscription_id == bindparam("whose"),
        _message.c.status == MessageStatus.FAILED,
        _message.c.number > bindparam("after"),
    )
    .order_by(_message.c.number)
    .limit(bindparam("most"))
)


@dataclass(frozen=True, slots=True)
class Told:
    """A message with its attempts, in order."""

    message: Message
    attempts: Sequence[Attempt]


def listed(
    session: Session,
    subscription_id: UUID,
    *,
    status: MessageStatus | None = None,
    before: int | None = None,
    limit: int,
) -> Sequence[Told]:
    """Return messages of a subscription, the newest first, from the one in front of number `before` on."""
    query = select(Message).where(Message.subscription_id == subscription_id).order_by(col(Message.number).desc())
    if status:
        query = query.where(Message.status == status)
    if before is not None:
        query = query.where(col(Message.number) < before)
    return _told(session, session.exec(query.limit(limit)).all())


def get(session: Session, project_id: UUID, subscription_id: UUID, message_id: UUID) -> Told:
    """Return one message.

    Raises:
        NotFound: the project has no such subscription, or the subscription no such message.
    """
    return _told(session, [_one(session, project_id, subscription_id, message_id)])[0]


def redeliver(session: Session, project_id: UUID, subscription_id: UUID, message_id: UUID, now: datetime) -> Told:
    """Let a message be delivered again, whatever became of it; one that is waiting is due at once.

    Raises:
        NotFound: the project has no such subscription, or the subscription no such message.
        Conflict: the subscription is disabled, or the message is being delivered this moment.
    """
    subscriptions.awake(session, project_id, subscription_id)
    message = _one(session, project_id, subscription_id, message_id)
    if message.status is MessageStatus.RUNNING and message.due_at > now:
        raise Conflict("this message is being delivered this moment")
    _again(session, [message.number], now)
    session.refresh(message)
    return _told(session, [message])[0]


def redeliver_failed(
    session: Session, project_id: UUID, subscription_id: UUID, now: datetime, *, after: int = 0, limit: int
) -> tuple[int, int | None]:
    """Let failed messages be delivered again, the oldest first; return how many, and after which one to go on.

    None: these were the last.

    Raises:
        NotFound: the project has no such subscription.
        Conflict: it is disabled.
    """
    subscriptions.awake(session, project_id, subscription_id)
    numbers = run(session, _FAILED, whose=subscription_id, after=after, most=limit).scalars().all()
    _again(session, numbers, now)
    return len(numbers), numbers[-1] if len(numbers) == limit else None


def forget(session: Session, row_ids: Sequence[UUID]) -> None:
    """Delete what was told of some conversations, and what was to be told."""
    run(session, _FORGET, row_ids=row_ids)


def forget_answers(session: Session, row_ids: Sequence[UUID]) -> None:
    """Delete what receivers answered about some conversations: it may repeat what they were told."""
    run(session, _FORGET_ANSWERS, row_ids=row_ids)


def old(session: Session, before: datetime, limit: int) -> Sequence[int]:
    """Return the numbers of up to `limit` messages that ended before a time, the oldest first."""
    numbers: Sequence[int] = run(session, _OLD, before=before, most=limit).scalars().all()
    return numbers


def delete(session: Session, numbers: Sequence[int]) -> None:
    """Delete those of some messages that have ended, with their attempts."""
    run(session, _DELETE, numbers=numbers)


def waiting(session: Session, subscription_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return how many messages have not ended, for those of some subscriptions that have any."""
    query = (
        sa.select(_message.c.subscription_id, sa.func.count())
        .where(is_untold(_message), _message.c.subscription_id.in_(subscription_ids))
        .group_by(_message.c.subscription_id)
    )
    return dict(run(session, query).all())


def failed(session: Session, subscription_id: UUID) -> int:
    """Return how many messages of a subscription have failed."""
    query = (
        sa.select(sa.func.count())
        .select_from(_message)
        .where(_message.c.subscription_id == subscription_id, _message.c.status == MessageStatus.FAILED)
    )
    many: int = session.execute(query).scalar_one()
    return many


def _one(session: Session, project_id: UUID, subscription_id: UUID, message_id: UUID) -> Message:
    subscriptions.get(session, project_id, subscription_id)
    query = select(Message).where(Message.subscription_id == subscription_id, Message.id == message_id)
    found = session.exec(query).first()
    if found is None:
        raise NotFound(f"this subscription has no message {message_id}")
    return found


def _told(session: Session, messages: Sequence[Message]) -> list[Told]:
    of_message: dict[int | None, list[Attempt]] = {message.number: [] for message in messages}
    query = select(Attempt).where(col(Attempt.message).in_(of_message)).order_by(col(Attempt.number))
    for attempt in session.exec(query):
        of_message[attempt.message].append(attempt)
    return [Told(message, of_message[message.number]) for message in messages]


def _again(session: Session, numbers: Sequence[int | None], now: datetime) -> None:
    session.execute(sa.update(_message).where(_message.c.number.in_(numbers)).values(_AGAIN), {"now": now})
