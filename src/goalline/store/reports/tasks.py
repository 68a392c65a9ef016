"""The report on tasks: how often each was completed."""

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Session

from goalline.domain.track import Measure
from goalline.store.reports.process import NUMBER, TrackFilter
from goalline.store.tables import TrackRollup, table
from goalline.store.track.rollups import NO_GOAL

_rollup = table(TrackRollup).c


@dataclass(frozen=True, slots=True)
class TaskCount:
    """A task and how often it was completed."""

    name: str
    completed: int


@dataclass(frozen=True, slots=True)
class TaskCounts:
    """The tasks that were completed most, and all together: how many different ones, and how many completions."""

    most: list[TaskCount]
    total: int
    completed: int


def most_completed(session: Session, project_id: UUID, wanted: TrackFilter, limit: int) -> TaskCounts:
    """Return up to `limit` tasks, those completed most often first, then by name; and the totals of all of them."""
    counted = (
        sa.select(_rollup.key.label("name"), NUMBER.label("completed"))
        .where(*wanted.counts(table(TrackRollup), project_id, Measure.TASK), _rollup.goal_id == NO_GOAL)
        .group_by(_rollup.key)
        .having(NUMBER > 0)
        .subquery()
    )
    rows = session.execute(
        sa.select(counted.c.name, counted.c.completed).order_by(counted.c.completed.desc(), counted.c.name).limit(limit)
    )
    total, completed = session.execute(
        sa.select(sa.func.count(), sa.func.sum(counted.c.completed)).select_from(counted)
    ).one()
    return TaskCounts([TaskCount(name, int(number)) for name, number in rows], total, int(completed or 0))
