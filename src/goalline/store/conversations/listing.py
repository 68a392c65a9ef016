"""Lists of conversations: filtered, the one that ended last first, a page at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, exists
from sqlalchemy.orm import defer
from sqlmodel import Session, col, select

from goalline.domain.evaluation import Status
from goalline.domain.goal import Kind
from goalline.domain.verdict import Outcome
from goalline.store.tables import Conversation, Evaluation, Verdict

_WITHOUT_TRANSCRIPT = defer(Conversation.transcript, raiseload=True)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class ConversationFilter:
    """Which conversations a list shows; None shows all. `goal_id` and `outcome` look at counted verdicts.

    Those that ended at `ended_from` are shown, those that ended at `ended_before` are not. With `open`, those are shown
    that have not ended, and none of the others.
    """

    open: bool = False
    agent_id: str | None = None
    contact_id: str | None = None
    ended_from: datetime | None = None
    ended_before: datetime | None = None
    status: Status | None = None
    goal_id: UUID | None = None
    outcome: Outcome | None = None


def page(
    session: Session,
    project_id: UUID,
    wanted: ConversationFilter,
    *,
    after: tuple[datetime, UUID] | None = None,
    limit: int,
) -> Sequence[Conversation]:
    """Return up to `limit` conversations, the one that ended last first, from the one behind `after` on.

    Of open ones, the one that was heard of last comes first. Transcripts are not loaded.
    """
    ended = col(Conversation.ended_at)
    newest = (col(Conversation.received_at) if wanted.open else ended, col(Conversation.id))
    query = (
        select(Conversation)
        .where(Conversation.project_id == project_id, ended.is_(None) if wanted.open else ended.is_not(None))
        .where(*_conditions(wanted))
        .order_by(newest[0].desc(), newest[1].desc())
        .limit(limit)
        .options(_WITHOUT_TRANSCRIPT)
    )
    if after:
        at, row_id = after
        query = query.where((newest[0] < at) | ((newest[0] == at) & (newest[1] < row_id)))
    return session.exec(query).all()


def _conditions(wanted: ConversationFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.agent_id is not None:
        conditions.append(col(Conversation.agent_id) == wanted.agent_id)
    if wanted.contact_id is not None:
        conditions.append(col(Conversation.contact_id) == wanted.contact_id)
    if wanted.ended_from is not None:
        conditions.append(col(Conversation.ended_at) >= wanted.ended_from)
    if wanted.ended_before is not None:
        conditions.append(col(Conversation.ended_at) < wanted.ended_before)
    if wanted.status is not None:
        newest = col(Evaluation.number) == col(Conversation.evaluations)
        of_this = col(Evaluation.conversation_id) == col(Conversation.id)
        conditions.append(exists().where(of_this, newest, col(Evaluation.status) == wanted.status))
    if wanted.goal_id is not None or wanted.outcome is not None:
        judged = [col(Verdict.conversation_id) == col(Conversation.id), col(Verdict.counted)]
        if wanted.goal_id is not None:
            judged.append(col(Verdict.goal_id) == wanted.goal_id)
        else:
            judged.append(col(Verdict.kind) == Kind.PRIMARY)
        if wanted.outcome is not None:
            judged.append(col(Verdict.outcome) == wanted.outcome)
        conditions.append(exists().where(*judged))
    return conditions
