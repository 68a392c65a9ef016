"""Exports: the goals that are asked for, in their newest wording, unless they could not be imported."""

from uuid import uuid4

import pytest
from sqlalchemy import update

from goalline.domain.refusal import Conflict, NotFound
from goalline.store.goals import goals, packages
from goalline.store.tables import GoalRevision, table
from tests.domain.steps import FLIGHT_STEPS
from tests.store.packaged import (
    SECONDARY,
    applied,
    archived,
    beside,
    by_name,
    current,
    edited,
    exported,
    filled_with_goals,
)
from tests.store.world import BEFORE, World, draft


@pytest.fixture
def filled(world: World) -> World:
    return filled_with_goals(world)


@pytest.fixture
def other(world: World) -> World:
    return beside(world)


def test_goals_that_are_named_are_exported_and_no_others(filled: World) -> None:
    book, flight = by_name(filled, "Book"), by_name(filled, "Flight")
    assert [goal.name for goal in exported(filled, flight, book, flight).goals] == ["Book", "Flight"]


def test_all_active_goals_are_exported_unless_some_are_named(filled: World) -> None:
    gone = archived(filled, by_name(filled, "Book"))
    assert [goal.name for goal in exported(filled).goals] == ["Remind", "Flight"]
    assert [goal.name for goal in exported(filled, gone).goals] == ["Book"]


def test_an_export_carries_the_newest_wording(world: World) -> None:
    edited(world, world.goal("Book"), name="Book it", steps=FLIGHT_STEPS)
    (goal,) = exported(world).goals
    assert (goal.name, goal.steps) == ("Book it", FLIGHT_STEPS)


def test_a_project_without_goals_exports_an_empty_package(world: World) -> None:
    package = exported(world)
    assert package.goals == ()
    assert applied(world, package) == []


def test_a_goal_that_is_not_there_is_not_exported(filled: World, other: World) -> None:
    for goal_id in (uuid4(), current(filled)[0].id):
        with pytest.raises(NotFound, match=str(goal_id)), filled.database.reading() as session:
            packages.export(session, other.project.id, [goal_id])


def test_goals_that_an_import_could_not_tell_apart_are_not_exported(world: World) -> None:
    made = [world.goal("Book", SECONDARY), world.goal("Book", SECONDARY)]
    with pytest.raises(Conflict, match="2 goals of the same agent are named 'Book'") as caught:
        exported(world)
    assert all(str(goal.id) in caught.value.detail for goal in made)
    assert [goal.name for goal in exported(world, made[0]).goals] == ["Book"]


def test_no_more_than_two_hundred_goals_are_exported(world: World) -> None:
    with world.database.transaction() as session:
        for number in range(201):
            goals.create(session, world.project.id, draft(f"Goal {number}", SECONDARY), BEFORE)
    with pytest.raises(Conflict, match="201 goals, and a package holds at most 200"):
        exported(world)


def test_a_goal_from_a_time_before_steps_that_measures_nothing_is_not_exported(world: World) -> None:
    goal = world.goal("Book")
    with world.database.transaction() as session:
        session.execute(update(table(GoalRevision)).values(judged=False))
    with pytest.raises(Conflict, match=f"{goal.id}.*would measure nothing"):
        exported(world)
