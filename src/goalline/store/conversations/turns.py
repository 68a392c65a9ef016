"""Turns: which projects wait for the judge, so that each gets its share of it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, exists, select
from sqlmodel import Session

from goalline.store.database import run
from goalline.store.tables import Evaluation, is_queued, table

_evaluation = table(Evaluation)

# From project to project through the index, not from evaluation to evaluation: a backlog has a great many of them.
_next = select(_evaluation.c.project_id).where(is_queued(_evaluation)).order_by(_evaluation.c.project_id).limit(1)
_queued = select(_next.scalar_subquery().label("project_id")).cte("queued", recursive=True)
_queued = _queued.union_all(
    select(_next.where(_evaluation.c.project_id > _queued.c.project_id).correlate(_queued).scalar_subquery()).where(
        _queued.c.project_id.is_not(None)
    )
)
_WAITING = select(_queued.c.project_id).where(
    exists().where(
        is_queued(_evaluation),
        _evaluation.c.project_id == _queued.c.project_id,
        _evaluation.c.due_at <= bindparam("now"),
    )
)


def waiting(session: Session, now: datetime) -> Sequence[UUID]:
    """Return the projects that have an evaluation which is due."""
    found: Sequence[UUID] = run(session, _WAITING, now=now).scalars().all()
    return found
