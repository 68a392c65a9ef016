"""Many at once on the same conversations: nothing is lost, nobody waits in a ring, and a recount finds the same."""

import multiprocessing
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from goalline import pipeline
from goalline.domain.event import Event
from goalline.domain.goal import Kind
from goalline.domain.refusal import NotFound
from goalline.store import projects, rollups
from goalline.store.conversations import conversations
from goalline.store.database import Database
from goalline.store.goals import goals
from goalline.store.tables import Conversation, Cycle, PathTaken, StepEvent, TrackRollup
from goalline.store.track import recording
from tests.store.tracking import (
    counts,
    every_row,
    everything,
    flight,
    outcome,
    passed,
    receive,
    step,
    task,
    track,
)
from tests.store.world import NOW, World, at_once

ROUNDS = 12


def waits(world: World) -> bool:
    """Tell whether anybody waits for a lock; SQLite's writers queue where nobody sees them."""
    if world.database.is_sqlite:
        return False
    with world.database.reading() as session:
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        return bool(session.execute(sa.text(waiting)).scalar_one())


def until_somebody_waits(world: World, other_ended: threading.Event, seconds: float = 20) -> None:
    """Come back when the other one waits for a lock or has ended."""
    deadline = time.monotonic() + seconds
    while not other_ended.is_set() and not waits(world) and time.monotonic() < deadline:
        other_ended.wait(0.01)


def shuffled(calls: str, seed: int) -> list[Event]:
    """Return the events of some conversations, each twice, in an order of their own."""
    more = (step("start", 200), step("details", 210), passed("more", 220))
    events = [
        told.model_copy(update={"conversation_id": call, "id": f"{call} {told.id}"})
        for call in calls
        for told in [*everything(), *more]
    ] * 2
    random.Random(seed).shuffle(events)
    return events


def in_batches(events: list[Event], size: int) -> list[list[Event]]:
    return [events[start : start + size] for start in range(0, len(events), size)]


def test_several_writers_of_the_same_conversations_lose_nothing(world: World) -> None:
    flight(world)
    track(world, *shuffled("abc", 0))
    expected = [row for row in every_row(world, Cycle, PathTaken) if row]
    counted = counts(world)
    with world.database.transaction() as session:
        for call in "abc":
            conversations.remove(session, world.project.id, call)
    assert counts(world) == {}

    def write(seed: int) -> int:
        return sum(track(world, *batch).accepted for batch in in_batches(shuffled("abc", seed), 7))

    accepted = at_once(*(lambda seed=seed: write(seed) for seed in range(4)))
    assert sum(accepted) == 27
    assert every_row(world, Cycle, PathTaken) == expected
    assert counts(world) == counted
    assert world.differences() == []


def write_as_a_process(url: str, project: str, seed: int, ready: Any, found: Any) -> None:
    """Send all events in an order of one's own; a process of its own."""
    database = Database(url, pool_size=2)
    ready.wait(60)
    for batch in in_batches(shuffled("abc", seed), 5):
        done = pipeline.track(database, UUID(project), dict(enumerate(batch)), NOW, 2_000)
        found.put((done.accepted, done.duplicates, len(done.rejected)))
    database.close()


def test_several_processes_that_write_the_same_conversations_lose_nothing(world: World) -> None:
    flight(world)
    track(world, *shuffled("abc", 0))
    expected, counted = every_row(world, Cycle, PathTaken), counts(world)
    with world.database.transaction() as session:
        for call in "abc":
            conversations.remove(session, world.project.id, call)

    context = multiprocessing.get_context("spawn")
    ready, found = context.Barrier(3), context.Queue()
    url = world.database.engine.url.render_as_string(hide_password=False)
    writers = [
        context.Process(target=write_as_a_process, args=(url, str(world.project.id), seed, ready, found), daemon=True)
        for seed in (1, 2, 3)
    ]
    for writer in writers:
        writer.start()
    told = [found.get(timeout=90) for _ in range(3 * 11)]
    for writer in writers:
        writer.join(30)
        assert writer.exitcode == 0
    assert tuple(map(sum, zip(*told, strict=True))) == (27, 3 * 54 - 27, 0)
    assert every_row(world, Cycle, PathTaken) == expected
    assert counts(world) == counted
    assert world.differences() == []


