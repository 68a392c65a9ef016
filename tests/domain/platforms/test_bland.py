"""Bland AI: signatures without a time, and calls as they stand after their end."""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from goalline.domain.platforms.bland import BLAND, BlandOptions, parse, verify
from goalline.domain.platforms.platform import Heard
from goalline.domain.transcript import Delivery, Role
from tests.domain.platforms.bodies import ANY_JSON, body, changed, forgery, raw, understood

RECEIVED = datetime(2026, 10, 6, 14, 4, tzinfo=UTC)
SIGNATURE = "x-webhook-signature"
BODY = raw("bland", "post_call")
SECRET, OLD = "sample-secret", "sample-secret-before"
OPTIONS = BlandOptions()
# Made once with OpenSSL: openssl dgst -sha256 -hmac sample-secret < fixtures/webhooks/bland/post_call.json
KNOWN = "793792f7e57c3ff54dd6047c1d731eb37a236023ca92bda68cd675a793ee0144"


def signed(secret: str = SECRET, content: bytes = BODY) -> dict[str, str]:
    return {SIGNATURE: hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()}


def refusal(headers: dict[str, str], content: bytes = BODY, secrets: tuple[str, ...] = (SECRET,)) -> str:
    return forgery(lambda: verify(headers, content, secrets, 0, OPTIONS))


def call(name: str = "post_call", /, **changes: Any) -> Any:
    """Return a sample with fields changed; what is changed to ... is left out."""
    return {key: value for key, value in body("bland", name, **changes).items() if value is not ...}


def heard(payload: Any, **options: Any) -> Heard:
    return parse(payload, RECEIVED, BlandOptions(**options))


def delivery(payload: Any, **options: Any) -> Delivery:
    found = heard(payload, **options).delivery
    assert found
    return found


def notes(payload: Any) -> dict[str, Any]:
    return delivery(payload).metadata or {}


def at(second: float) -> datetime:
    return datetime(2026, 10, 6, 14, 3, int(second), round(second % 1 * 1_000_000), tzinfo=UTC)


def test_a_body_signed_as_bland_signs_is_taken_at_any_time() -> None:
    for now in (0.0, 1e12):
        verify({SIGNATURE: KNOWN}, BODY, [SECRET], now, OPTIONS)
    assert signed() == {SIGNATURE: KNOWN}


def test_each_secret_of_the_source_holds_and_a_revoked_one_does_not() -> None:
    verify(signed(OLD), BODY, [SECRET, OLD], 0, OPTIONS)
    assert "does not match" in refusal(signed(OLD))
    assert "does not match" in refusal(signed(), secrets=())


def test_a_body_with_one_byte_altered_is_refused() -> None:
    assert "does not match" in refusal(signed(), BODY.replace(b"Dana", b"Dane", 1))
    assert "does not match" in refusal(signed(), BODY[:-1])


@pytest.mark.parametrize(
    "value", ["", " ", "sha256=" + KNOWN, KNOWN[:-1], KNOWN + "0", KNOWN.upper(), "é" * 64, "\ud800", "0" * 100_000]
)
def test_a_signature_of_another_form_is_refused(value: str) -> None:
    refusal({SIGNATURE: value})


def test_a_webhook_that_is_not_signed_is_refused() -> None:
    assert refusal({}) == "there is no header X-Webhook-Signature"


@given(st.dictionaries(st.just(SIGNATURE), st.text()), st.binary(), st.lists(st.text(), max_size=2))
def test_no_header_no_body_and_no_secret_bring_about_anything_but_a_refusal(
    headers: dict[str, str], content: bytes, secrets: list[str]
) -> None:
    forgery(lambda: verify(headers, content, secrets, 0, OPTIONS))


def test_any_printable_text_can_be_the_secret() -> None:
    BLAND.check_secret("a sample: {secret}", BlandOptions())
    BLAND.check_secret("x" * 500, BlandOptions())
    for wrong in ("", "  ", "x" * 501, "sécret", "a\nb", "a\x7f", "\ud800"):
        with pytest.raises(ValueError, match="8 to 500 printable ASCII"):
            BLAND.check_secret(wrong, BlandOptions())


