"""Retell's webhooks: only what it signed is taken, and both events about a call tell the same."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from retell.lib.webhook_auth import symmetric

from goalline.domain.platforms.platform import Heard, ToolCall
from goalline.domain.platforms.retell import RETELL
from goalline.domain.transcript import Delivery, Role, Turn
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

KEY, OLD_KEY = "key_sample", "key_sample_old"
NOW = 1_795_023_040
SENT = raw("retell", "call_ended")
CALL = body("retell", "call_ended")


def signed(payload: bytes = SENT, key: str = KEY, at: float = NOW) -> dict[str, str]:
    """Return the header that Retell's own package makes."""
    return {"x-retell-signature": symmetric["sign"](payload.decode(), key, int(at * 1000))}


def verify(headers: dict[str, str], payload: bytes = SENT, *keys: str) -> None:
    RETELL.verify(headers, payload, keys or (KEY,), NOW, RETELL.options())


def refused(headers: dict[str, str], payload: bytes = SENT, *keys: str) -> str:
    return refusal(RETELL, headers, payload, keys or (KEY,), NOW)


def a_call(**changes: Any) -> Any:
    """Return the sample call with something else in it, or without what is `...`."""
    sent = body("retell", "call_ended")
    sent["call"] = {key: value for key, value in (sent["call"] | changes).items() if value is not ...}
    return sent


def spoken(*entries: dict[str, Any], **changes: Any) -> Delivery:
    return delivered(RETELL, a_call(transcript_with_tool_calls=list(entries), **changes))


def words(at: float) -> list[dict[str, Any]]:
    return [{"word": "one ", "start": at, "end": at + 0.2}, {"word": "two", "start": at + 0.2, "end": at + 0.4}]


def test_what_retells_own_package_signs_is_taken() -> None:
    verify(signed())
    verify(signed(b"{}"), b"{}")


def test_the_sample_signature_of_its_package_is_taken() -> None:
    digest = "07024cabe7dd8f6d1c6e4a8324ca92c812e6ad4a7ee506c04f7e462e3321823e"
    headers = {"x-retell-signature": f"v=1700000000000,d={digest}"}
    RETELL.verify(headers, b'{"event":"call_ended"}', ["test-api-key"], 1_700_000_000, RETELL.options())


