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


def require_names(kind: EventType, *, goal: str | None, step: str | None, name: str | None) -> None:
    """Do nothing where it is named as its type demands what has happened.

    Raises:
        ValueError: something is missing, or there is too much.
    """
    given = {field for field, value in (("goal", goal), ("step", step), ("name", name)) if value is not None}
    expected = _NEEDED[kind]
    if kind is EventType.STEP_EXECUTED and given == {"step"}:
        expected = ("step",)
    for field in ("goal", "step", "name"):
        if field in expected and field not in given:
            raise ValueError(f"{kind} needs {field}")
        if field in given and field not in expected:
            raise ValueError(f"{kind} has no {field} beside {' and '.join(expected)}; leave it out")


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
        require_names(self.type, goal=self.goal, step=self.step, name=self.name)
        return self
