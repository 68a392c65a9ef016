"""Conversations of contacts who are deactivated or erased: received, judged, and judged again."""

from datetime import datetime

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from goalline.domain.evaluation import JudgementFailed, JudgeUnavailable, Reason, Status
from goalline.domain.refusal import Conflict
from goalline.store.contacts import erasure
from goalline.store.conversations import conversations
from goalline.store.intake import Receipt
from goalline.store.tables import Conversation, ConversationRollup, Evaluation, Verdict
from tests.pipeline.conftest import ScriptedJudge, Stage
from tests.store.contact_lives import MIA, NOA, activate, deactivate, erase, residue
from tests.store.tracking import everything, flight, task, track
from tests.store.world import EFFORT, NOW, SECOND, World

WORDS = "Please book flight XQ17"
PERSONAL = {"contact_id": MIA, "end_reason": "hung-up-XQ17", "metadata": {"seat": "XQ17"}, "channel": "phone"}


@pytest.fixture
def judge() -> ScriptedJudge:
    return ScriptedJudge()


def stored(stage: Stage, call: str = "call-1") -> Conversation:
    with stage.world.database.reading() as session:
        return conversations.get(session, stage.world.project.id, call)


def come(stage: Stage, words: str = WORDS, at: datetime = NOW, **more: object) -> Receipt:
    return stage.receive("call-1", words, at, **{**PERSONAL, **more})


def ended(world: World) -> int:
    return sum(row.conversations for row in world.rows(ConversationRollup))


def test_of_a_deactivated_contact_only_that_it_called_is_stored(stage: Stage, judge: ScriptedJudge) -> None:
    stage.world.goal()
    deactivate(stage.world, MIA)
    receipt = come(stage)
    assert (receipt.status, receipt.duplicate, receipt.ring) == (Status.SKIPPED, False, False)
    assert residue(stage.world, MIA, "XQ17") == []
    row = stored(stage)
    assert (row.agent_id, row.ended_at, row.erased_at, row.channel) == ("ann", NOW, NOW, "phone")
    assert ended(stage.world) == 1
    [run] = stage.world.rows(Evaluation)
    assert (run.id, run.reason, run.finished_at) == (receipt.evaluation_id, Reason.CONTACT_DEACTIVATED, NOW)
    assert stage.evaluate(judge, receipt.evaluation_id) is None
    assert judge.words == []


def test_delivered_again_it_changes_nothing_whatever_the_words_and_the_agent(stage: Stage) -> None:
    deactivate(stage.world, MIA)
    first = come(stage)
    before = stored(stage)
    activate(stage.world, MIA)
    for again in (come(stage), come(stage, "Other words XQ17"), come(stage, agent_id="bob", contact_id=None)):
        assert (again.row_id, again.evaluation_id) == (first.row_id, first.evaluation_id)
        assert (again.status, again.duplicate, again.ring) == (Status.SKIPPED, True, False)
    assert stored(stage) == before
    assert ended(stage.world) == 1


def test_who_is_active_again_is_stored_again(stage: Stage) -> None:
    deactivate(stage.world, MIA)
    activate(stage.world, MIA)
    assert come(stage).status is Status.QUEUED
    assert stored(stage).contact_id == MIA


def test_the_webhook_of_an_open_conversation_erases_it_when_its_contact_is_deactivated(stage: Stage) -> None:
    flight(stage.world)
    track(stage.world, *everything(agent_id="bob"))
    deactivate(stage.world, MIA)
    receipt = come(stage)
    assert (receipt.status, receipt.duplicate) == (Status.SKIPPED, False)
    assert residue(stage.world, MIA, "XQ17", *[event.id for event in everything()]) == []
    assert stored(stage).erased_at == NOW
    assert ended(stage.world) == 1


def test_a_contact_known_from_events_alone_is_kept_silent_too(stage: Stage) -> None:
    track(stage.world, task("Ticket sent", contact_id=MIA))
    deactivate(stage.world, MIA, delete=False)
    come(stage, contact_id=None)
    assert residue(stage.world, MIA, "XQ17") == []
    assert stage.world.rows(Evaluation)[0].reason is Reason.CONTACT_DEACTIVATED


