"""Receiving: once, whatever is delivered how often, in one short transaction."""

from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, date, datetime
from typing import Any

import pytest

from goalline.domain.evaluation import RING_AGAIN_AFTER, Status
from goalline.domain.refusal import Conflict
from goalline.store import projects
from goalline.store.conversations import conversations
from goalline.store.tables import Conversation, ConversationRollup, Evaluation
from tests.pipeline.conftest import ScriptedJudge, Stage
from tests.store.world import HOUR, MINUTE, NOW, World, a_project, at_once


def said(stage: Stage) -> list[str]:
    return [turn["text"] for row in stage.world.rows(Conversation) for turn in row.transcript]


def test_a_new_conversation_is_stored_counted_and_queued(stage: Stage) -> None:
    receipt = stage.receive()
    (row,), (evaluation,) = stage.world.rows(Conversation), stage.world.rows(Evaluation)
    assert (receipt.row_id, receipt.conversation_id, receipt.evaluation_id) == (row.id, "call-1", evaluation.id)
    assert (receipt.status, receipt.duplicate, receipt.ring) == (Status.QUEUED, False, True)
    assert (evaluation.number, evaluation.status, evaluation.attempts) == (1, Status.QUEUED, 0)
    assert (evaluation.created_at, evaluation.ring_at) == (NOW, NOW + RING_AGAIN_AFTER)
    assert [rollup.conversations for rollup in stage.world.rows(ConversationRollup)] == [1]


def test_the_same_words_delivered_again_change_nothing(stage: Stage) -> None:
    first, before = stage.receive(), (stage.world.rows(Conversation), stage.world.rows(Evaluation))
    again = stage.receive(at=NOW + MINUTE, metadata={"attempt": 2})
    assert (again.row_id, again.evaluation_id) == (first.row_id, first.evaluation_id)
    assert (again.duplicate, again.ring, again.status) == (True, False, Status.QUEUED)
    assert (stage.world.rows(Conversation), stage.world.rows(Evaluation)) == before


def test_the_same_words_delivered_after_the_verdict_report_it_and_change_nothing(stage: Stage) -> None:
    stage.world.goal()
    stage.evaluate(ScriptedJudge(), stage.receive().evaluation_id)
    again = stage.receive(at=NOW + HOUR)
    assert (again.duplicate, again.ring, again.status) == (True, False, Status.SUCCEEDED)
    assert len(stage.world.rows(Evaluation)) == 1


def test_other_words_replace_the_stored_ones_and_what_the_platform_knows_better_by_now(stage: Stage) -> None:
    stage.receive(contact_id="c-1", metadata={"draft": True})
    again = stage.receive(words="Good bye", at=NOW + HOUR, end_reason="hangup", metadata={})
    (row,) = stage.world.rows(Conversation)
    assert (again.duplicate, again.ring, again.row_id) == (True, True, row.id)
    assert said(stage) == ["Good bye"]
    assert (row.contact_id, row.end_reason, row.platform_metadata) == ("c-1", "hangup", {})
    assert (row.ended_at, row.received_at) == (NOW, NOW)


def test_a_conversation_cannot_move_to_another_agent(stage: Stage) -> None:
    stage.receive(agent_id="ann")
    with pytest.raises(Conflict, match="'ann'") as caught:
        stage.receive(words="Good bye", agent_id="bob")
    assert caught.value.field == "agent_id"
    assert said(stage) == ["Hello there"]
    assert len(stage.world.rows(Evaluation)) == 1


def test_an_end_in_the_future_counts_as_the_time_of_receipt(stage: Stage) -> None:
    stage.receive(ended_at=NOW + 48 * HOUR)
    (row,) = stage.world.rows(Conversation)
    assert (row.ended_at, row.day) == (NOW, NOW.date())


def test_a_conversation_counts_on_the_day_it_ended_in_the_projects_time_zone(stage: Stage) -> None:
    stage.receive(ended_at=datetime(2026, 11, 19, 23, 30, tzinfo=UTC))
    assert [rollup.day for rollup in stage.world.rows(ConversationRollup)] == [date(2026, 11, 20)]


def test_projects_do_not_share_conversations(stage: Stage) -> None:
    other = Stage(World(stage.world.database, a_project(stage.world.database, "other")))
    assert not stage.receive().duplicate
    assert not other.receive().duplicate


def test_of_eight_deliveries_at_once_one_is_new(stage: Stage) -> None:
    receipts = at_once(*[stage.receive] * 8)
    assert sorted(receipt.duplicate for receipt in receipts) == [False] + [True] * 7
    assert [receipt.ring for receipt in receipts].count(True) == 1
    assert len({receipt.evaluation_id for receipt in receipts}) == len(stage.world.rows(Evaluation)) == 1


def test_other_words_delivered_by_eight_at_once_are_all_stored_or_overtaken(stage: Stage) -> None:
    stage.receive()
    at_once(*(lambda number=number: stage.receive(words=f"Version {number}") for number in range(8)))
    (words,) = said(stage)
    assert words.startswith("Version ")
    assert len(stage.world.rows(Evaluation)) == 1


def test_a_delivery_that_meets_the_deletion_of_its_conversation_is_new(
    postgres_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(postgres_world)
    first, look_up = stage.receive(), conversations.get

    def delete_first(*arguments: Any, **more: Any) -> Conversation:
        monkeypatch.undo()
        at_once(delete)
        return look_up(*arguments, **more)

    def delete() -> None:
        with stage.world.database.transaction() as session:
            conversations.remove(session, stage.world.project.id, first.row_id)

    monkeypatch.setattr("goalline.store.conversations.conversations.get", delete_first)
    second = stage.receive()
    assert not second.duplicate
    assert [row.id for row in stage.world.rows(Conversation)] == [second.row_id]


def test_a_start_in_the_future_counts_as_the_time_of_receipt_too(stage: Stage) -> None:
    stage.receive(started_at=NOW + HOUR, ended_at=NOW + 2 * HOUR)
    (row,) = stage.world.rows(Conversation)
    assert (row.started_at, row.ended_at) == (NOW, NOW)


def test_a_conversation_that_comes_in_while_its_project_moves_counts_on_the_day_of_the_new_time_zone(
    stage: Stage,
) -> None:
    # The caller's key was looked up before the project moved: what it says of the time zone is out of date.
    evening = datetime(2026, 3, 31, 22, 30, tzinfo=UTC)
    with stage.world.database.transaction() as session:
        projects.move(session, stage.world.project, "Asia/Tokyo")
    assert stage.world.project.time_zone != "Asia/Tokyo"
    stage.receive(at=evening)
    (row,) = stage.world.rows(Conversation)
    assert row.day == date(2026, 4, 1)


def test_what_comes_in_while_a_project_moves_waits_until_it_has_moved(postgres_world: World) -> None:
    world, stage = postgres_world, Stage(postgres_world)
    evening = datetime(2026, 3, 31, 22, 30, tzinfo=UTC)
    with ThreadPoolExecutor(1) as pool:
        with world.database.transaction() as session:
            projects.move(session, world.project, "Asia/Tokyo")
            assert conversations.redate(session, world.project.id, "Asia/Tokyo") == 0
            received = pool.submit(stage.receive, at=evening)
            assert not wait([received], timeout=0.5).done
        received.result(timeout=60)
    (row,) = world.rows(Conversation)
    assert row.day == date(2026, 4, 1)
