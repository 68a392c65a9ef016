"""Vapi's webhooks: taken with the secret or an HMAC of it, and what its report tells of a call."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from goalline.domain.platforms.platform import ToolCall
from goalline.domain.platforms.vapi import VAPI, VapiOptions
from goalline.domain.transcript import Delivery
from tests.domain.platforms.bodies import (
    ANY_JSON,
    RECEIVED,
    body,
    changed,
    delivered,
    heard,
    missing,
    raw,
    refusal,
    said,
    understands,
    underway,
)

SECRET, OLD_SECRET = "vapi-sample-secret", "vapi-sample-secret-old"
NOW = 1_795_015_838
SENT = raw("vapi", "end-of-call-report")
REPORT = body("vapi", "end-of-call-report")
DEFAULTS = VapiOptions()
BODY_ONLY = VapiOptions(include_timestamp=False, signature_prefix="sha256=")


def digest(payload: bytes = SENT, secret: str = SECRET, stamp: str = f"{NOW}000", algorithm: str = "sha256") -> str:
    return hmac.new(secret.encode(), f"{stamp}.".encode() + payload, algorithm).hexdigest()


def signed(payload: bytes = SENT, secret: str = SECRET, stamp: str = f"{NOW}000") -> dict[str, str]:
    """Return the headers of a credential of the kind HMAC with nothing changed in it."""
    return {"x-signature": digest(payload, secret, stamp), "x-timestamp": stamp}


def bearer(secret: str = SECRET) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def verify(headers: dict[str, str], *secrets: str, options: VapiOptions = DEFAULTS, payload: bytes = SENT) -> None:
    VAPI.verify(headers, payload, secrets or (SECRET,), NOW, options)


def refused(headers: dict[str, str], *secrets: str, options: VapiOptions = DEFAULTS, payload: bytes = SENT) -> str:
    return refusal(VAPI, headers, payload, secrets or (SECRET,), NOW, options)


def a_report(**changes: Any) -> Any:
    """Return the sample report with something else in it, or without what is `...`."""
    message = body("vapi", "end-of-call-report")["message"] | changes
    return {"message": {name: value for name, value in message.items() if value is not ...}}


def a_call(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in (REPORT["message"]["call"] | changes).items() if value is not ...}


def spoken(*messages: dict[str, Any], **changes: Any) -> Delivery:
    return delivered(VAPI, a_report(artifact={"messages": list(messages)}, **changes))


def noted(delivery: Delivery) -> dict[str, Any]:
    return delivery.metadata or {}


def at(seconds: float) -> int:
    """Return a time so many seconds before the end of the sample call, as Vapi sends it."""
    return int((datetime(2026, 11, 18, 15, 30, 33, 800_000, tzinfo=UTC).timestamp() - seconds) * 1000)


@pytest.mark.parametrize("headers", [{"x-vapi-secret": SECRET}, bearer(), {"x-vapi-secret": "other"} | bearer()])
def test_the_secret_itself_in_either_header_is_taken(headers: dict[str, str]) -> None:
    verify(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"x-vapi-secret": f"{SECRET} "},
        {"x-vapi-secret": f" {SECRET}"},
        {"x-vapi-secret": SECRET.upper()},
        {"x-vapi-secret": SECRET[:-1]},
        {"x-vapi-secret": f"{SECRET}x"},
        {"x-vapi-secret": f"Bearer {SECRET}"},
        {"x-vapi-secret": f"{SECRET[:-1]}é"},
        {"x-vapi-secret": f"{SECRET[:-1]}\ud800"},
        bearer(f" {SECRET}"),
        bearer(f"{SECRET}\n"),
        bearer(f"Bearer {SECRET}"),
        bearer(SECRET.encode().hex()),
        bearer("é"),
    ],
)
def test_anything_but_the_exact_secret_is_refused(headers: dict[str, str]) -> None:
    assert "does not match" in refused(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-vapi-secret": ""},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": SECRET},
        {"authorization": f"bearer {SECRET}"},
        {"authorization": f"Basic {SECRET}"},
        {"authorization": f"Bearer\t{SECRET}"},
        {"x-timestamp": f"{NOW}000"},
    ],
)
def test_without_any_of_its_headers_it_is_refused(headers: dict[str, str]) -> None:
    assert refused(headers) == "there is no header x-signature, X-Vapi-Secret or Authorization: Bearer"


def test_an_old_secret_counts_until_it_is_revoked() -> None:
    for headers in ({"x-vapi-secret": OLD_SECRET}, bearer(OLD_SECRET), signed(secret=OLD_SECRET)):
        verify(headers, SECRET, OLD_SECRET)
        assert "does not match" in refused(headers, SECRET)
        assert "does not match" in refusal(VAPI, headers, SENT, [], NOW)


def test_an_hmac_as_vapi_makes_it_with_nothing_changed_is_taken() -> None:
    verify(signed())
    verify(signed(b"\xff"), payload=b"\xff")


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "sha1"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_an_hmac_with_everything_changed_is_taken(algorithm: str, encoding: str) -> None:
    options = VapiOptions.model_validate(
        {
            "signature_header": "X-Sample-Signature",
            "timestamp_header": "X-Sample-Time",
            "signature_prefix": "v1=",
            "algorithm": algorithm,
            "signature_encoding": encoding,
        }
    )
    made = hmac.new(SECRET.encode(), f"{NOW}.".encode() + SENT, getattr(hashlib, algorithm)).digest()
    shown = made.hex() if encoding == "hex" else base64.b64encode(made).decode()
    headers = {"x-sample-signature": f"v1={shown}", "x-sample-time": str(NOW)}
    verify(headers, options=options)
    for wrong in (shown, f"v2={shown}", f"v1={shown[:-1]}", f"v1={shown}=", f"V1={shown}", f"v1= {shown}", "v1="):
        assert "does not match" in refused(headers | {"x-sample-signature": wrong}, options=options)


def test_an_hmac_of_the_body_alone_needs_no_time() -> None:
    made = hmac.new(SECRET.encode(), SENT, hashlib.sha256).hexdigest()
    for time in ({}, {"x-timestamp": "long ago"}):
        verify({"x-signature": f"sha256={made}"} | time, options=BODY_ONLY)
    assert "does not match" in refused({"x-signature": made}, options=BODY_ONLY)
    assert "does not match" in refused({"x-signature": f"sha256={digest()}"}, options=BODY_ONLY)


def test_one_altered_byte_is_refused() -> None:
    for place in (0, len(SENT) // 2, len(SENT) - 1):
        altered = SENT[:place] + bytes([SENT[place] ^ 1]) + SENT[place + 1 :]
        assert "does not match" in refused(signed(), payload=altered)
    assert "does not match" in refused(signed(), payload=SENT + b" ")


@pytest.mark.parametrize("unit", ["", "000"])
def test_an_hmac_counts_for_five_minutes_either_way_in_seconds_and_in_milliseconds(unit: str) -> None:
    verify(signed(stamp=f"{NOW - 300}{unit}"))
    verify(signed(stamp=f"{NOW + 300}{unit}"))
    assert "more than 300 seconds old" in refused(signed(stamp=f"{NOW - 301}{unit}"))
    assert "more than 300 seconds ahead" in refused(signed(stamp=f"{NOW + 301}{unit}"))


def test_the_time_is_signed_too_as_it_stands() -> None:
    assert "does not match" in refused(signed() | {"x-timestamp": f"{NOW}001"})
    assert "does not match" in refused(signed() | {"x-timestamp": f"0{NOW}000"})
    verify(signed(stamp=f"0{NOW}"))


def test_a_wrong_hmac_is_refused_whatever_else_is_sent() -> None:
    secret = bearer() | {"x-vapi-secret": SECRET}
    verify(secret | signed())
    assert "does not match" in refused(secret | signed(secret=OLD_SECRET))
    assert "more than 300 seconds old" in refused(secret | signed(stamp=f"{NOW - 301}"))
    assert refused(secret | {"x-signature": digest()}) == "there is no header x-timestamp"
    assert refused(secret | signed() | {"x-signature": ""}) == "there is no header x-signature"
    assert refused(secret | signed() | {"x-timestamp": ""}) == "there is no header x-timestamp"


@pytest.mark.parametrize("stamp", ["abc", f"{NOW}.5", f" {NOW}", f"-{NOW}", "1e9", "nan", "9" * 5000])
def test_a_time_that_is_none_is_refused(stamp: str) -> None:
    assert refused(signed() | {"x-timestamp": stamp}) == "x-timestamp is not a time in digits"


@pytest.mark.parametrize(
    "odd",
    [digest().upper(), digest()[:-1], f"{digest()}0", f" {digest()}", f"sha256={digest()}", "\x00"],
)
def test_a_signature_of_another_form_is_refused(odd: str) -> None:
    assert "does not match" in refused(signed() | {"x-signature": odd})


@pytest.mark.parametrize("name", ["x-signature", "x-timestamp"])
@pytest.mark.parametrize("odd", ["é", "١٧٩", "\ud800"])
def test_a_header_that_is_not_ascii_is_refused(name: str, odd: str) -> None:
    assert refused(signed() | {name: signed()[name] + odd}) == f"{name} is not ASCII"


@given(st.sampled_from(["x-signature", "x-vapi-secret", "authorization"]), st.text(), st.text(), st.binary())
def test_nothing_that_was_made_up_is_taken(name: str, value: str, stamp: str, payload: bytes) -> None:
    for text in (value, f"Bearer {value}"):
        refused({name: text, "x-timestamp": f"{NOW}"}, payload=payload)
        refused({name: text, "x-timestamp": stamp}, payload=payload)


def test_settings_that_are_not_given_are_those_of_vapi() -> None:
    assert VAPI.options().model_dump() == {
        "signature_header": "x-signature",
        "timestamp_header": "x-timestamp",
        "signature_prefix": "",
        "algorithm": "sha256",
        "signature_encoding": "hex",
        "include_timestamp": True,
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"algorithm": "md5"},
        {"signature_encoding": "base32"},
        {"signature_header": ""},
        {"signature_header": "x" * 65},
        {"signature_header": "x signature"},
        {"timestamp_header": "x-time:"},
        {"signature_prefix": "x" * 65},
        {"secret": "abc"},
    ],
)
def test_settings_that_vapi_does_not_have_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused_settings:
        VAPI.options.model_validate(wrong)
    assert [error["loc"] for error in refused_settings.value.errors()] == [tuple(wrong)]


def test_a_call_that_has_ended_is_told_in_full() -> None:
    answer = heard(VAPI, REPORT)
    assert answer.needless is None
    assert answer.delivery is not None
    assert answer.delivery.model_dump(exclude={"transcript"}) == {
        "conversation_id": "7b0d9c5e-3a41-4f6a-9d0e-2c8f5b6a1e77",
        "agent_id": "c1f2a3b4-5d6e-4f70-8a91-b2c3d4e5f601",
        "contact_id": "+14155550123",
        "channel": "phone",
        # Its own start is 2.4 seconds later than its first turn.
        "started_at": datetime(2026, 11, 18, 15, 29, 57, 600_000, tzinfo=UTC),
        "ended_at": datetime(2026, 11, 18, 15, 30, 33, 800_000, tzinfo=UTC),
        "end_reason": "assistant-ended-call-after-message-spoken",
        "metadata": {
            "direction": "inbound",
            "metadata": {"location": "harbor-01"},
            "dynamic_variables": {"clinic": "Harbor Dental"},
        },
    }
    assert said(answer.delivery) == [
        ("agent", 36.2, "Thanks for calling Harbor Dental, this is Mia. How can I help you today?"),
        ("user", 31.3, "Hi, I'd like to book a cleaning, ideally next Tuesday morning."),
        ("agent", 27.2, "Sure. May I have your full name and date of birth, please?"),
        ("user", 22.9, "Dana Whitfield, April third, nineteen eighty-eight."),
        ("agent", 18.5, "Thank you, Dana. One moment while I check."),
        (
            "tool",
            16.6,
            'book_appointment {"patient_name": "Dana Whitfield", "date_of_birth": "1988-04-03", "service": "cleaning", '
            '"slot": "2026-11-24T09:30:00-05:00"}',
        ),
        (
            "tool",
            15.3,
            '{"status": "booked", "appointment_id": "apt_50118", "slot": "2026-11-24T09:30:00-05:00", '
            '"provider": "Dr. Osei"}',
        ),
        ("agent", 14.5, "I have Tuesday, November twenty-fourth at nine thirty a.m. with Dr. Osei. Does that work?"),
        ("user", 8.7, "Nine thirty is perfect, thank you."),
        ("agent", 5.5, "You're booked. You will get a text confirmation. Goodbye!"),
    ]
    booked_at = datetime(2026, 11, 18, 15, 30, 17, 200_000, tzinfo=UTC)
    assert answer.calls == [ToolCall("call_Qm4xT9bookAppt01", "book_appointment", booked_at)]


def test_the_same_report_sent_again_later_tells_the_same() -> None:
    again = a_report(timestamp=REPORT["message"]["timestamp"] + 9000, recordingUrl="https://example.com/again.wav")
    assert heard(VAPI, again) == heard(VAPI, REPORT)


def test_a_call_that_reached_voicemail_says_so_and_has_what_was_said() -> None:
    delivery = delivered(VAPI, body("vapi", "end-of-call-report.voicemail"))
    assert (delivery.end_reason, delivery.contact_id) == ("voicemail", "+14155550177")
    assert said(delivery) == [
        ("user", 9.7, "You've reached Sam. Please leave a message after the tone."),
        ("agent", 5, "Hi Sam, this is Mia from Harbor Dental. Please call us back about your cleaning."),
    ]
    assert delivery.started_at == datetime(2026, 11, 18, 16, 30, 4, tzinfo=UTC)


def test_a_call_that_never_connected_ends_when_it_is_told_and_has_no_turns() -> None:
    answer = heard(VAPI, body("vapi", "end-of-call-report.no-answer"))
    assert answer.delivery == Delivery(
        conversation_id="5d4c3b2a-1f0e-4d9c-8b7a-695847362514",
        agent_id="c1f2a3b4-5d6e-4f70-8a91-b2c3d4e5f601",
        contact_id="+14155550177",
        channel="phone",
        ended_at=datetime(2026, 11, 18, 16, 31, 4, tzinfo=UTC),
        end_reason="customer-did-not-answer",
        metadata={
            "direction": "outbound",
            "metadata": {"location": "harbor-01"},
            "dynamic_variables": {"clinic": "Harbor Dental"},
        },
        transcript=(),
    )
    assert not answer.calls


def test_the_end_is_the_reports_else_the_calls_else_when_it_was_told() -> None:
    call = a_call(endedAt="2026-11-18T15:30:35Z", startedAt="2026-11-18T15:29:50Z")
    own = delivered(VAPI, a_report(call=call))
    assert (own.started_at, own.ended_at.second) == (datetime(2026, 11, 18, 15, 29, 57, 600_000, tzinfo=UTC), 33)
    calls = delivered(VAPI, a_report(call=call, startedAt=None, endedAt=...))
    assert (calls.started_at, calls.ended_at.second) == (datetime(2026, 11, 18, 15, 29, 50, tzinfo=UTC), 35)
    told = delivered(VAPI, a_report(endedAt=None))
    assert told.ended_at == datetime(2026, 11, 18, 15, 30, 38, 10_000, tzinfo=UTC)
    assert delivered(VAPI, a_report(endedAt=..., timestamp="2026-11-18T15:30:39Z")).ended_at.second == 39
    assert delivered(VAPI, a_report(endedAt=..., timestamp=...)).ended_at == RECEIVED


@pytest.mark.parametrize(
    ("destination", "told"),
    [
        ({"type": "number", "number": "+14155550199"}, "+14155550199"),
        ({"type": "sip", "sipUri": "sip:desk@example.com"}, "sip:desk@example.com"),
        ({"type": "assistant", "assistantName": "Billing"}, "Billing"),
        ({"type": "portal"}, None),
        (None, None),
    ],
)
def test_a_call_that_was_transferred_names_where_it_went(destination: Any, told: str | None) -> None:
    delivery = spoken(
        {"role": "user", "message": "A person, please."},
        destination=destination,
        endedReason="assistant-forwarded-call",
    )
    assert noted(delivery).get("transfer_destination") == told
    assert delivery.end_reason == "assistant-forwarded-call"


def test_what_overlaps_stands_in_the_order_of_its_times() -> None:
    delivery = spoken(
        {"role": "user", "message": "First.", "time": at(30)},
        {"role": "bot", "message": "Third.", "time": at(20)},
        {"role": "bot", "message": "Fourth, without a time."},
        {"role": "tool_calls", "time": at(25), "toolCalls": [{"function": {"name": "second"}}]},
        {"role": "user", "message": "Fifth.", "time": at(20)},
    )
    assert said(delivery) == [
        ("user", 30, "First."),
        ("tool", 25, "second"),
        ("agent", 20, "Third."),
        ("agent", 20, "Fourth, without a time."),
        ("user", 20, "Fifth."),
    ]


def test_a_time_of_zero_is_none_and_leaves_the_order_as_it_was() -> None:
    delivery = spoken(
        {"role": "bot", "message": "First.", "time": at(30)},
        {"role": "user", "message": "Second.", "time": 0},
    )
    assert said(delivery) == [("agent", 30, "First."), ("user", 30, "Second.")]
    assert said(spoken({"role": "user", "message": "Hello?", "time": 0})) == [("user", None, "Hello?")]


def test_the_agent_speaks_under_either_of_its_two_names_and_the_system_is_not_heard() -> None:
    delivery = spoken(
        {"role": "system", "message": "You are Mia.", "time": at(60)},
        {"role": "assistant", "message": "Hello.", "time": at(30)},
        {"role": "bot", "message": "Are you there?", "time": at(20)},
    )
    assert [(turn.role, turn.text) for turn in delivery.transcript] == [
        ("agent", "Hello."),
        ("agent", "Are you there?"),
    ]
    assert delivery.started_at == datetime(2026, 11, 18, 15, 30, tzinfo=UTC)


def test_roles_that_nobody_knows_and_turns_without_words_are_left_out() -> None:
    delivery = spoken(
        {"role": "hologram", "message": "Boo."},
        {"role": None, "message": "Boo."},
        {"message": "Boo."},
        {"role": "bot", "message": ""},
        {"role": "bot", "message": " \n"},
        {"role": "user", "message": None},
        {"role": "tool_calls", "message": "", "toolCalls": None},
        {"role": "tool_call_result"},
        {"role": "user", "message": "Hello?", "mood": "calm"},
    )
    assert [turn.text for turn in delivery.transcript] == ["Hello?"]


def test_one_message_may_hold_several_calls_and_what_tools_are_given_and_return_may_be_any_json() -> None:
    calls = [
        {"id": "a", "type": "function", "function": {"name": "find", "arguments": {"day": "Tuesday ☀"}}},
        {"id": "a", "type": "function", "function": {"name": "find", "arguments": "{}"}},
        {"function": {"name": "end_call", "arguments": None}},
        {"id": "b", "function": None},
        {"id": "c", "function": {"arguments": "{}"}},
        {"id": "d"},
    ]
    messages = [
        {"role": "tool_calls", "message": "", "time": at(9), "toolCalls": calls},
        {"role": "tool_call_result", "toolCallId": "a", "result": {"slots": ["9:30"]}, "time": at(8)},
    ]
    answer = heard(VAPI, a_report(artifact={"messages": messages}))
    assert answer.delivery is not None
    texts = [turn.text for turn in answer.delivery.transcript]
    assert texts == ['find {"day": "Tuesday ☀"}', "find {}", "end_call", "{}", '{"slots": ["9:30"]}']
    when = datetime(2026, 11, 18, 15, 30, 24, 800_000, tzinfo=UTC)
    assert answer.calls == [
        ToolCall("a", "find", when),
        ToolCall("a-2", "find", when),
        ToolCall("3", "end_call", when),
    ]


@pytest.mark.parametrize(
    ("call", "assistant", "agent"),
    [
        ({"assistantId": "one"}, {"id": "two", "name": "Mia"}, "one"),
        ({"squadId": "team"}, {"id": "two", "name": "Mia"}, "team"),
        ({"workflowId": "flow"}, {"id": "two", "name": "Mia"}, "flow"),
        ({}, {"id": "two", "name": "Mia"}, "two"),
        ({}, {"name": "Mia"}, "Mia"),
    ],
)
def test_a_squad_is_one_agent_whoever_spoke_last_and_one_made_up_for_a_call_has_a_name(
    call: dict[str, Any], assistant: dict[str, Any], agent: str
) -> None:
    sent = a_report(call=a_call(**{"assistantId": ...} | call), assistant=assistant)
    assert delivered(VAPI, sent).agent_id == agent


@pytest.mark.parametrize(
    ("own", "calls", "contact"),
    [
        ({"number": "+14155550101", "externalId": "crm-1"}, {"number": "+14155550102"}, "+14155550101"),
        ({}, {"number": "+14155550102"}, "+14155550102"),
        (None, {"number": "", "externalId": "crm-1", "sipUri": "sip:a@example.com"}, "crm-1"),
        ({"sipUri": "sip:a@example.com"}, None, "sip:a@example.com"),
        (None, None, None),
    ],
)
def test_the_contact_is_the_customers_number_else_what_else_is_known(own: Any, calls: Any, contact: str | None) -> None:
    assert delivered(VAPI, a_report(customer=own, call=a_call(customer=calls))).contact_id == contact


@pytest.mark.parametrize(
    ("kind", "channel", "direction"),
    [
        ("inboundPhoneCall", "phone", "inbound"),
        ("outboundPhoneCall", "phone", "outbound"),
        ("webCall", "web", None),
        ("vapi.websocketCall", "websocket", None),
        ("holoCall", None, None),
        (None, None, None),
    ],
)
def test_the_channel_follows_from_the_kind_of_the_call(kind: Any, channel: str | None, direction: str | None) -> None:
    delivery = delivered(VAPI, a_report(call=a_call(type=kind)))
    assert (delivery.channel, noted(delivery).get("direction")) == (channel, direction)


def test_what_it_may_leave_out_may_be_missing_or_null() -> None:
    call = {"id": "call_1", "assistantId": "agent_1"}
    needed: dict[str, Any] = {"type": "end-of-call-report", "call": call}
    empty = dict.fromkeys(REPORT["message"]) | needed
    for message in (needed, empty, empty | {"call": dict.fromkeys(REPORT["message"]["call"]) | call}):
        assert delivered(VAPI, {"message": message}) == Delivery(
            conversation_id="call_1", agent_id="agent_1", ended_at=RECEIVED, transcript=()
        )


def test_what_is_missing_and_needed_is_named() -> None:
    assert missing(VAPI, {}) == "message"
    assert missing(VAPI, {"message": {}}) == "message.type"
    assert missing(VAPI, a_report(call=...)) == "message.call"
    assert missing(VAPI, a_report(call=None)) == "message.call"
    assert missing(VAPI, a_report(call=a_call(id=...))) == "message.call.id"
    assert missing(VAPI, a_report(call=a_call(assistantId=...), assistant=None)) == "agent_id"


def test_credentials_of_the_telephone_account_and_of_servers_are_not_kept() -> None:
    hidden = "sample-credential"
    sent = a_report(
        phoneNumber={"twilioAuthToken": hidden, "twilioApiSecret": hidden, "twilioAccountSid": hidden},
        assistant={"server": {"secret": hidden, "headers": {"authorization": hidden}}, "metadata": {"shop": "1"}},
        artifact={"messages": [], "variableValues": {"phoneNumber": {"twilioAuthToken": hidden}}},
    )
    delivery = delivered(VAPI, sent)
    assert noted(delivery)["metadata"] == {"shop": "1"}
    assert hidden not in delivery.model_dump_json()


def test_the_calls_own_metadata_go_before_its_agents() -> None:
    overrides = {"metadata": {"shop": "2", "order": "7"}}
    sent = a_report(assistant={"metadata": {"shop": "1", "city": "Ely"}}, call=a_call(assistantOverrides=overrides))
    assert noted(delivered(VAPI, sent))["metadata"] == {"shop": "2", "city": "Ely", "order": "7"}


@pytest.mark.parametrize(
    ("kind", "more"),
    [(kind, REPORT["message"]) for kind in ("tool-calls", "transcript", "hang", "call.deleted", "chat.created")]
    + [(kind, {"call": call}) for kind in ("status-update", "conversation-update") for call in (None, 1)],
)
def test_other_messages_are_needless_whatever_they_hold(kind: str, more: Any) -> None:
    for message in (more | {"type": kind}, {"type": kind}, {"type": kind, "call": 1}):
        answer = heard(VAPI, {"message": message})
        assert answer.delivery is None
        assert answer.needless == f"{kind} is not end-of-call-report, which tells all of a call that has ended"


@pytest.mark.parametrize("event", ["conversation-update", "status-update.ended"])
def test_an_update_tells_of_the_tools_called_so_far_and_leaves_the_end_to_the_report(event: str) -> None:
    running, calls = underway(VAPI, body("vapi", event))
    report = delivered(VAPI, REPORT)
    assert (running.conversation_id, running.agent_id, running.contact_id) == (
        report.conversation_id,
        report.agent_id,
        report.contact_id,
    )
    assert running.told_at < report.ended_at + timedelta(seconds=1)
    assert list(calls) == list(heard(VAPI, REPORT).calls[:1])
    assert [call.name for call in calls] == ["book_appointment"]


def test_messages_so_far_may_stand_beside_the_artifact() -> None:
    sent = body("vapi", "conversation-update")
    del sent["message"]["artifact"]
    assert underway(VAPI, sent) == underway(VAPI, body("vapi", "conversation-update"))


def test_an_update_before_anybody_knows_who_answers_names_no_agent() -> None:
    message = {"type": "status-update", "status": "queued", "call": {"id": "c1"}}
    running, calls = underway(VAPI, {"message": message})
    assert (running.agent_id, running.contact_id, running.told_at, list(calls)) == (None, None, RECEIVED, [])


@given(ANY_JSON)
def test_any_json_is_understood_or_refused(payload: Any) -> None:
    understands(VAPI, payload)
    understands(VAPI, {"message": payload})
    understands(VAPI, a_report(call=payload))
    understands(VAPI, a_report(artifact={"messages": payload}))


def shortened(report: Any) -> Any:
    for much in ("messages", "costs", "costBreakdown", "analysis"):
        report["message"].pop(much, None)
    report["message"]["artifact"] = {"messages": report["message"]["artifact"]["messages"]}
    return report


@given(changed(shortened(body("vapi", "conversation-update"))))
def test_an_update_with_anything_in_it_is_understood_or_refused(payload: Any) -> None:
    understands(VAPI, payload)


@given(changed(shortened(a_report())))
def test_a_report_with_anything_in_it_is_understood_or_refused(payload: Any) -> None:
    understands(VAPI, payload)