TURNS = [
    (Role.AGENT, "Hello, this is Nora, the virtual assistant of Maplewood Dental. How can I help?", at(12.173)),
    (Role.USER, "Hi, I'd like to book a check-up for next week.", at(18.02)),
    (Role.AGENT, "Of course. What is your full name, please?", at(20.412)),
    (Role.USER, "Dana Whitfield.", at(24.35)),
    (Role.AGENT, "Thank you, Dana. One moment while I look for free times.", at(26.108)),
    (
        Role.AGENT,
        "I can offer Tuesday the 13th at ten thirty, or Thursday the 15th at two in the afternoon.",
        at(31.64),
    ),
    (Role.USER, "Tuesday at ten thirty is good.", at(39.233)),
    (Role.AGENT, "You are booked for Tuesday, October 13th, at ten thirty. Is there anything else?", at(44.905)),
    (Role.USER, "No, that's all. Thanks, bye.", at(51.511)),
    (Role.AGENT, "Goodbye, Dana.", at(53.077)),
    (Role.TOOL, "Ended call", at(54.24)),
]


def test_the_sample_call_is_heard_whole() -> None:
    found = heard(call())
    assert (found.needless, found.calls) == (None, ())
    assert found.delivery
    assert [(turn.role, turn.text, turn.at) for turn in found.delivery.transcript] == TURNS
    assert found.delivery.model_dump(exclude={"transcript"}) == {
        "conversation_id": "6f0c1e52-8a47-4d3b-9b51-2f7a90c4e1d8",
        "agent_id": "b71c4c5c-33e3-496b-a5f4-0a1b2c3d4e5f",
        "contact_id": "+12025550143",
        "channel": "phone",
        "started_at": at(11),
        "ended_at": at(55),
        "end_reason": "agent_ended",
        "metadata": {
            "direction": "inbound",
            "status": "completed",
            "answered_by": "human",
            "disposition_tag": "COMPLETED_ACTION",
            "pathway_tags": ["Intro Node"],
            "summary": "The caller booked a check-up for Tuesday, October 13th at 10:30.",
            "metadata": {"crm_object_id": "sample-0001"},
            "variables": call()["variables"],
        },
    }


def test_a_voicemail_says_so() -> None:
    found = delivery(call("voicemail"))
    assert found.end_reason == "voicemail"
    assert [turn.role for turn in found.transcript] == [Role.USER, Role.AGENT, Role.TOOL]
    assert found.contact_id == "+12025550143"


@pytest.mark.parametrize("status", ["failed", "busy", "no-answer", "canceled"])
def test_a_call_that_never_connected_says_why_and_has_no_words(status: str) -> None:
    found = delivery(call("no_answer", status=status))
    assert (found.end_reason, found.transcript) == (status, ())
    assert (found.started_at, found.ended_at) == (at(4.168), at(37))
    assert "transcript" not in (found.metadata or {})


def test_a_call_that_failed_ends_when_it_is_received_and_says_what_went_wrong() -> None:
    found = delivery(call("failed"))
    assert (found.end_reason, found.ended_at) == ("failed", RECEIVED)
    assert (found.metadata or {})["error_message"] == "Call failed. The number you dialed is not found."


def test_a_call_of_which_little_is_told_is_the_agents_that_the_source_names() -> None:
    found = delivery(call("no_answer.automation_minimal"), agent_id="front-desk")
    assert found.model_dump() == {
        "conversation_id": "8a9620f6-d634-4b92-8d75-0b0b0b0b0b0b",
        "agent_id": "front-desk",
        "contact_id": None,
        "channel": "phone",
        "started_at": None,
        "ended_at": RECEIVED,
        "end_reason": "no-answer",
        "metadata": {
            "transcript": "the webhook carried none",
            "status": "no-answer",
            "metadata": call("no_answer.automation_minimal")["metadata"],
        },
        "transcript": (),
    }


def test_an_agent_that_neither_the_call_nor_the_source_names_is_asked_for() -> None:
    with pytest.raises(ValidationError) as refused:
        heard(call(pathway_id=None))
    [error] = refused.value.errors()
    assert error["loc"] == ("agent_id",)
    assert "set agent_id among the options" in error["msg"]


