"""What a platform delivers when a conversation ends: the delivery and its transcript."""

import hashlib
import json
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from goalline.domain.text import Line, Text

_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(9000, 1, 1, tzinfo=UTC)
_RFC_3339 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}")
_METADATA_BYTES = 16_384
_METADATA_DEPTH = 8


class Role(StrEnum):
    """Who speaks in a turn."""

    AGENT = "agent"
    USER = "user"
    TOOL = "tool"
    SYSTEM = "system"


def _only_strings(value: object) -> object:
    # A bare number would be read as seconds or milliseconds by guesswork.
    if isinstance(value, datetime) or (isinstance(value, str) and _RFC_3339.match(value)):
        return value
    raise ValueError("must be an RFC 3339 time with zone, such as 2026-11-21T09:30:00Z")


def _plausible(time: datetime) -> datetime:
    if not _EARLIEST <= time <= _LATEST:
        raise ValueError("must lie between the years 2000 and 9000")
    return time.astimezone(UTC)


Time = Annotated[
    AwareDatetime,
    BeforeValidator(_only_strings),
    AfterValidator(_plausible),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": f"^[2-8][0-9]{{3}}{_RFC_3339.pattern[8:]}"}),
]
"""An RFC 3339 time with zone, kept in UTC."""


def _plain_json(value: object, depth: int = 0) -> None:
    if depth > _METADATA_DEPTH:
        raise ValueError(f"must not be nested deeper than {_METADATA_DEPTH} levels")
    if isinstance(value, dict):
        for key, item in value.items():
            _plain_json(key, depth)
            _plain_json(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _plain_json(item, depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must not contain NaN or infinite numbers")
    elif isinstance(value, str) and any(c == "\x00" or "\ud800" <= c <= "\udfff" for c in value):
        raise ValueError("must not contain NUL characters or lone surrogates; remove them")


def _small_plain_json(metadata: dict[str, Any]) -> dict[str, Any]:
    _plain_json(metadata)
    if len(json.dumps(metadata)) > _METADATA_BYTES:
        raise ValueError(f"must not exceed {_METADATA_BYTES:,} bytes as JSON")
    return metadata


Metadata = Annotated[dict[str, Any], AfterValidator(_small_plain_json)]
"""The platform's own notes on a conversation: a small JSON object, stored and shown, never judged."""


class Turn(BaseModel):
    """One utterance of a transcript; turns are numbered from 1 by their place."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Role
    text: Text
    at: Time | None = None


class Delivery(BaseModel):
    """One verified, parsed call-ended webhook."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    conversation_id: Line
    agent_id: Line
    contact_id: Line | None = None
    channel: Line | None = None
    started_at: Time | None = None
    ended_at: Time
    end_reason: Line | None = None
    metadata: Metadata | None = None
    transcript: tuple[Turn, ...]

    @field_validator("ended_at")
    @classmethod
    def _not_before_its_start(cls, ended_at: datetime, info: ValidationInfo) -> datetime:
        started_at = info.data.get("started_at")
        if started_at and started_at > ended_at:
            raise ValueError("must not be earlier than started_at")
        return ended_at

    @field_validator("transcript")
    @classmethod
    def _in_order(cls, turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
        latest: datetime | None = None
        for number, turn in enumerate(turns, start=1):
            if turn.at and latest and turn.at < latest:
                raise ValueError(f"turn {number} is earlier than a turn before it; send turns in order")
            latest = turn.at or latest
        return turns


def excess(turns: Sequence[Turn], max_turns: int, max_characters: int) -> str | None:
    """Say by how much a transcript passes the limits, or return None when it is within them."""
    if len(turns) > max_turns:
        return f"the transcript has {len(turns):,} turns; the limit is {max_turns:,} turns"
    characters = sum(len(turn.text) for turn in turns)
    if characters > max_characters:
        return f"the transcript has {characters:,} characters; the limit is {max_characters:,} characters"
    return None


def is_empty(turns: Sequence[Turn]) -> bool:
    """Tell whether nobody said anything."""
    return not any(turn.text.strip() for turn in turns)


def digest(turns: Sequence[Turn]) -> str:
    """Return the SHA-256 (hex) of who said what; times are left out, as the judge never reads them."""
    said = json.dumps([(turn.role, turn.text) for turn in turns], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(said.encode()).hexdigest()
