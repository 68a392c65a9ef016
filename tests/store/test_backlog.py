"""The backlog: conversations whose newest evaluation has failed are found, whole or page by page."""

from datetime import datetime, timedelta

import pytest

from goalline.domain.evaluation import Reason, Status
from goalline.store import projects
from goalline.store.conversations import backlog, claims
from goalline.store.tables import Conversation
from tests.store.world import EFFORT, HOUR, NOW, SECOND, World


def end(world: World, row: Conversation, reason: Reason, status: Status = Status.FAILED) -> None:
    claim = world.claim(world.newest(row).id, NOW)
    with world.database.transaction() as session:
        assert claims.finish(session, claim, status, NOW + SECOND, reason=reason, effort=EFFORT)


def failing(
    world: World, name: str, ago: timedelta = timedelta(), reason: Reason = Reason.UNAUTHORIZED
) -> Conversation:
    row = world.conversation(name, NOW - ago)
    end(world, row, reason)
    return row


def found(
    world: World,
    reason: Reason | None = None,
    since: datetime | None = None,
    after: Conversation | None = None,
    limit: int = 100,
) -> list[str]:
    cursor = (after.ended_at, after.id) if after and after.ended_at else None
    with world.database.reading() as session:
        rows = backlog.failed(session, world.project.id, reason=reason, since=since, after=cursor, limit=limit)
    return [row.conversation_id for row in rows]


def test_a_failed_conversation_is_found_with_what_is_known_of_it(world: World) -> None:
    row = failing(world, "call-1", HOUR)
    with world.database.reading() as session:
        (failed,) = backlog.failed(session, world.project.id, limit=100)
    assert (failed.id, failed.conversation_id, failed.agent_id) == (row.id, "call-1", "ann")
    assert (failed.ended_at, failed.finished_at) == (NOW - HOUR, NOW + SECOND)
    assert failed.evaluation_id == world.newest(row).id
    assert (failed.reason, failed.model, failed.attempts) == (Reason.UNAUTHORIZED, EFFORT.model, 1)


def test_what_waits_runs_or_ended_otherwise_is_not_found(world: World) -> None:
    world.conversation("queued")
    world.claim(world.newest(world.conversation("running")).id)
    world.judge(world.claim(world.newest(world.conversation("succeeded")).id), [])
    end(world, world.conversation("skipped"), Reason.EMPTY_TRANSCRIPT, Status.SKIPPED)
    assert found(world) == []


def test_only_the_newest_evaluation_counts(world: World) -> None:
    again = failing(world, "again")
    world.queued(again, 2)
    assert found(world) == []
    end(world, again, Reason.FORBIDDEN)
    assert found(world, Reason.FORBIDDEN) == ["again"]
    assert found(world, Reason.UNAUTHORIZED) == []


def test_the_one_that_ended_last_comes_first(world: World) -> None:
    for hours in (2, 3, 1):
        failing(world, f"{hours} hours ago", hours * HOUR)
    assert found(world) == ["1 hours ago", "2 hours ago", "3 hours ago"]


def test_a_reason_leaves_out_the_others(world: World) -> None:
    failing(world, "a", reason=Reason.UNAVAILABLE)
    failing(world, "b", reason=Reason.UNGROUNDED)
    assert found(world, Reason.UNGROUNDED) == ["b"]


@pytest.mark.parametrize(("since", "expected"), [(NOW - HOUR, ["on time"]), (NOW - HOUR + SECOND, [])])
def test_since_takes_what_ended_then_or_later(world: World, since: datetime, expected: list[str]) -> None:
    failing(world, "on time", HOUR)
    failing(world, "too early", 2 * HOUR)
    assert found(world, since=since) == expected


def test_page_by_page_each_comes_once_also_those_that_ended_together(world: World) -> None:
    rows = {f"call-{number}": failing(world, f"call-{number}", number // 3 * HOUR) for number in range(7)}
    pages: list[str] = []
    while page := found(world, after=rows[pages[-1]] if pages else None, limit=2):
        assert len(page) <= 2
        pages += page
    assert sorted(pages) == sorted(rows)
    assert pages == found(world)


def test_another_project_is_left_alone(world: World) -> None:
    failing(world, "call-1")
    with world.database.transaction() as session:
        other = projects.create(session, "other", "UTC", NOW)
        assert backlog.failed(session, other.id, limit=100) == []