@pytest.mark.parametrize(
    ("named", "agent"),
    [
        ({"agent_id": "a", "persona_id": "p"}, "a"),
        ({"persona_id": "p"}, "p"),
        ({}, "b71c4c5c-33e3-496b-a5f4-0a1b2c3d4e5f"),
        ({"pathway_id": ...}, "fallback"),
    ],
)
def test_the_agent_is_the_most_particular_that_the_call_names(named: dict[str, Any], agent: str) -> None:
    assert delivery(call(**named), agent_id="fallback").agent_id == agent


def test_a_transferred_call_says_so_and_where_to() -> None:
    assert delivery(call("transferred")).end_reason == "transferred"
    assert notes(call("transferred"))["transferred_to"] == "+12025550171"
    assert delivery(call("transferred", transferred_to=None)).end_reason == "transferred"
    tried = {"state": "NO_ANSWER"}
    assert delivery(call("transferred", transferred_to=None, warm_transfer_call=tried)).end_reason == "user_ended"


def test_the_leg_to_who_takes_a_transfer_needs_nothing_done() -> None:
    found = heard(call("proxy_agent_call"))
    assert found.delivery is None
    assert found.needless == "this is the leg to the person who takes a transfer"


@pytest.mark.parametrize(
    ("ended_by", "reason"), [("USER", "user_ended"), ("Assistant", "agent_ended"), ("SYSTEM", None), (None, None)]
)
def test_who_hung_up_is_the_reason_of_an_ordinary_end(ended_by: str | None, reason: str | None) -> None:
    assert delivery(call(call_ended_by=ended_by)).end_reason == reason


@pytest.mark.parametrize(
    ("told", "contact"),
    [
        ({}, "+12025550143"),
        ({"variables": None}, "+12025550143"),
        ({"variables": {"phone_number": 5}, "inbound": False}, "+12025550108"),
        ({"variables": ..., "inbound": ...}, None),
    ],
)
def test_the_contact_is_the_other_party(told: dict[str, Any], contact: str | None) -> None:
    assert delivery(call(**told)).contact_id == contact


@pytest.mark.parametrize(
    ("told", "started_at"),
    [
        ({}, at(11)),
        ({"corrected_duration": 44.5}, at(10.5)),
        ({"corrected_duration": "40"}, at(12.173)),
        ({"corrected_duration": "0"}, at(4.168)),
        ({"corrected_duration": "unknown"}, at(4.168)),
        ({"corrected_duration": None, "started_at": None}, at(4.168)),
        ({"end_at": None, "started_at": ..., "created_at": ...}, None),
    ],
)
def test_the_start_is_counted_back_from_the_end_where_that_can_be(told: dict[str, Any], started_at: Any) -> None:
    assert delivery(call(**told)).started_at == started_at


def test_without_an_end_the_last_words_are_the_end() -> None:
    assert delivery(call(end_at=None)).ended_at == at(54.24)


@pytest.mark.parametrize("untold", [..., None], ids=["missing", "null"])
def test_transcripts_that_an_organisation_keeps_to_itself_leave_none_and_the_metadata_say_so(untold: Any) -> None:
    found = delivery(call(transcripts=untold, concatenated_transcript=untold))
    assert found.transcript == ()
    assert (found.metadata or {})["transcript"] == "the webhook carried none"
    assert found.ended_at == at(55)


def test_a_call_in_which_nobody_spoke_has_an_empty_transcript() -> None:
    assert delivery(call("empty")).transcript == ()
    assert "transcript" not in notes(call("empty"))


def test_without_single_turns_the_corrected_ones_are_taken() -> None:
    found = delivery(call("delayed_with_corrected_transcript", transcripts=...))
    spoken = [turn for turn in TURNS if turn[0] is not Role.TOOL]
    assert [(turn.role, turn.text) for turn in found.transcript] == [turn[:2] for turn in spoken]
    assert found.transcript[0].at == at(12.173)


def test_the_delayed_webhook_of_a_call_tells_the_same_transcript_as_the_first() -> None:
    first, delayed = delivery(call()), delivery(call("delayed_with_corrected_transcript"))
    assert (first.conversation_id, first.transcript) == (delayed.conversation_id, delayed.transcript)


