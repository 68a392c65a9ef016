"""Goals: one active primary in each place, revisions, archive and restore, deletion for good."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlmodel import Session

from goalline.domain.goal import GoalEdit, Kind, State
from goalline.domain.refusal import Conflict, Invalid, NotFound
from goalline.domain.verdict import Outcome
from goalline.store.goals import goals
from goalline.store.goals.goals import CurrentGoal
from goalline.store.tables import Goal, GoalPeriod, GoalRevision, Row, VerdictRollup
from goalline.store.tables import Verdict as VerdictRow
from tests.domain.steps import FLIGHT_STEPS
from tests.store.world import BEFORE, HOUR, NOW, World, a_project, at_once, verdict

PRIMARY, SECONDARY = Kind.PRIMARY, Kind.SECONDARY
PLACES = pytest.mark.parametrize("agent_id", [None, "ann"], ids=["project-wide", "agent"])


def edited(world: World, goal: CurrentGoal, **change: Any) -> CurrentGoal:
    at = change.pop("at", NOW)
    with world.database.transaction() as session:
        return goals.edit(session, world.project.id, goal.id, GoalEdit(**change), at)


def archived(world: World, goal: CurrentGoal) -> CurrentGoal:
    with world.database.transaction() as session:
        return goals.archive(session, world.project.id, goal.id, NOW)


def restored(world: World, goal: CurrentGoal) -> CurrentGoal:
    with world.database.transaction() as session:
        return goals.restore(session, world.project.id, goal.id, NOW + HOUR)


def removed(world: World, goal: CurrentGoal, confirm: str | None) -> None:
    with world.database.transaction() as session:
        goals.remove(session, world.project.id, goal.id, confirm)


def wordings(world: World, goal: CurrentGoal) -> list[tuple[int, str, Kind, bool]]:
    with world.database.reading() as session:
        found = goals.revisions(session, world.project.id, goal.id)
    return [(row.number, row.name, row.kind, row.judged) for row in found]


def test_a_goal_is_read_back_as_it_was_written(world: World) -> None:
    goal = world.goal("Book", PRIMARY, "ann")
    assert goal == CurrentGoal(goal.id, "Book", "Book: it is done.", PRIMARY, "ann", True, 1, BEFORE, None)
    assert goal.state is State.ACTIVE
    with world.database.reading() as session:
        assert goals.get(session, world.project.id, goal.id) == goal


@PLACES
def test_a_second_active_primary_goal_in_one_place_is_refused_and_the_other_named(
    world: World, agent_id: str | None
) -> None:
    first = world.goal("First", agent_id=agent_id)
    with pytest.raises(Conflict, match=str(first.id)) as caught:
        world.goal("Second", agent_id=agent_id)
    assert "'First'" in str(caught.value)
    assert caught.value.field == "kind"
    assert len(world.rows(Goal)) == len(world.rows(GoalRevision)) == 1


@PLACES
def test_a_secondary_goal_cannot_become_a_second_active_primary_one(world: World, agent_id: str | None) -> None:
    world.goal("First", agent_id=agent_id)
    second = world.goal("Second", SECONDARY, agent_id)
    with pytest.raises(Conflict):
        edited(world, second, kind=PRIMARY)
    assert wordings(world, second) == [(1, "Second", SECONDARY, True)]


@PLACES
def test_an_archived_primary_goal_cannot_come_back_beside_its_successor(world: World, agent_id: str | None) -> None:
    first = world.goal("First", agent_id=agent_id)
    archived(world, first)
    world.goal("Second", agent_id=agent_id)
    with pytest.raises(Conflict):
        restored(world, first)
    edited(world, first, kind=SECONDARY)
    assert restored(world, first).state is State.ACTIVE


def test_an_archived_goal_may_be_made_primary_but_then_not_be_restored(world: World) -> None:
    world.goal("First")
    second = archived(world, world.goal("Second", SECONDARY))
    assert edited(world, second, kind=PRIMARY).kind is PRIMARY
    with pytest.raises(Conflict):
        restored(world, second)


def test_agents_and_the_project_have_a_primary_goal_each(world: World) -> None:
    made = [world.goal(agent_id=agent_id) for agent_id in (None, "ann", "bob")]
    assert len({goal.id for goal in made}) == 3


def test_an_active_primary_goal_may_be_reworded(world: World) -> None:
    assert edited(world, world.goal(), name="Book a table").name == "Book a table"


def test_the_goals_of_another_project_stand_in_nobodys_way(world: World) -> None:
    other = World(world.database, a_project(world.database, "other"))
    assert world.goal().id != other.goal().id


@pytest.mark.parametrize("way", ["create", "edit", "restore"])
def test_of_two_threads_that_make_a_primary_goal_at_once_one_is_refused(world: World, way: str) -> None:
    def create(number: int) -> Callable[[], object]:
        return lambda: world.goal(f"Goal {number}")

    def edit(number: int) -> Callable[[], object]:
        goal = world.goal(f"Goal {number}", SECONDARY)
        return lambda: edited(world, goal, kind=PRIMARY)

    def restore(number: int) -> Callable[[], object]:
        goal = world.goal(f"Goal {number}")
        archived(world, goal)
        return lambda: restored(world, goal)

    def attempt(make: Callable[[], object]) -> bool:
        try:
            make()
        except Conflict:
            return False
        return True

    tasks = [{"create": create, "edit": edit, "restore": restore}[way](number) for number in range(4)]
    assert sorted(at_once(*(lambda make=make: attempt(make) for make in tasks))) == [False, False, False, True]


def test_an_edit_makes_a_revision_and_leaves_the_old_one_alone(world: World) -> None:
    goal = world.goal("Book")
    assert edited(world, goal, name="Book it").revision == 2
    current = edited(world, goal, kind=SECONDARY, judged=False, steps=FLIGHT_STEPS)
    assert (current.name, current.kind, current.judged, current.revision) == ("Book it", SECONDARY, False, 3)
    assert wordings(world, goal) == [
        (3, "Book it", SECONDARY, False),
        (2, "Book it", PRIMARY, True),
        (1, "Book", PRIMARY, True),
    ]
    assert {row.in_force_from for row in world.rows(GoalRevision)} == {BEFORE, NOW}


def test_an_edit_that_changes_nothing_makes_no_revision(world: World) -> None:
    goal = world.goal("Book")
    assert edited(world, goal, name="Book", kind=PRIMARY, judged=True, description=goal.description) == goal
    assert wordings(world, goal) == [(1, "Book", PRIMARY, True)]


def test_archiving_twice_and_restoring_twice_change_nothing_the_second_time(world: World) -> None:
    goal = world.goal()
    assert archived(world, goal).archived_at == NOW
    with world.database.transaction() as session:
        assert goals.archive(session, world.project.id, goal.id, NOW + HOUR).archived_at == NOW
    assert restored(world, goal) == restored(world, goal) == goal
    periods = [(row.active_from, row.active_until) for row in world.rows(GoalPeriod)]
    assert sorted(periods) == [(BEFORE, NOW), (NOW + HOUR, None)]


def test_a_goal_archived_and_restored_in_one_instant_was_never_away(world: World) -> None:
    goal = world.goal(at=NOW)
    archived(world, goal)
    with world.database.transaction() as session:
        goals.restore(session, world.project.id, goal.id, NOW)
    assert [(row.active_from, row.active_until) for row in world.rows(GoalPeriod)] == [(NOW, None)]


def test_a_clock_that_runs_behind_does_not_turn_history_back(world: World) -> None:
    goal = edited(world, world.goal("Book"), name="Book it", at=NOW)
    edited(world, goal, name="Book it now", at=NOW - HOUR)
    with world.database.transaction() as session:
        assert goals.archive(session, world.project.id, goal.id, NOW - HOUR).archived_at == NOW
    assert [row.in_force_from for row in sorted(world.rows(GoalRevision), key=lambda row: row.number)] == [
        BEFORE,
        NOW,
        NOW,
    ]


def test_goals_are_deleted_only_by_name(world: World) -> None:
    goal = world.goal("Book")
    for wrong in (None, "", "book", "Book "):
        with pytest.raises(Invalid, match="confirm=Book") as caught:
            removed(world, goal, wrong)
        assert caught.value.field == "confirm"
    assert len(world.rows(Goal)) == 1


def test_deleting_a_goal_removes_all_that_is_its_own_and_nothing_else(world: World) -> None:
    going, staying = world.goal("Going"), world.goal("Staying", SECONDARY)
    edited(world, going, name="Gone")
    for number in range(2):
        row = world.conversation(f"call-{number}")
        claim = world.claim(world.newest(row).id)
        world.judge(claim, [verdict(going), verdict(staying, Outcome.PARTIAL)])

    def left_over(kind: type[Row]) -> list[UUID]:
        return [getattr(row, "goal_id", None) or row.id for row in world.rows(kind)]  # type: ignore[attr-defined]

    tables: list[type[Row]] = [Goal, GoalRevision, GoalPeriod, VerdictRow, VerdictRollup]
    before = {kind: left_over(kind) for kind in tables}
    removed(world, going, "Gone")
    for kind in tables:
        assert going.id in before[kind]
        assert left_over(kind) == [goal_id for goal_id in before[kind] if goal_id == staying.id], kind
    assert world.differences() == []


@pytest.mark.parametrize(
    "act",
    [
        goals.get,
        goals.revisions,
        lambda session, project_id, goal_id: goals.edit(session, project_id, goal_id, GoalEdit(name="x"), NOW),
        lambda session, project_id, goal_id: goals.archive(session, project_id, goal_id, NOW),
        lambda session, project_id, goal_id: goals.restore(session, project_id, goal_id, NOW),
        lambda session, project_id, goal_id: goals.remove(session, project_id, goal_id, "Book"),
    ],
    ids=["get", "revisions", "edit", "archive", "restore", "remove"],
)
def test_a_project_cannot_reach_the_goal_of_another(world: World, act: Callable[[Session, UUID, UUID], object]) -> None:
    goal, other = world.goal("Book"), a_project(world.database, "other")
    for project_id, goal_id in ((other.id, goal.id), (world.project.id, uuid4())):
        with pytest.raises(NotFound), world.database.transaction() as session:
            act(session, project_id, goal_id)
    with world.database.reading() as session:
        assert goals.get(session, world.project.id, goal.id) == goal


def test_a_list_of_goals_is_whole_oldest_first_and_pages_stably(world: World) -> None:
    made = [world.goal(f"Goal {number}", SECONDARY, at=BEFORE + (number // 3) * HOUR) for number in range(8)]
    with world.database.reading() as session:
        everything = goals.listed(session, world.project.id)
        pages: list[CurrentGoal] = []
        while part := goals.listed(
            session, world.project.id, after=(pages and (pages[-1].created_at, pages[-1].id)) or None, limit=3
        ):
            pages += part
    assert pages == everything
    assert {goal.id for goal in everything} == {goal.id for goal in made}
    assert [goal.created_at for goal in everything] == sorted(goal.created_at for goal in made)


def test_a_list_of_goals_can_be_narrowed(world: World) -> None:
    wide, own = world.goal("Wide"), world.goal("Own", agent_id="ann")
    old = archived(world, world.goal("Old", SECONDARY))
    with world.database.reading() as session:

        def names(**wanted: Any) -> set[str]:
            return {goal.name for goal in goals.listed(session, world.project.id, **wanted)}

        assert names(state=State.ACTIVE) == {wide.name, own.name}
        assert names(state=State.ARCHIVED) == names(kind=SECONDARY) == {old.name}
        assert names(agent_id="ann") == {own.name}
