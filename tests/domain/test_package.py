"""Packages of goals: they come back as they went, equal ones have equal digests, and what is not whole is refused."""

import hashlib
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from goalline.domain.goal import GoalDraft, Kind
from goalline.domain.package import Package, packed, written
from goalline.domain.refusal import Invalid
from tests.domain.steps import FLIGHT, FLIGHT_STEPS, GOOD_STEPS, LINES, STEPS, begin, complete


def a_goal(name: str = "Book", agent_id: str | None = None, **more: Any) -> GoalDraft:
    return GoalDraft.model_validate(
        {"name": name, "description": f"{name}: it is done.", "kind": "secondary", "agent_id": agent_id, **more}
    )


def content(*goals: GoalDraft, currency: str = "EUR") -> dict[str, Any]:
    """Return a package as its file has it."""
    read: dict[str, Any] = json.loads(json.dumps(written(packed(currency, goals))))
    return read


def refused(changed: dict[str, Any]) -> Invalid:
    with pytest.raises(Invalid) as caught:
        Package.model_validate(changed)
    with pytest.raises(Invalid):
        Package.model_validate_json(json.dumps(changed))
    return caught.value


GOALS = st.lists(
    st.builds(
        a_goal,
        LINES,
        st.none() | LINES,
        description=LINES,
        kind=st.sampled_from(Kind),
        judged=st.just(value=True),
        steps=st.just([]) | GOOD_STEPS,
    ),
    max_size=4,
    unique_by=lambda goal: (goal.agent_id, goal.name),
)


@given(GOALS, st.randoms(use_true_random=False))
def test_what_is_written_is_read_back_whole(goals: list[GoalDraft], random: Any) -> None:
    package = packed("CLF", goals)
    assert Package.model_validate_json(json.dumps(written(package))) == package
    assert {(goal.agent_id, goal.name): goal for goal in package.goals} == {
        (goal.agent_id, goal.name): goal for goal in goals
    }
    random.shuffle(goals)
    assert packed("CLF", goals) == package


def test_a_package_holds_all_that_goals_and_their_steps_are() -> None:
    found = content(a_goal("Flight", "ann", kind="primary", judged=False, steps=FLIGHT))
    assert {name: found[name] for name in ("format", "version", "currency")} == {
        "format": "goalline.goals",
        "version": 1,
        "currency": "EUR",
    }
    (goal,) = found["goals"]
    assert {**goal, "steps": len(goal["steps"])} == {
        "name": "Flight",
        "description": "Flight: it is done.",
        "kind": "primary",
        "agent_id": "ann",
        "judged": False,
        "steps": 3,
    }
    assert goal["steps"][2] == {
        "key": "confirmed",
        "name": "Confirmed",
        "description": None,
        "order": 3,
        "initial": False,
        "completion": True,
        "cost_savings": "15.00",
        "revenue": "150.00",
        "time_saved": None,
    }
    assert goal["steps"][1]["time_saved"] == "00:03:00"


def test_the_digest_is_the_sha_256_of_currency_and_goals_as_canonical_json() -> None:
    found = content(a_goal("Flüge", steps=FLIGHT), a_goal("Book"))
    plain = json.dumps({"currency": found["currency"], "goals": found["goals"]}, sort_keys=True, separators=(",", ":"))
    assert plain.isascii()
    assert found["digest"] == "sha256:" + hashlib.sha256(plain.encode()).hexdigest()


def test_goals_for_every_agent_come_first_then_agents_and_names_in_order() -> None:
    goals = [a_goal("B", "ann"), a_goal("A", "bob"), a_goal("B"), a_goal("A", "ann"), a_goal("A")]
    order = [(goal.agent_id, goal.name) for goal in packed("EUR", goals).goals]
    assert order == [(None, "A"), (None, "B"), ("ann", "A"), ("ann", "B"), ("bob", "A")]