def test_one_altered_byte_is_refused() -> None:
    for place in (0, len(SENT) // 2, len(SENT) - 1):
        altered = SENT[:place] + bytes([SENT[place] ^ 1]) + SENT[place + 1 :]
        assert "does not match" in refused(signed(), altered)
    assert "does not match" in refused(signed(), SENT + b" ")


def test_a_signature_counts_for_five_minutes_either_way() -> None:
    verify(signed(at=NOW - 300))
    verify(signed(at=NOW + 300))
    assert "more than 300 seconds old" in refused(signed(at=NOW - 301))
    assert "more than 300 seconds ahead" in refused(signed(at=NOW + 301))


def test_the_time_is_signed_too() -> None:
    moved = signed(at=NOW - 400)["x-retell-signature"].replace(str((NOW - 400) * 1000), str(NOW * 1000))
    assert "does not match" in refused({"x-retell-signature": moved})


def test_an_old_key_counts_until_it_is_revoked() -> None:
    verify(signed(key=OLD_KEY), SENT, KEY, OLD_KEY)
    assert "does not match" in refused(signed(key=OLD_KEY), SENT, KEY)
    assert "does not match" in refusal(RETELL, signed(), SENT, [], NOW)


@pytest.mark.parametrize("headers", [{}, {"x-retell-signature": ""}, {"x-signature": signed()["x-retell-signature"]}])
def test_without_its_header_it_is_refused(headers: dict[str, str]) -> None:
    assert refused(headers) == "there is no header X-Retell-Signature"


GOOD = signed()["x-retell-signature"]
DIGEST = GOOD.partition("d=")[2]


@pytest.mark.parametrize(
    "header",
    [
        DIGEST,
        f"d={DIGEST}",
        f"v={NOW}000",
        f"d={DIGEST},v={NOW}000",
        f"v=,d={DIGEST}",
        f"v={NOW}000,d=",
        f"v={NOW}000,d={DIGEST[:-1]}",
        f"v={NOW}000,d={DIGEST}0",
        f"v={NOW}000,d={DIGEST.upper()}",
        f"v={NOW}000, d={DIGEST}",
        f" {GOOD}",
        f"{GOOD}\n",
        f"{GOOD},",
        f"{GOOD},{GOOD}",
        f"v={NOW}000;d={DIGEST}",
        f"v=-{NOW}000,d={DIGEST}",
        f"v={NOW}.000,d={DIGEST}",
        f"v=1e15,d={DIGEST}",
        f"v={'9' * 5000},d={DIGEST}",
        "\x00",
    ],
)
def test_a_header_of_another_form_is_refused(header: str) -> None:
    assert refused({"x-retell-signature": header}) == "X-Retell-Signature is not of the form v=MILLISECONDS,d=HEX"


@pytest.mark.parametrize("odd", ["v=١٧٩٥٠٢٣٠٤٠٠٠٠", f"v={NOW}000,d=é", "\ud800"])
def test_a_header_that_is_not_ascii_is_refused(odd: str) -> None:
    assert refused({"x-retell-signature": f"{odd},d={DIGEST}"}) == "X-Retell-Signature is not ASCII"


@given(st.text() | st.from_regex(r"v=[0-9]{13},d=[0-9a-f]{64}", fullmatch=True), st.binary())
def test_nothing_that_was_made_up_is_taken(header: str, payload: bytes) -> None:
    refused({"x-retell-signature": header}, payload)


def test_a_call_that_has_ended_is_told_in_full() -> None:
    answer = heard(RETELL, CALL)
    assert answer.needless is None
    assert answer.delivery is not None
    assert answer.delivery.model_dump(exclude={"transcript"}) == {
        "conversation_id": "call_4f9d2b7c81e64a0fa1c35d07",
        "agent_id": "agent_9c2e71d05b8f43aa",
        "contact_id": "+14155550123",
        "channel": "phone",
        "started_at": datetime(2026, 11, 18, 17, 30, tzinfo=UTC),
        "ended_at": datetime(2026, 11, 18, 17, 30, 37, 400_000, tzinfo=UTC),
        "end_reason": "agent_hangup",
        "metadata": {
            "direction": "outbound",
            "metadata": {"crm_contact_id": "crm-20417"},
            "dynamic_variables": {"first_name": "Dana", "clinic": "Harbor Dental"},
        },
    }
    assert said(answer.delivery) == [
        ("agent", 36.2, "Hi Dana, this is Mia from Harbor Dental. Is now a good time to book your cleaning?"),
        ("user", 31.3, "Yes, ideally next Tuesday morning."),
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
        ("tool", 1.2, "end_call {}"),
    ]
    assert answer.calls == [
        ToolCall("tool_call_7f3a9c", "book_appointment", datetime(2026, 11, 18, 17, 30, 20, 800_000, tzinfo=UTC)),
        ToolCall("tool_call_8e1b02", "end_call", datetime(2026, 11, 18, 17, 30, 36, 200_000, tzinfo=UTC)),
    ]


def test_both_events_about_a_call_tell_the_same() -> None:
    assert heard(RETELL, body("retell", "call_analyzed")) == heard(RETELL, CALL)


def test_both_events_tell_the_same_of_calls_of_tools_without_ids() -> None:
    ended, analyzed = (body("retell", event) for event in ("call_ended", "call_analyzed"))
    for sent in (ended, analyzed):
        for entry in sent["call"]["transcript_with_tool_calls"]:
            entry.pop("tool_call_id", None)
    # An entry that is no turn is no call either.
    analyzed["call"]["transcript_with_tool_calls"].insert(0, {"role": "node_transition", "new_node_name": "greeting"})
    assert heard(RETELL, analyzed) == heard(RETELL, ended)
    assert [call.id for call in heard(RETELL, ended).calls] == ["1", "2"]


def test_a_call_that_reached_voicemail_says_so_and_has_its_greeting() -> None:
    delivery = delivered(RETELL, body("retell", "call_ended.voicemail"))
    assert delivery.end_reason == "voicemail_reached"
    assert said(delivery) == [("user", 4.3, "You've reached Sam. Please leave a message after the tone.")]


def test_a_call_that_never_connected_ends_when_it_is_told_and_has_no_turns() -> None:
    answer = heard(RETELL, body("retell", "call_ended.not_connected"))
    assert answer.delivery == Delivery(
        conversation_id="call_c0a17e5b92d84f3388e6f1a4",
        agent_id="agent_9c2e71d05b8f43aa",
        contact_id="+14155550177",
        channel="phone",
        ended_at=datetime(2026, 11, 18, 17, 31, 1, 234_000, tzinfo=UTC),
        end_reason="dial_no_answer",
        metadata={"direction": "outbound", "dynamic_variables": {"first_name": "Sam"}},
        transcript=(),
    )
    assert not answer.calls


def test_without_an_end_a_conversation_ends_when_it_is_told_else_when_its_webhook_is_received() -> None:
    call, chat = body("retell", "call_ended.not_connected"), body("retell", "chat_ended")
    del chat["chat"]["end_timestamp"]
    for sent in (call, chat):
        told_at = datetime.fromtimestamp(sent["event_timestamp"] / 1000, UTC)
        assert delivered(RETELL, sent).ended_at == told_at
        del sent["event_timestamp"]
        assert delivered(RETELL, sent).ended_at == RECEIVED


def test_who_takes_over_a_call_speaks_for_the_agent() -> None:
    delivery = spoken(
        {"role": "user", "content": "A person, please.", "words": words(1)},
        {"role": "transfer_target", "content": "Front desk.", "words": words(9)},
        transfer_destination="+14155550199",
        disconnection_reason="call_transfer",
    )
    assert said(delivery) == [("user", 36.4, "A person, please."), ("agent", 28.4, "Front desk.")]
    assert delivery.end_reason == "call_transfer"
    assert delivery.metadata is not None
    assert delivery.metadata["transfer_destination"] == "+14155550199"


def test_keys_and_messages_are_the_users_and_what_was_injected_is_the_systems() -> None:
    delivery = spoken(
        {"role": "agent", "content": "Press one to confirm.", "words": words(1)},
        {"role": "dtmf", "digit": "1"},
        {"role": "sms", "content": "My address is 1 Elm St.", "time_sec": 5},
        {"role": "injected", "content": "The caller is a member.", "time_sec": 6.5},
    )
    assert said(delivery) == [
        ("agent", 36.4, "Press one to confirm."),
        ("user", 36.4, "1"),
        ("user", 32.4, "My address is 1 Elm St."),
        ("system", 30.9, "The caller is a member."),
    ]


def test_roles_that_nobody_knows_and_turns_without_words_are_left_out() -> None:
    delivery = spoken(
        {"role": "node_transition", "former_node_name": "a", "new_node_name": "b"},
        {"role": "hologram", "content": "Boo."},
        {"role": None, "content": "Boo."},
        {"content": "Boo."},
        {"role": "agent", "content": " \n"},
        {"role": "user", "content": None},
        {"role": "user"},
        {"role": "tool_call_result", "content": ""},
        {"role": "user", "content": "Hello?"},
    )
    assert said(delivery) == [("user", None, "Hello?")]


def test_what_tools_are_given_and_return_may_be_any_json() -> None:
    answer = heard(
        RETELL,
        a_call(
            transcript_with_tool_calls=[
                {"role": "tool_call_invocation", "tool_call_id": 7, "name": "find", "arguments": {"day": "Tuesday ☀"}},
                {"role": "tool_call_result", "tool_call_id": 7, "content": ["9:30", None]},
                {"role": "tool_call_invocation", "name": "end_call"},
                {"role": "tool_call_invocation", "arguments": "{}"},
            ]
        ),
    )
    assert answer.delivery is not None
    texts = [turn.text for turn in answer.delivery.transcript]
    assert texts == ['find {"day": "Tuesday ☀"}', '["9:30", null]', "end_call", "{}"]
    assert answer.calls == [ToolCall("7", "find"), ToolCall("2", "end_call")]


def test_times_that_run_backwards_stand_still() -> None:
    delivery = spoken(
        {"role": "agent", "content": "First.", "words": words(9)},
        {"role": "user", "content": "Second.", "words": words(4)},
        {"role": "agent", "content": "Third.", "words": words(12)},
    )
    assert said(delivery) == [("agent", 28.4, "First."), ("user", 28.4, "Second."), ("agent", 25.4, "Third.")]


@pytest.mark.parametrize("start", [1e300, -1e300, 1e12])
def test_a_time_that_no_calendar_has_is_none(start: float) -> None:
    assert said(spoken({"role": "user", "content": "Hello?", "words": words(start)})) == [("user", None, "Hello?")]


def test_what_was_said_is_taken_without_tools_where_there_is_no_more() -> None:
    without_tools = [turn for turn in said(delivered(RETELL, CALL)) if turn[0] != "tool"]
    nothing: Any
    for nothing in (..., None, []):
        assert said(delivered(RETELL, a_call(transcript_with_tool_calls=nothing))) == without_tools


def test_what_it_may_leave_out_may_be_missing_or_null() -> None:
    for nothing in (..., None):
        sent = a_call(**dict.fromkeys(CALL["call"], nothing) | {"call_id": "call_1", "agent_id": "agent_1"})
        assert delivered(RETELL, sent | {"event_timestamp": None}) == Delivery(
            conversation_id="call_1", agent_id="agent_1", channel="phone", ended_at=RECEIVED, transcript=()
        )


@pytest.mark.parametrize("needed", ["call_id", "agent_id"])
def test_what_is_missing_and_needed_is_named(needed: str) -> None:
    assert missing(RETELL, a_call(**{needed: ...})) == f"call.{needed}"
    assert missing(RETELL, a_call(**{needed: None})) == f"call.{needed}"


def test_what_a_webhook_lacks_is_named() -> None:
    assert missing(RETELL, {"call": CALL["call"]}) == "event"
    assert missing(RETELL, {"event": "call_ended"}) == "call"
    assert missing(RETELL, {"event": "chat_ended", "call": CALL["call"]}) == "chat"
    assert missing(RETELL, a_call(call_id=" ")) == "conversation_id"


def test_who_calls_in_is_the_contact() -> None:
    assert delivered(RETELL, a_call(direction="inbound")).contact_id == "+14155550142"


def test_a_web_call_has_no_number_and_its_access_token_is_not_kept() -> None:
    numbers = {"from_number": ..., "to_number": ..., "direction": ...}
    delivery = delivered(RETELL, a_call(call_type="web_call", access_token="sample-access-token", **numbers))
    assert (delivery.channel, delivery.contact_id) == ("web", None)
    assert "sample-access-token" not in delivery.model_dump_json()


def test_a_chat_is_told_with_the_times_of_its_messages() -> None:
    answer = heard(RETELL, body("retell", "chat_ended"))
    assert answer.delivery is not None
    assert answer.delivery.model_dump(exclude={"transcript"}, exclude_none=True) == {
        "conversation_id": "chat_61f0c7e2a4",
        "agent_id": "agent_sms_77a0",
        "channel": "sms",
        "started_at": datetime(2026, 11, 18, 17, 30, tzinfo=UTC),
        "ended_at": datetime(2026, 11, 18, 17, 33, tzinfo=UTC),
        "metadata": {"metadata": {"crm_contact_id": "crm-20417"}},
    }
    assert said(answer.delivery) == [
        ("user", 180, "Can I move my cleaning to Friday?"),
        ("agent", 174, "Yes, Friday at 10 is free. Shall I move it?"),
        ("user", 90, "Yes please."),
        ("tool", 88, 'move_appointment {"slot":"2026-11-27T10:00:00-05:00"}'),
        ("tool", 87, '{"status":"moved"}'),
        ("agent", 85, "Done, see you Friday at 10."),
    ]
    [call] = answer.calls
    assert call == ToolCall("tool_call_a1", "move_appointment", datetime(2026, 11, 18, 17, 31, 32, tzinfo=UTC))


def test_both_events_about_a_chat_tell_the_same_and_one_without_a_type_is_a_chat() -> None:
    ended = body("retell", "chat_ended")
    assert heard(RETELL, ended | {"event": "chat_analyzed"}) == heard(RETELL, ended)
    del ended["chat"]["chat_type"]
    assert delivered(RETELL, ended).channel == "chat"


@pytest.mark.parametrize(
    "event",
    [
        "call_started",
        "transfer_started",
        "transfer_bridged",
        "transfer_cancelled",
        "transfer_ended",
        "chat_started",
        "call_inbound",
        "call_ended_again",
    ],
)
def test_other_events_are_needless_whatever_they_hold(event: str) -> None:
    for sent in (CALL | {"event": event}, {"event": event}):
        answer = heard(RETELL, sent)
        assert answer.delivery is None
        assert answer.needless == f"{event} tells of no conversation that has ended"


def test_an_update_tells_of_the_tools_called_so_far_as_the_end_does() -> None:
    sent = body("retell", "transcript_updated")
    running, calls = underway(RETELL, sent)
    assert (running.conversation_id, running.agent_id, running.contact_id) == (
        "call_4f9d2b7c81e64a0fa1c35d07",
        "agent_9c2e71d05b8f43aa",
        "+14155550123",
    )
    assert running.told_at == datetime.fromtimestamp(1_795_023_022.3, UTC)
    assert list(calls) == list(heard(RETELL, CALL).calls[:1])
    assert [call.name for call in calls] == ["book_appointment"]


def test_an_updates_tools_may_stand_beside_the_call() -> None:
    sent = body("retell", "transcript_updated")
    beside = sent | {"transcript_with_tool_calls": sent["call"].pop("transcript_with_tool_calls")}
    assert underway(RETELL, beside) == underway(RETELL, body("retell", "transcript_updated"))


def test_an_update_of_a_chat_tells_of_the_chat() -> None:
    chat = body("retell", "chat_ended")["chat"]
    running, calls = underway(RETELL, {"event": "transcript_updated", "chat": chat})
    assert (running.conversation_id, running.told_at) == (chat["chat_id"], RECEIVED)
    assert list(calls) == list(heard(RETELL, body("retell", "chat_ended")).calls)


def test_an_update_of_nothing_is_needless() -> None:
    answer = heard(RETELL, {"event": "transcript_updated"})
    assert answer == Heard(needless="transcript_updated names neither a call nor a chat")


def test_what_an_update_lacks_is_named() -> None:
    assert missing(RETELL, {"event": "transcript_updated", "call": {"call_id": "c"}}) == "call.agent_id"


def test_a_name_of_an_event_that_forges_lines_is_one_line() -> None:
    assert (
        heard(RETELL, {"event": "a\nb" + "c" * 999}).needless
        == f"a b{'c' * 252} tells of no conversation that has ended"
    )


def test_the_test_of_the_console_is_needless() -> None:
    sent = a_call(call_id="test_call", agent_id="test_agent", call_type="web_call")
    assert heard(RETELL, sent).needless == "this is the console's test"


def test_characters_that_no_database_stores_go() -> None:
    delivery = spoken({"role": "user", "content": "He\x00llo\ud800?"}, disconnection_reason="a\x00b\ud800")
    assert delivery.transcript == (Turn(role=Role.USER, text="Hello?"),)
    assert delivery.end_reason == "a b"


@given(ANY_JSON)
def test_any_json_is_understood_or_refused(payload: Any) -> None:
    understands(RETELL, payload)
    understands(RETELL, {"event": "call_ended", "call": payload})


def shortened(call: Any) -> Any:
    for entry in call["call"]["transcript_with_tool_calls"]:
        entry["words"] = entry.get("words", [])[:1]
    return call


@given(changed(shortened(a_call(transcript_object=...))))
def test_a_call_with_anything_in_it_is_understood_or_refused(payload: Any) -> None:
    understands(RETELL, payload)


@given(changed(shortened(body("retell", "transcript_updated"))))
def test_an_update_with_anything_in_it_is_understood_or_refused(payload: Any) -> None:
    understands(RETELL, payload)


@given(changed(body("retell", "chat_ended")))
def test_a_chat_with_anything_in_it_is_understood_or_refused(payload: Any) -> None:
    understands(RETELL, payload)
