"""Evaluations over HTTP: what waits, runs or has ended in all conversations, and judging again what failed."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter
from fastapi import Query as QueryParameter
from pydantic import BaseModel, ConfigDict, Field

from goalline import upkeep
from goalline.api.conversations.answers import EvaluationOut
from goalline.api.deps import Admin, Page, PageQuery, Parts, Reader, Ringer, cursor_at, cut, place_at
from goalline.api.problems import documented
from goalline.api.reports.periods import Day, moments
from goalline.domain.evaluation import Reason, Status
from goalline.domain.text import Line
from goalline.store.conversations import backlog
from goalline.store.conversations.backlog import BacklogFilter, Listed
from goalline.worker import utc_now

router = APIRouter(prefix="/v1/evaluations", tags=["evaluations"])

MOST_RETRIED = 500
"""How many conversations one request judges again at most: they are queued in one transaction."""


class ListedEvaluation(EvaluationOut):
    """The newest evaluation of a conversation, which is named by the platform's own id."""

    conversation_id: str
    agent_id: str
    ended_at: datetime = Field(description="When the conversation ended.")

    @classmethod
    def listed(cls, found: Listed) -> "ListedEvaluation":
        """Return an evaluation of a list as it is shown."""
        row = EvaluationOut.of(found.evaluation)
        return cls(
            **{name: getattr(row, name) for name in EvaluationOut.model_fields},
            conversation_id=found.conversation_id,
            agent_id=found.agent_id,
            ended_at=found.ended_at,
        )


class _Wanted(BaseModel):
    """Which conversations are meant, by their end; a day is one of the project and meant whole."""

    reason: Reason | None = None
    agent: Line | None = None
    since: Annotated[Day | None, Field(description="Conversations that ended then or later.")] = None
    until: Annotated[Day | None, Field(description="Conversations that ended then or before.")] = None

    def of(self, status: Status | None, time_zone: str) -> BacklogFilter:
        """Return the filter.

        Raises:
            Invalid: the times are the wrong way round.
        """
        start, end = moments(self.since, self.until, time_zone, ("since", "until"))
        return BacklogFilter(status, self.reason, self.agent, start, end)


class EvaluationQuery(_Wanted, PageQuery):
    """Which evaluations to list: those in a state, for a reason, of an agent, by the end of their conversations."""

    state: Status | None = None


class Retry(_Wanted):
    """What is to be judged again. `limit` is for one request; whoever wants more repeats it with `next_cursor`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: Annotated[
        Literal["failed"],
        Field(description="What was skipped has no words, or no goal: judging it again would not change that."),
    ]
    limit: Annotated[int, Field(ge=1, le=MOST_RETRIED)] = MOST_RETRIED
    cursor: Annotated[str | None, Field(max_length=200, description="`next_cursor` of the answer before.")] = None


class Retried(BaseModel):
    """How many conversations were queued to be judged again, and how many of them are left behind this request's.

    Some are `passed_over`: somebody else has queued, erased or deleted them meanwhile, or their contact is deactivated.
    """

    queued: int
    passed_over: int
    remaining: int
    next_cursor: str | None


@router.get("")
def listed(query: Annotated[EvaluationQuery, QueryParameter()], parts: Parts, caller: Reader) -> Page[ListedEvaluation]:
    """List the newest evaluation of each conversation, the conversation that ended last first."""
    wanted = query.of(query.state, caller.project.time_zone)
    with parts.database.snapshot() as session:
        found = backlog.page(session, caller.project.id, wanted, after=query.after, limit=query.limit + 1)
    rows, cursor = cut(found, query.limit, lambda row: row.place)
    return Page(items=[ListedEvaluation.listed(row) for row in rows], next_cursor=cursor)


@router.post("/retry", status_code=202, responses=documented(400, 413, 415))
def retry(body: Retry, parts: Parts, caller: Admin, bell: Ringer) -> Retried:
    """Judge again the conversations whose newest evaluation has failed, the one that ended last first.

    To go through all of them, repeat the request with the `next_cursor` of each answer until that is null. So each is
    judged again once, also where it fails again meanwhile. What fails again is paid again.
    """
    wanted, project_id = body.of(Status(body.state), caller.project.time_zone), caller.project.id
    done = upkeep.retry(parts.database, project_id, wanted, utc_now(), after=place_at(body.cursor), limit=body.limit)
    bell.ring(done.evaluation_ids)
    remaining = 0
    if done.after:
        with parts.database.reading() as session:
            remaining = backlog.left(session, project_id, wanted, after=done.after)
    return Retried(
        queued=len(done.evaluation_ids),
        passed_over=done.passed_over,
        remaining=remaining,
        next_cursor=cursor_at(done.after) if done.after and remaining else None,
    )
