"""What is told of a conversation's track: cycles, tasks and analytics steps, and steps that count nowhere."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from goalline.api import savings
from goalline.api.savings import Hours, Money
from goalline.domain.cycle import CycleState, StepReached
from goalline.domain.goal import Kind
from goalline.domain.track import StepExecuted, TaskCompleted
from goalline.store.track.overview import NamedCycle, NamedGoal

UNTRACKED = "It came before any initial step of its goal, so it belongs to no cycle and counts nowhere."
"""Why a step is untracked."""


class GoalName(BaseModel):
    """A goal as it was named in the revision that a verdict, a cycle or a step is pinned to."""

    id: UUID
    name: str
    kind: Kind

    @classmethod
    def of(cls, named: NamedGoal) -> "GoalName":
        """Return a goal's name as it is shown."""
        return cls(id=named.id, name=named.name, kind=named.kind)


class ReachedStep(BaseModel):
    """A step that a cycle reached, when it did so first, and the revision of the goal that was in force then."""

    key: str
    name: str
    at: datetime
    revision: int
    event_id: str

    @classmethod
    def of(cls, reached: StepReached) -> "ReachedStep":
        """Return a step as it is shown."""
        step = reached.step
        return cls(key=step.key, name=step.name, at=reached.at, revision=reached.revision, event_id=reached.event_id)


class CycleOut(BaseModel):
    """One attempt at a goal: `number` counts from 1 in each goal, and each of its steps stands once, in order.

    Savings are those of its steps, and nothing while it is incomplete. After an erasure the steps are gone.
    """

    goal_id: UUID
    goal: GoalName
    number: int
    state: CycleState
    started_at: datetime
    completed_at: datetime | None
    cost_savings: Money
    revenue: Money
    time_saved: Hours
    steps: list[ReachedStep]

    @classmethod
    def of(cls, cycle: NamedCycle, currency: str) -> "CycleOut":
        """Return a cycle as it is shown."""
        return cls(
            goal_id=cycle.goal.id,
            goal=GoalName.of(cycle.goal),
            number=cycle.number,
            state=cycle.state,
            started_at=cycle.started_at,
            completed_at=cycle.completed_at,
            **savings.shown(cycle.savings, currency),
            steps=[ReachedStep.of(reached) for reached in cycle.steps],
        )


class TaskOut(BaseModel):
    """A task that the conversation completed."""

    name: str
    at: datetime
    event_id: str

    @classmethod
    def of(cls, task: TaskCompleted) -> "TaskOut":
        """Return a task as it is shown."""
        return cls(name=task.name, at=task.at, event_id=task.event_id)


class AnalyticsStep(BaseModel):
    """An analytics step that the conversation passed, and the one it passed right before; null for the first."""

    name: str
    at: datetime
    previous: str | None
    event_id: str

    @classmethod
    def in_order(cls, steps: Sequence[StepExecuted]) -> list["AnalyticsStep"]:
        """Return the steps of a conversation as they are shown."""
        previous = (None, *(step.name for step in steps))
        return [
            cls(name=step.name, at=step.at, previous=before, event_id=step.event_id)
            for before, step in zip(previous, steps, strict=False)
        ]


class UntrackedStep(BaseModel):
    """A step of a goal that is kept and counts nowhere; `reason` says why."""

    goal_id: UUID
    goal: GoalName
    key: str
    name: str
    at: datetime
    event_id: str
    reason: str

    @classmethod
    def of(cls, goal: NamedGoal, reached: StepReached) -> "UntrackedStep":
        """Return a step that counts nowhere as it is shown."""
        return cls(
            goal_id=goal.id,
            goal=GoalName.of(goal),
            key=reached.step.key,
            name=reached.step.name,
            at=reached.at,
            event_id=reached.event_id,
            reason=UNTRACKED,
        )
