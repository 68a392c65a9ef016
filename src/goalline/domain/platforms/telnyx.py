"""Telnyx AI Assistants: `call.conversation.ended`, with or without what was said.

Confirmed in the source of the wheel `telnyx` 4.189.0 (telnyx/lib/webhook_verification.py, telnyx/types/) and on
developers.telnyx.com (development/sdk/python/webhooks): the headers `telnyx-signature-ed25519` (base64) and
`telnyx-timestamp` (Unix seconds), Ed25519 over timestamp, `|` and body, five minutes either way, one public key for an
account. In the types of the same wheel: the event, whose `messages` are missing in those of 4.176 and in the sample of
the reference, so both forms are taken; `tool`, `system` and `developer` entries come only where an assistant sends its
full history. Not confirmed: the values of `reason`, whether words cut off by an interruption stay in `content`, how
voicemail and transfers show, the body of TeXML's callback, and the address of an assistant by SIP in `to`.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from pydantic import Field

from goalline.domain.platforms import signing
from goalline.domain.platforms.platform import (
    NO_TRANSCRIPT,
    Headers,
    Heard,
    Options,
    Platform,
    Shape,
    after,
    conversation,
    line,
    tool_calls,
)
from goalline.domain.text import Line
from goalline.domain.transcript import Role, Time

ENDED = "call.conversation.ended"
_TOLERANCE = 300
_SPEAKERS = {"assistant": Role.AGENT, "user": Role.USER, "tool": Role.TOOL}
_PUNCTUATION = re.compile(r"[\s().-]+")
_ASSISTANT = re.compile(r".*@assistant-[^@]*\.sip\.telnyx\.com", re.IGNORECASE)


class TelnyxOptions(Options):
    """Telnyx does not say who called whom; without one of these no contact is known."""

    own_numbers: tuple[Line, ...] = Field(
        (), max_length=1_000, description="Your own numbers and SIP addresses; the contact is who is on the other side."
    )
    all_inbound: bool = Field(
        False, strict=True, description="Whether contacts always call, so that who calls is the contact."
    )


def check_secret(secret: str, _options: Options) -> None:
    """Do nothing where a secret is the public key of an account: base64 of 32 bytes.

    Raises:
        ValueError: it is not, or a key for which anybody could sign.
    """
    try:
        signing.public_key(signing.from_base64(secret))
    except ValueError as error:
        raise ValueError(f"{error}; copy the public key from the portal's page of API keys, in base64") from None


def verify(headers: Headers, body: bytes, secrets: Sequence[str], now: float, _options: TelnyxOptions) -> None:
    """Check `telnyx-signature-ed25519`, at most five minutes off."""
    stamp = signing.header(headers, "telnyx-timestamp")
    signature = signing.from_base64(signing.header(headers, "telnyx-signature-ed25519"))
    signing.require_fresh(signing.whole(stamp, "telnyx-timestamp"), now, _TOLERANCE, _TOLERANCE)
    keys = (signing.from_base64(secret) for secret in secrets)
    signing.require_ed25519(signature, f"{stamp}|".encode() + body, keys)


class _Function(Shape):
    name: str | None = None
    arguments: str | None = None


class _Called(Shape):
    id: str | None = None
    function: _Function | None = None

    @property
    def name(self) -> str | None:
        return self.function.name if self.function else None

    @property
    def arguments(self) -> str | None:
        return self.function.arguments if self.function else None


class _Message(Shape):
    role: str | None = None
    content: str | None = None
    timestamp: Time | None = None
    tool_calls: list[_Called] | None = None


class _Conversation(Shape):
    conversation_id: str
    assistant_id: str
    call_leg_id: str | None = None
    call_session_id: str | None = None
    calling_party_type: str | None = None
    client_state: str | None = None
    duration_sec: float | None = None
    from_: str | None = Field(None, alias="from")
    to: str | None = None
    llm_model: str | None = None
    reason: str | None = None
    messages: list[_Message] | None = None


class _Kind(Shape):
    event_type: str


class _Told(Shape):
    occurred_at: Time | None = None
    payload: _Conversation


class _Event(Shape):
    data: _Kind


class _Ended(Shape):
    data: _Told


def parse(payload: Any, received_at: datetime, options: TelnyxOptions) -> Heard:
    """Take `call.conversation.ended`; all other events tell of a call that goes on, or of a part of it."""
    event = _Event.model_validate(payload).data.event_type
    if event != ENDED:
        return Heard(needless=f"{line(event)} tells of no conversation that has ended")
    told = _Ended.model_validate(payload).data
    call, ended_at = told.payload, told.occurred_at or received_at
    messages = call.messages or []
    delivery = conversation(
        conversation_id=call.conversation_id,
        agent_id=call.assistant_id,
        contact_id=_contact(call, options),
        channel="phone",
        started_at=_started(call, messages, ended_at),
        ended_at=ended_at,
        end_reason=call.reason,
        metadata={
            "transcript": NO_TRANSCRIPT if call.messages is None else None,
            "call_leg_id": call.call_leg_id,
            "call_session_id": call.call_session_id,
            "calling_party_type": call.calling_party_type,
            "client_state": call.client_state,
            "llm_model": call.llm_model,
        },
        turns=(turn for message in messages for turn in _turns(message)),
    )
    called = ((each, message.timestamp) for message in messages for each in message.tool_calls or ())
    return Heard(delivery, tool_calls((each.id, each.name, at) for each, at in called))


def _contact(call: _Conversation, options: TelnyxOptions) -> str | None:
    own = {_plain(number) for number in options.own_numbers}
    caller, called = _plain(call.from_), _plain(call.to)
    if (caller in own) != (called in own):
        return call.to if caller in own else call.from_
    return call.from_ if options.all_inbound or _ASSISTANT.fullmatch(call.to or "") else None


def _plain(number: str | None) -> str:
    return _PUNCTUATION.sub("", number or "").casefold().removeprefix("sip:")


def _started(call: _Conversation, messages: Sequence[_Message], ended_at: datetime) -> datetime | None:
    # The event has only its own time and a duration in whole seconds, which may end up after the first words.
    started_at = after(ended_at, -call.duration_sec) if call.duration_sec is not None else None
    first = next((message.timestamp for message in messages if message.timestamp), None)
    return min(started_at, first) if started_at and first else started_at


def _turns(message: _Message) -> Iterator[tuple[Role, str | None, datetime | None]]:
    # Notes of the platform come as system or developer; whatever role comes next speaks for neither side.
    yield _SPEAKERS.get(message.role or "", Role.SYSTEM), message.content, message.timestamp
    for called in message.tool_calls or ():
        yield Role.TOOL, " ".join(filter(None, (called.name, called.arguments))), message.timestamp


TELNYX = Platform("telnyx", verify, parse, options=TelnyxOptions, check_secret=check_secret)
