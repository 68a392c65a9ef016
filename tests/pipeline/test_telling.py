"""What leads to messages, and what they say: in the transaction in which it happens, to those who listen."""

from datetime import timedelta
from typing import Any

import pytest

from goalline import pipeline, upkeep
from goalline.domain import duration
from goalline.domain.evaluation import JudgementFailed, Reason, Status
from goalline.domain.goal import Kind
from goalline.domain.verdict import Outcome
from goalline.store.conversations import conversations
from goalline.store.goals import goals
from goalline.store.outbound import telling
from goalline.store.tables import Evaluation, Message
from tests.domain.tracked import STEPS
from tests.pipeline.conftest import ScriptedJudge, Stage
from tests.pipeline.outbound import Outbound
from tests.store import tracking
from tests.store.world import EFFORT, HOUR, MINUTE, NOW, SECOND, World, a_project


@pytest.fixture
def outbound(world: World) -> Outbound:
    return Outbound(world)


def judged(stage: Stage, call: str = "call-1", outcome: Outcome = Outcome.ACHIEVED, **more: Any) -> None:
    receipt = stage.receive(call, **more)
    assert stage.evaluate(ScriptedJudge(outcome), receipt.evaluation_id) is Status.SUCCEEDED


def test_a_verdict_is_told_to_whoever_has_subscribed(stage: Stage, outbound: Outbound) -> None:
    goal = stage.world.goal()
    outbound.subscribe()
    judged(stage, contact_id="+49 1")
    outbound.deliver_all()
    completed, achieved = outbound.receiver.sent
    row = stage.world.rows(Evaluation)[0]
    assert completed.told["type"] == "evaluation.completed"
    assert completed.told["data"] == {
        "conversation": {
            "id": str(row.conversation_id),
            "conversation_id": "call-1",
            "agent_id": "ann",
            "contact_id": "+49 1",
            "ended_at": "2026-11-21T12:00:00Z",
        },
        "evaluation": {"id": str(row.id), "model": EFFORT.model, "prompt_digest": EFFORT.prompt_digest},
        "verdicts": [
            {
                "goal": {"id": str(goal.id), "name": "Book", "kind": "primary"},
                "revision": 1,
                "outcome": "achieved",
                "rationale": "As told.",
                "evidence": [{"turn": 1, "quote": "Hello there"}],
            }
        ],
    }
    assert achieved.told["type"] == "goal.achieved"
    assert achieved.told["data"]["verdict"] == completed.told["data"]["verdicts"][0]


def test_each_goal_that_was_achieved_is_told_by_itself(stage: Stage, outbound: Outbound) -> None:
    stage.world.goal()
    stage.world.goal("Be kind", Kind.SECONDARY)
    outbound.subscribe("goal.achieved")
    judged(stage)
    outbound.deliver_all()
    assert sorted(sent.told["data"]["verdict"]["goal"]["name"] for sent in outbound.receiver.sent) == [
        "Be kind",
        "Book",
    ]


@pytest.mark.parametrize("outcome", [Outcome.PARTIAL, Outcome.NOT_ACHIEVED])
def test_a_goal_that_was_not_achieved_is_told_with_the_evaluation_alone(
    stage: Stage, outbound: Outbound, outcome: Outcome
) -> None:
    stage.world.goal()
    outbound.subscribe()
    judged(stage, outcome=outcome)
    outbound.deliver_all()
    assert outbound.receiver.types() == ["evaluation.completed"]


def test_a_failed_evaluation_is_told_with_its_reason(stage: Stage, outbound: Outbound) -> None:
    stage.world.goal()
    outbound.subscribe()
    failing = ScriptedJudge(error=JudgementFailed(Reason.UNGROUNDED, EFFORT))
    assert stage.evaluate(failing, stage.receive().evaluation_id) is Status.FAILED
    outbound.deliver_all()
    (sent,) = outbound.receiver.sent
    assert sent.told["type"] == "evaluation.failed"
    assert sent.told["data"]["conversation"]["conversation_id"] == "call-1"
    assert sent.told["data"]["evaluation"]["reason"] == "ungrounded"
    assert sent.told["data"]["evaluation"]["explanation"] == Reason.UNGROUNDED.explanation