@pytest.mark.parametrize(("currency", "amount", "expected"), [("EUR", "1.5", "1.50"), ("JPY", "2.00", "2")])
def test_equal_amounts_are_written_alike_and_have_equal_digests(currency: str, amount: str, expected: str) -> None:
    one = content(a_goal(steps=[begin(), complete(revenue=amount)]), currency=currency)
    other = content(a_goal(steps=[begin(), complete(revenue=expected)]), currency=currency)
    assert one == other
    assert one["goals"][0]["steps"][1]["revenue"] == expected
    one["goals"][0]["steps"][1]["revenue"] = amount
    (goal,) = Package.model_validate(one).goals
    assert goal.steps[1].revenue == Decimal(expected)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Sell"},
        {"description": "Another one."},
        {"kind": Kind.PRIMARY},
        {"agent_id": "ann"},
        {"judged": False},
        {"steps": FLIGHT_STEPS[:1] + STEPS.validate_python([begin(), complete()])[1:]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_content_has_another_digest(change: dict[str, Any]) -> None:
    goal = a_goal(steps=FLIGHT)
    assert packed("EUR", [goal]).digest != packed("EUR", [goal.model_copy(update=change)]).digest
    assert packed("EUR", [goal]).digest != packed("USD", [goal]).digest


def test_a_file_may_be_laid_out_anew_and_its_goals_may_stand_in_another_order() -> None:
    found = content(a_goal("A"), a_goal("B"))
    Package.model_validate_json(json.dumps({**found, "goals": found["goals"][::-1]}, indent=7))


def change_of_name(package: dict[str, Any]) -> None:
    package["goals"][0]["name"] = "Sold"


def change_of_worth(package: dict[str, Any]) -> None:
    package["goals"][0]["steps"][2]["revenue"] = "1500.00"


def loss_of_a_goal(package: dict[str, Any]) -> None:
    package["goals"].pop()


def change_of_currency(package: dict[str, Any]) -> None:
    package["currency"] = "USD"


def change_of_digest(package: dict[str, Any]) -> None:
    package["digest"] = package["digest"].upper()


@pytest.mark.parametrize(
    "change", [change_of_name, change_of_worth, loss_of_a_goal, change_of_currency, change_of_digest]
)
def test_what_was_changed_or_cut_after_its_export_is_refused(change: Any) -> None:
    found = content(a_goal("A", steps=FLIGHT), a_goal("B"))
    change(found)
    refusal = refused(found)
    assert refusal.field == "digest"
    assert "changed or cut after its export" in refusal.detail
    assert "export the goals again" in refusal.detail


@pytest.mark.parametrize("form", [None, "", "goalline", "goalline.goals ", 1, []])
def test_an_unknown_format_is_refused_whatever_else_is_wrong(form: object) -> None:
    refusal = refused({**content(), "format": form, "more": 1})
    assert refusal.field == "format"
    assert "no package of goals" in refusal.detail


def test_a_newer_version_is_refused_whatever_else_is_new_in_it() -> None:
    refusal = refused({**content(), "version": 2, "goals": {"new": "form"}, "more": 1})
    assert refusal.field == "version"
    assert "newer version" in refusal.detail
    assert "upgrade Goalline" in refusal.detail


@pytest.mark.parametrize("version", [None, "1", True, 0, -1, 1.5])
def test_a_version_that_is_none_is_refused(version: object) -> None:
    refusal = refused({**content(), "version": version})
    assert refusal.field == "version"
    assert "whole number" in refusal.detail


def test_two_goals_with_the_same_agent_and_name_are_refused() -> None:
    found = content(a_goal("A"), a_goal("B"), a_goal("C"))
    found["goals"][2]["name"] = "A"
    refusal = refused(found)
    assert refusal.field == "goals[2].name"
    assert "goals[0] and goals[2] have the same agent and the same name 'A'" in refusal.detail


def test_goals_of_two_agents_may_have_the_same_name() -> None:
    assert len(packed("EUR", [a_goal("A"), a_goal("A", "ann"), a_goal("A", "bob")]).goals) == 3


def test_a_package_holds_two_hundred_goals_and_no_more() -> None:
    assert len(packed("EUR", [a_goal(f"Goal {number}") for number in range(200)]).goals) == 200
    refusal = refused({**content(), "goals": [{}] * 201})
    assert refusal.field == "goals"
    assert "at most 200 goals, and this one has 201" in refusal.detail


def test_an_amount_that_the_currency_does_not_have_is_refused_where_it_stands() -> None:
    found = content(a_goal("A"), a_goal("B", steps=FLIGHT))
    found["goals"][1]["steps"][2]["revenue"] = "1.505"
    refusal = refused(found)
    assert refusal.field == "goals[1].steps"
    assert "decimals of EUR" in refusal.detail


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"goals": None}, ("goals",)),
        ({"goals": [{}]}, ("goals", 0, "name")),
        ({"currency": "XXX"}, ("currency",)),
        ({"more": 1}, ("more",)),
        ({"digest": 1}, ("digest",)),
    ],
)
def test_a_wrong_form_is_refused_at_its_place(change: dict[str, Any], place: tuple[int | str, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        Package.model_validate({**content(), **change})
    assert caught.value.errors()[0]["loc"] == place


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "tertiary"}, "kind"),
        ({"description": ""}, "description"),
        ({"judged": False}, "steps"),
        ({"steps": [begin()]}, "steps"),
        ({"id": "1"}, "id"),
    ],
)
def test_a_goal_of_a_package_keeps_the_rules_of_every_goal(change: dict[str, Any], field: str) -> None:
    found = content(a_goal("A"), a_goal("B"))
    found["goals"][1] |= change
    with pytest.raises(ValidationError) as caught:
        Package.model_validate(found)
    assert caught.value.errors()[0]["loc"] == ("goals", 1, field)


def test_a_package_knows_whether_it_carries_money() -> None:
    assert packed("EUR", [a_goal("A"), a_goal("B", steps=FLIGHT)]).has_amounts
    assert not packed("EUR", [a_goal("A"), a_goal("B", steps=[begin(), complete(time_saved="00:01:00")])]).has_amounts
