"""Steps of goals: kept exactly, changed by new revisions, one at a time."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from sqlmodel import Session

from goalline.domain.goal import GoalEdit, Kind
from goalline.domain.refusal import Invalid, NotFound
from goalline.domain.step import Step, StepContent
from goalline.store.goals import goals, histories, steps
from goalline.store.goals.goals import CurrentGoal
from goalline.store.tables import GoalRevision, table
from tests.domain.steps import FLIGHT, FLIGHT_STEPS, GOOD_STEPS, STEPS, begin, complete
from tests.store.world import HOUR, NOW, World, a_project, at_once


def edited(world: World, goal: CurrentGoal, **change: Any) -> CurrentGoal:
    with world.database.transaction() as session:
        return goals.edit(session, world.project.id, goal.id, GoalEdit.model_validate(change), NOW)


def put(world: World, goal: CurrentGoal, key: str, most: int = 10, **content: Any) -> Step:
    wanted = StepContent.model_validate({"name": "New", **content})
    with world.database.transaction() as session:
        return steps.put(session, world.project.id, goal.id, key, wanted, NOW, most=most)


def removed(world: World, goal: CurrentGoal, key: str) -> None:
    with world.database.transaction() as session:
        steps.remove(session, world.project.id, goal.id, key, NOW)


def history(world: World, goal: CurrentGoal) -> list[tuple[Step, ...]]:
    """Return the steps of each revision, newest first."""
    with world.database.reading() as session:
        return [row.steps for row in goals.revisions(session, world.project.id, goal.id)]


def test_steps_are_read_back_as_they_were_written(world: World) -> None:
    goal = world.goal(steps=FLIGHT_STEPS)
    assert goal.steps == FLIGHT_STEPS
    assert history(world, goal) == [FLIGHT_STEPS]
    assert [format(row.steps[2].cost_savings or 0, "f") for row in world.rows(GoalRevision)] == ["15.00"]
    with world.database.reading() as session:
        assert goals.get(session, world.project.id, goal.id) == goal


def test_a_goal_without_steps_has_none(world: World) -> None:
    assert world.goal().steps == ()


def check_round_trip(world: World, sent: list[dict[str, Any]]) -> None:
    wanted = STEPS.validate_python(sent)
    with world.database.transaction() as session:
        session.execute(table(GoalRevision).update().values(steps=wanted))
    (row,) = world.rows(GoalRevision)
    assert [step.model_dump(mode="json") for step in row.steps] == [step.model_dump(mode="json") for step in wanted]
    assert row.steps == wanted


@given(sent=GOOD_STEPS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_steps_survive_sqlite(sqlite_world: World, sent: list[dict[str, Any]]) -> None:
    if not sqlite_world.rows(GoalRevision):
        sqlite_world.goal()
    check_round_trip(sqlite_world, sent)


@given(sent=GOOD_STEPS)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_steps_survive_postgresql(postgres_world: World, sent: list[dict[str, Any]]) -> None:
    if not postgres_world.rows(GoalRevision):
        postgres_world.goal()
    check_round_trip(postgres_world, sent)


def test_an_edit_of_steps_makes_a_revision_and_leaves_the_old_one_alone(world: World) -> None:
    goal = world.goal(steps=FLIGHT_STEPS)
    current = edited(world, goal, steps=[begin(), complete()])
    assert (current.revision, [step.key for step in current.steps], current.name) == (2, ["begin", "done"], goal.name)
    assert history(world, goal) == [current.steps, FLIGHT_STEPS]


def test_an_edit_of_words_keeps_the_steps(world: World) -> None:
    goal = world.goal(steps=FLIGHT_STEPS)
    assert edited(world, goal, name="Pre-book").steps == FLIGHT_STEPS
    assert history(world, goal) == [FLIGHT_STEPS, FLIGHT_STEPS]


def test_an_edit_to_the_same_steps_makes_no_revision(world: World) -> None:
    goal = world.goal(steps=FLIGHT_STEPS)
    same = [*FLIGHT[:2], {**FLIGHT[2], "cost_savings": 15, "order": 3}]
    assert edited(world, goal, steps=same) == goal
    assert len(history(world, goal)) == 1


def test_an_empty_list_removes_all_steps(world: World) -> None:
    assert edited(world, world.goal(steps=FLIGHT_STEPS), steps=[]).steps == ()


@pytest.mark.parametrize(
    ("made", "change", "field"),
    [
        ({"steps": FLIGHT_STEPS, "judged": False}, {"steps": []}, "steps"),
        ({}, {"judged": False}, "judged"),
        ({"steps": FLIGHT_STEPS}, {"judged": False, "steps": []}, "steps"),
    ],
)
def test_an_edit_cannot_leave_a_goal_that_measures_nothing(
    world: World, made: dict[str, Any], change: dict[str, Any], field: str
) -> None:
    goal = world.goal(**made)
    with pytest.raises(Invalid, match="would measure nothing") as caught:
        edited(world, goal, **change)
    assert caught.value.field == field
    assert len(history(world, goal)) == 1


def test_a_goal_from_before_there_were_steps_can_be_renamed_though_it_measures_nothing(world: World) -> None:
    goal = world.goal()
    with world.database.transaction() as session:
        session.execute(table(GoalRevision).update().values(judged=False))
    assert edited(world, goal, name="Renamed", judged=False).revision == 2


@pytest.mark.parametrize("way", ["create", "edit", "put"])
def test_amounts_have_to_fit_the_currency_of_the_project(world: World, way: str) -> None:
    yen = World(world.database, a_project(world.database, "yen", currency="JPY"))
    odd = STEPS.validate_python([begin(), complete(cost_savings="1.50")])
    even = yen.goal("Even", Kind.SECONDARY, steps=STEPS.validate_python([begin(), complete(cost_savings="150.00")]))
    acts: dict[str, Callable[[], object]] = {
        "create": lambda: yen.goal("Odd", steps=odd),
        "edit": lambda: edited(yen, even, steps=[begin(), complete(revenue="1.50")]),
        "put": lambda: put(yen, even, "paid", revenue="1.50"),
    }
    with pytest.raises(
        Invalid, match=r"(revenue|cost_savings) of step '(done|paid)' has more than the 0 decimals of JPY"
    ):
        acts[way]()
    assert len(yen.rows(GoalRevision)) == 1


def test_a_conversation_is_tracked_by_the_steps_of_its_time(world: World) -> None:
    goal = world.goal(steps=FLIGHT_STEPS)
    later = edited(world, goal, steps=[begin(), complete()])
    with world.database.reading() as session:
        (found,) = histories.histories(session, world.project.id, "ann")
    before, after = found.wording_at(NOW - HOUR), found.wording_at(NOW)
    assert before is not None
    assert after is not None
    assert (before.steps, after.steps) == (FLIGHT_STEPS, later.steps)


def test_one_step_is_read(world: World) -> None:
    goal = world.goal(steps=FLIGHT_STEPS)
    with world.database.reading() as session:
        assert steps.get(session, world.project.id, goal.id, "details") == FLIGHT_STEPS[1]


def test_putting_a_step_makes_a_revision_with_it(world: World) -> None:
    goal = world.goal(steps=FLIGHT_STEPS)
    step = put(world, goal, "seat", time_saved="00:00:30")
    assert (step.key, step.order) == ("seat", 4)
    assert history(world, goal) == [(*FLIGHT_STEPS, step), FLIGHT_STEPS]


def test_putting_what_is_there_makes_no_revision(world: World) -> None:
    goal = world.goal(steps=FLIGHT_STEPS)
    put(world, goal, "details", **{name: value for name, value in FLIGHT[1].items() if name != "key"})
    assert len(history(world, goal)) == 1


def test_a_step_beyond_the_limit_is_not_put(world: World) -> None:
    goal = world.goal(steps=FLIGHT_STEPS)
    with pytest.raises(Invalid, match="4 steps, and 3 is the limit"):
        put(world, goal, "seat", most=3)
    assert len(history(world, goal)) == 1


def test_removing_a_step_makes_a_revision_without_it(world: World) -> None:
    goal = world.goal(steps=FLIGHT_STEPS)
    removed(world, goal, "details")
    assert history(world, goal) == [(FLIGHT_STEPS[0], FLIGHT_STEPS[2]), FLIGHT_STEPS]


@pytest.mark.parametrize("key", ["started", "confirmed"])
def test_a_step_that_is_needed_is_not_removed(world: World, key: str) -> None:
    goal = world.goal(steps=FLIGHT_STEPS)
    with pytest.raises(Invalid):
        removed(world, goal, key)
    assert len(history(world, goal)) == 1


def test_an_archived_goal_keeps_its_steps_and_lets_them_be_changed(world: World) -> None:
    goal = world.goal(steps=FLIGHT_STEPS)
    with world.database.transaction() as session:
        assert goals.archive(session, world.project.id, goal.id, NOW).steps == FLIGHT_STEPS
    assert put(world, goal, "seat").order == 4


def test_steps_that_are_put_at_once_are_all_there_in_the_end(world: World) -> None:
    goal = world.goal(steps=FLIGHT_STEPS)
    names = [f"step-{number}" for number in range(6)]
    at_once(*(lambda key=key: put(world, goal, key, most=20) for key in names))
    newest, *_ = found = history(world, goal)
    assert {step.key for step in newest} == {step.key for step in FLIGHT_STEPS} | set(names)
    assert [step.order for step in newest] == list(range(1, 10))
    assert [len(of_revision) for of_revision in found] == list(range(9, 2, -1))


def test_of_two_that_remove_the_last_two_completion_steps_at_once_one_is_refused(world: World) -> None:
    goal = world.goal(steps=STEPS.validate_python([begin(), complete("a"), complete("b")]))

    def attempt(key: str) -> bool:
        try:
            removed(world, goal, key)
        except Invalid:
            return False
        return True

    assert sorted(at_once(lambda: attempt("a"), lambda: attempt("b"))) == [False, True]


@pytest.mark.parametrize(
    "act",
    [
        lambda session, project_id, goal_id: steps.get(session, project_id, goal_id, "details"),
        lambda session, project_id, goal_id: steps.put(
            session, project_id, goal_id, "details", StepContent(name="Taken over"), NOW, most=10
        ),
        lambda session, project_id, goal_id: steps.remove(session, project_id, goal_id, "details", NOW),
    ],
    ids=["get", "put", "remove"],
)
def test_a_project_cannot_reach_the_steps_of_another(world: World, act: Callable[[Session, Any, Any], object]) -> None:
    goal, other = world.goal(steps=FLIGHT_STEPS), a_project(world.database, "other")
    for project_id, goal_id in ((other.id, goal.id), (world.project.id, uuid4())):
        with pytest.raises(NotFound, match="there is no goal"), world.database.transaction() as session:
            act(session, project_id, goal_id)
    assert history(world, goal) == [FLIGHT_STEPS]