def test_an_evaluation_that_is_given_up_because_workers_die_of_it_is_told(stage: Stage, outbound: Outbound) -> None:
    stage.world.goal()
    outbound.subscribe()
    evaluation_id, at = stage.receive().evaluation_id, NOW
    while stage.world.evaluation(evaluation_id).status is not Status.FAILED:
        stage.world.claim(evaluation_id, at)
        at += HOUR
        stage.sweep(at)
    outbound.deliver_all(at)
    (sent,) = outbound.receiver.sent
    assert sent.told["data"]["evaluation"]["reason"] == "poison"


def test_what_is_skipped_is_no_news(stage: Stage, outbound: Outbound) -> None:
    outbound.subscribe()
    assert stage.evaluate(ScriptedJudge(), stage.receive().evaluation_id) is Status.SKIPPED
    assert outbound.messages() == []


def test_an_evaluation_that_a_newer_one_has_overtaken_is_no_news(stage: Stage, outbound: Outbound) -> None:
    stage.world.goal()
    outbound.subscribe("evaluation.completed")
    older = stage.receive().evaluation_id
    work = pipeline.claim(stage.world.database, older, NOW + SECOND, MINUTE)
    assert work is not None
    newer = stage.receive(words="Other words").evaluation_id
    assert stage.evaluate(ScriptedJudge(), newer) is Status.SUCCEEDED
    late = pipeline.evaluate(stage.world.database, ScriptedJudge(), work, lambda: NOW + SECOND, give_up_after=HOUR)
    assert late is Status.SUCCEEDED
    assert [message.evaluation_id for message in outbound.messages()] == [newer]


def test_where_nobody_listens_nothing_is_stored(stage: Stage, outbound: Outbound) -> None:
    stage.world.goal()
    outbound.subscribe("goal.completed")
    outbound.subscribe("evaluation.completed", name="of another agent", agent_id="bob")
    judged(stage)
    assert outbound.messages() == []


def test_a_subscription_to_one_agent_hears_of_that_one(stage: Stage, outbound: Outbound) -> None:
    stage.world.goal()
    outbound.subscribe("evaluation.completed", agent_id="bob")
    judged(stage, "call-1", agent_id="ann")
    judged(stage, "call-2", agent_id="bob")
    outbound.deliver_all()
    assert [sent.call for sent in outbound.receiver.sent] == ["call-2"]


def test_another_project_hears_nothing(stage: Stage) -> None:
    stage.world.goal()
    other = Outbound(World(stage.world.database, a_project(stage.world.database, "other")))
    other.subscribe()
    judged(stage)
    assert other.messages() == []


def test_a_completed_cycle_is_told_once_however_its_events_come(stage: Stage, outbound: Outbound) -> None:
    tracking.flight(stage.world)
    outbound.subscribe("goal.completed")
    start, details, confirmed = (tracking.step(key, second) for key, second in FLIGHT)
    assert tracking.track(stage.world, confirmed).told == 0
    assert tracking.track(stage.world, start).told == 1
    assert tracking.track(stage.world, start, details, confirmed).told == 0
    assert outbound.deliver_all() == ["delivered"]
    (sent,) = outbound.receiver.sent
    assert sent.told["data"]["goal"]["name"] == "Flight"
    cycle = sent.told["data"]["cycle"]
    assert cycle["number"] == 1
    assert cycle["currency"] == "USD"
    # What came later, before the message was sent, is in it.
    saved = sum((each.time_saved or 0 * SECOND for each in STEPS if each.key in dict(FLIGHT)), 0 * SECOND)
    assert cycle["time_saved"] == duration.written(saved)


FLIGHT = (("start", 0), ("details", 60), ("confirmed", 120))


