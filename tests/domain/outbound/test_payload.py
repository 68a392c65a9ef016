"""What a message says, whole and thin."""

import json
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from goalline.domain.evaluation import Reason
from goalline.domain.goal import Kind
from goalline.domain.outbound import payload
from goalline.domain.outbound.message import MessageType
from goalline.domain.outbound.payload import PAYLOADS, Payload, body
from goalline.domain.verdict import Outcome

AT = datetime(2026, 11, 21, 13, 0, tzinfo=timezone(timedelta(hours=1)))
ONE, TWO = UUID(int=1), UUID(int=2)
CONVERSATION = payload.Conversation(
    id=ONE, conversation_id="call-1", agent_id="ann", contact_id="+49 30 1234", ended_at=AT
)
EVALUATION = payload.Evaluation(id=TWO, model="a-model", prompt_digest="abc")
GOAL = payload.Goal(id=ONE, name="Book", kind=Kind.PRIMARY)
VERDICT = payload.Verdict(
    goal=GOAL,
    revision=2,
    outcome=Outcome.ACHIEVED,
    rationale="The caller booked a xylophone.",
    evidence=[payload.ToldEvidence(turn=3, quote="book the xylophone")],
)
CYCLE = payload.Cycle(
    number=1, started_at=AT, completed_at=AT, cost_savings="1.00", revenue="2.00", time_saved="00:10:00", currency="EUR"
)
EACH: dict[MessageType, Payload] = {
    MessageType.EVALUATION_COMPLETED: payload.EvaluationCompleted(
        conversation=CONVERSATION, evaluation=EVALUATION, verdicts=[VERDICT, VERDICT]
    ),
    MessageType.EVALUATION_FAILED: payload.EvaluationFailed(
        conversation=CONVERSATION, evaluation=EVALUATION.model_copy(update={"reason": Reason.REFUSED})
    ),
    MessageType.GOAL_ACHIEVED: payload.GoalAchieved(conversation=CONVERSATION, evaluation=EVALUATION, verdict=VERDICT),
    MessageType.GOAL_COMPLETED: payload.GoalCompleted(conversation=CONVERSATION, goal=GOAL, cycle=CYCLE),
    MessageType.RATE_DROPPED: payload.RateDropped(
        agent_id="ann",
        success_rate=0.5,
        achieved=5,
        partial=1,
        not_achieved=4,
        conversations=10,
        threshold=0.6,
        recovers_at=0.65,
    ),
    MessageType.SUBSCRIPTION_TESTED: payload.SubscriptionTested(subscription_id=ONE, name="crm"),
}


def test_every_type_says_something() -> None:
    assert PAYLOADS.keys() == set(MessageType) == EACH.keys()
    assert all(isinstance(said, PAYLOADS[kind]) for kind, said in EACH.items())


@pytest.mark.parametrize("kind", EACH)
@pytest.mark.parametrize("thin", [False, True])
def test_a_message_is_told_in_the_form_of_standard_webhooks(kind: MessageType, thin: bool) -> None:
    told = json.loads(body(kind, AT, EACH[kind], thin=thin))
    assert told.keys() == {"type", "timestamp", "data"}
    assert told["type"] == kind
    assert datetime.fromisoformat(told["timestamp"]) == AT


def test_a_verdict_is_told_with_its_reasons() -> None:
    told = json.loads(body(MessageType.GOAL_ACHIEVED, AT, EACH[MessageType.GOAL_ACHIEVED], thin=False))
    assert told["data"]["verdict"] == {
        "goal": {"id": str(ONE), "name": "Book", "kind": "primary"},
        "revision": 2,
        "outcome": "achieved",
        "rationale": "The caller booked a xylophone.",
        "evidence": [{"turn": 3, "quote": "book the xylophone"}],
    }
    assert told["data"]["conversation"]["contact_id"] == "+49 30 1234"


@pytest.mark.parametrize("kind", EACH)
def test_the_thin_form_has_no_words_of_anybody_and_no_contact(kind: MessageType) -> None:
    told = body(kind, AT, EACH[kind], thin=True)
    assert b"xylophone" not in told
    assert b"1234" not in told


def test_the_thin_form_still_has_outcomes_and_turns() -> None:
    told = json.loads(body(MessageType.EVALUATION_COMPLETED, AT, EACH[MessageType.EVALUATION_COMPLETED], thin=True))
    assert [verdict["outcome"] for verdict in told["data"]["verdicts"]] == ["achieved", "achieved"]
    assert told["data"]["verdicts"][1]["evidence"] == [{"turn": 3}]
    assert told["data"]["conversation"]["conversation_id"] == "call-1"


@pytest.mark.parametrize("kind", EACH)
def test_a_message_stays_small(kind: MessageType) -> None:
    assert len(body(kind, AT.astimezone(UTC), EACH[kind], thin=False)) < 2_000
