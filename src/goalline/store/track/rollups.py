"""The counts of the track: kept in the transaction that changes what they count."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Session

from goalline.domain.cycle import Savings
from goalline.domain.track import Measure, Place, Tally
from goalline.store.database import Upsert
from goalline.store.tables import ErasedTrackRollup, TrackRollup, table

_rollup, _erased = table(TrackRollup), table(ErasedTrackRollup)
NO_GOAL = UUID(int=0)
"""Stands for the goal of what is no goal's: a part of a primary key cannot be null."""

_COUNTED = ("number", "cost_savings", "revenue", "time_saved")


def _adding(rollup: sa.Table) -> Upsert:
    return Upsert(
        rollup,
        lambda statement: statement.on_conflict_do_update(
            index_elements=rollup.primary_key,
            set_={name: rollup.c[name] + statement.excluded[name] for name in _COUNTED},
        ),
    )


_COUNT, _COUNT_ERASED = _adding(_rollup), _adding(_erased)


@dataclass(frozen=True, slots=True)
class TrackPlace:
    """Where something of a project is counted."""

    project_id: UUID
    place: Place


def count(session: Session, project_id: UUID, changes: Mapping[Place, Tally]) -> None:
    """Add tallies (negative ones to take them off) to the counts of a project."""
    _add(session, _COUNT, {TrackPlace(project_id, place): tally for place, tally in changes.items()})


def count_erased(session: Session, project_id: UUID, kept: Mapping[Place, Tally]) -> None:
    """Keep in mind what counts though nothing tells of it any more."""
    _add(session, _COUNT_ERASED, {TrackPlace(project_id, place): tally for place, tally in kept.items()})


def forget_goal(session: Session, project_id: UUID, goal_id: UUID) -> None:
    """Remove all that is counted of a goal."""
    for rollup in (_rollup, _erased):
        session.execute(
            sa.delete(rollup).where(
                rollup.c.project_id == project_id, rollup.c.measure.in_(list(Measure)), rollup.c.goal_id == goal_id
            )
        )


def forget_erased_step(session: Session, project_id: UUID, goal_id: UUID, key: str) -> None:
    """Remove what is counted of a step in conversations that were erased."""
    this = (
        (_erased.c.project_id == project_id)
        & (_erased.c.measure == Measure.STEP)
        & (_erased.c.goal_id == goal_id)
        & (_erased.c.key == key)
    )
    gone = session.execute(sa.select(_erased.c.day, _erased.c.agent_id, _erased.c.number).where(this))
    taken_off = {Place(day, agent_id, Measure.STEP, goal_id, key): Tally(-number) for day, agent_id, number in gone}
    # In the order in which a recount locks them, see recount.TABLES.
    count(session, project_id, taken_off)
    session.execute(sa.delete(_erased).where(this))


def replace(session: Session, counted: Mapping[TrackPlace, Tally]) -> None:
    """Put these counts in the place of all that are stored, of all projects."""
    session.execute(sa.delete(_rollup))
    _add(session, _COUNT, counted)


def stored(session: Session) -> dict[TrackPlace, Tally]:
    """Return all that is counted, of all projects."""
    return _read(session, _rollup)


def erased(session: Session) -> dict[TrackPlace, Tally]:
    """Return what counts though nothing tells of it any more."""
    return _read(session, _erased)


def saved(savings: Savings) -> dict[str, Any]:
    """Return what was saved as it is stored."""
    return {"cost_savings": savings.cost_savings, "revenue": savings.revenue, "time_saved": savings.time_saved}


def _add(session: Session, statement: Upsert, tallied: Mapping[TrackPlace, Tally]) -> None:
    rows = [
        {
            "project_id": found.project_id,
            "measure": found.place.measure,
            "goal_id": found.place.goal_id or NO_GOAL,
            "day": found.place.day,
            "agent_id": found.place.agent_id,
            "key": found.place.key,
            "number": tally.number,
            **saved(tally.savings),
        }
        for found, tally in tallied.items()
    ]
    if rows:
        # One order for everybody: two transactions that count the same things cannot wait for each other in a ring.
        statement.run(session, sorted(rows, key=_order))


def _order(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["project_id"], row["measure"], row["goal_id"], row["day"], row["agent_id"], row["key"]


def _read(session: Session, rollup: sa.Table) -> dict[TrackPlace, Tally]:
    found: dict[TrackPlace, Tally] = {}
    for row in session.execute(sa.select(rollup)):
        goal_id = None if row.goal_id == NO_GOAL else row.goal_id
        place = TrackPlace(row.project_id, Place(row.day, row.agent_id, Measure(row.measure), goal_id, row.key))
        found[place] = Tally(row.number, Savings(row.cost_savings, row.revenue, row.time_saved))
    return found
