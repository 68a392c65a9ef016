"""Mappings: where in a webhook stands what we ask for."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Discriminator, Field, Tag, ValidationError, model_validator

from goalline.domain.platforms.custom.expression import Expression, Reading, holds
from goalline.domain.platforms.custom.times import TimeForm, TurnTimeForm, moment
from goalline.domain.platforms.platform import (
    NO_TRANSCRIPT,
    Heard,
    Options,
    Underway,
    conversation,
    line,
    tool_calls,
    unreadable,
)
from goalline.domain.text import Line
from goalline.domain.transcript import Metadata, Role


class Fixed(Options):
    """The same for every webhook, where its body does not say."""

    value: Line


class FixedMetadata(Options):
    """The same notes on every conversation."""

    value: Metadata


def _kind(given: Any) -> str:
    return "expression" if isinstance(given, str) else "fixed"


Source = Annotated[
    Annotated[Expression, Tag("expression")] | Annotated[Fixed, Tag("fixed")],
    Discriminator(_kind),
]
"""A JMESPath expression that finds a text or a number, or `{"value": ...}`."""

MetadataSource = Annotated[
    Annotated[Expression, Tag("expression")] | Annotated[FixedMetadata, Tag("fixed")],
    Discriminator(_kind),
]
"""A JMESPath expression that finds an object, or `{"value": {...}}`."""


class Turns(Options):
    """The list of turns, and what stands in each of them."""

    entries: Expression = Field(description="Finds the list of turns, in their order.")
    role: Expression = Field(description="Finds, in a turn, who speaks.")
    text: Expression = Field(description="Finds, in a turn, what is said.")
    at: Expression | None = Field(None, description="Finds, in a turn, when it was said.")
    times: TurnTimeForm | None = Field(None, description="How these times are written; as all others unless given.")
    roles: dict[Line, Role] = Field({}, max_length=50, description="Our roles by the platform's names for them.")
    unknown_role: Role | None = Field(
        None, description="Whose turns with other names are; they are skipped if nobody's."
    )

    def role_of(self, name: str | None) -> Role | None:
        """Return who speaks, by the platform's name or ours; None for nobody whose turns are kept."""
        if name in self.roles:
            return self.roles[name]
        return Role(name) if name in set(Role) else self.unknown_role


class Calls(Options):
    """The list of tools that the agent called, and what stands in each entry."""

    entries: Expression = Field(description="Finds the list of calls.")
    name: Expression = Field(description="Finds, in a call, the name of the tool; entries without one are skipped.")
    id: Expression | None = Field(None, description="Finds, in a call, its id; its place in the list unless given.")
    at: Expression | None = Field(None, description="Finds, in a call, when it was made.")
    times: TurnTimeForm | None = Field(None, description="How these times are written; as all others unless given.")


class Mapping(Options):
    """JMESPath expressions (jmespath.org) that find in a webhook's body what a conversation consists of."""

    ended: Expression | None = Field(
        None, description="Must hold for a webhook to tell of an end; of others only calls of tools are taken."
    )
    conversation_id: Expression
    agent_id: Source
    contact_id: Source | None = None
    channel: Source | None = None
    started_at: Expression | None = None
    ended_at: Expression | None = Field(None, description="The time of receipt unless found.")
    end_reason: Source | None = None
    metadata: MetadataSource | None = None
    times: TimeForm = Field("auto", description="How times are written.")
    turns: Turns
    calls: Calls | None = None

    @model_validator(mode="after")
    def _has_the_start_that_times_count_from(self) -> Self:
        for name, entries in (("turns", self.turns), ("calls", self.calls)):
            if entries and entries.times and entries.times.endswith("_from_start") and not self.started_at:
                raise ValueError(f"{name}.times counts from the start, which is not given; give started_at")
        return self


