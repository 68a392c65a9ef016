"""Telnyx: Ed25519 as its own package checks it, and conversations with and without what was said."""

import base64
import contextlib
import warnings
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from goalline.domain.platforms.platform import Heard, ToolCall
from goalline.domain.platforms.telnyx import TELNYX, TelnyxOptions, check_secret, parse, verify
from goalline.domain.transcript import Delivery, Role
from tests.domain.platforms.bodies import ANY_JSON, body, changed, forgery, raw, understood

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from telnyx.lib.webhook_verification import WebhookVerificationError, verify_webhook_signature

NOW = 1_791_295_436
RECEIVED = datetime(2026, 10, 6, 14, 3, 56, tzinfo=UTC)
OPTIONS = TelnyxOptions()
BODY = raw("telnyx", "call.conversation.ended")
KEY, OLD, STRANGER = (Ed25519PrivateKey.from_private_bytes(bytes([number] * 32)) for number in (1, 2, 3))
STAMP, SIGNATURE = "telnyx-timestamp", "telnyx-signature-ed25519"


def secret(key: Ed25519PrivateKey) -> str:
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def signed(key: Ed25519PrivateKey = KEY, stamp: str = str(NOW), content: bytes = BODY) -> dict[str, str]:
    signature = key.sign(stamp.encode() + b"|" + content)
    return {STAMP: stamp, SIGNATURE: base64.b64encode(signature).decode()}


def refusal(headers: dict[str, str], content: bytes = BODY, secrets: tuple[str, ...] = (secret(KEY),)) -> str:
    return forgery(lambda: verify(headers, content, secrets, NOW, OPTIONS))


def refused_by_telnyx(headers: dict[str, str], content: bytes = BODY) -> bool:
    with time_machine.travel(NOW, tick=False):
        try:
            verify_webhook_signature(content, headers, secret(KEY))
        except WebhookVerificationError:
            return True
    return False


def ended(name: str = "", /, **changes: Any) -> Any:
    """Return the sample event with fields of its payload changed; what is changed to ... is left out."""
    event = body("telnyx", f"call.conversation.ended{name}")
    payload = event["data"]["payload"] | changes
    event["data"]["payload"] = {key: value for key, value in payload.items() if value is not ...}
    return event


def heard(event: Any, **options: Any) -> Heard:
    return parse(event, RECEIVED, TelnyxOptions(**options))


def delivery(event: Any, **options: Any) -> Delivery:
    found = heard(event, **options).delivery
    assert found
    return found


def at(second: float) -> datetime:
    return datetime(2026, 10, 6, 14, 3, int(second), round(second % 1 * 1_000_000), tzinfo=UTC)


@pytest.mark.parametrize("stamp", [NOW, NOW - 300, NOW + 300])
def test_what_telnyx_takes_for_its_own_is_taken(stamp: int) -> None:
    headers = signed(stamp=str(stamp))
    assert not refused_by_telnyx(headers)
    verify(headers, BODY, [secret(KEY)], NOW, OPTIONS)


def test_each_key_of_the_source_holds_and_a_revoked_one_does_not() -> None:
    verify(signed(OLD), BODY, [secret(KEY), secret(OLD)], NOW, OPTIONS)
    assert "any public key" in refusal(signed(OLD))
    assert "any public key" in refusal(signed(), secrets=())


@pytest.mark.parametrize(
    ("headers", "content", "why"),
    [
        (signed(), BODY.replace(b"Dana", b"Dane", 1), "does not match"),
        (signed(STRANGER), BODY, "does not match"),
        (signed() | {STAMP: str(NOW + 1)}, BODY, "does not match"),
        (signed(stamp=str(NOW - 301)), BODY, "more than 300 seconds old"),
        (signed(stamp=str(NOW + 301)), BODY, "more than 300 seconds ahead"),
        ({STAMP: str(NOW)}, BODY, f"no header {SIGNATURE}"),
        ({SIGNATURE: signed()[SIGNATURE]}, BODY, f"no header {STAMP}"),
    ],
    ids=["one byte altered", "stranger", "another time", "too old", "ahead", "no signature", "no time"],
)
def test_what_telnyx_refuses_is_refused_with_the_reason(headers: dict[str, str], content: bytes, why: str) -> None:
    assert refused_by_telnyx(headers, content)
    assert why in refusal(headers, content)


