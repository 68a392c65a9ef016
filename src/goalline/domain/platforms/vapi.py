"""Vapi: `end-of-call-report` and what tools were called before it, authenticated as the customer chooses.

Confirmed in docs.vapi.ai/server-url (events, authentication), VapiAI/skills and the generated types of the wheel
vapi_server_sdk 3.0.0: there is no signature of its own. Either a token stands in a header (`X-Vapi-Secret`, or
`Authorization: Bearer`), or an HMAC whose settings and their defaults are those of `VapiOptions`. In the same types:
the report, the kinds of its messages, that its times may be missing, and that updates of conversation and status carry
the messages so far, beside the call or in a live artifact. In real bodies of public repositories: the agent's role is
`bot`, `call` is a snapshot from before the call, first turns lie seconds before `startedAt`, results of tools may be
objects. Not confirmed: the unit of the HMAC's timestamp (taken by its size) and any tolerance (ours), that a turn is
cut where it was interrupted, and a report for each call that never started.
"""

import base64
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, AliasPath, Field, StringConstraints
from pydantic.alias_generators import to_camel

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
    conversation,
    line,
    plausible,
    tool_calls,
)
from goalline.domain.transcript import Role, Time

_REPORT = "end-of-call-report"
_UPDATES = {"conversation-update", "status-update"}
_TOLERANCE = 300
_FIRST_IN_MILLISECONDS = 10**11
_ROLES = {
    "bot": Role.AGENT,
    "assistant": Role.AGENT,
    "user": Role.USER,
    "tool_calls": Role.TOOL,
    "tool_call_result": Role.TOOL,
}
_KINDS = {
    "inboundPhoneCall": ("phone", "inbound"),
    "outboundPhoneCall": ("phone", "outbound"),
    "webCall": ("web", None),
    "vapi.websocketCall": ("websocket", None),
}

HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$", to_lower=True)]


class VapiOptions(Options):
    """The settings of Vapi's HMAC credential, named as there; a token needs none of them."""

    signature_header: HeaderName = "x-signature"
    timestamp_header: HeaderName = "x-timestamp"
    signature_prefix: Annotated[str, Field(max_length=64)] = ""
    algorithm: Literal["sha256", "sha512", "sha1"] = "sha256"
    signature_encoding: Literal["hex", "base64"] = "hex"
    include_timestamp: Annotated[bool, Field(strict=True)] = True


def verify(headers: Headers, body: bytes, secrets: Sequence[str], now: float, options: VapiOptions) -> None:
    """Check the HMAC where there is one, else that a header carries the secret itself."""
    if options.signature_header in headers:
        _require_hmac(headers, body, secrets, now, options)
        return
    bearer = headers.get("authorization", "")
    given = [headers.get("x-vapi-secret", ""), bearer.removeprefix("Bearer ") if bearer.startswith("Bearer ") else ""]
    if not any(given):
        raise Forged(f"there is no header {options.signature_header}, X-Vapi-Secret or Authorization: Bearer")
    signing.require_match([each for each in given if each], secrets)


def _require_hmac(headers: Headers, body: bytes, secrets: Sequence[str], now: float, options: VapiOptions) -> None:
    signature = signing.header(headers, options.signature_header)
    signed = body
    if options.include_timestamp:
        stamp = signing.header(headers, options.timestamp_header)
        sent_at = signing.whole(stamp, options.timestamp_header)
        in_seconds = sent_at / 1000 if sent_at >= _FIRST_IN_MILLISECONDS else sent_at
        signing.require_fresh(in_seconds, now, _TOLERANCE, _TOLERANCE)
        signed = f"{stamp}.".encode() + body
    digests = signing.hmac_digests(secrets, signed, options.algorithm)
    expected = (base64.b64encode(d).decode() if options.signature_encoding == "base64" else d.hex() for d in digests)
    signing.require_match([signature], (options.signature_prefix + each for each in expected))


class _Camel(Shape, alias_generator=to_camel):
    """Vapi's names are in camel case."""


class _ToolCall(_Camel):
    id: str | None = None
    name: str | None = Field(None, validation_alias=AliasPath("function", "name"))
    arguments: Written | None = Field(None, validation_alias=AliasPath("function", "arguments"))

    @property
    def text(self) -> str:
        return f"{self.name or ''} {self.arguments or ''}".strip()


class _Message(_Camel):
    role: str | None = None
    message: str | None = None
    time: Milliseconds | None = None
    tool_calls: list[_ToolCall] | None = None
    result: Written | None = None

    @property
    def texts(self) -> Iterator[str | None]:
        """What was said, or returned, or called: one turn each."""
        yield self.message or self.result
        yield from (call.text for call in self.tool_calls or ())


class _Customer(_Camel):
    number: str | None = None
    external_id: str | None = None
    sip_uri: str | None = None

    @property
    def known_as(self) -> str | None:
        return self.number or self.external_id or self.sip_uri