def test_a_goal_that_is_deleted_while_its_events_come_in_leaves_none_of_them(world: World) -> None:
    for number in range(ROUNDS):
        goal = flight(world, f"Flight {number}", kind=Kind.SECONDARY)
        other = flight(world, f"Hotel {number}", kind=Kind.SECONDARY)
        sent = [everything(call, goal.name) + everything(call, other.name) for call in (f"a{number}", f"b{number}")]

        def delete(goal: Any = goal) -> None:
            with world.database.transaction() as session:
                goals.remove(session, world.project.id, goal.id, goal.name)

        def write(events: list[Event]) -> None:
            for batch in in_batches(events, 3):
                track(world, *batch)

        at_once(delete, *(lambda events=events: write(events) for events in sent))
        assert str(goal.id) not in {value for row in every_row(world, StepEvent, Cycle, TrackRollup) for value in row}
        assert len([row for row in world.rows(Cycle) if row.goal_id == other.id and row.state == "completed"]) == 2
    assert world.differences() == []


def test_a_webhook_and_the_first_event_that_meet_leave_the_same_whoever_wins(world: World) -> None:
    goal = flight(world)
    found = []
    for number in range(2 * ROUNDS):
        acts: list[Callable[[], object]] = [
            lambda: receive(world, agent_id="ann", contact_id="c-1"),
            lambda: track(world, *everything(goal=str(goal.id), agent_id="bob", contact_id="c-2")),
        ]
        at_once(*(acts if number % 2 else acts[::-1]))
        assert world.differences() == []
        found.append(outcome(world))
        with world.database.transaction() as session:
            conversations.remove(session, world.project.id, "call-1")
    assert all(one == found[0] for one in found)


@pytest.mark.parametrize("moment", ["before its row goes", "after its row went"])
def test_events_that_come_while_their_conversation_is_deleted_open_it_anew(
    world: World, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    flight(world)
    track(world, *everything())
    held, ended = threading.Event(), threading.Event()
    forget = recording.forget

    def forget_slowly(*arguments: Any) -> None:
        if moment == "before its row goes":
            let_them_come()
        forget(*arguments)

    def let_them_come() -> None:
        held.set()
        if not world.database.is_sqlite:
            until_somebody_waits(world, ended)

    def delete() -> None:
        with world.database.transaction() as session:
            conversations.remove(session, world.project.id, "call-1")
            if moment == "after its row went":
                let_them_come()

    def report() -> None:
        assert held.wait(20)
        try:
            assert track(world, task("late", 300)).accepted == 1
        finally:
            ended.set()

    monkeypatch.setattr(recording, "forget", forget_slowly)
    at_once(delete, report)
    assert [row.name for row in world.rows(StepEvent)] == ["late"]
    assert len(world.rows(Conversation)) == 1
    assert world.differences() == []


def test_everybody_at_once_gets_in_nobodys_way(world: World) -> None:
    flight(world)

    def report(number: int) -> None:
        calls = "".join(random.sample("abcd", 3))
        for batch in in_batches(shuffled(calls, number), 20):
            track(world, *batch)

    def hear(number: int) -> None:
        receive(world, "abcd"[number % 4], words=f"Hello {number}", agent_id="ann")

    def delete_conversation(number: int) -> None:
        with suppress(NotFound), world.database.transaction() as session:
            conversations.remove(session, world.project.id, "abcd"[number % 4])

    def replace_goal(number: int) -> None:
        made = flight(world, f"Hotel {number}", kind=Kind.SECONDARY)
        track(world, *everything("a", made.name), *everything("b", made.name))
        with world.database.transaction() as session:
            goals.remove(session, world.project.id, made.id, made.name)

    def recount(number: int) -> None:
        with world.database.transaction() as session:
            rollups.rebuild(session)
        assert world.differences() == []
        with world.database.transaction() as session:
            zone = ("America/New_York", "Asia/Tokyo")[number % 2]
            projects.move(session, world.project, zone)
            conversations.redate(session, world.project.id, zone)
            rollups.rebuild(session)

    def repeat(act: Callable[[int], None]) -> None:
        for number in range(6):
            act(number)

    acts = [report, report, hear, delete_conversation, replace_goal, recount]
    at_once(*(lambda act=act: repeat(act) for act in acts))
    assert world.differences() == []
    with world.database.transaction() as session:
        rollups.rebuild(session)
    assert world.differences() == []
