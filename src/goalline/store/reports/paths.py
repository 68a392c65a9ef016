"""The report on paths: the tree of how conversations went on from step to step, and those behind any of its nodes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import nlargest
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Session

from goalline.domain import path
from goalline.domain.calendar import day_start
from goalline.domain.path import Direction, Node
from goalline.domain.track import Measure
from goalline.store.reports.process import TrackFilter
from goalline.store.tables import Conversation, ErasedTrackRollup, PathTaken, Project, TrackRollup, table
from goalline.store.tables import Path as PathRow
from goalline.store.track.rollups import NO_GOAL

_rollup, _erased, _path = table(TrackRollup), table(ErasedTrackRollup), table(PathRow)
_taken, _conversation = table(PathTaken), table(Conversation)
_AT_ONCE = 1_000
"""How many digests are looked for in one query; a database takes so many values and no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathFilter(TrackFilter):
    """Which paths are asked for; None means everything.

    Days are those of a conversation's first step. `contains` is a step that lies anywhere on the path, also where the
    tree does not reach to.
    """

    contains: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """Where a tree of paths grows from, a step or else where conversations began, and which way."""

    root: str | None = None
    direction: Direction = Direction.FORWARDS


@dataclass(frozen=True, slots=True)
class Grown:
    """A tree of paths, and how many conversations have any path at all, whether or not it comes by the root."""

    top: Node
    conversations: int


@dataclass(frozen=True, slots=True)
class Taken:
    """A conversation that took a path. One that has not ended has no `ended_at`, and perhaps an empty `agent_id`."""

    id: UUID
    conversation_id: str
    agent_id: str
    began_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Behind:
    """Conversations that came to a node: a page of those that can be listed, and how many there are in all.

    Of `reached`, `erased` were erased: they are counted and nobody knows any more which ones they were.
    """

    listed: list[Taken]
    reached: int
    erased: int


def grown(session: Session, project_id: UUID, wanted: PathFilter, growth: Growth, depth: int, most: int) -> Grown:
    """Return the tree of paths, of so many steps behind its top and of so many nodes at most."""
    found = [(steps, number) for _, steps, number in _counted(session, project_id, wanted)]
    top = path.tree(found, growth.root, growth.direction, depth, most)
    return Grown(top, sum(number for _, number in found))


def behind(
    session: Session,
    project: Project,
    wanted: PathFilter,
    growth: Growth,
    node: path.Path,
    *,
    after: tuple[datetime, UUID] | None = None,
    limit: int,
) -> Behind:
    """Return up to `limit` conversations that came to a node, the one that began last first, from `after` on.

    Args:
        session: the session to read with, of one moment: what is counted and what is listed must be the same.
        project: whose conversations they are.
        wanted: which paths the tree is made of.
        growth: from where the tree grows.
        node: the steps that lead to it from the tree's top, the root included.
        after: when a conversation began, and its id: the last of the page before.
        limit: how many to return at most.
    """
    came = {
        digest: number
        for digest, steps, number in _counted(session, project.id, wanted)
        if path.behind(steps, node, growth.root, growth.direction)
    }
    erased = session.execute(_numbers(_erased, project.id, wanted))
    query = _listing(project, wanted, after).limit(limit)
    digests = sorted(came)
    listed = nlargest(
        limit,
        (
            Taken(*row)
            for start in range(0, len(digests), _AT_ONCE)
            for row in session.execute(query.where(_taken.c.digest.in_(digests[start : start + _AT_ONCE])))
        ),
        key=lambda one: (one.began_at, one.id),
    )
    return Behind(listed, sum(came.values()), sum(int(number) for digest, number in erased if digest in came))


def _counted(session: Session, project_id: UUID, wanted: PathFilter) -> Iterator[tuple[str, path.Path, int]]:
    numbers = _numbers(_rollup, project_id, wanted).subquery()
    rows = session.execute(
        sa.select(numbers.c.key, _path.c.steps, numbers.c.number)
        .join_from(numbers, _path, _path.c.digest == numbers.c.key)
        .where(_path.c.project_id == project_id)
    )
    for digest, steps, number in rows:
        if wanted.contains is None or wanted.contains in steps:
            yield digest, tuple(steps), int(number)


def _numbers(rollup: sa.Table, project_id: UUID, wanted: PathFilter) -> sa.Select[Any]:
    columns, number = rollup.c, sa.func.sum(rollup.c.number)
    conditions = [*wanted.counts(rollup, project_id, Measure.PATH), columns.goal_id == NO_GOAL]
    # What was counted and taken off again leaves rows of zeros behind.
    return sa.select(columns.key, number.label("number")).where(*conditions).group_by(columns.key).having(number > 0)


def _listing(project: Project, wanted: PathFilter, after: tuple[datetime, UUID] | None) -> sa.Select[Any]:
    began_at, row_id = _taken.c.began_at, _conversation.c.id
    query = (
        sa.select(
            row_id,
            _conversation.c.conversation_id,
            _conversation.c.agent_id,
            began_at,
            _conversation.c.ended_at,
        )
        .join_from(_taken, _conversation)
        .where(_conversation.c.project_id == project.id)
        .order_by(began_at.desc(), row_id.desc())
    )
    if wanted.agent_id is not None:
        query = query.where(_conversation.c.agent_id == wanted.agent_id)
    if wanted.first_day is not None:
        query = query.where(began_at >= day_start(wanted.first_day, project.time_zone))
    if wanted.last_day is not None:
        query = query.where(began_at < day_start(wanted.last_day + timedelta(days=1), project.time_zone))
    if after:
        last_began, last_id = after
        query = query.where((began_at < last_began) | ((began_at == last_began) & (row_id < last_id)))
    return query
