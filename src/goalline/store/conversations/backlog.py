"""The backlog: conversations by the state of their newest evaluation, to be looked through and judged again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlmodel import Session

from goalline.domain.evaluation import Reason, Status
from goalline.store.contacts import deactivation
from goalline.store.tables import Conversation, Evaluation, table

_conversation, _evaluation = table(Conversation).c, table(Evaluation).c
_other = table(Evaluation).alias("other")

Place = tuple[datetime, UUID]
"""Where a conversation stands in the list: when it ended, and its id."""


@dataclass(frozen=True, slots=True)
class BacklogFilter:
    """Which conversations are meant, by their newest evaluation, their agent and their end; None means any.

    Those that ended at `ended_from` are meant, those that ended at `ended_before` are not.
    """

    status: Status | None = None
    reason: Reason | None = None
    agent_id: str | None = None
    ended_from: datetime | None = None
    ended_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A conversation, and its newest evaluation."""

    id: UUID
    conversation_id: str
    agent_id: str
    ended_at: datetime
    evaluation: Evaluation

    @property
    def place(self) -> Place:
        """Where it stands in the list."""
        return self.ended_at, self.id


# What can be judged again, in both forms; nothing else decides it. In bulk, two more kinds are passed over: what is
# being judged already, so that there are never two evaluations at once, and what is of a deactivated contact.
_CAN_BE_JUDGED = (
    _conversation.ended_at.is_not(None),
    _conversation.erased_at.is_(None),
    _conversation.transcript_deleted_at.is_(None),
)


def obstacle(row: Conversation) -> str | None:
    """Return why a conversation cannot be judged again, None where it can."""
    if row.erased_at is not None:
        return f"conversation {row.conversation_id!r} was erased; there are no words left to judge"
    if row.ended_at is None:
        return f"conversation {row.conversation_id!r} has not ended yet; it is judged when it has"
    if row.transcript_deleted_at is not None:
        return (
            f"the words of conversation {row.conversation_id!r} were deleted at "
            f"{row.transcript_deleted_at.isoformat(timespec='seconds')}, as it ended longer ago than words are "
            "kept (GOALLINE_TRANSCRIPT_DAYS); there is nothing left to judge"
        )
    return None


_IS_IDLE = ~(
    select(_other.c.id)
    .where(_other.c.conversation_id == _conversation.id, _other.c.status.in_((Status.QUEUED, Status.RUNNING)))
    .exists()
)


def page(
    session: Session, project_id: UUID, wanted: BacklogFilter, *, after: Place | None = None, limit: int
) -> list[Listed]:
    """Return up to `limit` conversations, the one that ended last first, from the one behind `after` on."""
    columns = (_conversation.id, _conversation.conversation_id, _conversation.agent_id, _conversation.ended_at)
    query = _in_order(_query(select(*columns, Evaluation), project_id, wanted, after), limit)
    return [Listed(*row) for row in session.execute(query)]


def to_retry(
    session: Session, project_id: UUID, wanted: BacklogFilter, *, after: Place | None = None, limit: int
) -> list[Place]:
    """Return the places of up to `limit` conversations that can be judged again, in the order of the list."""
    query = _query(select(_conversation.ended_at, _conversation.id), project_id, wanted, after)
    found = session.execute(_in_order(query.where(*_CAN_BE_JUDGED, _IS_IDLE), limit))
    return [(ended_at, row_id) for ended_at, row_id in found]


def left(session: Session, project_id: UUID, wanted: BacklogFilter, *, after: Place | None = None) -> int:
    """Return how many conversations behind `after` can be judged again."""
    query = _query(select(func.count()), project_id, wanted, after)
    number: int = session.execute(query.where(*_CAN_BE_JUDGED, _IS_IDLE)).scalar_one()
    return number


def hold(session: Session, project_id: UUID, wanted: BacklogFilter, row_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Hold conversations until the end of the transaction; return those that are to be judged again.

    Each comes with the number of its newest evaluation. Whoever was faster, or deleted one, is seen only when it is
    held: so all is asked anew.
    """
    # In one order, as everybody who holds several.
    session.execute(
        select(_conversation.id).where(_conversation.id.in_(row_ids)).order_by(_conversation.id).with_for_update()
    )
    columns = select(_conversation.id, _conversation.evaluations, _conversation.contact_id)
    found = session.execute(
        _query(columns, project_id, wanted, None).where(_conversation.id.in_(row_ids), *_CAN_BE_JUDGED, _IS_IDLE)
    ).all()
    silent = deactivation.deactivated(session, project_id, {contact_id for _, _, contact_id in found})
    return {row_id: number for row_id, number, contact_id in found if contact_id not in silent}


def _query(chosen: Select[Any], project_id: UUID, wanted: BacklogFilter, after: Place | None) -> Select[Any]:
    ended_at, row_id = _conversation.ended_at, _conversation.id
    query = chosen.where(
        _conversation.project_id == project_id,
        _evaluation.conversation_id == row_id,
        _evaluation.number == _conversation.evaluations,
    )
    if wanted.status is not None:
        query = query.where(_evaluation.status == wanted.status)
    if wanted.reason is not None:
        query = query.where(_evaluation.reason == wanted.reason)
    if wanted.agent_id is not None:
        query = query.where(_conversation.agent_id == wanted.agent_id)
    if wanted.ended_from is not None:
        query = query.where(ended_at >= wanted.ended_from)
    if wanted.ended_before is not None:
        query = query.where(ended_at < wanted.ended_before)
    if after is not None:
        # It cuts the index that gives the order, so that a long list read page by page is read once.
        query = query.where((ended_at < after[0]) | ((ended_at == after[0]) & (row_id < after[1])))
    return query


def _in_order(query: Select[Any], limit: int) -> Select[Any]:
    return query.order_by(_conversation.ended_at.desc(), _conversation.id.desc()).limit(limit)
