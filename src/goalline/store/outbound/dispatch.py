"""Dispatch: who delivers a message, until when, and what becomes of it and of its subscription; the row is the job.

Whoever changes a message here holds its subscription first. So its messages are given out by one at a time, and in
their order within a conversation.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlmodel import Session

from goalline.domain.outbound.message import TOLD_FOR, Answer, MessageStatus, MessageType, rest, retry_delay
from goalline.store.database import run
from goalline.store.tables import Attempt, Conversation, Message, Subscription, is_untold, table

AT_ONCE = 4
"""Most messages that one receiver is sent at the same time; while it fails, one."""

LEASE = timedelta(seconds=60)
"""How long an attempt may take until it counts as lost: longer than any is let."""

_LONG = timedelta(days=1)

_subscription, _message, _attempt = table(Subscription), table(Message), table(Attempt)
_conversation = table(Conversation)
_earlier = _message.alias("earlier")
_now: sa.BindParameter[Any] = bindparam("now", type_=_message.c.due_at.type)

_DUE = is_untold(_message) & (_message.c.due_at <= _now)
_READY = sa.select(_subscription).where(
    _subscription.c.enabled,
    sa.or_(_subscription.c.resting_until.is_(None), _subscription.c.resting_until <= _now),
    sa.exists().where(_message.c.subscription_id == _subscription.c.id, _DUE),
)
_COUNT = sa.select(
    sa.select(sa.func.count()).where(_subscription.c.enabled).scalar_subquery(),
    sa.select(sa.func.count()).select_from(_READY.subquery()).scalar_subquery(),
)
_SERVE = (
    _READY.where(_subscription.c.id.not_in(bindparam("passed_over", expanding=True)))
    .order_by(_subscription.c.served_at)
    .limit(1)
    # Whoever tells it something meanwhile need not wait.
    .with_for_update(skip_locked=True, key_share=True)
)
_RUNNING = sa.select(sa.func.count()).where(
    _message.c.subscription_id == bindparam("whose"),
    is_untold(_message),
    _message.c.status == MessageStatus.RUNNING,
    _message.c.due_at > _now,
)
_SENDABLE = (
    sa.select(_message.c.number)
    .where(
        _message.c.subscription_id == bindparam("whose"),
        _DUE,
        ~sa.exists().where(
            is_untold(_earlier),
            _earlier.c.subscription_id == _message.c.subscription_id,
            _earlier.c.conversation_id == _message.c.conversation_id,
            _earlier.c.number < _message.c.number,
        ),
    )
    .limit(1)
)
_NEXT = _SENDABLE.order_by(_message.c.due_at, _message.c.number)
# What has failed before says little about whether the receiver is back, and may be what it will never take: the newest
# of what was never tried goes first, so that many of those do not stand in the way of everything else.
_PROBE = _SENDABLE.order_by(
    sa.case((_message.c.tried_since.is_(None), -_message.c.number), else_=0), _message.c.due_at, _message.c.number
)
_CLAIM = (
    sa.update(_message)
    .where(_message.c.number == bindparam("claimed"))
    .values(
        status=MessageStatus.RUNNING,
        attempts=_message.c.attempts + 1,
        tried_since=sa.func.coalesce(_message.c.tried_since, _now),
        due_at=bindparam("lease_until"),
    )
    .returning(*_message.c)
)
_SERVED = sa.update(_subscription).where(_subscription.c.id == bindparam("whose")).values(served_at=bindparam("served"))
_HOLD = sa.select(_subscription).where(_subscription.c.id == bindparam("whose")).with_for_update(key_share=True)
# The number of attempts is the fence: whoever claims the message after us has a higher one.
_OWNED = sa.update(_message).where(
    _message.c.number == bindparam("claimed"),
    _message.c.status == MessageStatus.RUNNING,
    _message.c.attempts == bindparam("nth"),
)
_END = _OWNED.values(status=bindparam("new_status"), ended_at=bindparam("ended"), due_at=bindparam("ended")).returning(
    _message.c.number
)
_WAIT = _OWNED.values(status=MessageStatus.WAITING, due_at=bindparam("new_due_at")).returning(_message.c.number)
_WAITING = sa.update(_message).where(
    _message.c.subscription_id == bindparam("whose"),
    is_untold(_message),
    _message.c.status == MessageStatus.WAITING,
)
_BEGIN_ANEW = _WAITING.values(due_at=_now, tried_since=None)
# What was refused while others were accepted goes on waiting: it is not the receiver that it waits for.
_RESUME = _WAITING.where(_message.c.due_at > _now, _message.c.tried_since >= bindparam("failing_from")).values(
    due_at=_now
)
_LOG = sa.insert(_attempt)
_WORDS_DELETED = sa.select(_conversation.c.id).where(
    _conversation.c.id == bindparam("row_id"), _conversation.c.transcript_deleted_at.is_not(None)
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A message that is this caller's to deliver, as long as nobody else has claimed it since."""

    number: int
    id: UUID
    project_id: UUID
    subscription_id: UUID
    type: MessageType
    occurred_at: datetime
    conversation_id: UUID | None
    evaluation_id: UUID | None
    goal_id: UUID | None
    facts: dict[str, Any] | None
    nth: int
    tried_since: datetime
    name: str
    thin: bool
    url: str = field(repr=False)
    sealed: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of a message after an attempt; None where the claim was lost. With `disabled` its receiver was."""

    status: MessageStatus | None
    disabled: str | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """How many subscriptions are enabled, and how many of them have something due and are not left alone."""

    listening: int
    ready: int


def claim(session: Session, now: datetime) -> Claim | None:
    """Take a message that is due, of the subscription that was served the longest ago; None where there is none.

    Of one conversation, a message is taken once those before it have ended. A receiver gets few at the same time, and
    one that has failed gets one, once it has rested.
    """
    passed_over: list[UUID] = []
    while subscription := run(session, _SERVE, now=now, passed_over=passed_over).first():
        if number := _next(session, subscription, now):
            row = run(session, _CLAIM, claimed=number, now=now, lease_until=now + LEASE).first()
            if row is None:
                # Deleted this moment with its conversation, for which nobody has to hold the subscription.
                continue
            run(session, _SERVED, whose=subscription.id, served=now)
            return _claimed(subscription, row)
        passed_over.append(subscription.id)
    return None


def due(session: Session, now: datetime) -> Due:
    """Return how many subscriptions listen, and for how many of them there is something to do."""
    return Due(*run(session, _COUNT, now=now).one())


def begin_anew(session: Session, subscription_id: UUID, now: datetime) -> None:
    """Make everything that waits for a held subscription due, as if nothing of it had been tried before."""
    run(session, _BEGIN_ANEW, whose=subscription_id, now=now)


def drop(session: Session, held: Claim, now: datetime) -> Delivered:
    """End a message that cannot be told any more, as what it is about is gone."""
    run(session, _HOLD, whose=held.subscription_id)
    dropped = run(session, _END, _fence(held), new_status=MessageStatus.DROPPED, ended=now).first()
    return Delivered(MessageStatus.DROPPED if dropped else None)


def finish(session: Session, held: Claim, answer: Answer, now: datetime, chance: float) -> Delivered:
    """Store what came of an attempt, and what follows from it for the message and for its subscription.

    What was refused is tried again later, for three days; a subscription of which nothing has been accepted for as
    long is disabled, and so is one whose receiver says 410. After the first message that is accepted again, all that
    wait follow at once.
    """
    subscription = run(session, _HOLD, whose=held.subscription_id).first()
    # What an address has answered says nothing about the one that the subscription has by now.
    moved = subscription is not None and subscription.url != held.url
    status, fence = _status(held, answer, now, moved=moved), _fence(held)
    if status is MessageStatus.WAITING:
        delay = timedelta(0) if moved else retry_delay(now - held.tried_since, answer.retry_after, chance)
        owned = run(session, _WAIT, fence, new_due_at=now + delay).first()
    else:
        owned = run(session, _END, fence, new_status=status, ended=now).first()
    if owned is None or subscription is None:
        return Delivered(None)
    # It may repeat what was told, or what the receiver has kept of it.
    words_deleted = held.conversation_id and run(session, _WORDS_DELETED, row_id=held.conversation_id).first()
    run(
        session,
        _LOG,
        message=held.number,
        number=held.nth,
        at=now,
        milliseconds=round(answer.seconds * 1000),
        status=answer.status,
        answer="" if words_deleted else answer.body,
        error=answer.error,
    )
    if moved:
        return Delivered(status)
    if answer.accepted:
        _recovered(session, subscription, now)
        return Delivered(status)
    return Delivered(status, _failed(session, subscription, answer, now))


def _next(session: Session, subscription: Any, now: datetime) -> int | None:
    running: int = run(session, _RUNNING, whose=subscription.id, now=now).scalar_one()
    if running >= (1 if subscription.failures else AT_ONCE):
        return None
    wanted = _PROBE if subscription.failures else _NEXT
    number: int | None = run(session, wanted, whose=subscription.id, now=now).scalar()
    return number


def _claimed(subscription: Any, row: Any) -> Claim:
    return Claim(
        number=row.number,
        id=row.id,
        project_id=subscription.project_id,
        subscription_id=subscription.id,
        type=row.type,
        occurred_at=row.occurred_at,
        conversation_id=row.conversation_id,
        evaluation_id=row.evaluation_id,
        goal_id=row.goal_id,
        facts=row.facts,
        nth=row.attempts,
        tried_since=row.tried_since,
        name=subscription.name,
        thin=subscription.thin,
        url=subscription.url,
        sealed=subscription.sealed,
    )


def _fence(held: Claim) -> dict[str, Any]:
    return {"claimed": held.number, "nth": held.nth}


def _status(held: Claim, answer: Answer, now: datetime, *, moved: bool) -> MessageStatus:
    if answer.accepted:
        return MessageStatus.DELIVERED
    gives_up = answer.gone or now - held.tried_since >= TOLD_FOR
    return MessageStatus.FAILED if gives_up and not moved else MessageStatus.WAITING


def _recovered(session: Session, subscription: Any, now: datetime) -> None:
    if subscription.failures:
        _change(session, subscription.id, failures=0, failing_since=None, resting_until=None)
        # The first that failed was claimed a little earlier than it failed.
        run(session, _RESUME, whose=subscription.id, now=now, failing_from=subscription.failing_since - LEASE)


def _failed(session: Session, subscription: Any, answer: Answer, now: datetime) -> str | None:
    resting = subscription.resting_until
    # Where nothing was tried for long, as nothing was there to tell or nobody ran, it cannot be said to have failed.
    untried = resting is not None and now - resting > _LONG
    since = now if untried else subscription.failing_since or now
    disabled = None
    if answer.gone:
        disabled = "its receiver answered 410: it wants no more"
    elif now - since >= TOLD_FOR and not answer.ours:
        disabled = f"its receiver has accepted nothing for {TOLD_FOR.days} days"
    _change(
        session,
        subscription.id,
        failures=subscription.failures + 1,
        failing_since=since,
        resting_until=now + rest(now - since, answer.retry_after),
        enabled=subscription.enabled and not disabled,
        disabled_because=disabled or subscription.disabled_because,
    )
    return disabled


def _change(session: Session, subscription_id: UUID, **values: Any) -> None:
    session.execute(sa.update(_subscription).where(_subscription.c.id == subscription_id).values(**values))
