"""Retention: the words of conversations that ended long ago are deleted, a few conversations at a time.

Nobody waits for this, and it waits for nobody: conversations that somebody else holds are passed over until the next
time, and so are those whose evaluation has not ended.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlmodel import Session

from goalline.domain.evaluation import Status
from goalline.store.database import run
from goalline.store.outbound import log as messages
from goalline.store.tables import Conversation, Evaluation, Verdict, table

AT_ONCE = 50
"""Most conversations of one transaction."""

Place = tuple[datetime, UUID]
"""When a conversation ended, and its id."""

_conversation, _evaluation, _verdict = table(Conversation), table(Evaluation), table(Verdict)
_ended_at, _id = _conversation.c.ended_at, _conversation.c.id
_ROWS: sa.BindParameter[Any] = bindparam("row_ids", expanding=True)

# As `ix_conversation_words` has it: whatever was passed leaves the index, so that its beginning is what is due.
_WORDS_LEFT = _conversation.c.transcript_deleted_at.is_(None) & _conversation.c.erased_at.is_(None)
_DUE = _WORDS_LEFT & (_ended_at < bindparam("before"))
_FIRST = sa.select(_ended_at, _id).where(_DUE).order_by(_ended_at, _id).limit(bindparam("most"))
# The first condition cuts the index, the second one leaves out those of the same moment that were looked at.
_NEXT = _FIRST.where(_ended_at >= bindparam("at"), (_ended_at > bindparam("at")) | (_id > bindparam("row_id")))
_COUNT = sa.select(sa.func.count()).select_from(_conversation).where(_DUE)
_HOLD = sa.select(_id).where(_id.in_(_ROWS), _WORDS_LEFT).order_by(_ended_at, _id).with_for_update(skip_locked=True)
_UNENDED = sa.select(_evaluation.c.conversation_id).where(
    _evaluation.c.conversation_id.in_(_ROWS), _evaluation.c.status.in_((Status.QUEUED, Status.RUNNING))
)
_OF_ROWS = _verdict.c.conversation_id.in_(_ROWS)
_HOLD_VERDICTS = sa.select(_verdict.c.id).where(_OF_ROWS).with_for_update(skip_locked=True)
_VERDICTS = sa.select(_verdict.c.id, _verdict.c.conversation_id, _verdict.c.evidence).where(_OF_ROWS)
_DELETE_REASONING = (
    sa.update(_verdict)
    .where(_verdict.c.id == bindparam("verdict_id"))
    .values(rationale="", evidence=bindparam("turns_only", type_=_verdict.c.evidence.type))
)
_DELETE_WORDS = (
    sa.update(_conversation).where(_id.in_(_ROWS)).values(transcript=[], transcript_deleted_at=bindparam("now"))
)


@dataclass(frozen=True, slots=True)
class Due:
    """Some conversations whose words are to go, and where the next ones begin; `then` None: these were the last."""

    row_ids: Sequence[UUID]
    then: Place | None


def due(session: Session, before: datetime, after: Place | None) -> Due:
    """Return some of the conversations that ended before a time and still have words, from the oldest on.

    Those behind `after` are looked at, so that one that is passed over does not stand in the way of the others.
    """
    values: dict[str, Any] = {"before": before, "most": AT_ONCE}
    if after:
        values["at"], values["row_id"] = after
    places: list[Place] = [(at, row_id) for at, row_id in run(session, _NEXT if after else _FIRST, values)]
    unended = _unended(session, [row_id for _, row_id in places])
    free = [row_id for _, row_id in places if row_id not in unended]
    return Due(free, places[-1] if len(places) == AT_ONCE else None)


def count(session: Session, before: datetime) -> int:
    """Return how many conversations ended before a time and still have words."""
    number: int = run(session, _COUNT, before=before).scalar_one()
    return number


def delete_words(session: Session, row_ids: Sequence[UUID], now: datetime) -> int:
    """Delete what was said in some conversations, and return in how many; those that are in use keep their words.

    The transcript goes, and of each verdict the rationale and the quotes. Outcomes, revisions, turn numbers and digests
    stay, so that counts do not change and a webhook that is repeated is known.
    """
    held = set(run(session, _HOLD, row_ids=row_ids).scalars())
    # Asked now that they are held: nobody can have them judged again before this transaction ends.
    held -= _unended(session, held)
    if not held:
        return 0
    # Whoever deletes a goal holds its verdicts, and no conversation.
    held_verdicts = set(run(session, _HOLD_VERDICTS, row_ids=list(held)).scalars())
    verdicts = run(session, _VERDICTS, row_ids=list(held)).all()
    held -= {found.conversation_id for found in verdicts if found.id not in held_verdicts}
    reasoning = [
        {"verdict_id": found.id, "turns_only": [item | {"quote": ""} for item in found.evidence]}
        for found in verdicts
        if found.conversation_id in held
    ]
    if reasoning:
        session.connection().execute(_DELETE_REASONING, reasoning)
    messages.forget_answers(session, list(held))
    run(session, _DELETE_WORDS, row_ids=list(held), now=now)
    return len(held)


def _unended(session: Session, row_ids: Collection[UUID]) -> set[UUID]:
    return set(run(session, _UNENDED, row_ids=list(row_ids)).scalars()) if row_ids else set()
