"""Verify names every count and cycle that is damaged, and rebuild puts them right, whoever writes meanwhile."""

import threading
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from goalline.domain.cycle import CycleState
from goalline.domain.goal import GoalEdit, Kind
from goalline.domain.track import Measure, Place, Tally
from goalline.store import projects, rollups
from goalline.store.conversations import conversations
from goalline.store.goals import goals, steps
from goalline.store.rollups import Difference
from goalline.store.tables import Cycle, Path, PathTaken, StepEvent, TrackRollup, table
from goalline.store.track import events, recording
from goalline.store.track import rollups as track_rollups
from goalline.store.track.recount import CyclePlace, PathPlace
from goalline.store.track.rollups import TrackPlace
from tests.store.test_track_at_once import until_somebody_waits
from tests.store.tracking import at, counts, every_row, everything, flight, rebuild, step, task, track
from tests.store.world import NOW, World, at_once

_rollup, _cycle, _path, _taken = table(TrackRollup), table(Cycle), table(Path), table(PathTaken)


@pytest.fixture
def tracked(world: World) -> World:
    """A world with a goal and two conversations that tell of it."""
    flight(world)
    track(world, *everything("call-1"), *everything("call-2"), step("details", 0, "call-3"))
    return world


def damage(world: World, change: Any) -> list[Difference]:
    """Change something behind everybody's back and return what verify says to it."""
    with world.database.transaction() as session:
        session.execute(change)
    return world.differences()


def put_right(world: World, expected: list[tuple[Any, ...]]) -> None:
    rebuild(world)
    assert world.differences() == []
    assert every_row(world, TrackRollup, Cycle) == expected


