"""Events: what a platform reports while a conversation runs."""

from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator

from goalline.domain.text import Line
from goalline.domain.transcript import Time


class EventType(StrEnum):
    """What an event reports: a step of a goal, a completed task, or any labelled point that was passed."""

    GOAL_STEP = "goal.step"
    TASK_COMPLETED = "task.completed"
    STEP_EXECUTED = "step.executed"


_NEEDED = {
    EventType.GOAL_STEP: ("goal", "step"),
    EventType.TASK_COMPLETED: ("name",),
    EventType.STEP_EXECUTED: ("name",),
}


class Event(BaseModel):
    """One reported fact, known by its `id`: sent again, it changes nothing.

    A `goal.step` names its goal, by id or by name, and the step's key. The other two carry a `name`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Line
    type: EventType
    conversation_id: Line
    contact_id: Line | None = None
    agent_id: Line | None = None
    goal: Line | None = None
    step: Line | None = None
    name: Line | None = None
    occurred_at: Time

    @model_validator(mode="after")
    def _names_what_happened(self) -> Self:
        for field in ("goal", "step", "name"):
            needed, given = field in _NEEDED[self.type], getattr(self, field) is not None
            if needed and not given:
                raise ValueError(f"{self.type} needs {field}")
            if given and not needed:
                raise ValueError(f"{self.type} has no {field}; leave it out")
        return self
