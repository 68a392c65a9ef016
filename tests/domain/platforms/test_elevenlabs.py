"""ElevenLabs' webhooks: only what it signed is taken, and what was spoken is told, with the tools that were called."""

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from elevenlabs import ElevenLabs
from elevenlabs.errors import BadRequestError
from hypothesis import given
from hypothesis import strategies as st

from goalline.domain.platforms.elevenlabs import ELEVENLABS
from goalline.domain.platforms.platform import Heard, ToolCall
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
)

SECRET, OLD_SECRET = "wsec_sample", "wsec_sample_old"
NOW = 1_795_026_650
SENT = raw("elevenlabs", "post_call_transcription")
ENDED = body("elevenlabs", "post_call_transcription")
EMPTY = body("elevenlabs", "post_call_transcription.empty")
OFFICIAL = ElevenLabs(api_key="sample").webhooks


def digest(payload: bytes = SENT, secret: str = SECRET, at: int = NOW) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + payload, hashlib.sha256).hexdigest()


def signed(payload: bytes = SENT, secret: str = SECRET, at: int = NOW) -> dict[str, str]:
    return {"elevenlabs-signature": f"t={at},v0={digest(payload, secret, at)}"}


def verify(headers: dict[str, str], payload: bytes = SENT, *secrets: str) -> None:
    ELEVENLABS.verify(headers, payload, secrets or (SECRET,), NOW, ELEVENLABS.options())


def refused(headers: dict[str, str], payload: bytes = SENT, *secrets: str) -> str:
    return refusal(ELEVENLABS, headers, payload, secrets or (SECRET,), NOW)


def officially(headers: dict[str, str], payload: bytes = SENT) -> bool:
    """Tell whether ElevenLabs' own package takes a webhook at this time."""
    with time_machine.travel(NOW, tick=False):
        try:
            OFFICIAL.construct_event(
                rawBody=payload.decode(), sig_header=headers["elevenlabs-signature"], secret=SECRET
            )
        except BadRequestError:
            return False
        return True


def a_conversation(*entries: dict[str, Any], metadata: dict[str, Any] | None = None, **changes: Any) -> Any:
    """Return the sample conversation with these entries and with something else in it, or without what is `...`."""
    sent = body("elevenlabs", "post_call_transcription.empty")
    told = {"transcript": list(entries), "metadata": sent["data"]["metadata"] | (metadata or {})}
    data = sent["data"] | told | changes
    return sent | {"data": {name: value for name, value in data.items() if value is not ...}}


def spoken(*entries: dict[str, Any], **changes: Any) -> Delivery:
    return delivered(ELEVENLABS, a_conversation(*entries, **changes))


def noted(delivery: Delivery) -> dict[str, Any]:
    return delivery.metadata or {}


def test_what_elevenlabs_own_package_takes_is_taken() -> None:
    for headers in (signed(), signed(at=NOW - 1800), signed(at=NOW + 300)):
        assert officially(headers)
        verify(headers)