DAMAGES: dict[str, tuple[Any, str]] = {
    "a count that is too high": (
        sa.update(_rollup).where(_rollup.c.key == "details").values(number=_rollup.c.number + 1),
        "details",
    ),
    "a count that is gone": (sa.delete(_rollup).where(_rollup.c.measure == Measure.PATH), ""),
    "savings that are a cent too high": (
        sa.update(_rollup).where(_rollup.c.key == "completed").values(cost_savings=Decimal("30.01")),
        "completed",
    ),
    "a count for another agent": (
        sa.update(_rollup).where(_rollup.c.measure == Measure.TASK).values(agent_id="nobody"),
        "Ticket sent",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_count_is_named_and_put_right(tracked: World, name: str) -> None:
    change, key = DAMAGES[name]
    before = every_row(tracked, TrackRollup, Cycle)
    found = damage(tracked, change)
    assert found
    for difference in found:
        assert isinstance(difference.place, TrackPlace)
        assert key in ("", difference.place.place.key)
        assert difference.stored != difference.recounted
    put_right(tracked, before)


def test_a_count_of_what_there_is_not_is_named_and_taken_away(tracked: World) -> None:
    before = every_row(tracked, TrackRollup, Cycle)
    [row, *_] = tracked.rows(TrackRollup)
    invented = {column.name: getattr(row, column.name) for column in _rollup.c} | {"key": "invented", "number": 7}
    [difference] = damage(tracked, sa.insert(_rollup).values(invented))
    assert (difference.stored.number, difference.recounted) == (7, Tally())
    put_right(tracked, before)


CYCLES: dict[str, Any] = {
    "another state": sa.update(_cycle).values(state=CycleState.PARTIAL),
    "another start": sa.update(_cycle).values(started_at=NOW),
    "another end": sa.update(_cycle).values(completed_at=None),
    "other savings": sa.update(_cycle).values(revenue=Decimal("0.01")),
    "another number": sa.update(_cycle).values(number=2),
    "nothing": sa.delete(_cycle),
}


@pytest.mark.parametrize("name", CYCLES)
def test_a_damaged_cycle_is_named_and_put_right(tracked: World, name: str) -> None:
    before = every_row(tracked, TrackRollup, Cycle)
    [first, _] = sorted(tracked.rows(Cycle), key=lambda row: str(row.conversation_id))
    found = damage(tracked, CYCLES[name].where(_cycle.c.conversation_id == first.conversation_id))
    places = [difference.place for difference in found]
    assert {place.conversation_id for place in places if isinstance(place, CyclePlace)} == {first.conversation_id}
    assert all(isinstance(place, CyclePlace) for place in places)
    put_right(tracked, before)


PATHS: dict[str, Any] = {
    "another path": sa.update(_taken).values(digest="0" * 64),
    "another time": sa.update(_taken).values(began_at=NOW),
    "nothing": sa.delete(_taken),
    "a path of no name": sa.delete(_path),
}


@pytest.mark.parametrize("name", PATHS)
def test_a_damaged_path_is_named_and_put_right(tracked: World, name: str) -> None:
    before = every_row(tracked, Path, PathTaken)
    found = damage(tracked, PATHS[name])
    assert {type(difference.place) for difference in found} == {PathPlace}
    put_right(tracked, every_row(tracked, TrackRollup, Cycle))
    assert every_row(tracked, Path, PathTaken) == before


def test_counts_that_are_all_lost_are_recounted_from_the_events(tracked: World) -> None:
    before = every_row(tracked, TrackRollup, Cycle)
    with tracked.database.transaction() as session:
        session.execute(sa.delete(_rollup))
        session.execute(sa.delete(_cycle))
    put_right(tracked, before)


def test_a_rebuild_of_what_is_right_changes_nothing(tracked: World) -> None:
    put_right(tracked, every_row(tracked, TrackRollup, Cycle))


def test_a_project_that_moves_to_another_time_zone_counts_on_its_days(tracked: World) -> None:
    late = at(0).replace(hour=23, minute=30)
    track(tracked, step("start", 0, "call-9", occurred_at=late), now=late)
    for zone in ("Asia/Tokyo", "America/New_York", "Europe/Berlin"):
        with tracked.database.transaction() as session:
            projects.move(session, tracked.project, zone)
            conversations.redate(session, tracked.project.id, zone)
            rollups.rebuild(session)
        assert tracked.differences() == []
        # The next event is counted with what is there, on the days of the new zone.
        track(tracked, task(zone, 0, "call-9", occurred_at=late), now=late)
        assert tracked.differences() == []
    days = {str(row.day.day) for row in tracked.rows(TrackRollup) if row.key == "incomplete" and row.number}
    assert days == {"22"}, "half past eleven in the evening, UTC, is past midnight in Berlin"


def test_a_recount_meets_a_goal_that_was_edited_after_it_began(tracked: World, monkeypatch: pytest.MonkeyPatch) -> None:
    looked, ended = threading.Event(), threading.Event()
    look = events._steps
    [goal_id] = {row.goal_id for row in tracked.rows(StepEvent) if row.goal_id}
    first = threading.local()

    def look_and_wait(*arguments: Any) -> Any:
        found = look(*arguments)
        if getattr(first, "here", False) and not looked.is_set():
            looked.set()
            until_somebody_waits(tracked, ended, 1 if tracked.database.is_sqlite else 20)
        return found

    def recount() -> None:
        first.here = True
        rebuild(tracked)

    def edit() -> None:
        assert looked.wait(20)
        try:
            with tracked.database.transaction() as session:
                goals.edit(session, tracked.project.id, goal_id, GoalEdit(name="Fly"), NOW)
            # It counts nowhere, so nobody has to wait for the recount to store it.
            track(tracked, step("details", 0, "call-4", goal="Fly", occurred_at=NOW))
        finally:
            ended.set()

    monkeypatch.setattr(events, "_steps", look_and_wait)
    at_once(recount, edit)
    assert len([row for row in tracked.rows(StepEvent) if row.revision == 2]) == 1
    assert tracked.differences() == []


def test_who_reads_a_track_while_its_goal_is_deleted_sees_what_is_left(
    tracked: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    [goal_id] = {row.goal_id for row in tracked.rows(StepEvent) if row.goal_id}
    [first, *_] = tracked.rows(Cycle)
    look = events._steps

    def delete_and_look(*arguments: Any) -> Any:
        monkeypatch.undo()
        with tracked.database.transaction() as session:
            goals.remove(session, tracked.project.id, goal_id, "Flight")
        return look(*arguments)

    monkeypatch.setattr(events, "_steps", delete_and_look)
    with tracked.database.reading() as session:
        found = recording.load(session, first.conversation_id)
    assert [task.name for task in found.tasks] == ["Ticket sent"]


def test_a_step_that_is_deleted_and_a_recount_do_not_wait_for_each_other(
    postgres_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = postgres_world
    goal = flight(world, kind=Kind.SECONDARY)
    track(world, *everything())
    kept = {
        TrackPlace(row.project_id, place): Tally(row.number)
        for row in world.rows(TrackRollup)
        if row.measure is Measure.STEP
        for place in [Place(row.day, row.agent_id, Measure.STEP, row.goal_id, row.key)]
    }
    with world.database.transaction() as session:
        # As an erasure leaves it.
        session.execute(sa.delete(table(StepEvent)).where(table(StepEvent).c.goal_id == goal.id))
        session.execute(sa.delete(_cycle))
        track_rollups.count_erased(session, world.project.id, {place.place: tally for place, tally in kept.items()})
        rollups.rebuild(session)
    reached, ended = threading.Event(), threading.Event()
    count, here = track_rollups.count, threading.local()

    def wait_and_count(*arguments: Any) -> None:
        if getattr(here, "deleting", False) and not reached.is_set() and arguments[2]:
            reached.set()
            until_somebody_waits(world, ended)
        count(*arguments)

    def delete() -> None:
        here.deleting = True
        with world.database.transaction() as session:
            steps.remove(session, world.project.id, goal.id, "details", NOW)

    def recount() -> None:
        assert reached.wait(20)
        try:
            rebuild(world)
        finally:
            ended.set()

    monkeypatch.setattr(track_rollups, "count", wait_and_count)
    at_once(delete, recount)
    assert ("step", "details") not in counts(world)
    assert world.differences() == []
