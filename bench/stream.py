"""The step events that the benchmark of events sends, and the goals that they are of: sample data."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from goalline.domain.event import Event
from goalline.domain.goal import GoalDraft, Kind
from goalline.domain.step import Step

EACH = 10
"""Events of one conversation."""

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
DAYS = 30
_AGENTS, _KEYS, _PATHS = 5, ("asked", "named", "offered", "booked"), 40


def _steps() -> tuple[Step, ...]:
    first, *between, last = _KEYS
    return (
        Step(key=first, name=first, order=1, initial=True),
        *(Step(key=key, name=key, order=n, time_saved=timedelta(minutes=n)) for n, key in enumerate(between, start=2)),
        Step(key=last, name=last, order=len(_KEYS), completion=True, cost_savings=Decimal("15.00")),
    )


GOALS = [
    GoalDraft(name=name, description=f"{name}.", kind=Kind.SECONDARY, steps=_steps())
    for name in ("Flight booked", "Seat chosen")
]


def stream(conversations: range, seed: int) -> list[Event]:
    """Return the events of conversations that go on all at once, in the order in which they happen.

    A conversation reaches the steps of a goal, not always all of them, completes a task, and passes analytics steps on
    one of a few dozen paths.
    """
    dice = random.Random(seed)
    # Each reports its first event, then each its second one, and so on.
    return [
        event for at_once in zip(*(_conversation(n, dice) for n in conversations), strict=True) for event in at_once
    ]


def batches(events: Sequence[Event], size: int) -> Iterator[dict[int, Event]]:
    """Yield events as they are sent: `size` at a time, by their place in the batch."""
    for start in range(0, len(events), size):
        yield dict(enumerate(events[start : start + size]))


def _conversation(number: int, dice: random.Random) -> list[Event]:
    goal = dice.choice(GOALS).name
    path = random.Random(dice.randrange(_PATHS)).choices("ABCDEF", k=4)
    told = [{"type": "goal.step", "goal": goal, "step": key} for key in _KEYS[: dice.randint(2, len(_KEYS))]]
    told += [{"type": "step.executed", "name": f"Point {name}"} for name in path]
    told += [{"type": "task.completed", "name": f"Task {n}"} for n in range(EACH - len(told))]
    at = NOW - timedelta(days=dice.randint(1, DAYS), seconds=dice.randint(0, 40_000))
    agent_id = f"line-{number % _AGENTS}"
    events = []
    for nth, one in enumerate(told):
        at += timedelta(seconds=dice.randint(1, 60))
        known = {"id": f"{number}-{nth}", "conversation_id": f"bench-{number}", "agent_id": agent_id, "occurred_at": at}
        events.append(Event.model_validate(known | one))
    return events
