"""Deleting a conversation or a goal takes its events, cycles and counts with it, and nothing else."""

from typing import Any

import pytest
import sqlalchemy as sa

from goalline.store.conversations import conversations
from goalline.store.goals import goals
from goalline.store.tables import Conversation, Cycle, PathTaken, StepEvent, TrackRollup, table
from tests.api.calls import stored
from tests.store.tracking import counts, everything, flight, receive, step, task, track
from tests.store.world import NOW, World, a_project


def remove_conversation(world: World, call: str) -> None:
    with world.database.transaction() as session:
        conversations.remove(session, world.project.id, call)


def remove_goal(world: World, goal: Any) -> None:
    with world.database.transaction() as session:
        goals.remove(session, world.project.id, goal.id, goal.name)


def all_rows(world: World) -> dict[str, list[str]]:
    """Return every row of every table; counts of none left out, and the names of paths, which stay."""
    found = stored(world.database)
    nothing = {repr(tuple(row)) for row in empty_counts(world)}
    return {
        name: [row for row in rows if row not in nothing]
        for name, rows in found.items()
        if name not in ("path", "conversation_rollup")
    }


def empty_counts(world: World) -> list[Any]:
    with world.database.reading() as session:
        rollup = table(TrackRollup)
        return list(session.execute(sa.select(rollup).where(rollup.c.number == 0)))


@pytest.mark.parametrize("ended", [True, False], ids=["ended", "still open"])
def test_a_deleted_conversation_leaves_everything_as_if_it_had_never_been(world: World, ended: bool) -> None:
    flight(world)
    track(world, *everything("call-1", agent_id="ann"), task("Ticket sent", call="call-2"))
    receive(world, "call-1")
    before = all_rows(world)
    track(world, *everything("call-3", agent_id="ann"), step("details", call="call-3"))
    if ended:
        receive(world, "call-3")
    remove_conversation(world, "call-3")
    assert all_rows(world) == before
    assert world.differences() == []


def test_the_events_of_a_deleted_conversation_may_be_told_again(world: World) -> None:
    flight(world)
    track(world, *everything())
    found = counts(world)
    remove_conversation(world, "call-1")
    assert counts(world) == {}
    assert track(world, *everything()).accepted == 6
    assert counts(world) == found


def test_a_deleted_goal_takes_its_events_cycles_and_counts_and_nothing_else(world: World) -> None:
    flight(world, "Hotel", kind="secondary")
    track(world, *everything("call-1", "Hotel"), *everything("call-2", "Hotel"))
    receive(world, "call-1")
    before = all_rows(world)
    doomed = flight(world)
    late = [step("start", 5, call) for call in ("call-1", "call-2")]
    late += [step("confirmed", 6, call) for call in ("call-1", "call-2")]
    track(world, *late)
    assert len(world.rows(Cycle)) == 4
    remove_goal(world, doomed)
    assert all_rows(world) == before
    assert world.differences() == []


def test_a_conversation_of_which_only_a_deleted_goals_events_told_stays(world: World) -> None:
    doomed = flight(world)
    track(world, step("start"))
    remove_goal(world, doomed)
    assert len(world.rows(Conversation)) == 1
    receive(world)
    track(world, task("x"))
    assert world.differences() == []
    assert counts(world) == {("task", "x"): 1}


def test_events_of_a_deleted_goal_are_rejected_when_they_are_told_again(world: World) -> None:
    doomed = flight(world)
    track(world, *everything())
    remove_goal(world, doomed)
    again = track(world, *everything())
    assert (again.accepted, again.duplicates, sorted(again.rejected)) == (0, 3, [0, 1, 2])


def test_another_projects_goal_of_that_name_keeps_what_it_has(world: World) -> None:
    other = World(world.database, a_project(world.database, "other"))
    flight(other)
    track(other, *everything())
    before = all_rows(world)
    doomed = flight(world)
    track(world, *everything())
    remove_goal(world, doomed)
    remove_conversation(world, "call-1")
    assert all_rows(world) == before


def test_a_conversation_that_was_opened_and_erased_is_not_forgotten_for_an_event_that_comes_later(
    world: World,
) -> None:
    track(world, task("x"))
    with world.database.transaction() as session:
        session.execute(sa.delete(table(StepEvent)))
        session.execute(sa.delete(table(PathTaken)))
        session.execute(sa.update(table(Conversation)).values(erased_at=NOW))
    done = track(world, task("y"), task("z"))
    assert sorted(done.rejected) == [0, 1]
    assert "was erased" in done.rejected[0]
    [row] = world.rows(Conversation)
    assert row.erased_at == NOW