@pytest.mark.parametrize("signature", ["", "=", "AAAA", "é" * 88, "\ud800", "A" * 88, "A" * 87 + "=", "A" * 100_000])
def test_a_signature_that_is_none_is_refused(signature: str) -> None:
    refusal({STAMP: str(NOW), SIGNATURE: signature})


@pytest.mark.parametrize("stamp", ["", " ", "now", "-1", "1e9", f"{NOW}.0", f" {NOW}", "٣" * 10, "\ud800", "9" * 5_000])
def test_a_time_that_is_none_is_refused(stamp: str) -> None:
    refusal({STAMP: stamp, SIGNATURE: signed()[SIGNATURE]})


@given(st.dictionaries(st.sampled_from([STAMP, SIGNATURE]), st.text()), st.binary(), st.lists(st.text(), max_size=2))
def test_no_headers_no_body_and_no_keys_bring_about_anything_but_a_refusal(
    headers: dict[str, str], content: bytes, secrets: list[str]
) -> None:
    forgery(lambda: verify(headers, content, secrets, NOW, OPTIONS))


def test_a_body_that_is_no_text_is_verified_as_it_came() -> None:
    content = b"\xff\xfe\x00"
    verify(signed(content=content), content, [secret(KEY)], NOW, OPTIONS)
    refusal(signed(content=content), content[:2])


def test_a_source_is_saved_with_the_public_key_of_an_account_and_nothing_else() -> None:
    check_secret(secret(KEY), TelnyxOptions())
    assert TELNYX.check_secret is check_secret
    for wrong in ("", "secret", secret(KEY)[:-4], secret(KEY) + "AAAA", secret(KEY).strip("="), KEY.sign(b"").hex()):
        with pytest.raises(ValueError, match="32 bytes of a public key; copy"):
            check_secret(wrong, TelnyxOptions())


PRIME = 2**255 - 19
ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
WEAK = [
    (y | sign << 255).to_bytes(32, "little")
    for y in (0, 1, PRIME - 1, PRIME, PRIME + 1, ORDER_8, PRIME - ORDER_8)
    for sign in (0, 1)
]


@pytest.mark.parametrize("weak", WEAK, ids=lambda key: key.hex()[:4] + key.hex()[-2:])
def test_a_key_for_which_anybody_could_sign_is_not_saved_and_would_verify_nothing(weak: bytes) -> None:
    with pytest.raises(ValueError, match="anybody could sign"):
        check_secret(base64.b64encode(weak).decode(), TelnyxOptions())
    forged = 0
    for point in WEAK:
        for stamp in range(NOW, NOW + 8):
            signature = point + bytes(32)
            headers = {STAMP: str(stamp), SIGNATURE: base64.b64encode(signature).decode()}
            refusal(headers, secrets=(base64.b64encode(weak).decode(),))
            with contextlib.suppress(InvalidSignature):
                Ed25519PublicKey.from_public_bytes(weak).verify(signature, f"{stamp}|".encode() + BODY)
                forged += 1
    assert forged, "this key is harmless, so nothing was shown"


TURNS: list[tuple[Role, str, datetime]] = [
    (Role.AGENT, "Hello, this is Nora, the virtual assistant of Maplewood Dental. How can I help?", at(12.173)),
    (Role.USER, "Hi, I'd like to book a check-up for next week.", at(18.02)),
    (Role.AGENT, "Of course. What is your full name, please?", at(20.412)),
    (Role.USER, "Dana Whitfield.", at(24.35)),
    (Role.AGENT, "Thank you, Dana. One moment while I look for free times.", at(26.108)),
    (
        Role.TOOL,
        'find_free_times {"service": "check-up", "from": "2026-10-12", "to": "2026-10-16"}',
        at(27.2),
    ),
    (Role.TOOL, '{"slots": ["2026-10-13T10:30", "2026-10-15T14:00"]}', at(28.1)),
    (
        Role.AGENT,
        "I can offer Tuesday the 13th at ten thirty, or Thursday the 15th at two in the afternoon.",
        at(31.64),
    ),
    (Role.USER, "Tuesday at ten thirty is good.", at(39.233)),
    (Role.TOOL, 'book_appointment {"name": "Dana Whitfield", "slot": "2026-10-13T10:30"}', at(40.4)),
    (Role.TOOL, '{"status": "booked", "reference": "MD-4821"}', at(41.2)),
    (Role.AGENT, "You are booked for Tuesday, October 13th, at ten thirty. Is there anything else?", at(44.905)),
    (Role.USER, "No, that's all. Thanks, bye.", at(51.511)),
    (Role.SYSTEM, "Informational note from the platform (wording is not a contract).", at(52)),
    (Role.AGENT, "Goodbye, Dana.", at(53.077)),
]


