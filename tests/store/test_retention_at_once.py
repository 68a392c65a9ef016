"""Retention while others write: nobody waits for it, it waits for nobody, and what is cut off can be gone on with."""

import signal
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Any

import pytest

from goalline import pipeline, upkeep
from goalline.domain.goal import Kind
from goalline.domain.refusal import Conflict, NotFound
from goalline.store.conversations import conversations, retention
from goalline.store.database import Database
from goalline.store.goals import goals
from goalline.store.tables import Conversation
from goalline.store.tables import Verdict as VerdictRow
from tests.store.ageing import DAYS, LATER, get, judged, retain, retain_all, without_words
from tests.store.contact_lives import erase, residue
from tests.store.tracking import everything, flight, track
from tests.store.world import NOW, SECOND, World, at_once


def test_a_conversation_that_somebody_holds_is_passed_over(postgres_world: World) -> None:
    world = postgres_world
    judged(world, "held", NOW - SECOND)
    judged(world, "free")
    with world.database.transaction() as session:
        conversations.get(session, world.project.id, "held", lock=True)
        [retained] = at_once(lambda: retain(world), seconds=20)
    assert (retained.deleted, without_words(world)) == (1, ["free"])
    assert retain(world).deleted == 1


def test_a_verdict_that_somebody_deletes_is_passed_over_with_its_conversation(postgres_world: World) -> None:
    world = postgres_world
    goal = world.goal("Book")
    world.goal("Pay", Kind.SECONDARY)
    judged(world)
    with world.database.transaction() as session:
        goals.remove(session, world.project.id, goal.id, "Book")
        [retained] = at_once(lambda: retain(world), seconds=20)
    assert retained.deleted == 0
    assert retain(world).deleted == 1
    assert residue(world, "XQ17") == []
    assert world.differences() == []


def test_nobody_waits_for_a_batch_that_has_not_been_committed(postgres_world: World) -> None:
    world = postgres_world
    flight(world)
    judged(world)
    judged(world, "young", LATER)
    with world.database.transaction() as session:
        assert retention.delete_words(session, [get(world).id], LATER) == 1

        def write() -> int:
            world.conversation("new", LATER)
            track(world, *everything("young"), now=LATER)
            pipeline.judge_again(world.database, world.project.id, "young", LATER)
            return upkeep.erase(world.database, world.project.id, "nobody", LATER)

        assert at_once(write, seconds=20) == [0]
    assert world.differences() == []


def test_looking_for_what_is_due_holds_up_no_writer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    judged(world)
    original = retention.due

    def write_meanwhile(*arguments: Any) -> retention.Due:
        found = original(*arguments)
        at_once(lambda: world.conversation("call-2", LATER), seconds=20)
        return found

    monkeypatch.setattr(retention, "due", write_meanwhile)
    assert retain(world).deleted == 1
    assert len(world.rows(Conversation)) == 2


def test_between_two_batches_the_writer_is_free(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 1)
    for number in range(3):
        judged(world, f"call-{number}", NOW + number * SECOND)
    # Another process, to which the lock between threads means nothing.
    other = World(Database(world.database.engine.url.render_as_string(hide_password=False)), world.project)
    retained = upkeep.Retained()
    for number in range(3):
        retained = retain(world, after=retained.then)
        other.conversation(f"new-{number}", LATER)
    other.database.close()
    assert without_words(world) == ["call-0", "call-1", "call-2"]


def test_several_at_once_share_the_work_and_do_no_harm(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    for number in range(12):
        judged(world, f"call-{number}", NOW + number * SECOND)
    deleted = at_once(*(lambda: retain_all(world) for _ in range(4)))
    assert sum(deleted) + retain_all(world) == 12
    assert residue(world, "XQ17") == []
    assert world.differences() == []


def test_deleting_while_everybody_writes_disturbs_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    flight(world)
    for number in range(8):
        judged(world, f"call-{number}", NOW + number * SECOND)
    ended = threading.Event()

    def write() -> None:
        for number in range(8):
            with suppress(Conflict, NotFound):
                pipeline.judge_again(world.database, world.project.id, f"call-{number}", LATER)
            track(world, *everything(f"call-{number}"), now=LATER)

    def remove() -> None:
        for number in (7, 5):
            with world.database.transaction() as session:
                conversations.remove(session, world.project.id, f"call-{number}")
        ended.set()

    at_once(write, remove, lambda: retain_all(world), lambda: retain_all(world), lambda: erase(world, "nobody"))
    assert ended.is_set()
    assert world.differences() == []
    for row in world.rows(Conversation):
        if row.ended_at is None:
            # Deleted before its events came.
            continue
        waits = world.newest(row).finished_at is None
        assert not (waits and row.transcript_deleted_at)
        assert bool(row.transcript) != bool(row.transcript_deleted_at)


# Killed with everything written and nothing committed.
KILLED = """
import os, signal, sys
from datetime import datetime
from goalline import upkeep
from goalline.store.conversations import retention
from goalline.store.database import Database

database, now, original = Database(sys.argv[1]), datetime.fromisoformat(sys.argv[2]), retention.delete_words
retention.AT_ONCE = 2
first = upkeep.retain(database, int(sys.argv[3]), now)

def killed(*arguments):
    original(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)

retention.delete_words = killed
upkeep.retain(database, int(sys.argv[3]), now, first.then)
"""


def test_killed_in_the_middle_it_has_done_whole_batches_and_goes_on_later(world: World) -> None:
    for number in range(5):
        judged(world, f"call-{number}", NOW + number * SECOND)
    url = world.database.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", KILLED, url, LATER.isoformat(), str(DAYS)]
    assert subprocess.run(command, check=False, capture_output=True, timeout=60).returncode == -signal.SIGKILL
    assert without_words(world) == ["call-0", "call-1"]
    with_words = {row.id for row in world.rows(Conversation) if row.transcript}
    assert len(with_words) == 3
    assert {one.conversation_id for one in world.rows(VerdictRow) if one.rationale} == with_words
    assert retain_all(world) == 3
    assert residue(world, "XQ17") == []
    assert world.differences() == []
