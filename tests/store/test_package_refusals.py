"""Imports that are refused: all goals of a package stay out, and a dry run says the same."""

import pytest

from goalline.domain.package import Action
from goalline.domain.refusal import Conflict, Invalid
from tests.domain.steps import STEPS, begin, complete
from tests.store.packaged import (
    PRIMARY,
    SECONDARY,
    a_package,
    applied,
    archived,
    beside,
    current,
    edited,
    exported,
    filled_with_goals,
    refused,
    steps,
)
from tests.store.world import HOUR, NOW, World, draft


@pytest.fixture
def filled(world: World) -> World:
    return filled_with_goals(world)


@pytest.fixture
def other(world: World) -> World:
    return beside(world)


def test_a_second_active_primary_goal_is_refused_and_both_are_named(filled: World, other: World) -> None:
    first = other.goal("Sell")
    refusal = refused(other, exported(filled))
    assert isinstance(refusal, Conflict)
    assert refusal.field == "goals[0].kind"
    assert "'Book' cannot be imported: 'Sell'" in refusal.detail
    assert str(first.id) in refusal.detail


def test_a_goal_that_would_become_a_second_primary_one_is_refused(world: World, other: World) -> None:
    other.goal("Book", SECONDARY)
    other.goal("Sell")
    world.goal("Book")
    assert "'Book' cannot be imported: 'Sell'" in refused(other, exported(world)).detail


def test_one_refused_goal_keeps_all_others_out(other: World) -> None:
    other.goal("Sell")
    package = a_package(draft("A", SECONDARY), draft("B", PRIMARY), draft("C", SECONDARY, "ann"))
    refused(other, package)
    assert [goal.name for goal in current(other)] == ["Sell"]


def test_two_goals_may_change_places_as_the_primary_one(other: World) -> None:
    other.goal("A", PRIMARY)
    other.goal("B", SECONDARY)
    applied(other, a_package(draft("A", SECONDARY), draft("B", PRIMARY)))
    applied(other, a_package(draft("A", PRIMARY), draft("B", SECONDARY)), at=NOW + HOUR)
    assert {goal.name: goal.kind for goal in current(other)} == {"A": PRIMARY, "B": SECONDARY}


def test_two_primary_goals_in_one_package_are_refused_by_their_names(world: World) -> None:
    refusal = refused(world, a_package(draft("A"), draft("B"), draft("C", agent_id="ann")))
    assert isinstance(refusal, Conflict)
    assert refusal.field == "goals[1].kind"
    assert "'A' and 'B' of the package" in refusal.detail


def test_an_archived_primary_goal_stands_in_no_other_ones_way(world: World) -> None:
    archived(world, world.goal("A"))
    world.goal("B")
    assert {goal.action for goal in applied(world, a_package(draft("A"), draft("B")))} == {Action.NONE}


def test_several_goals_that_could_be_meant_are_refused_by_their_ids(world: World, other: World) -> None:
    meant = [other.goal("Book", SECONDARY), archived(other, other.goal("Book", SECONDARY))]
    world.goal("Book")
    world.goal("Another", SECONDARY)
    refusal = refused(other, exported(world))
    assert isinstance(refusal, Conflict)
    assert refusal.field == "goals[1].name"
    assert all(str(goal.id) in refusal.detail for goal in meant)
    assert "rename or delete all but one" in refusal.detail


def test_amounts_in_another_currency_are_refused(filled: World) -> None:
    euros = beside(filled, "EUR")
    refusal = refused(euros, exported(filled))
    assert isinstance(refusal, Invalid)
    assert refusal.field == "currency"
    assert "amounts in USD and project 'other' has its own in EUR" in refusal.detail
    assert "import it into a project in USD" in refusal.detail


def test_goals_without_amounts_come_to_a_project_in_any_currency(world: World) -> None:
    yen = beside(world, "JPY")
    world.goal("Book", steps=STEPS.validate_python([begin(), complete(time_saved="00:01:00")]))
    assert applied(yen, exported(world))[0].action is Action.CREATE


def test_more_steps_than_the_settings_allow_are_refused(world: World, other: World) -> None:
    world.goal("A", SECONDARY)
    world.goal("Flight", SECONDARY, steps=steps(5))
    refusal = refused(other, exported(world), most=4)
    assert isinstance(refusal, Invalid)
    assert refusal.field == "goals[1].steps"
    assert "'Flight': the goal would have 5 steps, and 4 is the limit" in refusal.detail
    assert len(applied(other, exported(world), most=5)) == 2


def test_a_goal_keeps_more_steps_than_the_settings_allow_by_now(world: World, other: World) -> None:
    world.goal("Flight", SECONDARY, steps=steps(5))
    other.goal("Flight", SECONDARY, steps=steps(5), judged=False)
    (found,) = applied(other, exported(world), most=4)
    assert found.changes == ("judged",)
    edited(other, current(other)[0], steps=steps(6))
    assert refused(other, exported(world), most=4).field == "goals[0].steps"
