"""Recovery: evaluations that nobody took, or whose worker died, are found again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select, update
from sqlmodel import Session

from goalline.domain.evaluation import MOST_INTERRUPTIONS, Reason, Status, ring_again_delay
from goalline.store.database import run
from goalline.store.outbound import telling
from goalline.store.tables import Evaluation, is_open, is_queued, table

_ON_ITS_WAY = timedelta(seconds=5)

_evaluation = table(Evaluation)
_OVERDUE = (
    select(_evaluation.c.id)
    .where(is_queued(_evaluation), _evaluation.c.due_at <= bindparam("before"))
    .limit(bindparam("most"))
)

_END_POISON = (
    update(_evaluation)
    .where(_evaluation.c.id == bindparam("evaluation_id"))
    .values(
        status=Status.FAILED,
        reason=Reason.POISON,
        finished_at=bindparam("now"),
        interruptions=_evaluation.c.interruptions + 1,
        last_error=bindparam("lease_lost"),
    )
)
_QUEUE_AGAIN = (
    update(_evaluation)
    .where(_evaluation.c.id == bindparam("evaluation_id"))
    .values(
        status=Status.QUEUED,
        interruptions=bindparam("lost_leases"),
        ring_at=bindparam("ring_again_at"),
        last_error=func.coalesce(
            bindparam("lease_lost", type_=_evaluation.c.last_error.type), _evaluation.c.last_error
        ),
    )
)


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a sweep found: evaluations to ring for, how many leases had run out, and how many it gave up for that."""

    ringing: list[UUID]
    lost: int
    given_up: int


def forget_bells(session: Session, now: datetime) -> None:
    """Make every queued evaluation that is due ring in the next sweep, for a broker that lost its memory."""
    session.execute(
        update(_evaluation)
        .where(is_open(_evaluation), is_queued(_evaluation), _evaluation.c.due_at <= now, _evaluation.c.ring_at > now)
        .values(ring_at=now)
    )


def overdue(session: Session, now: datetime, limit: int) -> Sequence[UUID]:
    """Return up to `limit` queued evaluations that have been due for so long that no bell can still be on its way."""
    found: Sequence[UUID] = run(session, _OVERDUE, before=now - _ON_ITS_WAY, most=limit).scalars().all()
    return found


def recover(session: Session, now: datetime, limit: int) -> Recovered:
    """Return evaluations that need the bell: those nobody took in time and those whose worker died.

    A lost lease puts the row back into the queue, or ends it where that has happened too often. What is returned
    rings again only after `ring_again_delay`, so that several sweepers share the work; rows that another sweeper is
    looking at are left to it.
    """
    found = session.execute(
        select(
            _evaluation.c.id,
            _evaluation.c.project_id,
            _evaluation.c.conversation_id,
            _evaluation.c.status,
            _evaluation.c.due_at,
            _evaluation.c.interruptions,
        )
        .where(is_open(_evaluation), _evaluation.c.ring_at <= now)
        .order_by(_evaluation.c.ring_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    given_up = [row for row in found if row.status is Status.RUNNING and row.interruptions + 1 >= MOST_INTERRUPTIONS]
    if given_up:
        session.connection().execute(
            _END_POISON, [{"evaluation_id": row.id, "now": now, "lease_lost": _lost(now)} for row in given_up]
        )
        for project_id, rows in groupby(sorted(given_up, key=_project), _project):
            telling.failed(session, project_id, {row.id: row.conversation_id for row in rows}, now)
    ringing = [row for row in found if row not in given_up]
    if ringing:
        session.connection().execute(
            _QUEUE_AGAIN,
            [
                {
                    "evaluation_id": row.id,
                    "lost_leases": row.interruptions + (row.status is Status.RUNNING),
                    "lease_lost": _lost(now) if row.status is Status.RUNNING else None,
                    "ring_again_at": now + ring_again_delay(now - row.due_at),
                }
                for row in ringing
            ],
        )
    lost = sum(row.status is Status.RUNNING for row in found)
    return Recovered([row.id for row in ringing], lost=lost, given_up=len(given_up))


def _project(row: Any) -> UUID:
    project_id: UUID = row.project_id
    return project_id


def _lost(now: datetime) -> str:
    return f"its worker was killed, hung, or lost the database: its lease had run out at {now:%Y-%m-%dT%H:%M:%SZ}"
