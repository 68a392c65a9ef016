"""Sources: which platform sends webhooks, and which events it means when its agent calls a tool."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from goalline.domain import platforms
from goalline.domain.event import Event, EventType, require_names
from goalline.domain.platforms import PlatformName
from goalline.domain.platforms.platform import Heard, Options
from goalline.domain.refusal import Invalid
from goalline.domain.text import Line
from goalline.domain.transcript import Delivery

MOST_TOOL_EVENTS = 100
"""Most events that the tools of a source can be mapped to."""

_LONGEST_ID = 255


class ToolEvent(BaseModel):
    """Which event it is when the agent calls a tool: a step of a goal, a completed task, or an analytics step."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tool: Line
    type: EventType
    goal: Line | None = None
    step: Line | None = None
    name: Line | None = None

    @model_validator(mode="after")
    def _names_what_happens(self) -> Self:
        require_names(self.type, goal=self.goal, step=self.step, name=self.name)
        return self


class SourceDraft(BaseModel):
    """A source as an admin describes it. Without a secret one is made, where the platform lets us."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Line
    platform: PlatformName
    secret: str | None = Field(default=None, repr=False)
    options: dict[str, Any] = Field(default_factory=dict)
    tool_events: Annotated[tuple[ToolEvent, ...], Field(max_length=MOST_TOOL_EVENTS)] = ()


class SourceEdit(BaseModel):
    """A change of a source; what is left out stays as it is. Its platform stays, and secrets are rotated."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Line | None = None
    options: dict[str, Any] | None = None
    tool_events: Annotated[tuple[ToolEvent, ...], Field(max_length=MOST_TOOL_EVENTS)] | None = None
    enabled: Annotated[bool, Field(strict=True)] | None = None


def options_of(platform: PlatformName, options: dict[str, Any]) -> Options:
    """Return options in the platform's own form.

    Raises:
        Invalid: the platform has no such options.
    """
    try:
        return platforms.BY_NAME[platform].options.model_validate(options)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        said = {
            "extra_forbidden": f"is no option of platform {platform}",
            "missing": f"is needed by platform {platform}",
        }
        detail = said.get(first["type"]) or f"platform {platform} cannot take it: {first['msg']}"
        raise Invalid(detail, ".".join(["options", *map(str, first["loc"])])) from None


def events_of(heard: Heard, tool_events: Sequence[ToolEvent]) -> Iterator[Event]:
    """Yield the events that the tools called in a conversation amount to; the same ones however often it is told.

    A call of which nobody says when it was counts as made when the conversation ended, or when it was first told of.
    """
    told = heard.delivery or heard.underway
    if told is None:
        return
    known_by = told.ended_at if isinstance(told, Delivery) else told.told_at
    for call in heard.calls:
        for place, meant in enumerate(each for each in tool_events if each.tool == call.name):
            yield Event(
                id=_short(f"tool/{told.conversation_id}/{call.id}/{place}"),
                type=meant.type,
                conversation_id=told.conversation_id,
                contact_id=told.contact_id,
                agent_id=told.agent_id,
                goal=meant.goal,
                step=meant.step,
                name=meant.name,
                occurred_at=call.at or known_by,
            )


def _short(event_id: str) -> str:
    if len(event_id) <= _LONGEST_ID:
        return event_id
    return f"tool/{hashlib.sha256(event_id.encode()).hexdigest()}"