def test_the_sample_conversation_with_its_full_history_is_heard_whole() -> None:
    found = heard(ended())
    assert found.needless is None
    assert found.delivery
    assert [(turn.role, turn.text, turn.at) for turn in found.delivery.transcript] == TURNS
    assert found.delivery.model_dump(exclude={"transcript"}) == {
        "conversation_id": "5f1d7f2c-3b60-4f5e-9a3a-7d0c1e2b4a69",
        "agent_id": "assistant-0b8a3c1e-42c1-4d7e-9f2a-6c5d4e3f2a1b",
        "contact_id": None,
        "channel": "phone",
        "started_at": at(11),
        "ended_at": at(55),
        "end_reason": None,
        "metadata": {
            "call_leg_id": "428c31b6-7af4-4bcb-b7f5-5013ef9657c1",
            "call_session_id": "428c31b6-abf3-3bc1-b7f4-5013ef9657c1",
            "calling_party_type": "pstn",
            "llm_model": "Qwen/Qwen3-235B-A22B",
        },
    }
    assert found.calls == [
        ToolCall("call_a1b2c3d4e5f60001", "find_free_times", at(27.2)),
        ToolCall("call_a1b2c3d4e5f60002", "book_appointment", at(40.4)),
    ]


def test_without_its_full_history_the_conversation_is_what_was_spoken() -> None:
    found = heard(ended(".default"))
    assert found.delivery
    spoken = [turn for turn in TURNS if turn[0] in (Role.AGENT, Role.USER)]
    assert [(turn.role, turn.text, turn.at) for turn in found.delivery.transcript] == spoken
    assert found.calls == []


@pytest.mark.parametrize("messages", [..., None], ids=["missing", "null"])
def test_without_messages_the_transcript_is_empty_and_the_metadata_say_why(messages: Any) -> None:
    found = delivery(ended(messages=messages))
    assert found.transcript == ()
    assert found.metadata
    assert found.metadata["transcript"] == "the webhook carried none"
    assert found.started_at == at(11)


def test_messages_in_which_nothing_is_said_are_an_empty_transcript_that_was_sent() -> None:
    found = delivery(ended(".empty"))
    assert found.transcript == ()
    assert found.metadata
    assert "transcript" not in found.metadata


def test_a_voicemail_is_heard_like_any_other_conversation() -> None:
    found = delivery(ended(".voicemail"), own_numbers=["+12025550108"])
    assert [turn.role for turn in found.transcript] == [Role.USER, Role.AGENT]
    assert found.contact_id == "+12025550143"


CALLER, CALLED = "+12025550143", "+12025550108"


@pytest.mark.parametrize(
    ("options", "numbers", "contact"),
    [
        ({}, {}, None),
        ({"own_numbers": [CALLED]}, {}, CALLER),
        ({"own_numbers": ["+1 (202) 555-0108"]}, {}, CALLER),
        ({"own_numbers": [CALLER]}, {}, CALLED),
        ({"own_numbers": [CALLER, CALLED]}, {}, None),
        ({"own_numbers": ["+12025550199"]}, {}, None),
        ({"own_numbers": [CALLER], "all_inbound": True}, {}, CALLED),
        ({"all_inbound": True}, {}, CALLER),
        ({"own_numbers": ["Desk@example.com"]}, {"to": "sip:desk@example.com"}, CALLER),
        ({}, {"to": "anyone@assistant-0b8a.sip.telnyx.com"}, CALLER),
        ({}, {"to": "sip:Anyone@Assistant-0b8a.SIP.telnyx.com"}, CALLER),
        ({}, {"to": "anyone@assistant-0b8a.sip.telnyx.com.example.com"}, None),
        ({"all_inbound": True}, {"from": ...}, None),
        ({"own_numbers": [CALLED]}, {"from": None}, None),
    ],
)
def test_the_contact_is_who_is_not_us(options: dict[str, Any], numbers: dict[str, Any], contact: str | None) -> None:
    assert delivery(ended(**numbers), **options).contact_id == contact


def test_a_start_that_whole_seconds_put_behind_the_first_words_is_moved_to_them() -> None:
    assert delivery(ended(duration_sec=40)).started_at == at(12.173)
    assert delivery(ended(duration_sec=...)).started_at is None
    for endless in (1e300, float("inf"), float("nan")):
        assert delivery(ended(duration_sec=endless)).started_at is None


