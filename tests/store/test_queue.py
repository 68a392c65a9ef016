"""The queue seen from outside: what is due, what waits for later, what runs and what has failed."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from goalline.domain.evaluation import Reason, Status
from goalline.store import examination
from goalline.store.conversations import claims
from goalline.store.conversations.queue import Queue, failures, queue
from goalline.store.tables import Conversation
from tests.store.world import EFFORT, HOUR, LEASE, MINUTE, NOW, SECOND, World


def looked_at(world: World, after: timedelta = SECOND) -> Queue:
    with world.database.reading() as session:
        return queue(session, NOW + after)


def waiting(world: World, name: str, after: timedelta = timedelta()) -> Any:
    return world.newest(world.conversation(name, at=NOW + after)).id


def fail(world: World, name: str, reason: Reason, at: timedelta) -> Conversation:
    row = world.conversation(name)
    claim = world.claim(world.newest(row).id)
    with world.database.transaction() as session:
        assert claims.finish(session, claim, Status.FAILED, NOW + at, reason=reason, effort=EFFORT)
    return row


def test_an_empty_queue_is_all_noughts(world: World) -> None:
    assert looked_at(world) == Queue(0, 0, 0, 0.0, 0)


def test_what_is_due_is_told_from_what_waits_for_its_time_and_from_what_runs(world: World) -> None:
    for name in ("due", "due too"):
        waiting(world, name)
    world.claim(waiting(world, "running"))
    released = world.claim(waiting(world, "released"))
    with world.database.transaction() as session:
        claims.release(session, released, NOW + HOUR, Reason.UNAVAILABLE, EFFORT)
    found = looked_at(world)
    assert (found.due, found.later, found.running) == (2, 1, 1)
    assert looked_at(world, HOUR).due == 3


def test_what_has_ended_is_in_no_queue(world: World) -> None:
    fail(world, "failed", Reason.REFUSED, SECOND)
    assert looked_at(world) == Queue(0, 0, 0, 0.0, 0)


def test_the_age_is_that_of_the_first_one_that_is_due_and_of_none_that_runs(world: World) -> None:
    world.claim(waiting(world, "running"))
    waiting(world, "second", 20 * SECOND)
    waiting(world, "third", 30 * SECOND)
    assert looked_at(world, 60 * SECOND).oldest == pytest.approx(40.0)
    assert looked_at(world, 10 * SECOND).oldest == 0.0


def test_a_lease_that_nobody_swept_shows_a_minute_after_its_end(world: World) -> None:
    world.claim(waiting(world, "running"))
    assert looked_at(world, LEASE).expired == 0
    assert looked_at(world, LEASE + MINUTE).expired == 1


def test_what_failed_and_is_judged_again_is_no_failure_any_more(world: World) -> None:
    world.queued(fail(world, "one", Reason.REFUSED, SECOND), 2)
    with world.database.reading() as session:
        assert failures(session, NOW - HOUR) == {}


def test_failures_are_counted_by_reason_since_a_time_the_commonest_first(world: World) -> None:
    fail(world, "old", Reason.REFUSED, -2 * HOUR)
    fail(world, "one", Reason.REFUSED, SECOND)
    for name in ("two", "three"):
        fail(world, name, Reason.UNAUTHORIZED, SECOND)
    with world.database.reading() as session:
        found = failures(session, NOW - HOUR)
    assert list(found.items()) == [(Reason.UNAUTHORIZED, 2), (Reason.REFUSED, 1)]


def test_a_database_that_takes_writes_is_found_writable_and_not_changed(world: World) -> None:
    waiting(world, "due")
    before = looked_at(world)
    examination.require_writable(world.database)
    assert looked_at(world) == before


def test_a_database_that_takes_no_writes_is_found_out(world: World) -> None:
    switch = "PRAGMA query_only=ON" if world.database.is_sqlite else "SET TRANSACTION READ ONLY"

    @sa.event.listens_for(world.database.engine, "begin", insert=True)
    def refuse_writes(connection: sa.Connection) -> None:
        connection.exec_driver_sql(switch)

    with pytest.raises(Exception, match=r"(?i)OperationalError|read.?only"):
        examination.require_writable(world.database)


def test_the_clock_of_a_server_is_told_and_a_file_has_none(world: World) -> None:
    at = examination.clock(world.database)
    assert (at is None) == world.database.is_sqlite
    assert at is None or at.tzinfo is not None