def test_one_altered_byte_is_refused() -> None:
    for place in (0, len(SENT) // 2, len(SENT) - 1):
        altered = SENT[:place] + bytes([SENT[place] ^ 1]) + SENT[place + 1 :]
        assert "does not match" in refused(signed(), altered)
    assert "does not match" in refused(signed(), SENT + b" ")


def test_a_signature_counts_for_thirty_minutes_and_may_be_five_minutes_ahead() -> None:
    assert not officially(signed(at=NOW - 1801))
    assert "more than 1800 seconds old" in refused(signed(at=NOW - 1801))
    assert "more than 300 seconds ahead" in refused(signed(at=NOW + 301))


def test_the_time_is_signed_too() -> None:
    assert "does not match" in refused({"elevenlabs-signature": f"t={NOW},v0={digest(at=NOW - 1)}"})


def test_an_old_secret_counts_until_it_is_revoked() -> None:
    verify(signed(secret=OLD_SECRET), SENT, SECRET, OLD_SECRET)
    assert "does not match" in refused(signed(secret=OLD_SECRET), SENT, SECRET)
    assert "does not match" in refusal(ELEVENLABS, signed(), SENT, [], NOW)


def test_the_order_of_the_header_and_parts_that_nobody_knows_mean_nothing() -> None:
    for header in (f"v0={digest()},t={NOW}", f"t={NOW},v0={digest()},v1=new", f"x,t={NOW},,v0={digest()}"):
        assert officially({"elevenlabs-signature": header})
        verify({"elevenlabs-signature": header})


def test_of_several_signatures_one_must_be_right() -> None:
    wrong = digest(secret=OLD_SECRET)
    for pair in (f"v0={wrong},v0={digest()}", f"v0={digest()},v0={wrong}"):
        verify({"elevenlabs-signature": f"t={NOW},{pair}"})
    assert "does not match" in refused({"elevenlabs-signature": f"t={NOW},v0={wrong},v0={wrong}"})


@pytest.mark.parametrize("headers", [{}, {"elevenlabs-signature": ""}, {"x-signature": f"t={NOW},v0={digest()}"}])
def test_without_its_header_it_is_refused(headers: dict[str, str]) -> None:
    assert refused(headers) == "there is no header ElevenLabs-Signature"


@pytest.mark.parametrize(
    "header",
    [
        digest(),
        f"v0={digest()}",
        f"t={NOW}",
        f"t={NOW},",
        f"t={NOW},v0",
        f"t={NOW},v0=",
        f"t={NOW},v1={digest()}",
        f"t={NOW},V0={digest()}",
        f"T={NOW},v0={digest()}",
        f"t={NOW}, v0={digest()}",
        f" t={NOW},v0={digest()}",
        f"t={NOW},v0={digest()} ",
        f"t={NOW},v0={digest()}\n",
        f"t={NOW};v0={digest()}",
        f"t={NOW},v0={digest().upper()}",
        f"t={NOW},v0={digest()[:-1]}",
        f"t={NOW},v0={digest()}0",
        f"t={NOW},t={NOW},v0={digest()}",
        f"t={NOW - 9999},t={NOW},v0={digest()}",
        f"t=,v0={digest()}",
        f"t= {NOW},v0={digest()}",
        f"t=-{NOW},v0={digest()}",
        f"t={NOW}.0,v0={digest()}",
        f"t=abc,v0={digest()}",
        f"t={'9' * 5000},v0={digest()}",
        f"t={NOW}000,v0={digest()}",
        "\x00",
    ],
)
def test_a_header_of_another_form_is_refused(header: str) -> None:
    refused({"elevenlabs-signature": header})


@pytest.mark.parametrize("odd", ["t=١٧٩٥٠٢٦٦٥٠", f"t={NOW},v0=é", "\ud800"])
def test_a_header_that_is_not_ascii_is_refused(odd: str) -> None:
    assert refused({"elevenlabs-signature": f"{odd},v0={digest()}"}) == "ElevenLabs-Signature is not ASCII"


@given(st.text() | st.builds("t={},v0={}".format, st.just(NOW), st.text()), st.binary())
def test_nothing_that_was_made_up_is_taken(header: str, payload: bytes) -> None:
    refused({"elevenlabs-signature": header}, payload)


def test_a_body_that_is_no_text_can_be_signed() -> None:
    verify(signed(b"\xff\x00"), b"\xff\x00")


def test_a_conversation_that_has_ended_is_told_in_full() -> None:
    answer = heard(ELEVENLABS, ENDED)
    assert answer.needless is None
    assert answer.delivery is not None
    assert answer.delivery.model_dump(exclude={"transcript"}) == {
        "conversation_id": "conv_4801k9q7t2b6e0harbor5sample1",
        "agent_id": "agent_7301k5w2harbor0dental9xmia",
        "contact_id": "+14155550123",
        "channel": "phone",
        "started_at": datetime(2026, 11, 18, 18, 30, tzinfo=UTC),
        "ended_at": datetime(2026, 11, 18, 18, 30, 37, tzinfo=UTC),
        "end_reason": "end_call",
        "metadata": {"direction": "inbound", "dynamic_variables": {"clinic": "Harbor Dental"}},
    }
    assert said(answer.delivery) == [
        ("agent", 36, "Thanks for calling Harbor Dental, this is Mia. How can I help you today?"),
        ("user", 31, "Hi, I'd like to book a cleaning, ideally next Tuesday morning."),
        ("agent", 27, "Sure. May I have your full name and date of birth, please?"),
        ("user", 23, "Dana Whitfield, April third, nineteen eighty-eight."),
        ("agent", 19, "Thank you, Dana. One moment while I check."),
        (
            "tool",
            17,
            'book_appointment {"patient_name": "Dana Whitfield", "date_of_birth": "1988-04-03", "service": "cleaning", '
            '"slot": "2026-11-24T09:30:00-05:00"}',
        ),
        (
            "tool",
            17,
            '{"status": "booked", "appointment_id": "apt_50118", "slot": "2026-11-24T09:30:00-05:00", '
            '"provider": "Dr. Osei"}',
        ),
        ("agent", 15, "I have Tuesday, November twenty-fourth at nine thirty a.m...."),
        ("user", 9, "Nine thirty is perfect, thank you."),
        ("agent", 6, "You're booked. You will get a text confirmation. Goodbye!"),
        ("tool", 1, 'end_call {"reason": "Appointment booked"}'),
        (
            "tool",
            1,
            '{"result_type":"end_call_success","status":"success","reason":"Appointment booked","message":null}',
        ),
    ]
    assert answer.calls == [
        ToolCall("toolu_book_5Z1a", "book_appointment", datetime(2026, 11, 18, 18, 30, 20, tzinfo=UTC)),
        ToolCall("toolu_end_77Qd", "end_call", datetime(2026, 11, 18, 18, 30, 36, tzinfo=UTC)),
    ]


def test_the_same_conversation_told_again_later_tells_the_same() -> None:
    assert heard(ELEVENLABS, ENDED | {"event_timestamp": ENDED["event_timestamp"] + 900}) == heard(ELEVENLABS, ENDED)


def test_of_an_interrupted_turn_only_what_was_spoken_is_told() -> None:
    delivery = spoken(
        {"role": "agent", "message": "We open at...", "original_message": "We open at nine.", "interrupted": True},
        {"role": "agent", "message": None, "original_message": "Never said.", "interrupted": True},
    )
    assert [turn.text for turn in delivery.transcript] == ["We open at..."]


def test_a_call_that_reached_voicemail_says_so_and_has_the_message_that_was_left() -> None:
    delivery = delivered(ELEVENLABS, body("elevenlabs", "post_call_transcription.voicemail"))
    assert (delivery.end_reason, delivery.channel, delivery.contact_id) == ("voicemail", "phone", "+14155550177")
    assert [turn.role for turn in delivery.transcript] == ["user", "tool", "tool"]
    assert "Hi Sam, please call Harbor Dental back." in delivery.transcript[2].text


@pytest.mark.parametrize(("cause", "reason"), [("twilio", "no-answer"), ("sip", "busy")])
def test_a_call_that_never_connected_ends_when_it_is_told_and_has_no_turns(cause: str, reason: str) -> None:
    sent = body("elevenlabs", f"call_initiation_failure.{cause}")
    delivery = Delivery(
        conversation_id=sent["data"]["conversation_id"],
        agent_id="agent_7301k5w2harbor0dental9xmia",
        contact_id="+14155550177",
        channel="phone",
        ended_at=datetime.fromtimestamp(sent["event_timestamp"], UTC),
        end_reason=reason,
        metadata={"direction": "outbound"},
        transcript=(),
    )
    assert heard(ELEVENLABS, sent) == Heard(delivery)


def test_a_failure_may_leave_out_all_but_its_ids() -> None:
    data = {"conversation_id": "conv_1", "agent_id": "agent_1"}
    rest: dict[str, Any]
    for rest in ({}, {"metadata": None, "failure_reason": None}, {"metadata": {"type": "carrier", "body": None}}):
        delivery = delivered(ELEVENLABS, {"type": "call_initiation_failure", "data": data | rest})
        assert (delivery.ended_at, delivery.contact_id, delivery.end_reason) == (RECEIVED, None, None)


def test_a_conversation_in_which_nobody_spoke_is_told() -> None:
    delivery = delivered(ELEVENLABS, EMPTY)
    assert delivery.transcript == ()
    assert (delivery.channel, delivery.contact_id, delivery.metadata) == ("web", None, None)
    assert delivery.end_reason == "Client disconnected"


def test_a_conversation_whose_transcript_is_left_out_says_so() -> None:
    nothing: Any
    for nothing in (..., None):
        delivery = delivered(ELEVENLABS, a_conversation(transcript=nothing))
        assert delivery.transcript == ()
        assert noted(delivery) == {"transcript": "the webhook carried none"}


def outcome(kind: str, **more: Any) -> dict[str, Any]:
    return {"role": "agent", "tool_results": [{"request_id": "r", "result": {"result_type": kind, **more}}]}


@pytest.mark.parametrize(
    ("entries", "more", "reason"),
    [
        ([], {"termination_reason": ""}, None),
        ([], {"termination_reason": "Call ended by remote party"}, "Call ended by remote party"),
        ([outcome("end_call_success")], {}, "end_call"),
        ([outcome("transfer_to_number_sip_success")], {}, "transfer_to_number"),
        ([outcome("transfer_to_number_error"), outcome("end_call_success")], {}, "end_call"),
        ([outcome("voicemail_detection_success"), outcome("end_call_success")], {}, "end_call"),
        ([outcome("transfer_to_number_error")], {}, "Client disconnected"),
        ([outcome("transfer_to_agent_success")], {}, "Client disconnected"),
        ([outcome("voicemail_detection_success")], {"phone_call": {"call_result": "answered"}}, "voicemail"),
        ([outcome("end_call_success")], {"phone_call": {"call_result": "busy"}}, "busy"),
    ],
)
def test_how_it_ended_is_told_by_the_platforms_own_tools_before_its_free_text(
    entries: list[dict[str, Any]], more: dict[str, Any], reason: str | None
) -> None:
    assert spoken(*entries, metadata=more).end_reason == reason


def test_a_conversation_that_failed_says_why() -> None:
    problem = {"error": {"code": 1011, "reason": "The LLM could not be reached."}}
    assert spoken(status="failed", metadata=problem).end_reason == "The LLM could not be reached."
    assert spoken(status="failed", metadata={"error": None}).end_reason == "failed"
    assert spoken(status="done", metadata=problem).end_reason == "Client disconnected"


def test_a_call_that_was_transferred_to_a_number_names_it() -> None:
    delivery = spoken(
        {"role": "user", "message": "A person, please."},
        outcome("transfer_to_number_sip_success", transfer_number="+14155550188"),
        outcome("transfer_to_number_twilio_success", transfer_number="+14155550199"),
        metadata={"phone_call": {"direction": "inbound", "external_number": "+1 415 555 0123"}},
    )
    assert delivery.end_reason == "transfer_to_number"
    assert noted(delivery) == {"direction": "inbound", "transfer_destination": "+14155550199"}
    assert delivery.contact_id == "+1 415 555 0123"


def test_a_conversation_that_another_agent_takes_over_stays_one_of_the_first_agent() -> None:
    delivery = spoken(
        {"role": "agent", "message": "Reception.", "agent_metadata": {"agent_id": "agent_1"}},
        {"role": "user", "message": "Billing, please."},
        {"role": "agent", "message": "Billing.", "agent_metadata": {"agent_id": "agent_2"}},
        {"role": "agent", "message": "Anything else?", "agent_metadata": {"agent_id": "agent_2"}},
        agent_id="agent_1",
    )
    assert delivery.agent_id == "agent_1"
    assert [turn.role for turn in delivery.transcript] == ["agent", "user", "agent", "agent"]
    assert noted(delivery) == {"agents": ["agent_1", "agent_2"]}


def test_words_calls_and_results_of_one_entry_stand_in_this_order() -> None:
    entry = {
        "role": "agent",
        "message": "Let me look.",
        "time_in_call_secs": 1,
        "tool_calls": [
            {"request_id": "a", "tool_name": "find", "params_as_json": "{}", "tool_has_been_called": False},
            {"request_id": "b", "tool_name": "open", "params_as_json": {"page": 2}},
            {"request_id": "c", "tool_name": "end_call"},
        ],
        "tool_results": [{"request_id": "a", "result_value": ["9:30"]}, {"request_id": "b", "result_value": None}],
    }
    answer = heard(ELEVENLABS, a_conversation(entry))
    assert answer.delivery is not None
    texts = [turn.text for turn in answer.delivery.transcript]
    assert texts == ["Let me look.", "find {}", 'open {"page": 2}', "end_call", '["9:30"]']
    at = datetime(2026, 11, 18, 18, 30, 1, tzinfo=UTC)
    assert answer.calls == [ToolCall("a", "find", at), ToolCall("b", "open", at), ToolCall("c", "end_call", at)]


def test_all_voices_of_an_agent_are_heard() -> None:
    voices = {"parts": [{"text": "Once upon a time"}, {"text": None}, {"text": "Boo!", "voice_label": "ghost"}]}
    assert [turn.text for turn in spoken({"role": "agent", "multivoice_message": voices}).transcript] == [
        "Once upon a time Boo!"
    ]


def test_what_a_client_put_into_the_context_is_the_systems() -> None:
    delivery = spoken({"role": "user", "message": "Page 2 is open.", "contextual_update_info": {"context_id": "page"}})
    assert [(turn.role, turn.text) for turn in delivery.transcript] == [("system", "Page 2 is open.")]


def test_roles_that_nobody_knows_and_turns_without_words_are_left_out() -> None:
    delivery = spoken(
        {"role": "hologram", "message": "Boo."},
        {"role": None, "message": "Boo."},
        {"message": "Boo."},
        {"role": "agent", "message": " \n"},
        {"role": "user"},
        {"role": "user", "message": "Hello?", "mood": "calm"},
    )
    assert [turn.text for turn in delivery.transcript] == ["Hello?"]


def test_times_that_run_backwards_stand_still_and_exact_ones_count_first() -> None:
    delivery = spoken(
        {"role": "agent", "message": "First.", "time_in_call_secs": 9},
        {"role": "user", "message": "Second.", "time_in_call_secs": 4},
        {"role": "agent", "message": "Third.", "time_in_call_secs": 10, "created_at_unix_ms": 1_795_026_612_500},
        {"role": "agent", "message": "Fourth."},
        metadata={"call_duration_secs": 20},
    )
    assert said(delivery) == [
        ("agent", 11, "First."),
        ("user", 11, "Second."),
        ("agent", 7.5, "Third."),
        ("agent", None, "Fourth."),
    ]


@pytest.mark.parametrize("never", [1e300, -1e300, 1e12])
def test_a_time_that_no_calendar_has_is_none(never: float) -> None:
    assert said(spoken({"role": "user", "message": "Hello?", "time_in_call_secs": never})) == [("user", None, "Hello?")]


def test_without_its_own_times_a_conversation_ends_when_it_is_told() -> None:
    for nothing in ({"start_time_unix_secs": None}, {"call_duration_secs": None}):
        told = a_conversation({"role": "user", "message": "Hello?"}, metadata=nothing)
        assert delivered(ELEVENLABS, told).ended_at == datetime(2026, 11, 18, 18, 30, 9, tzinfo=UTC)
        assert delivered(ELEVENLABS, told | {"event_timestamp": "1795026609"}).ended_at.second == 9
        assert delivered(ELEVENLABS, told | {"event_timestamp": "2026-11-18T18:30:11Z"}).ended_at.second == 11
        assert delivered(ELEVENLABS, told | {"event_timestamp": None}).ended_at == RECEIVED


def test_what_it_may_leave_out_may_be_missing_or_null() -> None:
    needed = {"conversation_id": "conv_1", "agent_id": "agent_1", "transcript": []}
    for data in (needed, dict.fromkeys(ENDED["data"]) | needed):
        assert delivered(ELEVENLABS, {"type": "post_call_transcription", "data": data}) == Delivery(
            conversation_id="conv_1", agent_id="agent_1", channel="web", ended_at=RECEIVED, transcript=()
        )


@pytest.mark.parametrize("needed", ["conversation_id", "agent_id"])
def test_what_is_missing_and_needed_is_named(needed: str) -> None:
    without: dict[str, Any] = {needed: ...}
    assert missing(ELEVENLABS, a_conversation(**without)) == f"data.{needed}"


def test_what_a_webhook_lacks_is_named() -> None:
    assert missing(ELEVENLABS, {"data": ENDED["data"]}) == "type"
    assert missing(ELEVENLABS, {"type": "post_call_transcription"}) == "data"
    assert missing(ELEVENLABS, {"type": "call_initiation_failure", "data": {"agent_id": "a"}}) == "data.conversation_id"
    assert missing(ELEVENLABS, a_conversation(agent_id=" ")) == "agent_id"


ROUTES: list[tuple[dict[str, Any], tuple[str, str | None, str | None]]] = [
    (
        {"phone_call": {"direction": "outbound", "external_number": " +14155550177"}},
        ("phone", "outbound", "+14155550177"),
    ),
    ({"sms": {"direction": "inbound", "sms_user_phone_number": "+14155550177"}}, ("sms", "inbound", "+14155550177")),
    ({"whatsapp": {"direction": None, "whatsapp_user_id": "14155550177"}}, ("whatsapp", None, "14155550177")),
    ({"text_only": True}, ("chat", None, "user_1")),
    ({"text_only": None}, ("web", None, "user_1")),
    ({"phone_call": {}}, ("phone", None, "user_1")),
]


@pytest.mark.parametrize(("more", "route"), ROUTES)
def test_the_channel_and_the_contact_follow_from_how_they_talked(
    more: dict[str, Any], route: tuple[str, str | None, str | None]
) -> None:
    delivery = spoken(metadata=more, user_id="user_1")
    assert (delivery.channel, noted(delivery).get("direction"), delivery.contact_id) == route


def test_secrets_of_tools_and_secret_variables_are_not_kept() -> None:
    variables = {"secret__token": "sample-token", "system__caller_id": "+14155550123", "first_name": "Sam"}
    call = {"request_id": "a", "tool_name": "find", "tool_details": {"headers": {"Authorization": "sample-token"}}}
    answer = heard(
        ELEVENLABS,
        a_conversation(
            {"role": "agent", "tool_calls": [call]},
            conversation_initiation_client_data={"dynamic_variables": variables},
        ),
    )
    assert answer.delivery is not None
    assert noted(answer.delivery) == {"dynamic_variables": {"first_name": "Sam"}}
    assert "sample-token" not in answer.delivery.model_dump_json()


@pytest.mark.parametrize("kind", ["post_call_audio", "answering_machine_detection", "voice_removal_notice"])
def test_other_events_are_needless_whatever_they_hold(kind: str) -> None:
    for sent in (ENDED | {"type": kind}, {"type": kind}, {"type": kind, "data": {"full_audio": "AAAA"}}):
        answer = heard(ELEVENLABS, sent)
        assert answer.delivery is None
        assert answer.needless == f"{kind} tells of no conversation that has ended"


@given(ANY_JSON)
def test_any_json_is_understood_or_refused(payload: Any) -> None:
    understands(ELEVENLABS, payload)
    for kind in ("post_call_transcription", "call_initiation_failure"):
        understands(ELEVENLABS, {"type": kind, "data": payload})


@given(changed(ENDED))
def test_a_conversation_with_anything_in_it_is_understood_or_refused(payload: Any) -> None:
    understands(ELEVENLABS, payload)


@given(changed(body("elevenlabs", "call_initiation_failure.sip")))
def test_a_failure_with_anything_in_it_is_understood_or_refused(payload: Any) -> None:
    understands(ELEVENLABS, payload)
