"""Single steps: found, put in place and taken away, so that the rest keeps the rules."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goalline.domain.refusal import Invalid, NotFound
from goalline.domain.step import Step, StepContent, find, with_step, without_step
from tests.domain.steps import FLIGHT, FLIGHT_STEPS, GOOD_STEPS, STEPS, begin, complete


def keys(steps: tuple[Step, ...]) -> list[str]:
    return [step.key for step in steps]


def content(**more: Any) -> StepContent:
    return StepContent.model_validate({"name": "New", **more})


def put(key: str, most: int = 10, **more: Any) -> tuple[Step, ...]:
    return with_step(FLIGHT_STEPS, key, content(**more), most)


def test_a_step_is_found_by_its_key() -> None:
    assert find(FLIGHT_STEPS, "details").name == "Details"
    with pytest.raises(NotFound, match="no step 'Details'"):
        find(FLIGHT_STEPS, "Details")


def test_a_new_step_goes_to_the_end() -> None:
    steps = put("seat")
    assert keys(steps) == ["started", "details", "confirmed", "seat"]
    assert steps[:3] == FLIGHT_STEPS
    assert (steps[3].order, steps[3].name) == (4, "New")


def test_a_new_step_goes_where_it_says() -> None:
    spread = STEPS.validate_python([{**step, "order": 10 * place} for place, step in enumerate(FLIGHT, start=1)])
    assert keys(with_step(spread, "seat", content(order=15), 10)) == ["started", "seat", "details", "confirmed"]


def test_a_step_that_is_replaced_keeps_its_place_and_nothing_else() -> None:
    steps = put("details")
    assert keys(steps) == ["started", "details", "confirmed"]
    assert steps[1] == Step(key="details", name="New", order=2)


def test_a_replaced_step_may_move() -> None:
    assert keys(put("details", order=9)) == ["started", "confirmed", "details"]


def test_putting_what_is_there_changes_nothing() -> None:
    assert (
        with_step(FLIGHT_STEPS, "details", content(**{k: v for k, v in FLIGHT[1].items() if k != "key"}), 10)
        == FLIGHT_STEPS
    )


PUTS: dict[str, tuple[Callable[[], object], str]] = {
    "a second initial step": (lambda: put("seat", initial=True), "'started', 'seat' are all initial"),
    "the initial step made another": (lambda: put("started"), "no step is the initial one"),
    "the initial step made a completion step": (
        lambda: put("started", initial=True, completion=True),
        "'started' is the initial step and a completion step",
    ),
    "the last completion step made another": (lambda: put("confirmed"), "no step is a completion step"),
    "an order that is taken": (lambda: put("seat", order=2), "'details', 'seat' have the same order 2"),
    "one too many": (lambda: put("seat", most=3), "would have 4 steps, and 3 is the limit"),
    "the first step of a goal": (lambda: with_step((), "seat", content(), 10), "send its first ones together"),
    "one behind the last order there is": (
        lambda: with_step(STEPS.validate_python([begin(), complete(order=1_000_000)]), "seat", content(), 10),
        "the same order 1000000",
    ),
}


@pytest.mark.parametrize("name", PUTS)
def test_a_step_that_would_break_a_rule_is_not_put(name: str) -> None:
    act, message = PUTS[name]
    with pytest.raises(Invalid, match=message) as caught:
        act()
    assert caught.value.field == "steps"


def test_a_goal_with_more_steps_than_the_limit_of_today_keeps_them_and_gains_none() -> None:
    assert len(put("details", most=2)) == 3
    with pytest.raises(Invalid, match="2 is the limit"):
        put("seat", most=2)


def test_a_step_that_the_process_can_do_without_can_be_taken_away() -> None:
    assert without_step(FLIGHT_STEPS, "details") == (FLIGHT_STEPS[0], FLIGHT_STEPS[2])


def test_a_completion_step_can_be_taken_away_while_there_is_another() -> None:
    steps = put("seat", completion=True)
    assert keys(without_step(steps, "confirmed")) == ["started", "details", "seat"]


@pytest.mark.parametrize(
    ("key", "message"),
    [("started", "'started' is the initial step"), ("confirmed", "'confirmed' is the last completion step")],
)
def test_a_step_that_the_process_cannot_do_without_stays(key: str, message: str) -> None:
    with pytest.raises(Invalid, match=message) as caught:
        without_step(FLIGHT_STEPS, key)
    assert caught.value.field == "steps"


def test_a_step_that_is_not_there_cannot_be_taken_away() -> None:
    with pytest.raises(NotFound, match="no step 'seat'"):
        without_step(FLIGHT_STEPS, "seat")


@given(GOOD_STEPS, st.data())
def test_whatever_is_put_or_taken_leaves_steps_that_keep_the_rules(
    sent: list[dict[str, Any]], data: st.DataObject
) -> None:
    steps = STEPS.validate_python(sent)
    for _ in range(5):
        key = data.draw(st.sampled_from([*keys(steps), "new-a", "new-b"]))
        flags = data.draw(st.fixed_dictionaries({"initial": st.booleans(), "completion": st.booleans()}))
        try:
            steps = (
                without_step(steps, key) if data.draw(st.booleans()) else with_step(steps, key, content(**flags), 12)
            )
        except (Invalid, NotFound):
            continue
        assert STEPS.validate_python(steps) == steps
