"""Steps: each rule that they keep, and what is refused for which."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from goalline.domain.step import Step, excess, fault, have_amounts, misfit
from tests.domain.steps import FLIGHT_STEPS, GOOD_STEPS, STEPS, begin, complete, pass_by


def keys(steps: tuple[Step, ...]) -> list[str]:
    return [step.key for step in steps]


def refused(steps: Any) -> tuple[tuple[int | str, ...], str]:
    """Return where and why steps are refused that have one thing wrong."""
    with pytest.raises(ValidationError) as caught:
        STEPS.validate_python(steps)
    (error,) = caught.value.errors()
    return error["loc"], error["msg"]


def test_steps_carry_what_was_sent() -> None:
    started, details, confirmed = FLIGHT_STEPS
    assert (started.initial, started.completion, started.order) == (True, False, 1)
    assert (details.description, details.time_saved) == ("Passenger details are taken.", timedelta(minutes=3))
    assert (confirmed.completion, confirmed.cost_savings, confirmed.revenue) == (True, Decimal("15.00"), Decimal(150))
    assert (started.cost_savings, started.revenue, started.time_saved, started.description) == (None,) * 4


def test_no_steps_are_fine() -> None:
    assert STEPS.validate_python([]) == ()


def test_without_order_steps_stand_as_they_were_sent() -> None:
    steps = STEPS.validate_python([complete("z"), begin("a", order=None), pass_by("m")])
    assert [(step.key, step.order) for step in steps] == [("z", 1), ("a", 2), ("m", 3)]


def test_steps_are_sorted_by_their_order() -> None:
    assert keys(STEPS.validate_python([complete(order=30), begin(order=10), pass_by("mid", order=20)])) == [
        *("begin", "mid", "done")
    ]


RULES: dict[str, tuple[list[dict[str, Any]], str]] = {
    "no initial step": ([pass_by("a"), complete()], "no step is the initial one"),
    "two initial steps": ([begin("a"), begin("b"), complete()], r"'a', 'b' are all initial"),
    "no completion step": ([begin(), pass_by("a"), pass_by("b")], "no step is a completion step"),
    "one further step that completes nothing": ([begin(), pass_by("a")], "'a' is the only step besides .* completion"),
    "nothing but the initial step": ([begin()], "no step besides the initial one; add"),
    "an initial step that completes": ([begin("a", completion=True), complete()], "'a' is the initial step and a comp"),
    "one step that is both": ([begin("a", completion=True)], "'a' is the initial step and a completion step"),
    "the same key twice": ([begin(), complete("a"), complete("a")], "2 steps have the key 'a'"),
    "the same order twice": ([begin(order=7), complete(order=7)], "'begin', 'done' have the same order 7"),
    "an order that is another one's place": ([begin(order=2), complete()], "'begin', 'done' have the same order 2"),
}


@pytest.mark.parametrize("rule", RULES)
def test_steps_that_break_a_rule_are_refused_for_it(rule: str) -> None:
    steps, message = RULES[rule]
    with pytest.raises(ValidationError, match=message):
        STEPS.validate_python(steps)


def test_a_goal_has_at_most_20_steps_and_the_twenty_first_is_not_even_looked_at() -> None:
    further = [complete(f"step-{number}") for number in range(20)]
    assert len(STEPS.validate_python([begin(), *further[:19]])) == 20
    assert refused([begin(), *further]) == (
        (),
        "Value error, the goal would have 21 steps, and 20 is the limit; leave some out",
    )
    assert refused([None] * 100_000)[0] == ()


@pytest.mark.parametrize("key", ["", " a", "a b", "-a", ".a", "_a", "a/b", "é", "a\n", "a" * 65, 1, None])
def test_a_key_is_plain_and_short(key: Any) -> None:
    assert refused([begin(), complete() | {"key": key}])[0] == (1, "key")


@pytest.mark.parametrize("key", ["a", "0", "A.b_c-9", "a" * 64])
def test_a_good_key_is_kept_as_it_is(key: str) -> None:
    assert STEPS.validate_python([begin(), complete(key)])[1].key == key


def test_keys_that_differ_in_case_differ() -> None:
    assert keys(STEPS.validate_python([begin(), complete("a"), complete("A")])) == ["begin", "a", "A"]


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        *(("name", " "), ("name", "a\nb"), ("name", None), ("description", ""), ("description", "a\x00")),
        *(("order", 0), ("order", -1), ("order", 1.5), ("order", "1"), ("order", True), ("order", 1_000_001)),
        *(("initial", "perhaps"), ("completion", None), ("cost_savings", 1.5), ("revenue", "-1"), ("time_saved", 60)),
        *(("state", "done"), ("id", 1)),
    ],
)
def test_a_bad_field_is_refused_by_the_place_of_its_step(field: str, wrong: Any) -> None:
    assert refused([begin(), complete(), pass_by("a", **{field: wrong})])[0] == (2, field)


@pytest.mark.parametrize("wrong", [{}, "a", None, 1])
def test_steps_are_a_list(wrong: Any) -> None:
    assert refused(wrong)[0] == ()


@pytest.mark.parametrize("wrong", ["a", None, 1, []])
def test_a_step_is_an_object(wrong: Any) -> None:
    assert refused([begin(), complete(), wrong])[0] == (2,)


@given(GOOD_STEPS)
def test_good_steps_survive_json_in_their_order(sent: list[dict[str, Any]]) -> None:
    steps = STEPS.validate_python(sent)
    assert [step.model_dump(mode="json") for step in steps] == sorted(sent, key=lambda step: step["order"])
    assert STEPS.validate_json(STEPS.dump_json(steps)) == STEPS.validate_python(steps) == steps


FLAGS = st.lists(st.tuples(st.integers(1, 4), st.booleans(), st.booleans(), st.integers(1, 9)), max_size=5)


@given(FLAGS)
def test_steps_are_taken_exactly_when_they_keep_every_rule(flags: list[tuple[int, bool, bool, int]]) -> None:
    steps = [
        Step(key=f"k{key}", name="x", order=order, initial=initial, completion=completion)
        for key, initial, completion, order in flags
    ]
    unique = len({step.key for step in steps}) == len({step.order for step in steps}) == len(steps)
    begins = [step for step in steps if step.initial]
    ends = [step for step in steps if step.completion]
    sound = unique and len(begins) == 1 and bool(ends) and begins[0] not in ends
    assert (fault(steps) is None) == (sound or not steps)


def test_the_limit_says_by_how_much_it_is_passed() -> None:
    assert excess(10, 10) is None
    assert excess(11, 10) == "the goal would have 11 steps, and 10 is the limit; leave some out"


def test_amounts_have_to_fit_the_currency() -> None:
    steps = STEPS.validate_python([begin(), complete(cost_savings="15.5"), pass_by("a", revenue="1.005")])
    assert misfit(steps, "KWD") is None
    assert misfit(steps, "EUR") == "revenue of step 'a' has more than the 2 decimals of EUR; round it"
    assert misfit(steps, "JPY") == "cost_savings of step 'done' has more than the 0 decimals of JPY; round it"


@pytest.mark.parametrize(
    ("fields", "expected"), [({"cost_savings": "0"}, True), ({"revenue": 1}, True), ({"time_saved": "01:00:00"}, False)]
)
def test_steps_with_money_are_told_from_those_without(fields: dict[str, Any], expected: bool) -> None:
    assert have_amounts(STEPS.validate_python([begin(), complete(**fields)])) is expected
