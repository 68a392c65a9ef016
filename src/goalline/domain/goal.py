"""Goals, their wordings over time, and which of them apply to a conversation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from goalline.domain.step import Step, Steps
from goalline.domain.text import Line, Paragraph


class Kind(StrEnum):
    """What a goal is to a conversation: the thing it was for, or a thing that is good to reach as well."""

    PRIMARY = "primary"
    SECONDARY = "secondary"


class State(StrEnum):
    """Whether a goal applies to conversations that end now."""

    ACTIVE = "active"
    ARCHIVED = "archived"


class GoalDraft(BaseModel):
    """A goal as an admin writes it; `agent_id` None makes it apply to every agent of the project."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Line
    description: Paragraph
    kind: Kind
    agent_id: Line | None = None
    judged: bool = True
    steps: Steps = Field(default=(), validate_default=True, description="The steps that track it; none: not tracked.")

    @field_validator("steps")
    @classmethod
    def _measures_something(cls, steps: tuple[Step, ...], info: ValidationInfo) -> tuple[Step, ...]:
        if why := idle(judged=info.data.get("judged", True), steps=steps):
            raise ValueError(why)
        return steps


def _never_null(schema: dict[str, Any]) -> None:
    # A field that may be left out is written here as one that may be None, and null is what nobody may send.
    schema["minProperties"] = 1
    for content in schema["properties"].values():
        content.update(next(option for option in content.pop("anyOf") if option != {"type": "null"}))
        del content["default"]


class GoalEdit(BaseModel):
    """A change of a goal's wording; what is left out stays as it is, and `steps` replaces all steps."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=_never_null)

    name: Line | None = None
    description: Paragraph | None = None
    kind: Kind | None = None
    judged: bool | None = None
    steps: Steps | None = Field(default=None, description="All steps anew; an empty list removes them.")

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("name at least one of name, description, kind, judged, steps")
        return self

    @field_validator("*", mode="before")
    @classmethod
    def _not_null(cls, value: object) -> object:
        if value is None:
            raise ValueError("must not be null; leave it out to keep what it is")
        return value


def idle(*, judged: bool, steps: Sequence[Step]) -> str | None:
    """Say why a goal would measure nothing, or return None where it is judged, tracked or both."""
    if judged or steps:
        return None
    return "a goal that is not judged needs steps, or it would measure nothing; give it steps or set judged to true"


@dataclass(frozen=True, slots=True)
class Wording:
    """One revision of a goal: what it said from `in_force_from` until the next revision."""

    number: int
    name: str
    description: str
    kind: Kind
    judged: bool
    in_force_from: datetime
    steps: Sequence[Step] = ()


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time in which a goal was active; it includes its start and not its end."""

    active_from: datetime
    active_until: datetime | None = None

    def includes(self, at: datetime) -> bool:
        """Tell whether `at` lies in the period."""
        return self.active_from <= at and (self.active_until is None or at < self.active_until)

    def overlap(self, other: "Period") -> "Period | None":
        """Return the stretch that both periods include, None where there is none."""
        start = max(self.active_from, other.active_from)
        end = min((at for at in (self.active_until, other.active_until) if at), default=None)
        return Period(start, end) if end is None or start < end else None


def overlaps(some: Iterable[Period], others: Sequence[Period]) -> list[Period]:
    """Return every stretch that one of `some` and one of `others` include."""
    return [shared for one in some for other in others if (shared := one.overlap(other))]


def cover(periods: Sequence[Period], start: datetime, end: datetime) -> bool | None:
    """Tell whether periods that do not overlap each other hold all of a stretch of time; None: a part of it."""
    inside = sum(
        ((shared.active_until or end) - shared.active_from for shared in overlaps(periods, [Period(start, end)])),
        timedelta(),
    )
    if not inside:
        return False
    return True if inside == end - start else None


@dataclass(frozen=True, slots=True)
class GoalHistory:
    """Everything that decides whether a goal applies to a conversation, and in which wording."""

    goal_id: UUID
    agent_id: str | None
    revisions: list[Wording]
    periods: list[Period]

    def wording_at(self, at: datetime) -> Wording | None:
        """Return the revision in force at `at`, or None where the goal was archived or did not exist."""
        active = any(period.includes(at) for period in self.periods)
        return self.written_at(at) if active else None

    def written_at(self, at: datetime) -> Wording | None:
        """Return the newest revision that there was at `at`, whether or not the goal was active."""
        written = [revision for revision in self.revisions if revision.in_force_from <= at]
        return max(written, key=lambda revision: revision.number, default=None)


@dataclass(frozen=True, slots=True)
class GoalInForce:
    """One goal that a conversation is judged by, pinned to a revision."""

    goal_id: UUID
    revision: int
    name: str
    description: str
    kind: Kind


def goals_in_force(histories: Iterable[GoalHistory], agent_id: str, ended_at: datetime) -> list[GoalInForce]:
    """Return the goals that judge a conversation of `agent_id` that ended at `ended_at`, the primary one first.

    A goal applies when it was active at that time and is the agent's own or project-wide. The agent's own
    primary goal takes the place of the project-wide one, even when it is tracked only (`judged` false).
    Secondary goals keep the order of `histories`.
    """
    applying = [
        (history, wording)
        for history in histories
        if history.agent_id in (None, agent_id) and (wording := history.wording_at(ended_at))
    ]
    primaries = [pair for pair in applying if pair[1].kind is Kind.PRIMARY]
    own = [pair for pair in primaries if pair[0].agent_id is not None]
    secondaries = [pair for pair in applying if pair[1].kind is Kind.SECONDARY]
    return [
        GoalInForce(history.goal_id, wording.number, wording.name, wording.description, wording.kind)
        for history, wording in [*(own or primaries), *secondaries]
        if wording.judged
    ]
