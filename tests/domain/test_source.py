"""Sources: the tools that an agent calls become events, the same ones however often they are told."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from goalline.domain.event import EventType
from goalline.domain.platforms import PlatformName
from goalline.domain.platforms.platform import Heard, ToolCall, Underway
from goalline.domain.refusal import Invalid
from goalline.domain.source import SourceDraft, ToolEvent, events_of, options_of
from goalline.domain.transcript import Delivery

ENDED = datetime(2026, 11, 1, 12, tzinfo=UTC)
BOOKED = ToolEvent(tool="book", type=EventType.GOAL_STEP, goal="Booking", step="booked")
TOLD = ToolEvent(tool="tell", type=EventType.TASK_COMPLETED, name="Told")


def delivery(conversation_id: str = "call-1") -> Delivery:
    body: dict[str, Any] = {"conversation_id": conversation_id, "agent_id": "desk", "contact_id": "mia"}
    return Delivery.model_validate(body | {"ended_at": ENDED, "transcript": []})


def test_a_tool_that_was_called_is_the_step_that_the_source_says() -> None:
    at = ENDED - timedelta(minutes=1)
    (event,) = events_of(Heard(delivery(), [ToolCall("t1", "book", at)]), [BOOKED, TOLD])
    assert (event.type, event.goal, event.step, event.occurred_at) == (EventType.GOAL_STEP, "Booking", "booked", at)
    assert (event.conversation_id, event.agent_id, event.contact_id) == ("call-1", "desk", "mia")


def test_a_tool_that_nobody_mapped_is_no_event() -> None:
    assert list(events_of(Heard(delivery(), [ToolCall("t1", "look_up")]), [BOOKED])) == []


def test_a_call_without_a_time_counts_as_made_when_the_conversation_ended() -> None:
    (event,) = events_of(Heard(delivery(), [ToolCall("t1", "book")]), [BOOKED])
    assert event.occurred_at == ENDED


def test_while_a_conversation_runs_a_call_without_a_time_counts_as_made_when_it_was_told_of() -> None:
    told_at = ENDED - timedelta(minutes=2)
    running = Underway(conversation_id="call-1", agent_id="desk", contact_id="mia", told_at=told_at)
    (event,) = events_of(Heard(underway=running, calls=[ToolCall("t1", "book")]), [BOOKED])
    (at_its_end,) = events_of(Heard(delivery(), [ToolCall("t1", "book")]), [BOOKED])
    assert event == at_its_end.model_copy(update={"occurred_at": told_at})


def test_where_there_is_nothing_to_do_there_are_no_events() -> None:
    assert list(events_of(Heard(needless="nobody wants it"), [BOOKED])) == []


def test_one_tool_may_mean_several_events_each_with_an_id_of_its_own() -> None:
    also = ToolEvent(tool="book", type=EventType.STEP_EXECUTED, name="Booking")
    found = list(events_of(Heard(delivery(), [ToolCall("t1", "book"), ToolCall("t2", "book")]), [BOOKED, also]))
    assert len({event.id for event in found}) == 4


def test_told_again_it_is_the_same_event() -> None:
    calls = [ToolCall("t1", "book")]
    assert list(events_of(Heard(delivery(), calls), [BOOKED])) == list(events_of(Heard(delivery(), calls), [BOOKED]))


def test_the_same_call_of_another_conversation_is_another_event() -> None:
    calls = [ToolCall("1", "book")]
    (one,), (other,) = (list(events_of(Heard(delivery(name), calls), [BOOKED])) for name in ("call-1", "call-2"))
    assert one.id != other.id


def test_ids_of_any_length_make_an_id_that_an_event_can_have() -> None:
    long, other = (list(events_of(Heard(delivery("c" * 255), [ToolCall(end * 999, "book")]), [BOOKED])) for end in "xy")
    assert long[0].id != other[0].id
    assert max(len(long[0].id), len(other[0].id)) <= 255


@pytest.mark.parametrize(
    "meant",
    [
        {"type": "goal.step", "goal": "Booking"},
        {"type": "goal.step", "goal": "Booking", "step": "booked", "name": "Booked"},
        {"type": "task.completed"},
        {"type": "task.completed", "name": "Told", "goal": "Booking"},
        {"type": "step.executed"},
    ],
)
def test_what_would_be_no_event_cannot_be_meant(meant: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        ToolEvent.model_validate({"tool": "book", **meant})


def test_options_are_those_of_the_platform() -> None:
    with pytest.raises(Invalid) as refused:
        options_of(PlatformName.RETELL, {"colour": "red"})
    assert refused.value.field == "options.colour"


def test_a_draft_does_not_show_its_secret() -> None:
    draft = SourceDraft(name="phones", platform=PlatformName.RETELL, secret="xyzzyplugh")
    assert "xyzzyplugh" not in repr(draft)