def test_without_any_single_turns_the_whole_text_is_cut_at_its_labels() -> None:
    found = delivery(call(transcripts=...))
    assert [(turn.role, turn.text) for turn in found.transcript] == [turn[:2] for turn in TURNS]
    text = "user: Is it open? \n note: no label \n assistant: The sign says user: closed. \n "
    found = delivery(call(transcripts=[], concatenated_transcript=text))
    assert [(turn.role, turn.text) for turn in found.transcript] == [
        (Role.USER, "Is it open? \n note: no label"),
        (Role.AGENT, "The sign says user: closed."),
    ]


def test_who_is_neither_side_is_the_systems_and_blank_turns_vanish() -> None:
    said = [("robot", "a"), ("narrator", "b"), (None, "c"), ("user", " "), ("user", None)]
    found = delivery(call(transcripts=[{"user": user, "text": text} for user, text in said]))
    assert [(turn.role, turn.text) for turn in found.transcript] == [
        (Role.AGENT, "a"),
        (Role.SYSTEM, "b"),
        (Role.SYSTEM, "c"),
    ]


def test_times_that_run_backwards_are_made_to_stand_still() -> None:
    said = [{"user": "user", "text": str(second), "created_at": at(second).isoformat()} for second in (20, 12, 30)]
    assert [turn.at for turn in delivery(call(transcripts=said)).transcript] == [at(20), at(20), at(30)]


def test_variables_too_large_to_keep_do_not_lose_the_call() -> None:
    kept = notes(call(variables={"catalogue": ["x" * 100] * 1_000}))
    assert "variables" not in kept
    assert kept["status"] == "completed"


def test_either_name_of_the_call_names_the_conversation() -> None:
    assert delivery(call(call_id=...)).conversation_id == call()["c_id"]
    assert delivery(call(c_id=...)).conversation_id == call()["call_id"]


@pytest.mark.parametrize(
    ("payload", "what"),
    [
        (call("live_tool"), "call"),
        (call("citations"), "citations"),
        (call("dispositions"), "dispositions"),
        ({"message": "TTS: 218ms", "call_id": "c", "category": "latency"}, "latency"),
        ({"conversation_id": "s", "channel": "sms", "message": "Hi", "status": "ended"}, "this"),
        ({"message": "This is a test"}, "this"),
        ({}, "this"),
    ],
)
def test_what_is_no_call_that_has_ended_needs_nothing_done(payload: Any, what: str) -> None:
    found = heard(payload)
    assert (found.delivery, found.needless) == (None, f"{what} tells of no call that has ended")


def test_a_call_with_a_type_of_event_is_still_a_call() -> None:
    assert heard(call(event_type="multiple", contents=["citations"])) == heard(call())


def test_fields_that_are_not_known_change_nothing() -> None:
    payload = call(sentiment={"score": 1})
    payload["transcripts"][0]["confidence"] = 0.5
    assert heard(payload) == heard(call())


@pytest.mark.parametrize("payload", [None, [], "call", 1])
def test_what_is_no_object_is_refused(payload: Any) -> None:
    with pytest.raises(ValidationError):
        heard(payload)


def test_a_field_of_another_type_is_named() -> None:
    with pytest.raises(ValidationError) as refused:
        heard(call(transcripts=[{"user": "user", "text": "Hi", "created_at": "noon"}]))
    assert [error["loc"] for error in refused.value.errors()] == [("transcripts", 0, "created_at")]


@given(ANY_JSON)
def test_any_body_is_heard_or_refused_by_the_name_of_a_field(anything: Any) -> None:
    understood(lambda: heard(anything))


@given(changed(json.loads(BODY)))
def test_the_sample_with_anything_in_one_place_is_heard_or_refused_by_name(payload: Any) -> None:
    understood(lambda: heard(payload, agent_id="front-desk"))


@given(changed(call("delayed_with_corrected_transcript", transcripts=[])))
def test_the_same_holds_for_corrected_transcripts(payload: Any) -> None:
    understood(lambda: heard(payload, agent_id="front-desk"))
