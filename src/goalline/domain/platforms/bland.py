"""Bland AI: the webhook after a call, which is the call itself, flat and without an envelope.

Confirmed in Bland's own documentation (github.com/CINTELLILABS/docs, shown at docs.bland.ai): header
`X-Webhook-Signature`, hex of HMAC-SHA256 over the body with the secret's text as key, sent only once a secret was made
in the console; no time is signed, so a copy of a webhook is taken at any later time and must change nothing. There as
well: the fields of a call, that an organisation can leave its transcripts out, that legs to a person who takes a
transfer are calls of their own, and that calls nobody answered may carry little but `call_id`, `status` and `metadata`.
Seen in official samples only: `started_at` is when ringing began, so the start is counted back from the end. Not
confirmed: `agent_id` and `persona_id` in this webhook, the label `robot` (taken for the agent), values of
`call_ended_by` other than the two read here, the console's test. Interruptions are not marked.
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
    unreadable,
)
from goalline.domain.text import Line
from goalline.domain.transcript import Role, Time

_NOT_CONNECTED = {"failed", "busy", "no-answer", "canceled"}
_ENDED_BY = {"assistant": "agent_ended", "user": "user_ended"}
_SPEAKERS = {"assistant": Role.AGENT, "robot": Role.AGENT, "user": Role.USER, "agent-action": Role.TOOL}
_SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]+)?")
_LABEL = re.compile(rf"(?:^|\n) ?({'|'.join(_SPEAKERS)}): ")


class BlandOptions(Options):
    """Calls that follow no pathway name no agent."""

    agent_id: Line | None = Field(None, description="The agent of calls that name no agent, persona or pathway.")


def verify(headers: Headers, body: bytes, secrets: Sequence[str], _now: float, _options: BlandOptions) -> None:
    """Check `X-Webhook-Signature`; no time is signed."""
    given = signing.header(headers, "X-Webhook-Signature")
    signing.require_match([given], (digest.hex() for digest in signing.hmac_digests(secrets, body)))


class _Kind(Shape):
    call_id: Any = None
    c_id: Any = None
    status: Any = None
    completed: Any = None
    transcripts: Any = None
    concatenated_transcript: Any = None
    event_type: Any = None
    category: Any = None

    @property
    def is_call(self) -> bool:
        told = (self.status, self.completed, self.transcripts, self.concatenated_transcript)
        return bool(self.call_id or self.c_id) and any(each is not None for each in told)


class _Said(Shape):
    user: str | None = None
    text: str | None = None
    created_at: Time | None = None


class _Corrected(Shape):
    start: float | None = None
    speaker_label: str | None = None
    text: str | None = None


class _WarmTransfer(Shape):
    state: str | None = None


class _Call(Shape):
    call_id: str | None = None
    c_id: str | None = None
    agent_id: str | None = None
    persona_id: str | None = None
    pathway_id: str | None = None
    status: str | None = None
    answered_by: str | None = None
    call_ended_by: str | None = None
    disposition_tag: str | None = None
    error_message: str | None = None
    to: str | None = None
    from_: str | None = Field(None, alias="from")
    inbound: bool | None = None
    is_proxy_agent_call: bool | None = None
    created_at: Time | None = None
    started_at: Time | None = None
    end_at: Time | None = None
    corrected_duration: str | None = None
    transferred_to: str | None = None
    warm_transfer_call: _WarmTransfer | None = None
    transcripts: list[_Said] | None = None
    corrected_transcript: list[_Corrected] | None = None
    concatenated_transcript: str | None = None
    summary: str | None = None
    pathway_tags: Any = None
    variables: dict[str, Any] | None = None
    metadata: Any = None


def parse(payload: Any, received_at: datetime, options: BlandOptions) -> Heard:
    """Take the webhook after a call; what comes during one, or adds to one later, needs nothing done."""
    kind = _Kind.model_validate(payload)
    if not kind.is_call:
        return Heard(needless=line(f"{kind.event_type or kind.category or 'this'} tells of no call that has ended"))
    call = _Call.model_validate(payload)
    if call.is_proxy_agent_call:
        return Heard(needless="this is the leg to the person who takes a transfer")
    agent_id = call.agent_id or call.persona_id or call.pathway_id or options.agent_id
    if not agent_id:
        raise unreadable("names no agent, persona or pathway; set agent_id among the options of the source", "agent_id")
    connected_at = _connected(call)
    turns = list(_turns(call, connected_at))
    times = [at for _, _, at in turns if at]
    delivery = conversation(
        conversation_id=call.call_id or call.c_id or "",
        agent_id=agent_id,
        contact_id=_contact(call),
        channel="phone",
        started_at=min(connected_at, *times) if connected_at and times else connected_at,
        ended_at=call.end_at or max(times, default=received_at),
        end_reason=_end_reason(call),
        metadata={
            "transcript": NO_TRANSCRIPT if _untold(call) else None,
            "direction": {True: "inbound", False: "outbound", None: None}[call.inbound],
            "status": call.status,
            "answered_by": call.answered_by,
            "disposition_tag": call.disposition_tag,
            "error_message": call.error_message,
            "transferred_to": call.transferred_to,
            "pathway_tags": call.pathway_tags,
            "summary": call.summary,
            "metadata": call.metadata,
            "variables": call.variables,
        },
        turns=turns,
    )
    return Heard(delivery)


def _contact(call: _Call) -> str | None:
    other = (call.variables or {}).get("phone_number")
    if isinstance(other, str) and other:
        return other
    return {True: call.from_, False: call.to, None: None}[call.inbound]


def _connected(call: _Call) -> datetime | None:
    # What it says of calls that never connected is known for none of them.
    lasted = _SECONDS.fullmatch(call.corrected_duration or "")
    if call.end_at and lasted and float(lasted[0]):
        return after(call.end_at, -float(lasted[0]))
    return call.started_at or call.created_at


def _untold(call: _Call) -> bool:
    forms: tuple[object, ...] = (call.transcripts, call.corrected_transcript, call.concatenated_transcript)
    return all(form is None for form in forms)


def _turns(call: _Call, connected_at: datetime | None) -> Iterator[tuple[Role, str | None, datetime | None]]:
    if call.transcripts:
        for said in call.transcripts:
            yield _role(said.user), said.text, said.created_at
    elif call.corrected_transcript:
        for each in call.corrected_transcript:
            at = after(connected_at, each.start)
            yield _role(each.speaker_label), each.text, at
    else:
        # Between its labels stand their texts; before the first one, nothing.
        _, *parts = _LABEL.split(call.concatenated_transcript or "")
        for label, text in zip(parts[::2], parts[1::2], strict=True):
            yield _role(label), text.strip(), None


def _role(label: str | None) -> Role:
    # A label that comes next speaks for neither side until we know better, and its words are kept.
    return _SPEAKERS.get(label or "", Role.SYSTEM)


def _end_reason(call: _Call) -> str | None:
    warm = call.warm_transfer_call
    if call.answered_by == "voicemail":
        return "voicemail"
    if call.status in _NOT_CONNECTED:
        return call.status
    if call.transferred_to or (warm and warm.state == "MERGED"):
        return "transferred"
    return _ENDED_BY.get((call.call_ended_by or "").lower())


BLAND = Platform("bland", verify, parse, options=BlandOptions)