class _Overrides(_Camel):
    # What the customer passed in; the platform adds to it in `artifact.variableValues`.
    variable_values: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None


class _Destination(_Camel):
    number: str | None = None
    sip_uri: str | None = None
    assistant_name: str | None = None


class _Assistant(_Camel):
    id: str | None = None
    name: str | None = None
    metadata: dict[str, Any] | None = None


class _Call(_Camel):
    id: str
    type: str | None = None
    assistant_id: str | None = None
    squad_id: str | None = None
    workflow_id: str | None = None
    started_at: Time | None = None
    ended_at: Time | None = None
    customer: _Customer | None = None
    assistant_overrides: _Overrides | None = None


class _Talk(_Camel):
    timestamp: Milliseconds | Time | None = None
    messages: list[_Message] | None = Field(None, validation_alias=AliasPath("artifact", "messages"))
    assistant: _Assistant | None = None
    customer: _Customer | None = None
    call: _Call

    @property
    def agent(self) -> str:
        # A squad or a workflow is one agent, whoever of it spoke last; what was made up for the call has but a name.
        spoke, call = self.assistant or _Assistant(), self.call
        return call.assistant_id or call.squad_id or call.workflow_id or spoke.id or spoke.name or ""

    @property
    def contact(self) -> str | None:
        found = (customer.known_as for customer in (self.customer, self.call.customer) if customer)
        return next((known_as for known_as in found if known_as), None)

    @property
    def timed(self) -> list[tuple[_Message, datetime | None]]:
        """What was said and done, in the order of its times: tools and words overlap."""
        at: datetime | None = None
        found: list[tuple[_Message, datetime | None]] = []
        for message in self.messages or ():
            if message.role in _ROLES:
                at = plausible(message.time) or at
                found.append((message, at))
        return sorted(found, key=lambda each: each[1].timestamp() if each[1] else 0)


class _Update(_Talk):
    # The messages so far stand in the live artifact or beside it.
    messages: list[_Message] | None = Field(
        None, validation_alias=AliasChoices(AliasPath("artifact", "messages"), "messages")
    )


class _Report(_Talk):
    started_at: Time | None = None
    ended_at: Time | None = None
    ended_reason: str | None = None
    destination: _Destination | None = None

    @property
    def notes(self) -> dict[str, Any]:
        passed, to = self.call.assistant_overrides or _Overrides(), self.destination or _Destination()
        own = self.assistant.metadata if self.assistant else None
        return {
            "direction": _KINDS.get(self.call.type or "", (None, None))[1],
            "transfer_destination": to.number or to.sip_uri or to.assistant_name,
            "metadata": {**(own or {}), **(passed.metadata or {})},
            "dynamic_variables": passed.variable_values,
        }


class _Event(_Camel):
    type: str
    call: Any = None


class _Told(_Camel):
    message: _Event


class _Reported(_Camel):
    message: _Report


class _Updated(_Camel):
    message: _Update


def parse(payload: Any, received_at: datetime, _options: VapiOptions) -> Heard:
    """Take the report that follows each call, and what tools were called so far; most other messages want an answer."""
    told = _Told.model_validate(payload).message
    if told.type in _UPDATES and isinstance(told.call, dict):
        return _underway(_Updated.model_validate(payload).message, received_at)
    if told.type != _REPORT:
        return Heard(needless=f"{line(told.type)} is not {_REPORT}, which tells all of a call that has ended")
    report = _Reported.model_validate(payload).message
    timed = report.timed
    # The clock of the messages is not that of the call: the first may lie seconds before it.
    starts = [report.started_at or report.call.started_at, timed[0][1] if timed else None]
    delivery = conversation(
        conversation_id=report.call.id,
        agent_id=report.agent,
        contact_id=report.contact,
        channel=_KINDS.get(report.call.type or "", (None, None))[0],
        started_at=min((at for at in starts if at), default=None),
        # What never connected may have no end of its own.
        ended_at=report.ended_at or report.call.ended_at or report.timestamp or received_at,
        end_reason=report.ended_reason,
        metadata=report.notes,
        turns=((_ROLES[message.role or ""], text, at) for message, at in timed for text in message.texts),
    )
    return Heard(delivery, _called(timed))


def _underway(update: _Update, received_at: datetime) -> Heard:
    running = Underway(
        conversation_id=update.call.id,
        agent_id=line(update.agent),
        contact_id=line(update.contact),
        told_at=plausible(update.timestamp) or received_at,
    )
    return Heard(underway=running, calls=_called(update.timed))


def _called(timed: Iterable[tuple[_Message, datetime | None]]) -> list[ToolCall]:
    found = ((call, at) for message, at in timed for call in message.tool_calls or ())
    return tool_calls((call.id, call.name, at) for call, at in found)


VAPI = Platform("vapi", verify, parse, VapiOptions, makes_secret=True)
