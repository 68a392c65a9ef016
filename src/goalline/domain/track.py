"""The track: what the events of one conversation amount to, and where that is counted."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from itertools import groupby
from typing import TypeVar
from uuid import UUID

from goalline.domain.calendar import local_day
from goalline.domain.cycle import Cycle, Savings, StepReached, cycles
from goalline.domain.path import Path


@dataclass(frozen=True, slots=True)
class TaskCompleted:
    """The event that a conversation completed a task."""

    event_id: str
    at: datetime
    name: str


@dataclass(frozen=True, slots=True)
class StepExecuted:
    """The event that a conversation passed an analytics step."""

    event_id: str
    at: datetime
    name: str


_NOTHING = Savings()
Where = TypeVar("Where")

Tracked = StepReached | TaskCompleted | StepExecuted
"""An event that was accepted, with all that decides how it counts."""


@dataclass(frozen=True, slots=True)
class Track:
    """What the events of one conversation amount to; `untracked` are steps that came before any initial step."""

    cycles: tuple[tuple[UUID, Cycle], ...] = ()
    untracked: tuple[StepReached, ...] = ()
    tasks: tuple[TaskCompleted, ...] = ()
    steps: tuple[StepExecuted, ...] = ()

    @property
    def path(self) -> Path:
        """The names of the analytics steps, in the order in which they were passed."""
        return tuple(step.name for step in self.steps)


def track(events: Iterable[Tracked]) -> Track:
    """Return what events amount to; their order, and events given twice, make no difference."""
    unique = sorted({event.event_id: event for event in events}.values(), key=chronology)
    reached = sorted((event for event in unique if isinstance(event, StepReached)), key=_goal)
    opened: list[tuple[UUID, Cycle]] = []
    untracked: list[StepReached] = []
    for goal_id, of_goal in groupby(reached, key=_goal):
        found, before = cycles(of_goal)
        opened += [(goal_id, cycle) for cycle in found]
        untracked += before
    return Track(
        tuple(opened),
        tuple(sorted(untracked, key=chronology)),
        tuple(event for event in unique if isinstance(event, TaskCompleted)),
        tuple(event for event in unique if isinstance(event, StepExecuted)),
    )


class Measure(StrEnum):
    """What a tally counts, and what its key is."""

    CYCLE = "cycle"
    """Cycles by their state, with what they saved."""
    STEP = "step"
    """Cycles that reached a step, by its key."""
    DURATION = "duration"
    """Completed cycles by the whole seconds from the initial step to completion."""
    TASK = "task"
    """Completions of a task, by its name."""
    PATH = "path"
    """Conversations by the digest of the path that they took."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is counted; `day` is the project's local one, `goal_id` None for what belongs to no goal."""

    day: date
    agent_id: str
    measure: Measure
    goal_id: UUID | None
    key: str


@dataclass(frozen=True, slots=True)
class Tally:
    """How many there are, and what they saved; they add up like numbers."""

    number: int = 0
    savings: Savings = _NOTHING

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.number + other.number, self.savings + other.savings)

    def __neg__(self) -> "Tally":
        return Tally(-self.number, -self.savings)


def tallies(tracked: Track, agent_id: str, time_zone: str) -> dict[Place, Tally]:
    """Return what one conversation adds to the counts.

    A cycle counts on the local day of its initial step, a task on that of its completion, a path on that of its
    first step.
    """
    found: dict[Place, Tally] = {}

    def count(at: datetime, measure: Measure, goal_id: UUID | None, key: str, savings: Savings = _NOTHING) -> None:
        place, one = Place(local_day(at, time_zone), agent_id, measure, goal_id, key), Tally(1, savings)
        there = found.get(place)
        found[place] = there + one if there else one

    for goal_id, cycle in tracked.cycles:
        count(cycle.started_at, Measure.CYCLE, goal_id, cycle.state, cycle.savings)
        for event in cycle.reached:
            count(cycle.started_at, Measure.STEP, goal_id, event.step.key)
        if cycle.completed_at is not None:
            seconds = int((cycle.completed_at - cycle.started_at).total_seconds())
            count(cycle.started_at, Measure.DURATION, goal_id, str(seconds))
    for task in tracked.tasks:
        count(task.at, Measure.TASK, None, task.name)
    if tracked.steps:
        count(tracked.steps[0].at, Measure.PATH, None, path_digest(tracked.path))
    return found


def gather(sums: dict[Where, Tally], more: Mapping[Where, Tally]) -> None:
    """Add tallies to sums, in place."""
    for place, tally in more.items():
        there = sums.get(place)
        sums[place] = there + tally if there else tally


def changes(before: dict[Place, Tally], after: dict[Place, Tally]) -> dict[Place, Tally]:
    """Return what has to be added to the counts so that they hold `after` in place of `before`."""
    none = Tally()
    return {
        place: now + -was
        for place in before.keys() | after.keys()
        if (now := after.get(place, none)) != (was := before.get(place, none))
    }


def differing(before: Track, after: Track) -> tuple[Track, Track]:
    """Return two tracks of a conversation without what both have and what is counted nowhere.

    What is left of them has the same `changes` as they have, and is short where one has little more than the other.
    """
    old, new = ({(goal_id, cycle.number): cycle for goal_id, cycle in one.cycles} for one in (before, after))
    same_path = before.steps == after.steps

    def rest(one: Track, other: Track, elsewhere: dict[tuple[UUID, int], Cycle]) -> Track:
        known = set(other.tasks)
        return Track(
            tuple(pair for pair in one.cycles if elsewhere.get((pair[0], pair[1].number)) != pair[1]),
            tasks=tuple(task for task in one.tasks if task not in known),
            steps=() if same_path else one.steps,
        )

    return rest(before, after, new), rest(after, before, old)


def path_digest(path: Path) -> str:
    """Return the SHA-256 (hex) of a path."""
    return hashlib.sha256(json.dumps(path, ensure_ascii=True, separators=(",", ":")).encode()).hexdigest()


def percentile(durations: dict[int, int], share: float) -> int | None:
    """Return the nearest-rank percentile of durations in seconds, each with how often it occurred; None for none.

    It is the smallest duration that at least `share` of all are not longer than.
    """
    total = sum(durations.values())
    passed = 0
    for seconds, number in sorted(durations.items()):
        passed += number
        if number and passed >= share * total:
            return seconds
    return None


def chronology(event: Tracked) -> tuple[datetime, int, str]:
    """Return what events are sorted by: their time, then their ids, of which a shorter one is the lower number."""
    return event.at, len(event.event_id), event.event_id


def _goal(event: StepReached) -> UUID:
    return event.goal_id
