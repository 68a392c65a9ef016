"""Mappings: two platforms nobody has programmed an adapter for, and what stands in the way of hearing them."""

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from goalline import resources
from goalline.domain.platforms.custom import CUSTOM, CustomOptions, parse, verify
from goalline.domain.platforms.platform import Forged, Heard, ToolCall, Underway
from goalline.domain.transcript import Delivery, Role
from tests.domain.platforms.bodies import ANY_JSON, body, changed, understood

RECEIVED = datetime(2026, 10, 6, 14, 4, tzinfo=UTC)
NAMES = ["call.finished", "session.closed"]


def settings(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((resources.folder("fixtures") / "sources" / f"{name}.json").read_text())
    return read


CALL, SESSION = (CustomOptions.model_validate(settings(name)) for name in NAMES)

PLAIN: dict[str, Any] = {
    "signature": {"scheme": "none"},
    "conversation_id": "id",
    "agent_id": "agent",
    "turns": {"entries": "turns", "role": "who", "text": "said"},
}


def options(**changes: Any) -> CustomOptions:
    """Return plain options with some changed; those of turns may be named with turns_ before them."""
    changed = PLAIN | {name: value for name, value in changes.items() if not name.startswith("turns_")}
    turns = {name.removeprefix("turns_"): value for name, value in changes.items() if name.startswith("turns_")}
    return CustomOptions.model_validate(changed | {"turns": changed["turns"] | turns})


def plain(**changes: Any) -> dict[str, Any]:
    return {"id": "c1", "agent": "a1", "turns": [{"who": "user", "said": "Hi"}]} | changes


def delivery(payload: Any, how: CustomOptions) -> Delivery:
    found = parse(payload, RECEIVED, how).delivery
    assert found
    return found


def refusal(payload: Any, how: CustomOptions) -> tuple[str, str]:
    with pytest.raises(ValidationError) as refused:
        parse(payload, RECEIVED, how)
    [error] = refused.value.errors()
    return ".".join(map(str, error["loc"])), error["msg"]


def invalid(**changes: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        options(**changes)
    [error] = refused.value.errors()
    return f"{'.'.join(map(str, error['loc']))}: {error['msg']}"


def at(second: float) -> datetime:
    return datetime(2026, 10, 6, 14, 3, int(second), round(second % 1 * 1_000_000), tzinfo=UTC)


SPOKEN = [
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
]


def test_a_call_told_in_seconds_from_its_start_is_heard_whole() -> None:
    found = parse(body("custom", "call.finished"), RECEIVED, CALL)
    assert found.needless is None
    assert found.delivery
    assert [(turn.role, turn.text, turn.at) for turn in found.delivery.transcript] == SPOKEN
    assert found.delivery.model_dump(exclude={"transcript"}) == {
        "conversation_id": "480117",
        "agent_id": "front-desk",
        "contact_id": "+12025550143",
        "channel": "phone",
        "started_at": at(11),
        "ended_at": at(54.5),
        "end_reason": "caller",
        "metadata": {
            "labels": {"campaign": "check-ups"},
            "recording": "https://recordings.example.com/480117",
        },
    }
    assert found.calls == [
        ToolCall("fn-1", "find_free_times", at(27.2)),
        ToolCall("fn-2", "book_appointment", at(40.4)),
    ]


def test_a_chat_told_in_milliseconds_with_nested_turns_is_heard_whole() -> None:
    found = parse(body("custom", "session.closed"), RECEIVED, SESSION)
    assert found.delivery
    tools = [
        (Role.TOOL, '{"id": "act-1", "name": "find_free_times", "input": {"service": "check-up"}}', at(27.2)),
        (Role.TOOL, '{"id": "act-2", "name": "book_appointment", "input": {"slot": "2026-10-13T10:30"}}', at(40.4)),
    ]
    turns = sorted([*SPOKEN, *tools], key=lambda turn: turn[2])
    assert [(turn.role, turn.text, turn.at) for turn in found.delivery.transcript] == turns
    assert found.delivery.model_dump(exclude={"transcript"}) == {
        "conversation_id": "7d0c1e2b-4a69-4f5e-9a3a-5f1d7f2c3b60",
        "agent_id": "booking-bot",
        "contact_id": "visitor-0143",
        "channel": "chat",
        "started_at": at(11),
        "ended_at": at(55),
        "end_reason": "LEFT",
        "metadata": {"outcome": {"state": "LEFT", "page": "/appointments"}, "bot_version": 12},
    }
    assert found.calls == [
        ToolCall("act-1", "find_free_times", at(27.2)),
        ToolCall("act-2", "book_appointment", at(40.4)),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_options_survive_being_stored_as_json(name: str) -> None:
    read = CustomOptions.model_validate(settings(name))
    assert CustomOptions.model_validate_json(read.model_dump_json()) == read
    assert CUSTOM.options is CustomOptions
    assert "JMESPath expression" in json.dumps(CustomOptions.model_json_schema())


def test_a_webhook_is_verified_by_the_scheme_among_the_options() -> None:
    verify({}, b"", [], 0, options())
    with pytest.raises(Forged, match="there is no header X-Line-"):
        verify({}, b"", [], 0, CALL)


@pytest.mark.parametrize("event", ["call.started", None, ""])
def test_where_the_condition_does_not_hold_and_no_tool_was_called_nothing_needs_to_be_done(event: Any) -> None:
    sent = body("custom", "call.finished", event=event)
    del sent["call"]["functions"]
    found = parse(sent, RECEIVED, CALL)
    assert found == Heard(needless="""the condition "event == 'call.finished'" does not hold""")
    assert parse(plain(), RECEIVED, options(ended="event")) == Heard(needless="the condition 'event' does not hold")


def test_tools_that_are_called_before_the_condition_holds_are_those_of_a_conversation_under_way() -> None:
    found = parse(body("custom", "call.finished", event="call.updated"), RECEIVED, CALL)
    ended = parse(body("custom", "call.finished"), RECEIVED, CALL)
    assert ended.delivery
    assert found.underway == Underway(
        conversation_id=ended.delivery.conversation_id,
        agent_id=ended.delivery.agent_id,
        contact_id=ended.delivery.contact_id,
        told_at=RECEIVED,
    )
    assert found.calls
    assert found.calls == ended.calls


@pytest.mark.parametrize(
    "payload",
    [
        plain(id=None, tools=[{"name": "book"}]),
        plain(id={}, tools=[{"name": "book"}]),
        plain(agent=[], tools=[{"name": "book"}]),
        plain(tools="book"),
        plain(tools=[{"name": {}}]),
        None,
    ],
)
def test_what_cannot_be_read_before_the_condition_holds_is_needless(payload: Any) -> None:
    how = options(ended="over", calls={"entries": "tools", "name": "name"})
    assert parse(payload, RECEIVED, how) == Heard(needless="the condition 'over' does not hold")


def test_a_condition_holds_where_jmespath_takes_what_it_finds_for_true() -> None:
    assert delivery(plain(left=0), options(ended="left")).conversation_id == "c1"
    assert parse(plain(left=[]), RECEIVED, options(ended="left")).delivery is None


def test_without_a_condition_every_webhook_counts() -> None:
    assert delivery(plain(), options()).transcript[0].text == "Hi"
    assert delivery(plain(), options(ended="id")).conversation_id == "c1"


def test_what_is_not_mapped_is_not_told_and_the_end_is_the_time_of_receipt() -> None:
    assert delivery(plain(), options()).model_dump(exclude={"transcript"}) == {
        "conversation_id": "c1",
        "agent_id": "a1",
        "contact_id": None,
        "channel": None,
        "started_at": None,
        "ended_at": RECEIVED,
        "end_reason": None,
        "metadata": None,
    }


NOTES = ("contact_id", "channel", "end_reason")


@pytest.mark.parametrize("missing", [{}, dict.fromkeys([*NOTES, "started_at", "ended_at", "metadata", "calls"])])
def test_what_is_mapped_and_missing_is_not_told_either(missing: dict[str, Any]) -> None:
    mapped = {name: name for name in [*NOTES, "started_at", "ended_at", "metadata"]}
    how = options(**mapped, calls={"entries": "calls", "name": "name"})
    assert parse(plain(**missing), RECEIVED, how) == parse(plain(), RECEIVED, options(calls=None))


def test_every_text_can_be_fixed_and_so_can_metadata() -> None:
    how = options(**{name: {"value": f"the {name}"} for name in ("agent_id", *NOTES)}, metadata={"value": {"line": 1}})
    found = delivery(plain(agent=None), how)
    assert (found.agent_id, found.contact_id) == ("the agent_id", "the contact_id")
    assert (found.channel, found.end_reason, found.metadata) == ("the channel", "the end_reason", {"line": 1})


@pytest.mark.parametrize("field", ["conversation_id", "agent_id"])
@pytest.mark.parametrize("value", [None, "", " "])
def test_an_id_that_is_not_found_is_named_with_its_expression(field: str, value: Any) -> None:
    name = {"conversation_id": "id", "agent_id": "agent"}[field]
    assert refusal(plain(**{name: value}), options()) == (field, f"{name!r} finds nothing in this body")


@pytest.mark.parametrize("field", ["conversation_id", "agent_id", *NOTES])
@pytest.mark.parametrize("value", [True, [], {"a": "secret"}])
def test_what_is_neither_text_nor_number_is_no_id_and_no_note(field: str, value: Any) -> None:
    assert refusal(plain(x=value), options(**{field: "x"})) == (field, "'x' finds no text and no number")


def test_an_id_is_never_cut_off() -> None:
    assert refusal(plain(id="x" * 256), options())[0] == "conversation_id"


def test_notes_that_are_no_object_are_named_and_those_too_large_go() -> None:
    assert refusal(plain(notes=[1]), options(metadata="notes")) == ("metadata", "'notes' finds no object")
    huge = options(metadata="{" + ",".join(f"k{number}: notes" for number in range(16)) + "}")
    assert refusal(plain(notes="x" * 400_000), huge)[1].endswith("finds what is too large or too deep")
    assert delivery(plain(notes={"a": "b", "c": ["x" * 20_000]}), options(metadata="notes")).metadata == {"a": "b"}


def test_an_error_of_an_expression_names_its_option_and_shows_nothing_of_the_body() -> None:
    field, why = refusal(plain(id=["secret"]), options(conversation_id="abs(id)"))
    assert (field, why) == ("conversation_id", "'abs(id)': abs() was given array, not number")
    assert refusal(plain(), options(ended="starts_with(event, 'call')"))[0] == "ended"


ROLES = {"bot": "agent", "human": "user", "true": "system", "2": "tool"}


@pytest.mark.parametrize(
    ("who", "role"),
    [
        ("bot", Role.AGENT),
        ("human", Role.USER),
        ("agent", Role.AGENT),
        ("tool", Role.TOOL),
        (True, Role.SYSTEM),
        (2, Role.TOOL),
        ("narrator", None),
        ("Bot", None),
        (None, None),
        ([], None),
    ],
)
def test_a_role_is_ours_by_the_platforms_name_or_by_our_own(who: Any, role: Role | None) -> None:
    payload = plain(turns=[{"who": who, "said": "Hi"}])
    assert [turn.role for turn in delivery(payload, options(turns_roles=ROLES)).transcript] == ([role] if role else [])
    kept = delivery(payload, options(turns_roles=ROLES, turns_unknown_role="system")).transcript
    assert [turn.role for turn in kept] == [role or Role.SYSTEM]


def test_our_own_names_can_be_given_another_meaning() -> None:
    how = options(turns_roles={"agent": "user", "user": "agent"})
    assert delivery(plain(), how).transcript[0].role is Role.AGENT


def test_a_text_may_be_a_list_of_words_and_blank_turns_vanish() -> None:
    turns = [{"who": "user", "said": ["Good", "morning."]}, {"who": "agent", "said": []}, {"who": "agent"}]
    assert [turn.text for turn in delivery(plain(turns=turns), options()).transcript] == ["Good morning."]


@pytest.mark.parametrize("turns", [None, []])
def test_a_transcript_that_is_missing_is_told_apart_from_one_in_which_nobody_spoke(turns: Any) -> None:
    found = delivery(plain(turns=turns), options())
    assert found.transcript == ()
    assert found.metadata == ({"transcript": "the webhook carried none"} if turns is None else None)


@pytest.mark.parametrize("name", ["turns", "calls"])
def test_what_is_no_list_is_named(name: str) -> None:
    how = options(calls={"entries": "calls", "name": "name"})
    assert refusal(plain(**{name: "Hi"}), how) == (f"{name}.entries", f"'{name}' finds no list")


def test_entries_that_are_no_objects_say_nothing() -> None:
    how = options(calls={"entries": "turns", "name": "name"})
    found = parse(plain(turns=["Hi", None, 1, [[]]]), RECEIVED, how)
    assert found.delivery
    assert (found.delivery.transcript, found.calls) == ((), [])


def test_times_of_turns_are_written_like_all_others_unless_told() -> None:
    turns = [{"who": "user", "said": "Hi", "at": 2_500}]
    payload = plain(turns=turns, start=at(11).timestamp())
    how = {"started_at": "start", "times": "seconds", "turns_at": "at"}
    assert delivery(payload, options(**how, turns_times="milliseconds_from_start")).transcript[0].at == at(13.5)
    field, why = refusal(payload, options(**how))
    assert field == "turns.0.at"
    assert why == (
        "'at' finds no time that the option times (seconds) can mean: must lie between the years 2000 and 9000"
    )


def test_a_time_that_is_none_names_its_turn() -> None:
    turns = [{"who": "user", "said": "Hi", "at": None}, {"who": "user", "said": "Hi", "at": "noon"}]
    assert refusal(plain(turns=turns), options(turns_at="at"))[0] == "turns.1.at"
    assert refusal(plain(end="noon"), options(ended_at="end"))[0] == "ended_at"
    how = options(calls={"entries": "turns", "name": "who", "at": "at"})
    assert refusal(plain(turns=turns), how)[0] == "calls.1.at"


def test_turns_that_count_from_a_start_that_is_missing_have_no_time() -> None:
    how = options(started_at="start", turns_at="at", turns_times="seconds_from_start")
    assert delivery(plain(turns=[{"who": "user", "said": "Hi", "at": 1}]), how).transcript[0].at is None


def test_times_that_run_backwards_are_made_to_stand_still() -> None:
    turns = [{"who": "user", "said": "Hi", "at": at(second).isoformat()} for second in (20, 12)]
    payload = plain(turns=turns, start=at(40).isoformat(), end=at(30).isoformat())
    found = delivery(payload, options(turns_at="at", started_at="start", ended_at="end"))
    assert [turn.at for turn in found.transcript] == [at(20), at(20)]
    assert found.started_at == found.ended_at == at(30)


def test_a_call_is_known_by_its_id_or_its_place_and_without_a_name_it_is_none() -> None:
    calls = [{"id": 7, "name": "a"}, {"id": 8}, {"name": " "}, {"name": "b"}, {"id": "x" * 300, "name": "c\nd"}]
    how = options(calls={"entries": "calls", "name": "name", "id": "id"})
    found = parse(plain(calls=calls), RECEIVED, how).calls
    assert found == [ToolCall("7", "a"), ToolCall("2", "b"), ToolCall("x" * 255, "c d")]


@pytest.mark.parametrize("deep", [100, 5_000, 200_000])
def test_a_body_of_any_depth_is_heard_or_refused(deep: int) -> None:
    value: Any = []
    for _ in range(deep):
        value = [value]
    how = options(metadata="{a: x}", ended="x != y", turns_text="said", calls={"entries": "x", "name": "who"})
    understood(lambda: parse(plain(x=value, y=copy.copy(value)), RECEIVED, how))
    understood(lambda: parse(plain(turns=[{"who": value, "said": value}]), RECEIVED, options()))
    understood(lambda: parse(value, RECEIVED, how))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"conversation_id": "a["}, "conversation_id: Value error, 'a[' is no JMESPath expression"),
        ({"conversation_id": {"value": "c1"}}, "conversation_id: Input should be a valid string"),
        ({"agent_id": "nope(a)"}, "agent_id.expression: Value error, 'nope(a)' calls nope()"),
        ({"agent_id": {"value": ""}}, "agent_id.fixed.value: "),
        ({"agent_id": 5}, "agent_id.fixed: "),
        ({"metadata": {"value": [1]}}, "metadata.fixed.value: "),
        ({"turns_role": "&a"}, "turns.role: Value error, '&a' has an & outside of a function"),
        ({"turns_roles": {"bot": "robot"}}, "turns.roles.bot: "),
        ({"turns_unknown_role": "skip"}, "turns.unknown_role: "),
        ({"turns_times": "minutes"}, "turns.times: "),
        ({"turns_times": "seconds_from_start"}, ": Value error, turns.times counts from the start, which is not given"),
        (
            {"calls": {"entries": "c", "name": "n", "times": "milliseconds_from_start"}},
            ": Value error, calls.times counts from the start, which is not given; give started_at",
        ),
        ({"times": "seconds_from_start"}, "times: "),
        ({"calls": {"entries": "c"}}, "calls.name: Field required"),
        ({"signature": {"scheme": "magic"}}, "signature: "),
        ({"end_at": "x"}, "end_at: Extra inputs are not permitted"),
    ],
)
def test_options_that_cannot_be_are_refused_when_they_are_saved(changes: dict[str, Any], why: str) -> None:
    assert invalid(**changes).startswith(why)


@given(ANY_JSON)
def test_any_body_is_heard_or_refused_by_the_name_of_a_field(anything: Any) -> None:
    for how in (CALL, SESSION, options()):
        understood(lambda how=how: parse(anything, RECEIVED, how))  # type: ignore[misc]


@given(changed(body("custom", "call.finished")) | changed(body("custom", "session.closed")))
def test_a_sample_with_anything_in_one_place_is_heard_or_refused_by_name(payload: Any) -> None:
    for how in (CALL, SESSION):
        understood(lambda how=how: parse(payload, RECEIVED, how))  # type: ignore[misc]


@given(changed(settings("call.finished")) | changed(settings("session.closed")), st.sampled_from(NAMES))
def test_options_with_anything_in_one_place_are_refused_or_hear_the_samples_or_name_a_field(
    changed: Any, name: str
) -> None:
    try:
        how = CustomOptions.model_validate(changed)
    except ValidationError:
        return
    understood(lambda: parse(body("custom", name), RECEIVED, how))
