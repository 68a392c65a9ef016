"""Messages over HTTP: what a subscription was told, every attempt to do so, and delivering again."""

import base64
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from fastapi import Query as QueryParameter
from pydantic import BaseModel, Field

from goalline import upkeep
from goalline.api.deps import Admin, Page, PageQuery, Parts, Ringer
from goalline.api.problems import documented
from goalline.domain.outbound.message import MessageStatus, MessageType
from goalline.domain.refusal import Invalid
from goalline.store.outbound import log, subscriptions
from goalline.store.outbound.log import Told
from goalline.worker import utc_now

router = APIRouter(prefix="/v1/subscriptions/{subscription_id}", tags=["subscriptions"])

_GREATEST_NUMBER = 2**63 - 1


class AttemptOut(BaseModel):
    """One attempt: the receiver's HTTP status and the beginning of its answer, or the error that prevented them."""

    number: int
    at: datetime
    status: int | None
    milliseconds: int
    answer: str
    error: str | None


class MessageOut(BaseModel):
    """A message; `id` is its `webhook-id` header. What it said is not kept: it is read when it is sent."""

    id: UUID
    type: MessageType
    occurred_at: datetime
    conversation_id: Annotated[UUID | None, Field(description="The conversation's `id` here, not the platform's.")]
    status: MessageStatus
    attempts: list[AttemptOut]
    next_attempt_at: Annotated[datetime | None, Field(description="No earlier than that, while it waits.")]
    ended_at: datetime | None

    @classmethod
    def of(cls, told: Told) -> "MessageOut":
        """Return a message as it is shown."""
        message = told.message
        return cls(
            id=message.id,
            type=message.type,
            occurred_at=message.occurred_at,
            conversation_id=message.conversation_id,
            status=message.status,
            attempts=[
                AttemptOut(**{name: getattr(attempt, name) for name in AttemptOut.model_fields})
                for attempt in told.attempts
            ],
            next_attempt_at=message.due_at if message.status is MessageStatus.WAITING else None,
            ended_at=message.ended_at,
        )


class MessageQuery(PageQuery):
    """Which messages to list: all, or those of one status."""

    status: MessageStatus | None = None

    @property
    def before(self) -> int | None:
        """The number of the last message of the page before.

        Raises:
            Invalid: the cursor is not one of ours.
        """
        if self.cursor is None:
            return None
        try:
            number = int(base64.urlsafe_b64decode(self.cursor).decode("ascii"))
        except ValueError:
            number = 0
        if not 0 < number <= _GREATEST_NUMBER:
            raise Invalid("this is no cursor of this list; send the next_cursor of the page before", "cursor")
        return number


class Redelivered(BaseModel):
    """How many messages are delivered again."""

    messages: int


@router.get("/messages", responses=documented(404))
def listed(
    subscription_id: UUID, query: Annotated[MessageQuery, QueryParameter()], parts: Parts, caller: Admin
) -> Page[MessageOut]:
    """List what a subscription was told and will be told, the newest first, with every attempt.

    Messages that have ended are kept for 30 days; those of a conversation go when it is deleted or erased.
    """
    with parts.database.snapshot() as session:
        subscriptions.get(session, caller.project.id, subscription_id)
        found = log.listed(session, subscription_id, status=query.status, before=query.before, limit=query.limit + 1)
    shown = found[: query.limit]
    return Page(
        items=[MessageOut.of(told) for told in shown],
        next_cursor=_cursor(shown[-1]) if len(found) > query.limit else None,
    )


@router.get("/messages/{message_id}", responses=documented(404))
def read(subscription_id: UUID, message_id: UUID, parts: Parts, caller: Admin) -> MessageOut:
    """Read one message, with every attempt to deliver it."""
    with parts.database.snapshot() as session:
        return MessageOut.of(log.get(session, caller.project.id, subscription_id, message_id))


@router.post("/messages/{message_id}/redeliver", status_code=202, responses=documented(404, 409))
def redeliver(subscription_id: UUID, message_id: UUID, parts: Parts, caller: Admin, bell: Ringer) -> MessageOut:
    """Deliver a message again under the same id, whatever became of it; it says what is true by now."""
    with parts.database.transaction() as session:
        told = MessageOut.of(log.redeliver(session, caller.project.id, subscription_id, message_id, utc_now()))
    bell.post.ring()
    return told


@router.post("/redeliver", status_code=202, responses=documented(404, 409))
def redeliver_failed(subscription_id: UUID, parts: Parts, caller: Admin, bell: Ringer) -> Redelivered:
    """Deliver again all messages that failed, the oldest first, each under the same id."""
    many = 0
    for some in upkeep.redeliver_failed(parts.database, caller.project.id, subscription_id, utc_now()):
        if some:
            bell.post.ring()
        many += some
    return Redelivered(messages=many)


def _cursor(last: Told) -> str:
    return base64.urlsafe_b64encode(str(last.message.number).encode()).decode()
