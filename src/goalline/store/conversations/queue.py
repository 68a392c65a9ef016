"""The queue, seen from outside: how much waits, for how long, and what became of what has ended."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, func, select
from sqlmodel import Session

from goalline.domain.evaluation import Reason, Status
from goalline.store.tables import Conversation, Evaluation, is_open, table

_conversation, _evaluation = table(Conversation).c, table(Evaluation).c

_DUE = case((_evaluation.status == Status.QUEUED, _evaluation.due_at))


@dataclass(frozen=True, slots=True)
class Queue:
    """Evaluations that are due, that wait for a later attempt, and that run; `oldest` is an age in seconds.

    `expired` of the running ones have a lease that ran out a while ago, so that nobody seems to sweep.
    """

    due: int
    later: int
    running: int
    oldest: float
    expired: int


def queue(session: Session, now: datetime, patience: timedelta = timedelta(minutes=1)) -> Queue:
    """Look at the queue; takes time for what is open, and none for what has ended.

    Args:
        session: where to look.
        now: the time.
        patience: how long after its end a lease counts as expired.
    """
    due = _evaluation.due_at <= now
    late = _evaluation.ring_at <= now - patience
    queued = _evaluation.status == Status.QUEUED
    due_now, later, running, first, expired = session.execute(
        select(
            func.count(case((queued & due, 1))),
            func.count(case((queued & ~due, 1))),
            func.count(case((_evaluation.status == Status.RUNNING, 1))),
            func.min(_DUE),
            func.count(case(((_evaluation.status == Status.RUNNING) & late, 1))),
        ).where(is_open(table(Evaluation)))
    ).one()
    oldest = max((now - first).total_seconds(), 0.0) if first else 0.0
    return Queue(due_now, later, running, oldest, expired)


def failures(session: Session, since: datetime) -> dict[Reason, int]:
    """Return of how many conversations the newest evaluation has failed since a time, by reason, most first.

    Reads the whole table.
    """
    many = func.count()
    newest = (_evaluation.conversation_id == _conversation.id) & (_evaluation.number == _conversation.evaluations)
    rows = session.execute(
        select(_evaluation.reason, many)
        .where(newest, _evaluation.status == Status.FAILED, _evaluation.finished_at >= since)
        .group_by(_evaluation.reason)
        .order_by(many.desc(), _evaluation.reason)
    )
    return {reason: number for reason, number in rows if reason}