def test_what_is_kept_of_a_deactivated_contact_is_not_changed_by_other_words(stage: Stage) -> None:
    come(stage)
    deactivate(stage.world, MIA, delete=False)
    before = stored(stage)
    again = come(stage, "Other words")
    assert (again.duplicate, again.ring) == (True, False)
    unnamed = come(stage, "Other words", contact_id=None)
    assert (unnamed.duplicate, unnamed.ring) == (True, False)
    assert stored(stage) == before
    assert before.transcript == [{"role": "user", "text": WORDS}]


def test_a_conversation_of_somebody_else_is_not_handed_to_a_deactivated_contact(stage: Stage) -> None:
    come(stage, contact_id=NOA)
    deactivate(stage.world, MIA)
    assert come(stage, "Other words").ring is False
    assert stored(stage).contact_id == NOA


def test_the_webhook_of_a_conversation_that_was_erased_while_open_only_counts_it(stage: Stage) -> None:
    track(stage.world, task("Ticket sent", contact_id=MIA))
    erase(stage.world, MIA)
    first, again = come(stage, at=NOW + SECOND), come(stage)
    assert (first.status, first.duplicate, again.duplicate) == (Status.SKIPPED, False, True)
    assert residue(stage.world, MIA, "XQ17") == []
    assert stage.world.rows(Evaluation)[0].reason is Reason.ERASED
    assert stored(stage).erased_at == NOW
    assert ended(stage.world) == 1


def test_a_judgement_that_comes_back_after_the_erasure_stores_no_word(stage: Stage, judge: ScriptedJudge) -> None:
    stage.world.goal()
    receipt = come(stage)
    judge.meanwhile = lambda: erase(stage.world, MIA)
    assert stage.evaluate(judge, receipt.evaluation_id) is Status.SKIPPED
    assert stage.world.rows(Verdict) == []
    assert residue(stage.world, MIA, "XQ17", "As told.") == []
    [run] = stage.world.rows(Evaluation)
    assert (run.reason, run.transcript_digest, run.cost) == (Reason.ERASED, None, EFFORT.cost)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (JudgementFailed(Reason.REFUSED, EFFORT), Status.FAILED),
        (JudgeUnavailable(EFFORT), Status.QUEUED),
    ],
    ids=["failed", "unavailable"],
)
def test_a_judge_who_fails_after_the_erasure_is_not_asked_again(
    stage: Stage, judge: ScriptedJudge, error: Exception, status: Status
) -> None:
    stage.world.goal()
    receipt = come(stage)
    judge.meanwhile, judge.error = lambda: erase(stage.world, MIA), error
    assert stage.evaluate(judge, receipt.evaluation_id) is status
    later = NOW.replace(hour=23)
    assert stage.evaluate(judge, receipt.evaluation_id, at=later) in (None, Status.SKIPPED)
    assert len(judge.words) == 1
    assert stage.sweep(later.replace(minute=50)) == []


def test_an_evaluation_that_is_claimed_after_the_erasure_does_not_reach_the_judge(
    stage: Stage, judge: ScriptedJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.world.goal()
    receipt = come(stage)
    # As if somebody had been claiming it in that very moment: then the erasure leaves it to them.
    with stage.world.database.transaction() as session:
        row = conversations.get(session, stage.world.project.id, "call-1", lock=True)
        monkeypatch.setattr(erasure, "_QUEUED", erasure._QUEUED.where(sa.false()))
        erasure.erase(session, row.project_id, {row.id: row.agent_id}, NOW)
    assert stage.evaluate(judge, receipt.evaluation_id) is Status.SKIPPED
    assert judge.words == []
    assert stage.world.rows(Evaluation)[0].reason is Reason.ERASED


def test_an_erased_conversation_cannot_be_judged_again(stage: Stage, judge: ScriptedJudge) -> None:
    stage.world.goal()
    stage.evaluate(judge, come(stage).evaluation_id)
    erase(stage.world, MIA)
    with pytest.raises(Conflict, match="erased; there are no words left to judge"):
        stage.judge_again()
    assert [row.counted for row in stage.world.rows(Verdict)] == [True]


def test_an_active_contact_costs_one_statement_and_none_costs_nothing(stage: Stage) -> None:
    def statements(call: str, contact_id: str | None) -> int:
        sent = 0
        engine = stage.world.database.engine

        def count(*_: object) -> None:
            nonlocal sent
            sent += 1

        event.listen(engine, "before_cursor_execute", count)
        stage.receive(call, contact_id=contact_id)
        event.remove(engine, "before_cursor_execute", count)
        return sent

    statements("call-1", None)
    without = statements("call-2", None)
    assert statements("call-3", MIA) == without + 1
