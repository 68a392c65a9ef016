"""What is told of conversations: receipts, lists, and one conversation with all that is known of it."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, PlainSerializer

from goalline.api.conversations.listing import Listed
from goalline.api.conversations.track import AnalyticsStep, CycleOut, GoalName, TaskOut, UntrackedStep
from goalline.domain import money
from goalline.domain.evaluation import Reason, Status
from goalline.domain.transcript import Turn
from goalline.domain.verdict import Evidence, Outcome
from goalline.store.conversations import conversations
from goalline.store.conversations.verdicts import NamedVerdict
from goalline.store.intake import Receipt
from goalline.store.tables import Conversation, Evaluation
from goalline.store.track.overview import Overview

Dollars = Annotated[Decimal, PlainSerializer(money.written, return_type=str)]


class Queued(BaseModel):
    """The evaluation that a delivery led to."""

    id: UUID
    status: Status


class ReceiptOut(BaseModel):
    """What became of a delivery; `duplicate` when the conversation was known already."""

    id: UUID
    conversation_id: str
    evaluation: Queued
    duplicate: bool

    @classmethod
    def of(cls, receipt: Receipt) -> "ReceiptOut":
        """Return a receipt as it is shown."""
        return cls(
            id=receipt.row_id,
            conversation_id=receipt.conversation_id,
            evaluation=Queued(id=receipt.evaluation_id, status=receipt.status),
            duplicate=receipt.duplicate,
        )


class VerdictOut(BaseModel):
    """What the judge found for one goal. `reviewed` tells whether a person has overridden it: nobody can, yet."""

    goal_id: UUID
    goal: GoalName
    revision: int
    outcome: Outcome
    rationale: str
    evidence: list[Evidence]
    reviewed: bool = False
    evaluation_id: UUID

    @classmethod
    def of(cls, named: NamedVerdict) -> "VerdictOut":
        """Return a verdict as it is shown."""
        verdict = named.verdict
        return cls(
            goal_id=verdict.goal_id,
            goal=GoalName(id=verdict.goal_id, name=named.name, kind=verdict.kind),
            revision=verdict.revision,
            outcome=verdict.outcome,
            rationale=verdict.rationale,
            evidence=[Evidence.model_validate(item) for item in verdict.evidence],
            evaluation_id=verdict.evaluation_id,
        )


class UsageOut(BaseModel):
    """Tokens, re-asks included; null where the provider did not report them."""

    prompt_tokens: int | None
    completion_tokens: int | None


class EvaluationOut(BaseModel):
    """One run of the judge. `cost` is in US dollars, null where the model's price is unknown.

    A queued evaluation with a reason waits to be tried again at `next_attempt_at`. `last_error` is for operators: what
    went wrong with it last, if it was no answer of the model.
    """

    id: UUID
    status: Status
    reason: Reason | None
    explanation: str | None
    model: str | None
    prompt_digest: str | None
    usage: UsageOut
    cost: Dollars | None
    calls: int
    attempts: int
    last_error: str | None
    created_at: datetime
    next_attempt_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, row: Evaluation) -> "EvaluationOut":
        """Return an evaluation as it is shown."""
        return cls(
            **{name: getattr(row, name) for name in _SAME},
            explanation=row.reason.explanation if row.reason else None,
            usage=UsageOut(prompt_tokens=row.prompt_tokens, completion_tokens=row.completion_tokens),
            next_attempt_at=row.due_at if row.status is Status.QUEUED and row.reason else None,
        )


_SAME = (
    *("id", "status", "reason", "model", "prompt_digest", "cost"),
    *("calls", "attempts", "last_error", "created_at", "finished_at"),
)


class ConversationSummary(BaseModel):
    """A conversation in a list. One that has not ended has no end and no evaluation, and perhaps no agent yet."""

    id: UUID
    conversation_id: str
    agent_id: str | None
    contact_id: str | None
    channel: str | None
    started_at: datetime | None
    ended_at: datetime | None
    received_at: datetime
    end_reason: str | None
    erased_at: datetime | None
    transcript_deleted_at: datetime | None
    evaluation: Queued | None
    verdicts: list[VerdictOut]

    @classmethod
    def of(cls, listed: Listed) -> "ConversationSummary":
        """Return a conversation of a list as it is shown."""
        row, newest = listed.conversation, listed.newest
        columns = {name: getattr(row, name) for name in cls.model_fields.keys() & _COLUMNS}
        return cls(
            **columns | {"agent_id": row.agent_id or None},
            evaluation=Queued(id=newest.id, status=newest.status) if newest else None,
            verdicts=[VerdictOut.of(verdict) for verdict in listed.verdicts],
        )


class ConversationOut(BaseModel):
    """A conversation with all that is known of it.

    One that events told of first has no `ended_at`, no words and no evaluation until its webhook comes, and no
    `agent_id` unless an event names it. Of one that was `erased_at` some time, only what is counted is left. One whose
    `transcript_deleted_at` is set ended so long ago that its words were deleted: its transcript is empty, and so are
    rationale and quotes of its verdicts.
    """

    id: UUID
    conversation_id: str
    agent_id: str | None
    contact_id: str | None
    channel: str | None
    started_at: datetime | None
    ended_at: datetime | None
    erased_at: datetime | None
    transcript_deleted_at: datetime | None
    received_at: datetime
    end_reason: str | None
    metadata: dict[str, Any] | None
    transcript: list[Turn]
    verdicts: list[VerdictOut]
    evaluations: list[EvaluationOut]
    cycles: list[CycleOut]
    tasks: list[TaskOut]
    steps: list[AnalyticsStep]
    untracked: list[UntrackedStep]

    @classmethod
    def of(
        cls,
        row: Conversation,
        runs: Sequence[Evaluation],
        verdicts: Sequence[NamedVerdict],
        track: Overview,
        currency: str,
    ) -> "ConversationOut":
        """Return a conversation as it is shown, with its evaluations, the verdicts that count, and its track."""
        columns = {name: getattr(row, name) for name in cls.model_fields.keys() & _COLUMNS}
        return cls(
            **columns | {"agent_id": row.agent_id or None},
            metadata=row.platform_metadata,
            transcript=conversations.turns(row),
            verdicts=[VerdictOut.of(verdict) for verdict in verdicts],
            evaluations=[EvaluationOut.of(run) for run in runs],
            cycles=[CycleOut.of(cycle, currency) for cycle in track.cycles],
            tasks=[TaskOut.of(task) for task in track.tasks],
            steps=AnalyticsStep.in_order(track.steps),
            untracked=[UntrackedStep.of(goal, step) for goal, step in track.untracked],
        )


_COLUMNS = Conversation.model_fields.keys() - {"evaluations", "transcript"}