def test_a_cycle_stays_told_when_an_earlier_one_is_told_of_late(stage: Stage, outbound: Outbound) -> None:
    tracking.flight(stage.world)
    outbound.subscribe("goal.completed")
    assert tracking.track(stage.world, *(tracking.step(key, second + 600) for key, second in FLIGHT)).told == 1
    # The one before had begun and come to nothing: now this one is the second.
    assert tracking.track(stage.world, tracking.step("start", 0)).told == 0
    # And now the one before was completed too.
    assert tracking.track(stage.world, tracking.step("confirmed", 120)).told == 1
    outbound.deliver_all()
    assert [sent.told["data"]["cycle"]["number"] for sent in outbound.receiver.sent] == [2, 1]


def test_a_step_that_completes_nothing_is_no_news(stage: Stage, outbound: Outbound) -> None:
    tracking.flight(stage.world)
    outbound.subscribe("goal.completed")
    assert tracking.track(stage.world, tracking.step("start", 0), tracking.step("details", 60)).told == 0


def test_a_goal_that_was_deleted_meanwhile_is_not_told_of(stage: Stage, outbound: Outbound) -> None:
    goal = stage.world.goal()
    outbound.subscribe()
    judged(stage)
    with stage.world.database.transaction() as session:
        goals.remove(session, stage.world.project.id, goal.id, confirm="Book")
    assert outbound.deliver_all() == ["dropped", "dropped"]
    assert outbound.receiver.sent == []


def test_a_conversation_that_was_deleted_takes_its_messages_with_it(stage: Stage, outbound: Outbound) -> None:
    stage.world.goal()
    outbound.subscribe()
    judged(stage)
    with stage.world.database.transaction() as session:
        conversations.remove(session, stage.world.project.id, "call-1")
    assert outbound.messages() == []


def test_a_contact_that_was_erased_takes_messages_and_answers_with_it(stage: Stage, outbound: Outbound) -> None:
    stage.world.goal()
    outbound.subscribe()
    judged(stage, contact_id="+49 1")
    outbound.deliver()
    upkeep.erase(stage.world.database, stage.world.project.id, "+49 1", NOW + MINUTE)
    assert outbound.messages() == []
    assert outbound.attempts() == []


def test_the_answers_of_receivers_go_with_the_words(stage: Stage, outbound: Outbound) -> None:
    stage.world.goal()
    outbound.subscribe("evaluation.completed")
    judged(stage)
    outbound.deliver_all()
    assert [attempt.answer for attempt in outbound.attempts()] == ["thanks"]
    upkeep.retain(stage.world.database, 1, NOW + timedelta(days=2))
    assert [(attempt.answer, attempt.status) for attempt in outbound.attempts()] == [("", 200)]


def test_what_is_sent_after_the_words_went_has_none(stage: Stage, outbound: Outbound) -> None:
    stage.world.goal()
    outbound.subscribe("evaluation.completed")
    judged(stage)
    upkeep.retain(stage.world.database, 1, NOW + timedelta(days=2))
    outbound.deliver_all(NOW + timedelta(days=2))
    (sent,) = outbound.receiver.sent
    assert sent.told["data"]["verdicts"][0]["evidence"] == [{"turn": 1}]
    assert "rationale" not in sent.told["data"]["verdicts"][0]


def test_what_is_rolled_back_is_told_to_nobody(
    stage: Stage, outbound: Outbound, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.world.goal()
    outbound.subscribe()
    evaluation_id = stage.receive().evaluation_id
    work = pipeline.claim(stage.world.database, evaluation_id, NOW + SECOND, MINUTE)
    assert work is not None

    stored = telling.judged

    # After the messages are stored, before the commit.
    def fail(*given: Any) -> int:
        assert stored(*given) == 2
        raise LookupError

    monkeypatch.setattr(telling, "judged", fail)
    with pytest.raises(LookupError):
        pipeline.complete(stage.world.database, work, ScriptedJudge().judge(work.goals, work.turns), NOW)
    assert stage.world.rows(Message) == []
