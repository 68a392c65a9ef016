"""Conversations over HTTP: received, listed, read, judged again, deleted."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi import Query as QueryParameter

from goalline import pipeline
from goalline.api.conversations import listing
from goalline.api.conversations.answers import ConversationOut, ConversationSummary, ReceiptOut
from goalline.api.deps import Admin, Ingester, Page, PageQuery, Parts, Reader, Ringer, bell_of, services_of
from goalline.api.problems import TooLarge, documented
from goalline.api.reports.periods import PeriodQuery
from goalline.domain.evaluation import Status
from goalline.domain.refusal import Invalid
from goalline.domain.text import Line
from goalline.domain.transcript import Delivery, excess
from goalline.domain.verdict import Outcome
from goalline.store.conversations import conversations, evaluations
from goalline.store.conversations.listing import ConversationFilter
from goalline.store.conversations.verdicts import verdicts_of
from goalline.store.track import overview
from goalline.worker import utc_now

router = APIRouter(prefix="/v1/conversations", tags=["conversations"])


class ConversationQuery(PageQuery, PeriodQuery):
    """Which conversations to list. `outcome` looks at the verdict for `goal`, or else for the primary goal.

    A day in `from` or `to` is meant whole; a time is meant to the moment. What ended just then is in the list.
    """

    open: Annotated[
        bool, QueryParameter(description="Those that only events have told of and that have not ended, and no others.")
    ] = False
    agent: Line | None = None
    contact: Line | None = None
    status: Status | None = None
    goal: UUID | None = None
    outcome: Outcome | None = None

    def require_sense(self) -> None:
        """Do nothing where the filters can be met together.

        Raises:
            Invalid: open conversations are asked for by what only those have that ended.
        """
        for field in ("from_", "to", "status", "goal", "outcome"):
            if self.open and getattr(self, field) is not None:
                name = field.rstrip("_")
                raise Invalid(f"open conversations have no end, evaluation or verdict yet; leave {name} out", name)


@router.post("/", status_code=202, include_in_schema=False)
@router.post("", status_code=202, response_model=ReceiptOut, responses=documented(400, 409, 413, 415))
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


@router.get("/", include_in_schema=False)
@router.get("")
def listed(
    query: Annotated[ConversationQuery, QueryParameter()], parts: Parts, caller: Reader
) -> Page[ConversationSummary]:
    """List conversations with their verdicts, the one that ended last first.

    With `open`, those whose events have come and whose own webhook has not, the one that was heard of last first.
    """
    query.require_sense()
    start, end = query.moments(caller.project.time_zone)
    wanted = ConversationFilter(
        open=query.open,
        agent_id=query.agent,
        contact_id=query.contact,
        ended_from=start,
        ended_before=end,
        status=query.status,
        goal_id=query.goal,
        outcome=query.outcome,
    )
    with parts.database.snapshot() as session:
        rows, cursor = listing.page(session, caller.project.id, wanted, query)
    return Page(items=[ConversationSummary.of(row) for row in rows], next_cursor=cursor)


@router.get("/{reference:path}", responses=documented(404))
def one(reference: str, parts: Parts, caller: Reader) -> ConversationOut:
    """Return a conversation, named by Goalline's id or the platform's own, with its verdicts and its track."""
    with parts.database.snapshot() as session:
        row = conversations.get(session, caller.project.id, reference)
        runs = evaluations.of_conversation(session, row)
        verdicts = verdicts_of(session, [row.id])[row.id]
        track = overview.of_conversation(session, row)
    return ConversationOut.of(row, runs, verdicts, track, caller.project.currency)


@router.post("/{reference:path}/evaluations", status_code=202, responses=documented(404, 409))
def judge_again(reference: str, parts: Parts, caller: Admin, bell: Ringer) -> ReceiptOut:
    """Judge a conversation again; until that has succeeded, its present verdicts go on counting."""
    receipt = pipeline.judge_again(parts.database, caller.project.id, reference, utc_now())
    bell.ring([receipt.evaluation_id])
    return ReceiptOut.of(receipt)


@router.delete("/{reference:path}", status_code=204, responses=documented(404, 409))
def delete(reference: str, parts: Parts, caller: Admin) -> None:
    """Delete a conversation for good, with its transcript, verdicts, events, and all that they counted for.

    One that was erased stays: it is all that keeps its counts from being counted twice.
    """
    with parts.database.transaction() as session:
        conversations.remove(session, caller.project.id, reference)