def test_without_a_time_of_its_own_the_event_ends_the_conversation_when_it_is_received() -> None:
    event = ended(duration_sec=None)
    del event["data"]["occurred_at"]
    assert delivery(event).ended_at == RECEIVED


def test_the_reason_is_kept_as_it_is_given() -> None:
    assert delivery(ended(reason="customer_disconnect")).end_reason == "customer_disconnect"


def test_what_the_customer_attached_to_the_call_is_kept() -> None:
    assert (delivery(ended(client_state="c2FtcGxl")).metadata or {})["client_state"] == "c2FtcGxl"


def test_times_that_run_backwards_are_made_to_stand_still() -> None:
    early, late = "2026-10-06T14:03:12Z", "2026-10-06T14:03:20Z"
    messages = [
        {"role": "user", "content": text, "timestamp": when} for text, when in [("a", late), ("b", early), ("c", None)]
    ]
    assert [turn.at for turn in delivery(ended(messages=messages)).transcript] == [at(20), at(20), None]


def test_what_speaks_for_neither_side_is_the_systems() -> None:
    messages = [{"role": role, "content": "noted"} for role in ("developer", "narrator", None)]
    assert [turn.role for turn in delivery(ended(messages=messages)).transcript] == [Role.SYSTEM] * 3


def test_a_tool_call_stands_behind_what_was_said_with_it_and_blank_messages_vanish() -> None:
    called = {"id": "c1", "function": {"name": "look_up", "arguments": "{}"}}
    messages = [
        {"role": "assistant", "content": "One moment.", "tool_calls": [called]},
        {"role": "user", "content": " \n"},
        {"role": "user"},
    ]
    found = delivery(ended(messages=messages))
    assert [(turn.role, turn.text) for turn in found.transcript] == [
        (Role.AGENT, "One moment."),
        (Role.TOOL, "look_up {}"),
    ]


def test_a_tool_call_without_an_id_is_known_by_its_place_and_one_without_a_name_is_none() -> None:
    nameless: list[Any] = [{"id": "c0"}, {"function": None}, {"function": {"name": " "}}]
    messages = [{"role": "assistant", "tool_calls": [*nameless, {"function": {"name": "book"}}]}]
    assert heard(ended(messages=messages)).calls == [ToolCall("1", "book", None)]
    assert [turn.text for turn in delivery(ended(messages=messages)).transcript] == ["book"]


def test_two_tool_calls_of_one_id_are_two() -> None:
    called: list[Any] = [{"id": "c1", "function": {"name": "book"}}] * 2
    calls = heard(ended(messages=[{"role": "assistant", "tool_calls": called}])).calls
    assert [call.id for call in calls] == ["c1", "c1-2"]


@pytest.mark.parametrize("field", ["conversation_id", "assistant_id"])
@pytest.mark.parametrize("value", [..., None, {}])
def test_an_id_that_is_missing_is_named(field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        heard(ended(**{field: value}))
    assert [error["loc"] for error in refused.value.errors()] == [("data", "payload", field)]


@pytest.mark.parametrize(
    "name",
    [
        "call.ai_gather.message_history_updated",
        "call.conversation.created",
        "call.conversation.start_failed",
        "call.conversation_insights.generated",
        "call.hangup.no_answer",
        "call.initiated",
        "call.machine.premium.detection.ended",
    ],
)
def test_another_event_needs_nothing_done(name: str) -> None:
    event = body("telnyx", name)
    found = heard(event)
    assert (found.delivery, found.calls) == (None, ())
    assert found.needless == f"{event['data']['event_type']} tells of no conversation that has ended"


def test_fields_that_are_not_known_change_nothing() -> None:
    event = ended(sentiment={"score": 1})
    event["data"]["payload"]["messages"][0]["confidence"] = 0.5
    event["more"] = []
    assert heard(event) == heard(ended())


@given(ANY_JSON)
def test_any_body_is_heard_or_refused_by_the_name_of_a_field(anything: Any) -> None:
    understood(lambda: heard(anything))


@given(changed(ended()), st.booleans())
def test_the_sample_with_anything_in_one_place_is_heard_or_refused_by_name(event: Any, all_inbound: bool) -> None:
    understood(lambda: heard(event, all_inbound=all_inbound))
