"""The report on tasks, read from the counts of the track."""

from datetime import UTC, date, datetime, timedelta

from goalline.store.conversations import conversations
from goalline.store.reports import tasks
from goalline.store.reports.process import TrackFilter
from goalline.store.reports.tasks import TaskCounts
from goalline.store.tables import TrackRollup
from tests.store.attempts import MORNING, flight, task, tell
from tests.store.world import World, a_project

DAY = date(2026, 11, 20)
EVERYTHING = TrackFilter()


def completed_tasks(world: World, wanted: TrackFilter = EVERYTHING, limit: int = 50) -> TaskCounts:
    with world.database.snapshot() as session:
        return tasks.most_completed(session, world.project.id, wanted, limit)


def test_tasks_come_most_completed_first_then_by_name(world: World) -> None:
    for call, name in (("a", "order"), ("b", "order"), ("c", "refund"), ("d", "callback")):
        task(world, call, name, agent_id=call)
    found = completed_tasks(world)
    assert [(one.name, one.completed) for one in found.most] == [("order", 2), ("callback", 1), ("refund", 1)]
    assert (found.total, found.completed) == (3, 4)


def test_tasks_beyond_the_limit_are_in_the_totals(world: World) -> None:
    for call, name in (("a", "order"), ("b", "order"), ("c", "refund")):
        task(world, call, name)
    found = completed_tasks(world, limit=1)
    assert ([one.name for one in found.most], found.total, found.completed) == (["order"], 2, 3)


def test_a_task_counts_on_the_local_day_of_its_completion(world: World) -> None:
    task(world, "a", "order", at=datetime(2026, 11, 19, 22, 59, 59, tzinfo=UTC))
    task(world, "b", "refund", at=datetime(2026, 11, 19, 23, 0, tzinfo=UTC))
    assert [one.name for one in completed_tasks(world, TrackFilter(first_day=DAY)).most] == ["refund"]
    before = TrackFilter(last_day=DAY - timedelta(days=1))
    assert [one.name for one in completed_tasks(world, before).most] == ["order"]


def test_a_cycle_or_a_step_is_no_task(world: World) -> None:
    flight(world)
    tell(world, {"type": "step.executed", "conversation_id": "booked", "name": "Greeting", "occurred_at": MORNING})
    assert completed_tasks(world) == TaskCounts([], 0, 0)


def test_a_task_that_was_counted_and_taken_off_leaves_no_line(world: World) -> None:
    task(world, "a", "order")
    with world.database.transaction() as session:
        conversations.remove(session, world.project.id, "a")
    assert [row.number for row in world.rows(TrackRollup)] == [0]
    assert completed_tasks(world) == TaskCounts([], 0, 0)


def test_another_project_has_tasks_of_its_own(world: World) -> None:
    other = World(world.database, a_project(world.database, "other"))
    task(world, "a", "order")
    task(other, "a", "refund")
    assert [[one.name for one in completed_tasks(place).most] for place in (world, other)] == [["order"], ["refund"]]
