"""Deleting a step deletes its events and all that they counted for, and nothing else."""

import threading
from datetime import timedelta
from typing import Any

import pytest

from goalline import pipeline
from goalline.domain.cycle import CycleState
from goalline.domain.event import Event
from goalline.domain.goal import Kind
from goalline.domain.step import StepContent
from goalline.domain.track import Measure
from goalline.store.goals import goals, steps
from goalline.store.goals.goals import CurrentGoal
from goalline.store.tables import Cycle, DeletedStep, StepEvent, TrackRollup
from goalline.store.track import recording
from goalline.store.track.recording import Outcome
from tests.domain.tracked import STEPS
from tests.store.world import NOW, World, a_project, at_once

EARLY = NOW - timedelta(hours=2)


def told(goal: CurrentGoal, key: str, second: int, call: str = "call-1", **more: Any) -> Event:
    at = EARLY + timedelta(seconds=second)
    sent = {"id": f"{goal.name}-{call}-{key}-{second}", "type": "goal.step", "conversation_id": call}
    return Event.model_validate({**sent, "goal": str(goal.id), "step": key, "occurred_at": at, **more})


def track(world: World, *events: Event) -> Outcome:
    return pipeline.track(world.database, world.project.id, dict(enumerate(events)), NOW, 2_000)


def delete(world: World, goal: CurrentGoal, key: str) -> None:
    with world.database.transaction() as session:
        steps.remove(session, world.project.id, goal.id, key, NOW)


def whole(world: World, goal: CurrentGoal, call: str = "call-1") -> Outcome:
    """Report a whole process: begun, its details given twice, confirmed."""
    steps = [("start", 0), ("details", 60), ("details", 90), ("confirmed", 120)]
    return track(world, *(told(goal, key, second, call) for key, second in steps))


def test_its_events_and_what_they_saved_are_gone(world: World) -> None:
    goal = world.goal(steps=STEPS)
    whole(world, goal)
    delete(world, goal, "details")
    assert sorted(row.step or "" for row in world.rows(StepEvent)) == ["confirmed", "start"]
    (cycle,) = world.rows(Cycle)
    assert (cycle.state, cycle.time_saved, str(cycle.cost_savings)) == (CycleState.COMPLETED, timedelta(0), "15.0000")
    counted = {(row.measure, row.key): row.number for row in world.rows(TrackRollup) if row.number}
    assert counted == {
        (Measure.CYCLE, "completed"): 1,
        (Measure.STEP, "start"): 1,
        (Measure.STEP, "confirmed"): 1,
        (Measure.DURATION, "120"): 1,
    }
    assert world.differences() == []


def test_a_cycle_falls_back_to_what_is_left_of_it(world: World) -> None:
    goal = world.goal(steps=STEPS)
    track(world, told(goal, "start", 0), told(goal, "details", 60))
    delete(world, goal, "details")
    (cycle,) = world.rows(Cycle)
    assert cycle.state is CycleState.INCOMPLETE
    assert world.differences() == []


def test_other_goals_tasks_and_paths_stay_as_they_are(world: World) -> None:
    goal, other = world.goal(steps=STEPS), world.goal("Other", steps=STEPS, kind=Kind.SECONDARY)
    whole(world, other)
    at = EARLY + timedelta(seconds=5)
    for number, kind in enumerate(("task.completed", "step.executed")):
        sent = {"id": f"e{number}", "type": kind, "conversation_id": "call-1", "name": "x", "occurred_at": at}
        track(world, Event.model_validate(sent))

    def others() -> list[Any]:
        rows: list[Any] = [*world.rows(StepEvent), *world.rows(Cycle), *world.rows(TrackRollup)]
        return sorted(repr(row) for row in rows if row.goal_id != goal.id)

    before = others()
    whole(world, goal)
    delete(world, goal, "details")
    assert others() == before
    assert world.differences() == []


def test_what_happened_at_it_before_is_not_stored_when_it_is_told_later(world: World) -> None:
    goal = world.goal(steps=STEPS)
    whole(world, goal)
    delete(world, goal, "details")
    again = whole(world, goal)
    assert (again.accepted, again.duplicates, sorted(again.rejected)) == (0, 2, [1, 2])
    assert "was deleted" in again.rejected[1]
    assert world.differences() == []


def test_a_step_of_the_same_key_may_be_made_again_and_counts_from_then_on(world: World) -> None:
    goal = world.goal(steps=STEPS)
    delete(world, goal, "details")
    with world.database.transaction() as session:
        content = StepContent.model_validate({"name": "Details"})
        steps.put(session, world.project.id, goal.id, "details", content, NOW, most=10)
    late = track(world, told(goal, "details", 0), told(goal, "details", 0, id="new", occurred_at=NOW))
    assert (late.accepted, list(late.rejected)) == (1, [0])


def test_a_step_that_was_deleted_twice_counts_from_the_second_time_on(world: World) -> None:
    goal = world.goal(steps=STEPS)
    content = StepContent.model_validate({"name": "Details"})
    for _ in range(2):
        delete(world, goal, "details")
        with world.database.transaction() as session:
            steps.put(session, world.project.id, goal.id, "details", content, NOW, most=10)
    (row,) = world.rows(DeletedStep)
    with world.database.reading() as session:
        newest = goals.revisions(session, world.project.id, goal.id)
    assert row.deleted_at == newest[1].in_force_from


def test_more_conversations_than_are_looked_at_in_one_go_are_all_settled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("goalline.store.track.recording._AT_ONCE", 2)
    goal = world.goal(steps=STEPS)
    for number in range(5):
        whole(world, goal, f"call-{number}")
    delete(world, goal, "details")
    assert world.differences() == []
    assert sum(row.number for row in world.rows(TrackRollup) if row.key == "details") == 0


def test_another_projects_step_of_the_same_key_stays(world: World) -> None:
    other = World(world.database, a_project(world.database, "other"))
    mine, theirs = world.goal(steps=STEPS), other.goal(steps=STEPS)
    whole(world, mine)
    whole(other, theirs)
    delete(world, mine, "details")
    assert [row.goal_id for row in world.rows(StepEvent) if row.step == "details"] == [theirs.id] * 2


def test_an_event_that_comes_in_meanwhile_does_not_outlive_its_step(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    goal = world.goal(steps=STEPS)
    deleted, reported = threading.Event(), threading.Event()
    forget_step = recording.forget_step

    def forget_and_wait(*arguments: Any) -> None:
        forget_step(*arguments)
        deleted.set()
        # Whoever holds the goal is not overtaken, and waits in vain.
        reported.wait(0.5)

    def report() -> None:
        assert deleted.wait(60)
        whole(world, goal)
        reported.set()

    monkeypatch.setattr(recording, "forget_step", forget_and_wait)
    at_once(report, lambda: delete(world, goal, "details"))
    assert sorted(row.step or "" for row in world.rows(StepEvent)) == ["confirmed", "start"]
    assert world.differences() == []
