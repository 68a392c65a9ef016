"""Events: each type names what happened, and a bad one says what is wrong with it."""

from typing import Any

import pytest
from pydantic import ValidationError

from goalline.domain.event import Event

SAMPLES: dict[str, dict[str, Any]] = {
    "goal.step": {"goal": "Pre-book a flight", "step": "details"},
    "task.completed": {"name": "order"},
    "step.executed": {"name": "hello"},
}


def event(kind: str = "goal.step", **more: Any) -> Event:
    body = {"id": "e-1", "type": kind, "conversation_id": "call-1", "occurred_at": "2026-03-04T12:00:00Z"}
    return Event.model_validate(body | SAMPLES[kind] | more)


@pytest.mark.parametrize("kind", SAMPLES)
def test_every_type_of_event_is_accepted_with_what_it_names(kind: str) -> None:
    assert event(kind, agent_id="ann", contact_id="c-1").type == kind


@pytest.mark.parametrize("kind", SAMPLES)
def test_every_type_needs_what_it_names(kind: str) -> None:
    for field in SAMPLES[kind]:
        with pytest.raises(ValidationError, match=f"{kind} needs {field}"):
            event(kind, **{field: None})


@pytest.mark.parametrize(
    ("kind", "field"), [("task.completed", "goal"), ("step.executed", "step"), ("goal.step", "name")]
)
def test_what_a_type_does_not_name_is_refused(kind: str, field: str) -> None:
    with pytest.raises(ValidationError, match=f"{kind} has no {field}"):
        event(kind, **{field: "x"})


def test_an_analytics_step_may_be_called_step() -> None:
    assert event("step.executed", name=None, step="hello").label == event("step.executed").label == "hello"


def test_members_that_are_null_count_as_left_out() -> None:
    assert event("task.completed", goal=None, step=None, agent_id=None, contact_id=None).name == "order"


@pytest.mark.parametrize(
    "wrong", [{"type": "goal.steps"}, {"id": ""}, {"occurred_at": "2026-03-04T12:00:00"}, {"occurred_at": 1}, {"x": 1}]
)
def test_an_event_with_anything_unknown_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        event(**wrong)
