"""Retell AI: `call_ended`, and `call_analyzed` of the same call; chats likewise; `transcript_updated` on the way.

Confirmed in RetellAI/retell-python-sdk (src/retell/lib/webhook_auth.py and its tests; wheel retell-sdk 6.2.13): header
`X-Retell-Signature: v=<unix ms>,d=<hex>`, HMAC-SHA256 over body and milliseconds joined by nothing, keyed with the API
key that carries the webhook badge, five minutes either way, nothing but this form. In the types of the same wheel and
docs.retellai.com/features/webhook-overview: the call object, with keys that the user pressed, text messages and what
was put into the agent's context among its entries; and that `transcript_updated` brings the call's fields and
`transcript_with_tool_calls`. In real bodies of public repositories: `event_timestamp` beside the call, that calls that
never connected have neither start nor end, and the console's test. Not confirmed: whether the tool calls of an update
stand in the call or beside it, that chats stand under `chat`, `time_sec` of tool calls (it is in no type), and that a
turn is cut where it was interrupted.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
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
    ToolCall,
    Underway,
    Written,
    after,
    conversation,
    line,
    plausible,
    tool_calls,
)
from goalline.domain.transcript import Role

_FORM = re.compile(r"v=([0-9]{1,15}),d=([0-9a-f]{64})")
_TOLERANCE = 300
_ENDED = {"call_ended", "call_analyzed", "chat_ended", "chat_analyzed"}
_UPDATED = "transcript_updated"
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
    def reference(self) -> str:
        return self.call_id

    @property
    def channel(self) -> str:
        return "web" if self.call_type == "web_call" else "phone"


class _Chatted(_Call):
    chat_id: str
    chat_type: str | None = None

    @property
    def reference(self) -> str:
        return self.chat_id

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


class _Updated(Shape):
    event_timestamp: Milliseconds | None = None
    transcript_with_tool_calls: list[_Entry] | None = None
    call: _Phoned | None = None
    chat: _Chatted | None = None


def parse(payload: Any, received_at: datetime, _options: Options) -> Heard:
    """Take the end of a call or a chat, of which both events carry all, and before it the tools that were called."""
    event = _Event.model_validate(payload).event
    if event == _UPDATED:
        return _underway(_Updated.model_validate(payload), received_at)
    if event not in _ENDED:
        return Heard(needless=f"{line(event)} tells of no conversation that has ended")
    if event.startswith("chat"):
        chatted = _ChatEvent.model_validate(payload)
        return _heard(chatted.chat, chatted.event_timestamp or received_at)
    phoned = _CallEvent.model_validate(payload)
    if phoned.call.call_id == _TEST_CALL:
        return Heard(needless="this is the console's test")
    return _heard(phoned.call, phoned.event_timestamp or received_at)


def _heard(call: _Phoned | _Chatted, told_at: datetime) -> Heard:
    entries = list(_timed(call.entries, call.start_timestamp))
    delivery = conversation(
        conversation_id=call.reference,
        agent_id=call.agent_id,
        contact_id=call.contact,
        channel=call.channel,
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
    return Heard(delivery, _called(entries))


def _underway(updated: _Updated, received_at: datetime) -> Heard:
    talk = updated.call or updated.chat
    if talk is None:
        return Heard(needless=f"{_UPDATED} names neither a call nor a chat")
    # Whether the entries stand in the call or beside it, no page shows.
    entries = _timed(updated.transcript_with_tool_calls or talk.entries, talk.start_timestamp)
    running = Underway(
        conversation_id=talk.reference,
        agent_id=talk.agent_id,
        contact_id=line(talk.contact),
        told_at=plausible(updated.event_timestamp) or received_at,
    )
    return Heard(underway=running, calls=_called(entries))


def _called(entries: Iterable[tuple[_Entry, datetime | None]]) -> list[ToolCall]:
    called = ((entry, at) for entry, at in entries if entry.role == "tool_call_invocation")
    return tool_calls((entry.tool_call_id, entry.name, at) for entry, at in called)


def _timed(entries: Iterable[_Entry], started_at: datetime | None) -> Iterator[tuple[_Entry, datetime | None]]:
    at: datetime | None = None
    for entry in entries:
        offset = next((word.start for word in entry.words or () if word.start is not None), entry.time_sec)
        at = entry.created_timestamp or after(started_at, offset) or at
        yield entry, at


RETELL = Platform("retell", verify, parse)
