"""Attempts at a goal, and completed tasks, told as the events that a platform would send of them."""

from datetime import UTC, datetime
from itertools import count
from typing import Any

from goalline import pipeline
from goalline.domain.event import Event
from goalline.store.goals.goals import CurrentGoal
from tests.domain.tracked import STEPS
from tests.store.world import NOW, SECOND, World

MORNING = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
_IDS = count()


def tell(world: World, *events: dict[str, Any]) -> None:
    """Record events; each must be accepted."""
    named = [{"id": f"sample-{next(_IDS)}", **event} for event in events]
    batch = dict(enumerate(map(Event.model_validate, named)))
    outcome = pipeline.track(world.database, world.project.id, batch, NOW, 2_000)
    assert outcome.accepted == len(events), outcome


def attempt(
    world: World,
    goal: CurrentGoal,
    call: str,
    *reached: tuple[str, int],
    at: datetime = MORNING,
    agent_id: str = "ann",
) -> None:
    """Report the steps of a cycle, each so many seconds after `at`."""
    told = {"type": "goal.step", "conversation_id": call, "goal": str(goal.id), "agent_id": agent_id}
    tell(world, *({**told, "step": key, "occurred_at": at + seconds * SECOND} for key, seconds in reached))


def task(world: World, call: str, name: str, at: datetime = MORNING, agent_id: str = "ann") -> None:
    event = {"type": "task.completed", "conversation_id": call, "name": name, "agent_id": agent_id}
    tell(world, {**event, "occurred_at": at})


def flight(world: World) -> CurrentGoal:
    """A goal that is tried in four calls: begun only, given details, completed, and completed without details."""
    goal = world.goal("Pre-book a flight", steps=STEPS)
    attempt(world, goal, "begun", ("start", 0))
    attempt(world, goal, "detailed", ("start", 0), ("details", 40))
    attempt(world, goal, "booked", ("start", 0), ("details", 60), ("confirmed", 200))
    attempt(world, goal, "straight", ("start", 0), ("confirmed", 90))
    return goal
