"""What an adapter to a platform is: how its webhooks are verified, and what they tell."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from goalline.domain.text import Line, storable
from goalline.domain.transcript import Delivery, Metadata, Role, Time, Turn

Headers = Mapping[str, str]
"""The headers of a request, by their names in lower case."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]+")
_LONGEST_LINE = 255

NO_TRANSCRIPT = "the webhook carried none"
"""What the metadata say, under `transcript`, of a delivery whose transcript is empty because none was sent."""
_METADATA: TypeAdapter[dict[str, Any]] = TypeAdapter(Metadata)
_TIME: TypeAdapter[datetime] = TypeAdapter(Time)


class Forged(Exception):
    """A webhook that is not signed as its platform signs; says why to operators, and never with which secret."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the agent called. `id` is its own within the conversation; `at` is None where nobody says when."""

    id: str
    name: str
    at: datetime | None = None


class Underway(BaseModel):
    """A conversation that has not ended, as far as it is known by `told_at`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    conversation_id: Line
    agent_id: Line | None = None
    contact_id: Line | None = None
    told_at: Time


@dataclass(frozen=True, slots=True)
class Heard:
    """What a webhook tells: a conversation that has ended or one under way, or why there is nothing to do.

    With either come the tools that were called in it so far.
    """

    delivery: Delivery | None = None
    calls: Sequence[ToolCall] = ()
    needless: str | None = None
    underway: Underway | None = None


class Options(BaseModel):
    """What can be set for a source beside its secret; most platforms have nothing to set."""

    model_config = ConfigDict(extra="forbid", frozen=True)


_LENGTHS = range(8, 501)


def check_text(secret: str) -> None:
    """Do nothing where a secret can be some text that a platform and we share.

    Raises:
        ValueError: it is shorter than 8 or longer than 500 characters, not printable ASCII, or has blanks around it.
    """
    fits = len(secret) in _LENGTHS and secret.isascii() and secret.isprintable()
    if not fits or secret.strip() != secret:
        raise ValueError(
            f"must be {_LENGTHS[0]} to {_LENGTHS[-1]} printable ASCII characters without blanks around them"
        )


def _check_text(secret: str, _options: Options) -> None:
    check_text(secret)


@dataclass(frozen=True, slots=True)
class Platform:
    """An adapter: two pure functions.

    Attributes:
        name: as it stands in the API, in lower case.
        verify: takes headers, body, secrets, Unix time and options; does nothing where one of the secrets has signed
            this body lately, else raises `Forged`.
        parse: takes the body as JSON, the time of receipt and options; returns what it tells, or raises pydantic's
            `ValidationError` and nothing else, which names what is missing or cannot be read; the API answers 422.
        options: what can be set.
        makes_secret: whether we make the secret and the platform is told, where none is given.
        check_secret: takes a secret and options before they are saved; raises `ValueError`, which says what is wrong
            with it, where it can never verify anything, or where anybody could sign with it.
        is_open: whether the options let anybody send who reaches the address.
    """

    name: str
    verify: Callable[[Headers, bytes, Sequence[str], float, Any], None]
    parse: Callable[[Any, datetime, Any], Heard]
    options: type[Options] = Options
    makes_secret: bool = False
    check_secret: Callable[[str, Any], None] = _check_text
    is_open: Callable[[Any], bool] = lambda _options: False


def _written(value: object) -> object:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


Written = Annotated[str, BeforeValidator(_written)]
"""Text, or any other JSON value as it is written: what tools are given and return may be sent either way."""


class Shape(BaseModel):
    """The part of a webhook that is read; what else a platform sends, now or later, breaks nothing."""

    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True)


def _from_seconds(value: object) -> object:
    return _moment(value, 1)


def _from_milliseconds(value: object) -> object:
    return _moment(value, 1_000)


def _moment(value: object, in_a_second: int) -> object:
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number, the time since 1970")
    try:
        return datetime.fromtimestamp(value / in_a_second, UTC)
    except (OverflowError, OSError, ValueError):
        raise ValueError("must be a time that a calendar has") from None


Seconds = Annotated[datetime, BeforeValidator(_from_seconds)]
"""A time sent as seconds since 1970, whole or not."""

Milliseconds = Annotated[datetime, BeforeValidator(_from_milliseconds)]
"""A time sent as milliseconds since 1970."""


def after(moment: datetime | None, seconds: float | None) -> datetime | None:
    """Return the time so many seconds after another, or before it; None where either is missing or a calendar ends."""
    if moment is None or seconds is None:
        return None
    try:
        return moment + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return None


def conversation(
    *,
    conversation_id: str,
    agent_id: str,
    ended_at: datetime,
    turns: Iterable[tuple[Role, str | None, datetime | None]],
    started_at: datetime | None = None,
    contact_id: str | None = None,
    channel: str | None = None,
    end_reason: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Delivery:
    """Return a delivery of what a platform has told, made to fit where a detail does not.

    Turns in which nothing is said go. Times never run backwards: platforms count them from different moments. Times
    that nobody can mean go, but for the end. Text keeps only what databases store. Notes that are too large or too
    deep go.

    Raises:
        ValidationError: one of the ids is missing or too long, or the end is no time that somebody can mean.
    """
    said: list[Turn] = []
    latest: datetime | None = None
    started_at = plausible(started_at)
    for role, text, told_at in turns:
        kept, at = storable(text or ""), plausible(told_at)
        if kept.strip():
            latest = max(at, latest) if at and latest else at or latest
            said.append(Turn(role=role, text=kept, at=latest if at else None))
    return Delivery(
        conversation_id=conversation_id,
        agent_id=agent_id,
        contact_id=line(contact_id),
        channel=line(channel),
        started_at=min(started_at, ended_at) if started_at else None,
        ended_at=ended_at,
        end_reason=line(end_reason),
        metadata=_small(metadata or {}),
        transcript=tuple(said),
    )


def tool_calls(found: Iterable[tuple[str | None, str | None, datetime | None]]) -> list[ToolCall]:
    """Return the tools that were called, each given as its id, name and time.

    What has no name goes. What has no id, or that of another call, is known by its place, which is the same in each
    delivery of a conversation.
    """
    calls: dict[str, ToolCall] = {}
    for told_id, told_name, at in found:
        if name := line(told_name):
            place = str(len(calls) + 1)
            own = line(told_id) or place
            own = f"{own[: _LONGEST_LINE - len(place) - 1]}-{place}" if own in calls else own
            calls[own] = ToolCall(own, name, plausible(at))
    return list(calls.values())


def plausible(at: datetime | None) -> datetime | None:
    """Return a time that somebody can mean, which zero is not; else None."""
    try:
        return _TIME.validate_python(at) if at else None
    except ValidationError:
        return None


def line(text: str | None) -> str | None:
    """Return text as one line of at most 255 characters; None where nothing is left."""
    return _CONTROL.sub(" ", text or "").strip()[:_LONGEST_LINE].strip() or None


def _small(metadata: Mapping[str, Any]) -> dict[str, Any] | None:
    told = {key: value for key, value in metadata.items() if value not in (None, "", [], {})}
    try:
        return _METADATA.validate_python(told) or None
    except ValidationError:
        plain = {key: value for key, value in told.items() if isinstance(value, str | int | float | bool)}
        try:
            return _METADATA.validate_python(plain) or None
        except ValidationError:
            return None


def unreadable(reason: str, *place: str | int) -> ValidationError:
    """Return the error that says why what stands in one place of a body, or is missing there, cannot be used."""
    kind = PydanticCustomError("unreadable", "{reason}", {"reason": reason})
    # The input is left out: it may be a whole transcript.
    details = InitErrorDetails(type=kind, loc=place, input=None)
    return ValidationError.from_exception_data("webhook", [details], hide_input=True)
