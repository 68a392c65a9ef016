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

    A `goal.step` names its goal, by id or by name, and the step's key. The other two carry a `name`, for which a
    `step.executed` may say `step`.
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

    @property
    def label(self) -> str:
        """What a task or an analytics step is called."""
        return self.name or self.step or ""

    @model_validator(mode="after")
    def _names_what_happened(self) -> Self:
        expected = _NEEDED[self.type]
        if self.type is EventType.STEP_EXECUTED and self.name is None and self.step is not None:
            expected = ("step",)
        for field in ("goal", "step", "name"):
            needed, given = field in expected, getattr(self, field) is not None
            if needed and not given:
                raise ValueError(f"{self.type} needs {field}")
            if given and not needed:
                raise ValueError(f"{self.type} has no {field} beside {' and '.join(expected)}; leave it out")
        return self
