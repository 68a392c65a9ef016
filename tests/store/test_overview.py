"""The overview of a conversation's track, on both databases: names of their time, and what an erasure leaves."""

from goalline.domain.cycle import CycleState
from goalline.domain.goal import GoalEdit, Kind
from goalline.store.contacts import contacts
from goalline.store.goals import goals
from goalline.store.tables import Conversation
from goalline.store.track import overview
from goalline.store.track.overview import Overview
from tests.store.tracking import at, everything, flight, receive, step, track
from tests.store.world import HOUR, NOW, World


def told(world: World) -> Overview:
    [row] = world.rows(Conversation)
    with world.database.snapshot() as session:
        return overview.of_conversation(session, row)


def test_tells_cycles_tasks_and_steps_with_the_names_of_their_goals(world: World) -> None:
    flight(world)
    track(world, *everything())
    found = told(world)
    [cycle] = found.cycles
    assert (cycle.goal.name, cycle.number, cycle.state) == ("Flight", 1, CycleState.COMPLETED)
    assert (cycle.started_at, cycle.completed_at) == (at(0), at(120))
    assert [reached.step.key for reached in cycle.steps] == ["start", "details", "confirmed"]
    assert [task.name for task in found.tasks] == ["Ticket sent"]
    assert [passed.name for passed in found.steps] == ["greeting", "farewell"]


def test_steps_in_no_cycle_are_told_with_their_goal(world: World) -> None:
    flight(world)
    track(world, step("details", 5))
    [(goal, reached)] = told(world).untracked
    assert (goal.name, reached.step.key) == ("Flight", "details")


def test_without_events_there_is_nothing(world: World) -> None:
    receive(world)
    assert told(world) == Overview([], [], (), ())


def test_what_an_erasure_leaves_is_told_under_the_goals_present_name(world: World) -> None:
    goal_id = flight(world).id
    track(world, *everything(contact_id="c-1"))
    before = told(world).cycles[0]
    with world.database.transaction() as session:
        goals.edit(session, world.project.id, goal_id, GoalEdit(name="Journey"), NOW + HOUR)
        contacts.erase_some(session, world.project.id, "c-1", NOW)
    found = told(world)
    [cycle] = found.cycles
    assert (cycle.goal.name, cycle.steps) == ("Journey", ())
    assert (cycle.state, cycle.savings, cycle.started_at) == (before.state, before.savings, before.started_at)
    assert (list(found.untracked), list(found.tasks), list(found.steps)) == ([], [], [])


def test_a_goal_counts_as_tracked_where_the_wording_of_the_verdict_had_steps(world: World) -> None:
    goal_id = world.goal("Plain").id
    edited = flight(world, "Other", kind=Kind.SECONDARY).steps
    with world.database.transaction() as session:
        goals.edit(session, world.project.id, goal_id, GoalEdit(steps=edited), NOW + HOUR)
    with world.database.snapshot() as session:
        assert [overview.tracked_goals(session, {goal_id: revision}) for revision in (1, 2)] == [set(), {goal_id}]
        assert overview.tracked_goals(session, {}) == set()