def parse(payload: Any, received_at: datetime, options: Mapping) -> Heard:
    """Take what the expressions find, where the condition `ended` holds; errors name the option whose find is wrong.

    Where it does not hold, tools that were called in a conversation that can be told are taken, and nothing else.
    """
    reading = Reading()
    if options.ended and not holds(reading.find(options.ended, payload, "ended")):
        return _underway(reading, options, payload, received_at)

    def needed(name: str, source: str | Fixed) -> str:
        found = _word(reading, source, payload, name)
        if not (found and found.strip()):
            raise unreadable(f"{source!r} finds nothing in this body", name)
        return found

    def noted(name: str, source: str | Fixed | None) -> str | None:
        return _word(reading, source, payload, name)

    def told(name: str, expression: str | None) -> datetime | None:
        return _time(reading, expression, payload, options.times, None, name)

    started_at = told("started_at", options.started_at)
    entries = _entries(reading, options.turns.entries, payload, "turns")
    metadata = _metadata(reading, options.metadata, payload)
    delivery = conversation(
        conversation_id=needed("conversation_id", options.conversation_id),
        agent_id=needed("agent_id", options.agent_id),
        contact_id=noted("contact_id", options.contact_id),
        channel=noted("channel", options.channel),
        started_at=started_at,
        ended_at=told("ended_at", options.ended_at) or received_at,
        end_reason=noted("end_reason", options.end_reason),
        metadata={"transcript": NO_TRANSCRIPT} | metadata if entries is None else metadata,
        turns=_turns(reading, options.turns, entries or [], options.times, started_at),
    )
    return Heard(delivery, tool_calls(_calls(reading, options, payload, started_at)))


def _underway(reading: Reading, options: Mapping, payload: Any, received_at: datetime) -> Heard:
    # Anything may come here, most of it not about a conversation: what cannot be read is not wanted either.
    with suppress(ValidationError):
        started_at = _time(reading, options.started_at, payload, options.times, None, "started_at")
        calls = tool_calls(_calls(reading, options, payload, started_at))
        if calls:
            running = Underway(
                conversation_id=_word(reading, options.conversation_id, payload, "conversation_id") or "",
                agent_id=line(_word(reading, options.agent_id, payload, "agent_id")),
                contact_id=line(_word(reading, options.contact_id, payload, "contact_id")),
                told_at=received_at,
            )
            return Heard(underway=running, calls=calls)
    return Heard(needless=f"the condition {options.ended!r} does not hold")


def _word(reading: Reading, source: str | Fixed | None, within: Any, *place: str | int) -> str | None:
    if not isinstance(source, str):
        return source.value if source else None
    found = reading.find(source, within, *place)
    if found is None or isinstance(found, str):
        return found
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise unreadable(f"{source!r} finds no text and no number", *place)
    return reading.written(found, source, *place)


def _time(
    reading: Reading,
    expression: str | None,
    within: Any,
    form: TurnTimeForm,
    started_at: datetime | None,
    *place: str | int,
) -> datetime | None:
    if expression is None:
        return None
    found = reading.find(expression, within, *place)
    try:
        return moment(found, form, started_at)
    except ValueError as error:
        raise unreadable(
            f"{expression!r} finds no time that the option times ({form}) can mean: {error}", *place
        ) from None


def _entries(reading: Reading, expression: str, payload: Any, name: str) -> list[Any] | None:
    found = reading.find(expression, payload, name, "entries")
    if isinstance(found, list | None):
        return found
    raise unreadable(f"{expression!r} finds no list", name, "entries")


def _metadata(reading: Reading, source: str | FixedMetadata | None, payload: Any) -> dict[str, Any]:
    if not isinstance(source, str):
        return source.value if source else {}
    found = reading.find(source, payload, "metadata")
    if not isinstance(found, dict | None):
        raise unreadable(f"{source!r} finds no object", "metadata")
    reading.written(found, source, "metadata")
    return found or {}


def _turns(
    reading: Reading, turns: Turns, entries: list[Any], times: TimeForm, started_at: datetime | None
) -> Iterator[tuple[Role, str | None, datetime | None]]:
    for number, entry in enumerate(entries):
        role = turns.role_of(reading.text(turns.role, entry, "turns", number, "role"))
        if role:
            text = reading.text(turns.text, entry, "turns", number, "text")
            at = _time(reading, turns.at, entry, turns.times or times, started_at, "turns", number, "at")
            yield role, text, at


def _calls(
    reading: Reading, options: Mapping, payload: Any, started_at: datetime | None
) -> Iterator[tuple[str | None, str | None, datetime | None]]:
    calls = options.calls
    if not calls:
        return
    for number, entry in enumerate(_entries(reading, calls.entries, payload, "calls") or []):
        # What has no name is no call, whatever its id and its time look like.
        if line(name := _word(reading, calls.name, entry, "calls", number, "name")):
            reference = _word(reading, calls.id, entry, "calls", number, "id")
            at = _time(reading, calls.at, entry, calls.times or options.times, started_at, "calls", number, "at")
            yield reference, name, at
