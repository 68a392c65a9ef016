"""A recount of the track: what all events amount to, compared with what is stored, or put in its place."""

from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Session

from goalline.domain.cycle import CycleState, Savings
from goalline.domain.track import Tally, Track, gather, path_digest, tallies, track
from goalline.store.tables import Conversation, ErasedTrackRollup, Path, PathTaken, Project, TrackRollup, table
from goalline.store.tables import Cycle as CycleRow
from goalline.store.track import events, rollups, settling
from goalline.store.track.rollups import TrackPlace
from goalline.store.track.settling import CycleContent

_cycle, _path, _taken, _conversation = table(CycleRow), table(Path), table(PathTaken), table(Conversation)
TABLES = (_cycle.name, _path.name, _taken.name, table(TrackRollup).name, table(ErasedTrackRollup).name)
"""The tables that a recount replaces, in the order in which everybody writes them."""


@dataclass(frozen=True, slots=True)
class CyclePlace:
    """Which cycle of which conversation is meant."""

    conversation_id: UUID
    goal_id: UUID
    number: int


@dataclass(frozen=True, slots=True)
class PathPlace:
    """Which conversation's path is meant."""

    project_id: UUID
    conversation_id: UUID


@dataclass(frozen=True, slots=True)
class PathContent:
    """What is stored of the path that a conversation took; `steps` None: the path is not known, or there is none."""

    digest: str | None = None
    began_at: datetime | None = None
    steps: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class _Recount:
    counted: dict[TrackPlace, Tally]
    cycles: dict[CyclePlace, CycleContent] = field(default_factory=dict)
    paths: dict[PathPlace, PathContent] = field(default_factory=dict)

    def add(self, project_id: UUID, conversation_id: UUID, agent_id: str, tracked: Track, zone: str) -> None:
        counted = tallies(tracked, agent_id, zone)
        gather(self.counted, {TrackPlace(project_id, place): tally for place, tally in counted.items()})
        for goal_id, cycle in tracked.cycles:
            self.cycles[CyclePlace(conversation_id, goal_id, cycle.number)] = CycleContent.of(cycle)
        if tracked.steps:
            taken = PathContent(path_digest(tracked.path), tracked.steps[0].at, tracked.path)
            self.paths[PathPlace(project_id, conversation_id)] = taken


def differences(session: Session) -> Iterator[tuple[TrackPlace | CyclePlace | PathPlace, Any, Any]]:
    """Recount all events and yield each stored count, cycle and path that is not what they amount to.

    Yields:
        where it is, what is stored, and what the recount found.
    """
    found = _recounted(session)
    yield from differing(rollups.stored(session), found.counted, Tally())
    yield from differing(_stored_cycles(session), found.cycles, CycleContent())
    yield from differing(_stored_paths(session), found.paths, PathContent())


def rebuild(session: Session) -> int:
    """Put a recount in the place of all counts, cycles and paths, and return how many counts that made."""
    found = _recounted(session)
    for cycle, _, content in list(differing(_stored_cycles(session), found.cycles, CycleContent())):
        whose = (_cycle.c.conversation_id == cycle.conversation_id) & (_cycle.c.goal_id == cycle.goal_id)
        session.execute(sa.delete(_cycle).where(whose, _cycle.c.number == cycle.number))
        if content.state:
            row = content.row(cycle.conversation_id, cycle.goal_id, cycle.number)
            session.execute(sa.insert(_cycle).values(row))
    for path, _, content in list(differing(_stored_paths(session), found.paths, PathContent())):
        session.execute(sa.delete(_taken).where(_taken.c.conversation_id == path.conversation_id))
        if content.steps is not None:
            settling.take_paths(session, path.project_id, [(path.conversation_id, content.began_at, content.steps)])
    rollups.replace(session, found.counted)
    return len(found.counted)


def _recounted(session: Session) -> _Recount:
    project = table(Project).c
    rows = session.execute(sa.select(project.id, project.time_zone))
    zones: dict[UUID, str] = {row.id: row.time_zone for row in rows}
    # What was erased is not there to be counted.
    found = _Recount(rollups.erased(session))
    for one in events.every(session):
        found.add(one.project_id, one.conversation_id, one.agent_id, track(one.events), zones[one.project_id])
    return found


def _stored_cycles(session: Session) -> dict[CyclePlace, CycleContent]:
    # Cycles of erased conversations stand without their events.
    rows = session.execute(sa.select(_cycle).join(_conversation).where(_conversation.c.erased_at.is_(None)))
    return {
        CyclePlace(row.conversation_id, row.goal_id, row.number): CycleContent(
            CycleState(row.state),
            row.started_at,
            row.completed_at,
            Savings(row.cost_savings, row.revenue, row.time_saved),
        )
        for row in rows
    }


def _stored_paths(session: Session) -> dict[PathPlace, PathContent]:
    named = (_path.c.project_id == _conversation.c.project_id) & (_path.c.digest == _taken.c.digest)
    rows = session.execute(
        sa.select(
            _conversation.c.project_id, _taken.c.conversation_id, _taken.c.digest, _taken.c.began_at, _path.c.steps
        )
        .join_from(_taken, _conversation)
        .join(_path, named, isouter=True)
    )
    return {
        PathPlace(row.project_id, row.conversation_id): PathContent(
            row.digest, row.began_at, None if row.steps is None else tuple(row.steps)
        )
        for row in rows
    }


def differing(stored: Mapping[Any, Any], recounted: Mapping[Any, Any], nothing: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Yield each place of two mappings, in order, at which they do not hold the same; what is in neither is `nothing`.

    Yields:
        the place, what is stored there, and what a recount found.
    """
    for place in sorted(stored.keys() | recounted.keys(), key=lambda place: tuple(map(str, astuple(place)))):
        was, should_be = stored.get(place, nothing), recounted.get(place, nothing)
        if was != should_be:
            yield place, was, should_be
