"""The backlog: conversations that were not judged, to be looked through and judged again."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlmodel import Session

from goalline.domain.evaluation import Reason, Status
from goalline.store.tables import Conversation, Evaluation, table

_conversation, _evaluation = table(Conversation).c, table(Evaluation).c
_COLUMNS = (
    _conversation.id,
    _conversation.conversation_id,
    _conversation.agent_id,
    _conversation.ended_at,
    _evaluation.id,
    _evaluation.reason,
    _evaluation.model,
    _evaluation.attempts,
    _evaluation.finished_at,
)


@dataclass(frozen=True, slots=True)
class Failed:
    """A conversation whose newest evaluation has failed: which one, when it ended, and how the evaluation did."""

    id: UUID
    conversation_id: str
    agent_id: str
    ended_at: datetime
    evaluation_id: UUID
    reason: Reason
    model: str | None
    attempts: int
    finished_at: datetime


def failed(
    session: Session,
    project_id: UUID,
    *,
    reason: Reason | None = None,
    since: datetime | None = None,
    after: tuple[datetime, UUID] | None = None,
    limit: int,
) -> list[Failed]:
    """Return up to `limit` conversations whose newest evaluation has failed, the one that ended last first.

    With `since`, only those that ended then or later; with `after`, an end and an id, only those behind it. Both cut
    the index that gives the order, so that a long list read page by page is read once.
    """
    newest = (_conversation.ended_at, _conversation.id)
    query = (
        select(*_COLUMNS)
        .where(
            _conversation.project_id == project_id,
            _evaluation.conversation_id == _conversation.id,
            _evaluation.number == _conversation.evaluations,
            _evaluation.status == Status.FAILED,
        )
        .order_by(newest[0].desc(), newest[1].desc())
        .limit(limit)
    )
    if reason is not None:
        query = query.where(_evaluation.reason == reason)
    if since is not None:
        query = query.where(newest[0] >= since)
    if after is not None:
        ended_at, row_id = after
        query = query.where((newest[0] < ended_at) | ((newest[0] == ended_at) & (newest[1] < row_id)))
    return [Failed(*row) for row in session.execute(query)]
