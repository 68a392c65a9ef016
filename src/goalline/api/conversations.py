"""Conversations over HTTP: received, listed, read, judged again, deleted."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi import Query as QueryParameter
from pydantic import BaseModel, PlainSerializer

from goalline import pipeline
from goalline.api.deps import Admin, Ingester, Page, PageQuery, Parts, Reader, Ringer, bell_of, cut, services_of
from goalline.api.periods import PeriodQuery
from goalline.api.problems import TooLarge, documented
from goalline.domain.evaluation import Reason, Status
from goalline.domain.goal import Kind
from goalline.domain.text import Line
from goalline.domain.transcript import Delivery, Turn, excess
from goalline.domain.verdict import Evidence, Outcome
from goalline.pipeline import Receipt
from goalline.store import conversations, evaluations
from goalline.store.conversations import ConversationFilter, NamedVerdict
from goalline.store.tables import Conversation, Evaluation
from goalline.worker import utc_now

router = APIRouter(prefix="/v1/conversations", tags=["conversations"])

Dollars = Annotated[Decimal, PlainSerializer(lambda cost: format(cost.normalize(), "f"), return_type=str)]


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


class GoalName(BaseModel):
    """A goal as it was named in the revision that a verdict is pinned to."""

    id: UUID
    name: str
    kind: Kind


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

    A queued evaluation with a reason waits to be tried again at `next_attempt_at`.
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


_SAME = ("id", "status", "reason", "model", "prompt_digest", "cost", "calls", "attempts", "created_at", "finished_at")


class ConversationSummary(BaseModel):
    """A conversation in a list."""

    id: UUID
    conversation_id: str
    agent_id: str
    contact_id: str | None
    channel: str | None
    started_at: datetime | None
    ended_at: datetime
    received_at: datetime
    end_reason: str | None
    evaluation: Queued
    verdicts: list[VerdictOut]


class ConversationOut(BaseModel):
    """A conversation with all that is known of it. It has no cycles, tasks and steps until tracking arrives."""

    id: UUID
    conversation_id: str
    agent_id: str
    contact_id: str | None
    channel: str | None
    started_at: datetime | None
    ended_at: datetime
    received_at: datetime
    end_reason: str | None
    metadata: dict[str, Any] | None
    transcript: list[Turn]
    verdicts: list[VerdictOut]
    evaluations: list[EvaluationOut]
    cycles: list[None] = []
    tasks: list[None] = []
    steps: list[None] = []


class ConversationQuery(PageQuery, PeriodQuery):
    """Which conversations to list. `outcome` looks at the verdict for `goal`, or else for the primary goal."""

    agent: Line | None = None
    contact: Line | None = None
    status: Status | None = None
    goal: UUID | None = None
    outcome: Outcome | None = None


@router.post("/", status_code=202, include_in_schema=False)
@router.post("", status_code=202, response_model=ReceiptOut, responses=documented(400, 409, 413))
def receive(delivery: Delivery, caller: Ingester, request: Request) -> Response:
    """Store an ended conversation and queue its evaluation; sending it again changes nothing."""
    # As dependencies these two, and as a model the answer, would cost every webhook a trip to the thread pool each.
    parts, bell = services_of(request), bell_of(request)
    limits = parts.settings
    too_much = excess(delivery.transcript, limits.max_turns, limits.max_characters)
    if too_much:
        raise TooLarge(too_much)
    receipt = pipeline.receive(parts.database, caller.project, delivery, utc_now())
    if receipt.ring:
        bell.ring([receipt.evaluation_id])
    return Response(ReceiptOut.of(receipt).model_dump_json(), 202, media_type="application/json")


@router.get("")
def listed(
    query: Annotated[ConversationQuery, QueryParameter()], parts: Parts, caller: Reader
) -> Page[ConversationSummary]:
    """List conversations with their verdicts, the one that ended last first."""
    first, last = query.bounds(caller.project.time_zone)
    wanted = ConversationFilter(
        agent_id=query.agent,
        contact_id=query.contact,
        first_day=first,
        last_day=last,
        status=query.status,
        goal_id=query.goal,
        outcome=query.outcome,
    )
    with parts.database.snapshot() as session:
        rows, cursor = cut(
            conversations.page(session, caller.project.id, wanted, after=query.after, limit=query.limit + 1),
            query.limit,
            lambda row: (row.ended_at, row.id),
        )
        verdicts = conversations.verdicts_of(session, [row.id for row in rows])
        states = evaluations.statuses(session, rows)
    items = [
        ConversationSummary(
            **{name: getattr(row, name) for name in ConversationSummary.model_fields.keys() & _COLUMNS},
            evaluation=Queued(id=states[row.id].id, status=states[row.id].status),
            verdicts=[VerdictOut.of(verdict) for verdict in verdicts[row.id]],
        )
        for row in rows
    ]
    return Page(items=items, next_cursor=cursor)


_COLUMNS = Conversation.model_fields.keys() - {"evaluations", "transcript"}


@router.get("/{reference:path}", responses=documented(404))
def one(reference: str, parts: Parts, caller: Reader) -> ConversationOut:
    """Return a conversation, named by Goalline's id or the platform's own."""
    with parts.database.snapshot() as session:
        row = conversations.get(session, caller.project.id, reference)
        runs = evaluations.of_conversation(session, row)
        verdicts = conversations.verdicts_of(session, [row.id])[row.id]
    return ConversationOut(
        **{name: getattr(row, name) for name in ConversationOut.model_fields.keys() & _COLUMNS},
        metadata=row.platform_metadata,
        transcript=conversations.turns(row),
        verdicts=[VerdictOut.of(verdict) for verdict in verdicts],
        evaluations=[EvaluationOut.of(run) for run in runs],
    )


@router.post("/{reference:path}/evaluations", status_code=202, responses=documented(404))
def judge_again(reference: str, parts: Parts, caller: Admin, bell: Ringer) -> ReceiptOut:
    """Judge a conversation again; until that has succeeded, its present verdicts go on counting."""
    receipt = pipeline.judge_again(parts.database, caller.project.id, reference, utc_now())
    bell.ring([receipt.evaluation_id])
    return ReceiptOut.of(receipt)


@router.delete("/{reference:path}", status_code=204, responses=documented(404))
def delete(reference: str, parts: Parts, caller: Admin) -> None:
    """Delete a conversation for good, with its transcript, its verdicts and their share in the rates."""
    with parts.database.transaction() as session:
        conversations.remove(session, caller.project.id, reference)
