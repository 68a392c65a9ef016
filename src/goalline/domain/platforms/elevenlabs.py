"""ElevenLabs Agents: `post_call_transcription`, and `call_initiation_failure` of a call that nobody took.

Confirmed in elevenlabs/elevenlabs-python (src/elevenlabs/webhooks_custom.py and its tests; wheel elevenlabs 2.78.0):
header `ElevenLabs-Signature: t=<unix s>,v0=<hex>`, HMAC-SHA256 over time and body joined by a full stop, keyed with the
secret as text, thirty minutes back; other parts of the header mean nothing. It sets no limit ahead; ours is five
minutes. In the types of the same wheel and elevenlabs.io/docs/eleven-agents/workflows/post-call-webhooks: the
conversation, that `message` is what was spoken where a turn was interrupted, that there is no time of the end, and
the failures. In real bodies of public repositories: calls of tools and their results as turns without words, and that
a call's own `tool_has_been_called` may be false though its result is there. Not confirmed: whether a delivery that is
tried again is signed anew, the texts of `termination_reason`, and events that no page describes.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from pydantic import AliasChoices, AliasPath, Field

from goalline.domain.platforms import signing
from goalline.domain.platforms.platform import (
    NO_TRANSCRIPT,
    Forged,
    Headers,
    Heard,
    Milliseconds,
    Options,
    Platform,
    Seconds,
    Shape,
    Written,
    after,
    conversation,
    line,
    tool_calls,
)
from goalline.domain.transcript import Role, Time

_PAST, _FUTURE = 1_800, 300
_ENDED = "post_call_transcription"
_FAILED = "call_initiation_failure"
_ROLES = {"agent": Role.AGENT, "user": Role.USER}
_ENDINGS = {"end_call": "end_call", "transfer_to_number": "transfer_to_number", "voicemail_detection": "voicemail"}
# What the platform knows itself, and what it keeps even from the agent, for the headers of tools.
_UNTOLD = ("system__", "secret__")


def verify(headers: Headers, body: bytes, secrets: Sequence[str], now: float, _options: Options) -> None:
    """Check `ElevenLabs-Signature`, at most thirty minutes old and five minutes ahead."""
    parts = [part.partition("=") for part in signing.header(headers, "ElevenLabs-Signature").split(",")]
    times = [value for name, _, value in parts if name == "t"]
    if len(times) != 1:
        raise Forged("ElevenLabs-Signature has not exactly one time t=SECONDS")
    signing.require_fresh(signing.whole(times[0], "t of ElevenLabs-Signature"), now, _PAST, _FUTURE)
    digests = signing.hmac_digests(secrets, f"{times[0]}.".encode() + body)
    signing.require_match([value for name, _, value in parts if name == "v0"], (digest.hex() for digest in digests))


class _ToolCall(Shape):
    request_id: str | None = None
    tool_name: str | None = None
    params_as_json: Written | None = None

    @property
    def text(self) -> str:
        return f"{self.tool_name or ''} {self.params_as_json or ''}".strip()


class _ToolResult(Shape):
    result_value: Written | None = None
    result_type: str | None = Field(None, validation_alias=AliasPath("result", "result_type"))
    transfer_number: str | None = Field(None, validation_alias=AliasPath("result", "transfer_number"))

    @property
    def ending(self) -> str | None:
        """How one of the platform's own tools ended the call, if it did; a failed attempt's type ends in `_error`."""
        kind = self.result_type or ""
        found = (name for prefix, name in _ENDINGS.items() if kind.startswith(prefix) and kind.endswith("_success"))
        return next(found, None)


class _Part(Shape):
    text: str | None = None


class _Entry(Shape):
    role: str | None = None
    message: str | None = None
    voices: list[_Part] | None = Field(None, validation_alias=AliasPath("multivoice_message", "parts"))
    time_in_call_secs: float | None = None
    created_at_unix_ms: Milliseconds | None = None
    agent_id: str | None = Field(None, validation_alias=AliasPath("agent_metadata", "agent_id"))
    tool_calls: list[_ToolCall] | None = None
    tool_results: list[_ToolResult] | None = None
    contextual_update_info: dict[str, Any] | None = None

    @property
    def turns(self) -> Iterator[tuple[Role, str | None]]:
        if self.role in _ROLES:
            said = self.message or " ".join(part.text for part in self.voices or () if part.text)
            # What a client put into the agent's context stands among the user's turns, and nobody said it.
            yield _ROLES[self.role] if self.contextual_update_info is None else Role.SYSTEM, said
        yield from ((Role.TOOL, call.text) for call in self.tool_calls or ())
        yield from ((Role.TOOL, result.result_value) for result in self.tool_results or ())


class _Phone(Shape):
    direction: str | None = None
    external_number: str | None = None
    call_result: str | None = None


class _Sms(Shape):
    direction: str | None = None
    sms_user_phone_number: str | None = None


class _WhatsApp(Shape):
    direction: str | None = None
    whatsapp_user_id: str | None = None


class _Metadata(Shape):
    start_time_unix_secs: Seconds | None = None
    call_duration_secs: float | None = None
    termination_reason: str | None = None
    fault: str | None = Field(None, validation_alias=AliasPath("error", "reason"))
    text_only: bool | None = None
    phone_call: _Phone | None = None
    sms: _Sms | None = None
    whatsapp: _WhatsApp | None = None

    @property
    def route(self) -> tuple[str, str | None, str | None]:
        """The channel, the direction, and who was at the other end."""
        if self.phone_call:
            return "phone", self.phone_call.direction, self.phone_call.external_number
        if self.sms:
            return "sms", self.sms.direction, self.sms.sms_user_phone_number
        if self.whatsapp:
            return "whatsapp", self.whatsapp.direction, self.whatsapp.whatsapp_user_id
        return "chat" if self.text_only else "web", None, None


class _Conversation(Shape):
    conversation_id: str
    agent_id: str
    user_id: str | None = None
    status: str | None = None
    # It may be empty, but it is missing only where the workspace leaves transcripts out of its webhooks.
    transcript: list[_Entry] | None = None
    metadata: _Metadata | None = None
    variables: dict[str, Any] | None = Field(
        None, validation_alias=AliasPath("conversation_initiation_client_data", "dynamic_variables")
    )

    @property
    def endings(self) -> list[_ToolResult]:
        results = (result for entry in self.transcript or () for result in entry.tool_results or ())
        return [result for result in results if result.ending]

    @property
    def end_reason(self) -> str | None:
        told = self.metadata or _Metadata()
        result = told.phone_call.call_result if told.phone_call else None
        if result and result != "answered":
            return result
        if self.endings:
            return self.endings[-1].ending
        return (told.fault or self.status) if self.status == "failed" else told.termination_reason

    @property
    def notes(self) -> dict[str, Any]:
        agents = list(dict.fromkeys(entry.agent_id for entry in self.transcript or () if entry.agent_id))
        variables = self.variables or {}
        return {
            "transfer_destination": self.endings[-1].transfer_number if self.endings else None,
            "agents": agents if len(agents) > 1 else None,
            "transcript": NO_TRANSCRIPT if self.transcript is None else None,
            "dynamic_variables": {name: variables[name] for name in variables if not name.startswith(_UNTOLD)},
        }


class _Failure(Shape):
    conversation_id: str
    agent_id: str
    failure_reason: str | None = None
    dialled: str | None = Field(
        None,
        validation_alias=AliasChoices(AliasPath("metadata", "body", "To"), AliasPath("metadata", "body", "to_number")),
    )


class _Event(Shape):
    type: str
    event_timestamp: Seconds | Time | None = None


class _Ended(_Event):
    data: _Conversation


class _Failed(_Event):
    data: _Failure


def parse(payload: Any, received_at: datetime, _options: Options) -> Heard:
    """Take a conversation with all that was said, or a call that never became one."""
    event = _Event.model_validate(payload)
    told_at = event.event_timestamp or received_at
    if event.type == _ENDED:
        return _ended(_Ended.model_validate(payload).data, told_at)
    if event.type == _FAILED:
        return _failed(_Failed.model_validate(payload).data, told_at)
    return Heard(needless=f"{line(event.type)} tells of no conversation that has ended")


def _ended(ended: _Conversation, told_at: datetime) -> Heard:
    told = ended.metadata or _Metadata()
    channel, direction, other = told.route
    timed = [
        (entry, entry.created_at_unix_ms or after(told.start_time_unix_secs, entry.time_in_call_secs))
        for entry in ended.transcript or ()
    ]
    delivery = conversation(
        conversation_id=ended.conversation_id,
        agent_id=ended.agent_id,
        contact_id=other or ended.user_id,
        channel=channel,
        started_at=told.start_time_unix_secs,
        ended_at=after(told.start_time_unix_secs, told.call_duration_secs) or told_at,
        end_reason=ended.end_reason,
        metadata={"direction": direction, **ended.notes},
        turns=((role, text, at) for entry, at in timed for role, text in entry.turns),
    )
    called = ((call, at) for entry, at in timed for call in entry.tool_calls or ())
    return Heard(delivery, tool_calls((call.request_id, call.tool_name, at) for call, at in called))


def _failed(failed: _Failure, told_at: datetime) -> Heard:
    delivery = conversation(
        conversation_id=failed.conversation_id,
        agent_id=failed.agent_id,
        contact_id=failed.dialled,
        channel="phone",
        ended_at=told_at,
        end_reason=failed.failure_reason,
        metadata={"direction": "outbound"},
        turns=(),
    )
    return Heard(delivery)


ELEVENLABS = Platform("elevenlabs", verify, parse)
