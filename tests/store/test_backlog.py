"""The backlog: conversations are found by the state of their newest evaluation, whole or page by page."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlmodel import select

from goalline.domain.evaluation import Reason, Status
from goalline.store import projects
from goalline.store.contacts import erasure
from goalline.store.conversations import backlog, claims
from goalline.store.conversations.backlog import BacklogFilter
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


def found(world: World, after: Conversation | None = None, limit: int = 100, **wanted: Any) -> list[str]:
    cursor = (after.ended_at, after.id) if after and after.ended_at else None
    chosen = BacklogFilter(**{"status": Status.FAILED} | wanted)
    with world.database.reading() as session:
        return [
            row.conversation_id for row in backlog.page(session, world.project.id, chosen, after=cursor, limit=limit)
        ]


def left(world: World, **wanted: Any) -> int:
    with world.database.reading() as session:
        return backlog.left(session, world.project.id, BacklogFilter(**{"status": Status.FAILED} | wanted))


def test_a_failed_conversation_is_found_with_its_evaluation(world: World) -> None:
    row = failing(world, "call-1", HOUR)
    with world.database.reading() as session:
        (failed,) = backlog.page(session, world.project.id, BacklogFilter(Status.FAILED), limit=100)
    assert (failed.id, failed.conversation_id, failed.agent_id) == (row.id, "call-1", "ann")
    assert failed.place == (NOW - HOUR, row.id)
    assert failed.evaluation == world.newest(row)


@pytest.mark.parametrize("status", Status)
def test_each_state_is_found_by_its_name(world: World, status: Status) -> None:
    world.conversation("queued")
    world.claim(world.newest(world.conversation("running")).id)
    world.judge(world.claim(world.newest(world.conversation("succeeded")).id), [])
    end(world, world.conversation("skipped"), Reason.EMPTY_TRANSCRIPT, Status.SKIPPED)
    end(world, world.conversation("failed"), Reason.REFUSED)
    assert found(world, status=status) == [status]
    assert len(found(world, status=None)) == len(Status)


def test_only_the_newest_evaluation_counts(world: World) -> None:
    again = failing(world, "again")
    world.queued(again, 2)
    assert found(world) == []
    end(world, again, Reason.FORBIDDEN)
    assert found(world, reason=Reason.FORBIDDEN) == ["again"]
    assert found(world, reason=Reason.UNAUTHORIZED) == []


def test_the_one_that_ended_last_comes_first(world: World) -> None:
    for hours in (2, 3, 1):
        failing(world, f"{hours} hours ago", hours * HOUR)
    assert found(world) == ["1 hours ago", "2 hours ago", "3 hours ago"]


def test_a_reason_leaves_out_the_others(world: World) -> None:
    failing(world, "a", reason=Reason.UNAVAILABLE)
    failing(world, "b", reason=Reason.UNGROUNDED)
    assert found(world, reason=Reason.UNGROUNDED) == ["b"]


@pytest.mark.parametrize(("since", "expected"), [(NOW - HOUR, ["on time"]), (NOW - HOUR + SECOND, [])])
def test_since_takes_what_ended_then_or_later(world: World, since: datetime, expected: list[str]) -> None:
    failing(world, "on time", HOUR)
    failing(world, "too early", 2 * HOUR)
    assert found(world, ended_from=since) == expected


@pytest.mark.parametrize(("until", "expected"), [(NOW - HOUR, []), (NOW - HOUR + SECOND, ["early"])])
def test_until_leaves_out_what_ended_then_or_later(world: World, until: datetime, expected: list[str]) -> None:
    failing(world, "early", HOUR)
    assert found(world, ended_before=until) == expected


def test_an_agent_leaves_out_the_others(world: World) -> None:
    end(world, world.conversation("a", agent_id="ann"), Reason.REFUSED)
    end(world, world.conversation("b", agent_id="bob"), Reason.REFUSED)
    assert found(world, agent_id="bob") == ["b"]
    assert left(world, agent_id="bob") == 1


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
        assert backlog.page(session, other.id, BacklogFilter(), limit=100) == []
        assert backlog.left(session, other.id, BacklogFilter()) == 0


def test_what_was_erased_is_listed_and_not_left_to_be_judged(world: World) -> None:
    erased = failing(world, "call-1")
    failing(world, "call-2")
    with world.database.transaction() as session:
        erasure.erase(session, world.project.id, {erased.id: "ann"}, NOW)
    assert sorted(found(world)) == ["call-1", "call-2"]
    assert left(world) == 1


def test_both_forms_of_what_can_be_judged_again_agree(world: World) -> None:
    erased, ended = failing(world, "erased"), failing(world, "ended")
    with world.database.transaction() as session:
        erasure.erase(session, world.project.id, {erased.id: "ann"}, NOW)
        opened = ended.model_dump() | {"id": uuid4(), "conversation_id": "open", "ended_at": None}
        session.add(Conversation(**opened))
    with world.database.reading() as session:
        asked = session.exec(select(Conversation.conversation_id).where(*backlog._CAN_BE_JUDGED)).all()
    assert {row.conversation_id for row in world.rows(Conversation) if backlog.obstacle(row) is None} == set(asked)
    assert set(asked) == {"ended"}
