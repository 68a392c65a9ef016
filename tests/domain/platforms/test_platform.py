"""What adapters have in common: whatever a platform tells is made to fit, and calls of tools can be told apart."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from goalline.domain.platforms.elevenlabs import ELEVENLABS
from goalline.domain.platforms.platform import (
    Milliseconds,
    Platform,
    Seconds,
    ToolCall,
    Written,
    after,
    conversation,
    line,
    tool_calls,
)
from goalline.domain.platforms.retell import RETELL
from goalline.domain.platforms.standard_webhooks import STANDARD_WEBHOOKS
from goalline.domain.platforms.vapi import VAPI
from goalline.domain.transcript import Delivery, Role
from tests.domain.platforms.bodies import ANY_JSON

ENDED_AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def told(*turns: tuple[Role, str | None, datetime | None], **more: Any) -> Delivery:
    known: dict[str, Any] = {"conversation_id": "call-1", "agent_id": "desk", "ended_at": ENDED_AT, "turns": turns}
    return conversation(**known | more)


def ago(seconds: float) -> datetime:
    return ENDED_AT - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("platform", "name"),
    [
        (ELEVENLABS, "elevenlabs"),
        (RETELL, "retell"),
        (STANDARD_WEBHOOKS, "standard_webhooks"),
        (VAPI, "vapi"),
    ],
)
def test_each_platform_has_the_name_under_which_the_api_knows_it(platform: Platform, name: str) -> None:
    assert platform.name == name


def test_secrets_are_of_our_making_where_the_platform_takes_one() -> None:
    makers = [each for each in (ELEVENLABS, RETELL, STANDARD_WEBHOOKS, VAPI) if each.makes_secret]
    assert makers == [STANDARD_WEBHOOKS, VAPI]


def test_turns_without_words_go_and_unstorable_characters_too() -> None:
    delivery = told(
        (Role.USER, None, ago(9)),
        (Role.USER, " \n", None),
        (Role.USER, "\x00", None),
        (Role.AGENT, "a\x00b\ud800", None),
    )
    assert [turn.text for turn in delivery.transcript] == ["ab"]


def test_times_never_run_backwards_and_what_has_none_gets_none() -> None:
    delivery = told(
        (Role.AGENT, "a", ago(5)), (Role.USER, "b", None), (Role.AGENT, "c", ago(7)), (Role.USER, "d", ago(1))
    )
    assert [turn.at for turn in delivery.transcript] == [ago(5), None, ago(5), ago(1)]


def test_times_that_nobody_can_mean_go_but_for_the_end() -> None:
    delivery = told((Role.AGENT, "a", LONG_AGO), (Role.USER, "b", ago(1)), started_at=LONG_AGO)
    assert [turn.at for turn in delivery.transcript] == [None, ago(1)]
    assert delivery.started_at is None
    with pytest.raises(ValidationError, match="ended_at"):
        told(ended_at=LONG_AGO)


def test_what_starts_after_its_end_starts_with_it() -> None:
    assert told(started_at=ago(-1)).started_at == ENDED_AT
    assert told(started_at=ago(1)).started_at == ago(1)


def test_details_become_one_line_of_at_most_255_characters() -> None:
    delivery = told(contact_id=" +1\n\x00 2 ", channel="x" * 300, end_reason=" \u2028 ")
    assert (delivery.contact_id, delivery.channel, delivery.end_reason) == ("+1  2", "x" * 255, None)
    assert line(None) is line("\x7f") is None


def test_notes_without_content_go_and_false_and_zero_stay() -> None:
    notes: dict[str, Any] = {"a": None, "b": "", "c": [], "d": {}, "e": False, "f": 0, "g": {"h": None}}
    assert told(metadata=notes).metadata == {"e": False, "f": 0, "g": {"h": None}}
    assert told(metadata={"a": None}).metadata is told().metadata is None


def test_of_notes_that_are_too_large_or_too_deep_the_plain_ones_stay() -> None:
    deep: Any = json.loads("[" * 20 + "]" * 20)
    for much in (deep, ["x" * 20_000], {"k": "\x00"}, [float("nan")]):
        assert told(metadata={"direction": "inbound", "much": much}).metadata == {"direction": "inbound"}
    assert told(metadata={"direction": "x" * 20_000}).metadata is None


@pytest.mark.parametrize("field", ["conversation_id", "agent_id"])
@pytest.mark.parametrize("wrong", ["", " ", "x" * 256, "a\nb", "a\x00"])
def test_an_id_is_never_made_to_fit(field: str, wrong: str) -> None:
    with pytest.raises(ValidationError, match=field):
        told(**{field: wrong})


def test_calls_of_tools_are_known_by_their_ids_else_by_their_places() -> None:
    calls = tool_calls([("a", "find", ENDED_AT), (None, None, None), ("b", " ", None), (None, "open\n", LONG_AGO)])
    assert calls == [ToolCall("a", "find", ENDED_AT), ToolCall("2", "open", None)]


def test_no_two_calls_of_tools_have_the_same_id() -> None:
    calls = tool_calls([(given_id, "find", None) for given_id in ("a", "a", "x" * 300, "x" * 300, "2", "2")])
    assert [call.id for call in calls] == ["a", "a-2", "x" * 255, "x" * 253 + "-4", "2", "2-6"]


@given(
    st.lists(st.tuples(st.none() | st.text(), st.none() | st.text(), st.none() | st.datetimes(timezones=st.just(UTC))))
)
def test_what_is_told_of_tools_can_be_stored(found: list[tuple[str | None, str | None, datetime | None]]) -> None:
    calls = tool_calls(found)
    assert len(calls) == sum(line(name) is not None for _, name, _ in found)
    assert all(line(call.id) == call.id and line(call.name) == call.name for call in calls)


def test_after_is_none_where_a_part_is_missing_or_a_calendar_ends() -> None:
    assert after(ENDED_AT, 1.5) == ENDED_AT + timedelta(seconds=1.5)
    assert after(ENDED_AT, 0) == ENDED_AT
    assert after(None, 1) is after(ENDED_AT, None) is None
    for never in (1e300, -1e300, 1e12, float("nan"), float("inf")):
        assert after(ENDED_AT, never) is None


@pytest.mark.parametrize(("kind", "factor"), [(Seconds, 1), (Milliseconds, 1000)])
def test_a_time_since_1970_is_a_number_or_digits(kind: Any, factor: int) -> None:
    adapter: TypeAdapter[datetime] = TypeAdapter(kind)
    seconds = 1_795_026_609
    for number in (seconds * factor, float(seconds * factor), str(seconds * factor), f" {seconds * factor} "):
        assert adapter.validate_python(number) == datetime.fromtimestamp(seconds, UTC)
    wrong: Any
    half = adapter.validate_python(seconds * factor + factor / 2)
    assert half == datetime.fromtimestamp(seconds + 0.5, UTC)
    for wrong in (
        None,
        True,
        "",
        "x",
        "1.5",
        "-1",
        "²",
        "\ud800",
        [],
        {},
        1e300,
        -1e300,
        float("nan"),
        10**400,
        "9" * 5000,
    ):
        with pytest.raises(ValidationError):
            adapter.validate_python(wrong)


@given(ANY_JSON)
def test_any_json_can_be_written(value: Any) -> None:
    written = TypeAdapter(Written).validate_python(value)
    assert written == value if isinstance(value, str) else json.dumps(json.loads(written)) == json.dumps(value)
