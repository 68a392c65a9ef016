"""Retell AI: `call_ended`, and `call_analyzed` of the same call; chats likewise.

Confirmed in RetellAI/retell-python-sdk (src/retell/lib/webhook_auth.py and its tests; wheel retell-sdk 6.2.13): header
`X-Retell-Signature: v=<unix ms>,d=<hex>`, HMAC-SHA256 over body and milliseconds joined by nothing, keyed with the API
key that carries the webhook badge, five minutes either way, nothing but this form. In the types of the same wheel and
docs.retellai.com/features/webhook-overview: the call object, with keys that the user pressed, text messages and what
was put into the agent's context among its entries. In real bodies of public repositories: `event_timestamp` beside the
call, that calls that never connected have neither start nor end, and the console's test. Not confirmed: that chats
stand under `chat`, `time_sec` of tool calls (it is in no type), and that a turn is cut where it was interrupted.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from goalline.domain.platforms import signing
from goalline.domain.platforms.platform import (
    Forged,
    Headers,
    Heard,
    Milliseconds,
    Options,
    Platform,
    Shape,
    Written,
    after,
    conversation,
    line,
    tool_calls,
)
from goalline.domain.transcript import Role

_FORM = re.compile(r"v=([0-9]{1,15}),d=([0-9a-f]{64})")
_TOLERANCE = 300
_ENDED = {"call_ended", "call_analyzed", "chat_ended", "chat_analyzed"}
_ROLES = {
    "agent": Role.AGENT,
    "user": Role.USER,
    # The person to whom the call was handed over speaks for the same side.
    "transfer_target": Role.AGENT,
    "sms": Role.USER,
    "dtmf": Role.USER,
    # What the agent was told on the way, and nobody heard.
    "injected": Role.SYSTEM,
    "tool_call_invocation": Role.TOOL,
    "tool_call_result": Role.TOOL,
}
_TEST_CALL = "test_call"


def verify(headers: Headers, body: bytes, secrets: Sequence[str], now: float, _options: Options) -> None:
    """Check `X-Retell-Signature`, at most five minutes off."""
    found = _FORM.fullmatch(signing.header(headers, "X-Retell-Signature"))
    if not found:
        raise Forged("X-Retell-Signature is not of the form v=MILLISECONDS,d=HEX")
    signing.require_fresh(int(found[1]) / 1000, now, _TOLERANCE, _TOLERANCE)
    digests = signing.hmac_digests(secrets, body + found[1].encode())
    signing.require_match([found[2]], (digest.hex() for digest in digests))


class _Word(Shape):
    start: float | None = None


class _Entry(Shape):
    role: str | None = None
    content: Written | None = None
    digit: str | None = None
    words: list[_Word] | None = None
    created_timestamp: Milliseconds | None = None
    time_sec: float | None = None
    tool_call_id: str | None = None
    name: str | None = None
    arguments: Written | None = None

    @property
    def text(self) -> str | None:
        if self.role == "tool_call_invocation":
            return f"{self.name or ''} {self.arguments or ''}".strip()
        return self.digit if self.role == "dtmf" else self.content


class _Call(Shape):
    agent_id: str
    start_timestamp: Milliseconds | None = None
    end_timestamp: Milliseconds | None = None
    direction: str | None = None
    from_number: str | None = None
    to_number: str | None = None
    disconnection_reason: str | None = None
    transfer_destination: str | None = None
    transcript_object: list[_Entry] | None = None
    transcript_with_tool_calls: list[_Entry] | None = None
    message_with_tool_calls: list[_Entry] | None = None
    metadata: dict[str, Any] | None = None
    retell_llm_dynamic_variables: dict[str, Any] | None = None

    @property
    def entries(self) -> list[_Entry]:
        return self.transcript_with_tool_calls or self.message_with_tool_calls or self.transcript_object or []

    @property
    def contact(self) -> str | None:
        return self.to_number if self.direction == "outbound" else self.from_number


class _Phoned(_Call):
    call_id: str
    call_type: str | None = None

    @property
    def channel(self) -> str:
        return "web" if self.call_type == "web_call" else "phone"


class _Chatted(_Call):
    chat_id: str
    chat_type: str | None = None

    @property
    def channel(self) -> str:
        return "sms" if self.chat_type == "sms_chat" else "chat"


class _Event(Shape):
    event: str


class _CallEvent(Shape):
    event_timestamp: Milliseconds | None = None
    call: _Phoned


class _ChatEvent(Shape):
    event_timestamp: Milliseconds | None = None
    chat: _Chatted


def parse(payload: Any, received_at: datetime, _options: Options) -> Heard:
    """Take the end of a call or a chat; both events about it carry all that was said."""
    event = _Event.model_validate(payload).event
    if event not in _ENDED:
        return Heard(needless=f"{line(event)} tells of no conversation that has ended")
    if event.startswith("chat"):
        chatted = _ChatEvent.model_validate(payload)
        return _heard(chatted.chat.chat_id, chatted.chat.channel, chatted.chat, chatted.event_timestamp or received_at)
    phoned = _CallEvent.model_validate(payload)
    if phoned.call.call_id == _TEST_CALL:
        return Heard(needless="this is the console's test")
    return _heard(phoned.call.call_id, phoned.call.channel, phoned.call, phoned.event_timestamp or received_at)


def _heard(reference: str, channel: str, call: _Call, told_at: datetime) -> Heard:
    entries = list(_timed(call))
    delivery = conversation(
        conversation_id=reference,
        agent_id=call.agent_id,
        contact_id=call.contact,
        channel=channel,
        started_at=call.start_timestamp,
        # What never connected has no end of its own.
        ended_at=call.end_timestamp or told_at,
        end_reason=call.disconnection_reason,
        metadata={
            "direction": call.direction,
            "transfer_destination": call.transfer_destination,
            "metadata": call.metadata,
            "dynamic_variables": call.retell_llm_dynamic_variables,
        },
        turns=((_ROLES[entry.role], entry.text, at) for entry, at in entries if entry.role in _ROLES),
    )
    called = ((entry, at) for entry, at in entries if entry.role == "tool_call_invocation")
    return Heard(delivery, tool_calls((entry.tool_call_id, entry.name, at) for entry, at in called))


def _timed(call: _Call) -> Iterator[tuple[_Entry, datetime | None]]:
    at: datetime | None = None
    for entry in call.entries:
        offset = next((word.start for word in entry.words or () if word.start is not None), entry.time_sec)
        at = entry.created_timestamp or after(call.start_timestamp, offset) or at
        yield entry, at


RETELL = Platform("retell", verify, parse)
