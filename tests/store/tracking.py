"""What a platform reports, in short: events of a flight that is booked ahead, and all that came of them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from goalline import pipeline
from goalline.domain.event import Event
from goalline.store import rollups
from goalline.store.goals.goals import CurrentGoal
from goalline.store.tables import (
    Conversation,
    ConversationRollup,
    Cycle,
    Path,
    PathTaken,
    Row,
    StepEvent,
    TrackRollup,
    table,
)
from goalline.store.track.recording import Outcome
from tests.domain.tracked import STEPS
from tests.store.world import NOW, World, delivery

EARLY = NOW - timedelta(hours=2)
"""When sample conversations begin."""


def at(second: float) -> datetime:
    return EARLY + timedelta(seconds=second)


def told(kind: str, second: float, call: str = "call-1", **more: Any) -> Event:
    """Return an event so many seconds after the conversation began; its id follows from what it says."""
    named = ".".join(str(more.get(field)) for field in ("goal", "step", "name"))
    sent = {"id": f"{call}-{named}-{second}", "type": kind, "conversation_id": call, "occurred_at": at(second)}
    return Event.model_validate(sent | more)


def step(key: str, second: float = 0, call: str = "call-1", goal: str = "Flight", **more: Any) -> Event:
    return told("goal.step", second, call, goal=goal, step=key, **more)


def task(name: str, second: float = 0, call: str = "call-1", **more: Any) -> Event:
    return told("task.completed", second, call, name=name, **more)


def passed(name: str, second: float = 0, call: str = "call-1", **more: Any) -> Event:
    return told("step.executed", second, call, name=name, **more)


def everything(call: str = "call-1", goal: str = "Flight", **more: Any) -> list[Event]:
    """Return events of each type: a completed cycle, a task and a path of two steps."""
    return [
        step("start", 0, call, goal, **more),
        step("details", 60, call, goal, **more),
        step("confirmed", 120, call, goal, **more),
        task("Ticket sent", 130, call, **more),
        passed("greeting", 0, call, **more),
        passed("farewell", 140, call, **more),
    ]


def flight(world: World, name: str = "Flight", **more: Any) -> CurrentGoal:
    return world.goal(name, steps=STEPS, **more)


def track(world: World, *events: Event, now: datetime = NOW, most: int = 2_000) -> Outcome:
    return pipeline.track(world.database, world.project.id, dict(enumerate(events)), now, most)


def receive(world: World, call: str = "call-1", agent_id: str = "ann", now: datetime = NOW, **more: Any) -> None:
    pipeline.receive(world.database, world.project, delivery(call, agent_id=agent_id, **more), now)


def rebuild(world: World) -> None:
    with world.database.transaction() as session:
        rollups.rebuild(session)


def every_row(world: World, *kinds: type[Row], besides: Sequence[str] = ()) -> list[tuple[Any, ...]]:
    """Return the rows of tables in order, without some columns; conversations go by the platform's own id."""
    names = {str(row.id): row.conversation_id for row in world.rows(Conversation)}
    found: list[tuple[Any, ...]] = []
    with world.database.reading() as session:
        for kind in kinds:
            columns = [column for column in table(kind).c if column.name not in besides]
            rows = session.execute(sa.select(*columns))
            found += [(kind.__name__, *(names.get(str(value), str(value)) for value in row)) for row in rows]
    return sorted(found)


def outcome(world: World) -> list[tuple[Any, ...]]:
    """Return all that came of events and webhooks, whenever they were received; counts of none left out.

    Paths are left out too: those that somebody was on for a while keep their names.
    """
    counted = [row for row in every_row(world, TrackRollup) if row[-4] != "0"]
    kinds = (Conversation, StepEvent, Cycle, PathTaken, ConversationRollup)
    return sorted([*every_row(world, *kinds, besides=["received_at"]), *counted])


def counts(world: World) -> dict[tuple[str, str], int]:
    """Return what is counted, by measure and key; paths go by their steps."""
    paths = {row.digest: ">".join(row.steps) for row in world.rows(Path)}
    found: dict[tuple[str, str], int] = {}
    for row in world.rows(TrackRollup):
        place = (str(row.measure), paths.get(row.key, row.key))
        found[place] = found.get(place, 0) + row.number
    return {place: number for place, number in found.items() if number}
