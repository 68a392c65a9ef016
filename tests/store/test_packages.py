"""Packages in the store: goals come to another project as they are, and once."""

from typing import Any

import pytest

from goalline.domain.goal import State
from goalline.domain.package import Action
from goalline.store.goals.packages import Imported
from goalline.store.tables import GoalPeriod
from tests.domain.steps import FLIGHT_STEPS, STEPS, begin, complete
from tests.store.packaged import (
    PRIMARY,
    SECONDARY,
    applied,
    archived,
    beside,
    current,
    edited,
    everything,
    exported,
    filled_with_goals,
    steps,
    words,
)
from tests.store.world import HOUR, NOW, World, at_once

CREATE, CHANGE, NONE = Action.CREATE, Action.CHANGE, Action.NONE


@pytest.fixture
def filled(world: World) -> World:
    return filled_with_goals(world)


@pytest.fixture
def other(world: World) -> World:
    return beside(world)


def test_goals_come_to_another_project_as_they_are(filled: World, other: World) -> None:
    found = applied(other, exported(filled))
    assert [(goal.name, goal.agent_id, goal.kind, goal.action) for goal in found] == [
        ("Book", None, PRIMARY, CREATE),
        ("Remind", None, SECONDARY, CREATE),
        ("Flight", "ann", SECONDARY, CREATE),
    ]
    assert words(current(other)) == words(current(filled))
    assert {goal.id: (goal.revision, goal.state) for goal in current(other)} == {
        goal.goal_id: (1, State.ACTIVE) for goal in found
    }


def test_what_was_imported_exports_as_the_same_package(filled: World, other: World) -> None:
    package = exported(filled)
    applied(other, package)
    assert exported(other) == package


def test_a_goal_that_is_made_by_an_import_applies_from_then_on(filled: World, other: World) -> None:
    applied(other, exported(filled), at=NOW)
    ids = {goal.id for goal in current(other)}
    assert {period.active_from for period in other.rows(GoalPeriod) if period.goal_id in ids} == {NOW}


def test_importing_twice_changes_nothing_the_second_time(filled: World, other: World) -> None:
    package = exported(filled)
    first = applied(other, package)
    before = everything(other)
    again = applied(other, package, at=NOW + HOUR)
    assert [(goal.goal_id, goal.action, goal.revision, goal.changes) for goal in again] == [
        (goal.goal_id, NONE, 1, ()) for goal in first
    ]
    assert everything(other) == before


def test_a_package_comes_home_without_changing_anything(filled: World) -> None:
    before = everything(filled)
    assert {goal.action for goal in applied(filled, exported(filled))} == {NONE}
    assert everything(filled) == before


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"description": "Another one."}, ("description",)),
        ({"kind": PRIMARY}, ("kind",)),
        ({"judged": False}, ("judged",)),
        ({"steps": steps(2)}, ("steps",)),
        ({"steps": FLIGHT_STEPS, "description": "Another one."}, ("description", "steps")),
        ({"kind": PRIMARY, "judged": False}, ("kind", "judged")),
    ],
    ids=",".join,
)
def test_a_goal_that_differs_gets_a_new_revision(
    world: World, other: World, change: dict[str, Any], fields: tuple[str, ...]
) -> None:
    old = steps(3)
    kept = other.goal("Flight", SECONDARY, "ann", steps=old)
    new = edited(world, world.goal("Flight", SECONDARY, "ann", steps=old), **change)
    (found,) = applied(other, exported(world))
    assert found == Imported("Flight", "ann", new.kind, CHANGE, kept.id, 2, fields, State.ACTIVE)
    assert words(current(other)) == words([new])
    assert applied(other, exported(world), at=NOW + HOUR)[0].action is NONE


def test_amounts_that_differ_only_in_zeros_are_the_same(world: World, other: World) -> None:
    world.goal("Sale", SECONDARY, steps=STEPS.validate_python([begin(), complete(revenue="1.5")]))
    other.goal("Sale", SECONDARY, steps=STEPS.validate_python([begin(), complete(revenue="1.50")]))
    assert applied(other, exported(world))[0].action is NONE


def test_a_goal_is_recognised_by_its_newest_name_and_its_agent_only(world: World, other: World) -> None:
    edited(other, other.goal("Book", SECONDARY), name="Sell")
    other.goal("Book", SECONDARY, "bob")
    world.goal("Book", SECONDARY)
    world.goal("Book", SECONDARY, "ann")
    assert [goal.action for goal in applied(other, exported(world))] == [CREATE, CREATE]
    assert len(current(other)) == 4


def test_what_the_package_does_not_name_stays(filled: World, other: World) -> None:
    kept = other.goal("Sell", SECONDARY)
    applied(other, exported(filled))
    assert kept in current(other)


def test_an_archived_goal_is_reworded_and_stays_archived(world: World, other: World) -> None:
    away = archived(other, other.goal("Book"))
    edited(world, world.goal("Book"), description="Another one.")
    (found,) = applied(other, exported(world))
    assert (found.action, found.goal_id, found.state) == (CHANGE, away.id, State.ARCHIVED)
    (goal,) = current(other)
    assert (goal.state, goal.description) == (State.ARCHIVED, "Another one.")


def test_a_dry_run_tells_what_would_be_and_stores_nothing(filled: World, other: World) -> None:
    other.goal("Remind", SECONDARY, "ann")
    other.goal("Remind", SECONDARY, judged=False, steps=FLIGHT_STEPS)
    before = everything(other)
    planned = applied(other, exported(filled), dry_run=True)
    assert everything(other) == before
    done = applied(other, exported(filled))
    assert [goal.action for goal in done] == [CREATE, CHANGE, CREATE]
    assert [goal.goal_id for goal in planned] == [None if goal.action is CREATE else goal.goal_id for goal in done]
    without_id = [(g.name, g.agent_id, g.kind, g.action, g.revision, g.changes, g.state) for g in planned]
    assert without_id == [(g.name, g.agent_id, g.kind, g.action, g.revision, g.changes, g.state) for g in done]


def test_of_two_imports_at_once_one_makes_the_goals_and_the_other_finds_them(filled: World, other: World) -> None:
    package = exported(filled)
    results = at_once(*[lambda: applied(other, package)] * 4)
    actions = sorted([{goal.action for goal in found} for found in results], key=lambda found: CREATE not in found)
    assert actions == [{CREATE}, {NONE}, {NONE}, {NONE}]
    assert len({tuple(goal.goal_id for goal in found) for found in results}) == 1
    assert words(current(other)) == words(current(filled))
