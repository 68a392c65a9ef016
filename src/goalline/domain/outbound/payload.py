"""Payloads: what a message says, in the words and shapes of the API."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from goalline.domain.evaluation import Reason
from goalline.domain.goal import Kind
from goalline.domain.outbound.message import MessageType
from goalline.domain.verdict import Outcome


class Conversation(BaseModel):
    """Which conversation it is about; `conversation_id` is the platform's own id."""

    id: UUID
    conversation_id: str
    agent_id: str | None = None
    contact_id: str | None = None
    ended_at: datetime | None = None


class Goal(BaseModel):
    """A goal, as it was named in the revision that a verdict or a cycle is pinned to."""

    id: UUID
    name: str
    kind: Kind


class ToldEvidence(BaseModel):
    """A turn, numbered from 1, and words quoted from it."""

    turn: int
    quote: str | None = None


class Verdict(BaseModel):
    """What the judge found for one goal."""

    goal: Goal
    revision: int
    outcome: Outcome
    rationale: str | None = None
    evidence: list[ToldEvidence]


class Evaluation(BaseModel):
    """One run of the judge. With a `reason` it failed, for which `explanation` is a sentence or two."""

    id: UUID
    model: str | None = None
    prompt_digest: str | None = None
    reason: Reason | None = None
    explanation: str | None = None


class Cycle(BaseModel):
    """A completed attempt at a goal's process; amounts are in `currency`, `time_saved` is HH:MM:SS."""

    number: int
    started_at: datetime
    completed_at: datetime
    cost_savings: str
    revenue: str
    time_saved: str
    currency: str


class EvaluationCompleted(BaseModel):
    """An evaluation succeeded: its verdicts, the primary goal's first."""

    conversation: Conversation
    evaluation: Evaluation
    verdicts: list[Verdict]


class EvaluationFailed(BaseModel):
    """An evaluation failed: the conversation is in no rate until it is judged again."""

    conversation: Conversation
    evaluation: Evaluation


class GoalAchieved(BaseModel):
    """The judge found a goal achieved."""

    conversation: Conversation
    evaluation: Evaluation
    verdict: Verdict


class GoalCompleted(BaseModel):
    """Step events completed a cycle of a goal."""

    conversation: Conversation
    goal: Goal
    cycle: Cycle


class RateDropped(BaseModel):
    """An agent's success rate over its last `conversations` verdicts on primary goals fell below `threshold`.

    It is told again only after the rate has been at `recovers_at` or above.
    """

    agent_id: str
    success_rate: float
    achieved: int
    partial: int
    not_achieved: int
    conversations: int
    threshold: float
    recovers_at: float


class SubscriptionTested(BaseModel):
    """Somebody tries whether messages arrive."""

    subscription_id: UUID
    name: str


Payload = EvaluationCompleted | EvaluationFailed | GoalAchieved | GoalCompleted | RateDropped | SubscriptionTested

PAYLOADS: dict[MessageType, type[Payload]] = {
    MessageType.EVALUATION_COMPLETED: EvaluationCompleted,
    MessageType.EVALUATION_FAILED: EvaluationFailed,
    MessageType.GOAL_ACHIEVED: GoalAchieved,
    MessageType.GOAL_COMPLETED: GoalCompleted,
    MessageType.RATE_DROPPED: RateDropped,
    MessageType.SUBSCRIPTION_TESTED: SubscriptionTested,
}
"""What the messages of each type say."""

_WORDS: Any = {"rationale": True, "evidence": {"__all__": {"quote"}}}
_NOT_IN_THIN: Any = {"data": {"conversation": {"contact_id"}, "verdict": _WORDS, "verdicts": {"__all__": _WORDS}}}


class _Envelope(BaseModel):
    type: MessageType
    timestamp: datetime
    data: Payload


def body(kind: MessageType, occurred_at: datetime, payload: Payload, *, thin: bool) -> bytes:
    """Return a message as it is sent: JSON with `type`, `timestamp` (when it happened) and `data`.

    In the thin form nothing stands that anybody said or that says who it was: no rationale, no quote, no contact.
    """
    envelope = _Envelope(type=kind, timestamp=occurred_at, data=payload)
    return envelope.model_dump_json(exclude_none=True, exclude=_NOT_IN_THIN if thin else None).encode()
