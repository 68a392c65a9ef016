"""Erasure: all that tells of a person is taken from conversations; what they count stays."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlmodel import Session

from goalline.domain.evaluation import Reason, Status
from goalline.domain.track import Place, Tally, gather, tallies, track
from goalline.store import projects
from goalline.store.database import run
from goalline.store.goals import goals
from goalline.store.outbound import log as messages
from goalline.store.tables import Conversation, Evaluation, PathTaken, StepEvent, Verdict, table
from goalline.store.track import events, rollups
from goalline.store.track.events import Told

_conversation, _evaluation, _verdict = table(Conversation), table(Evaluation), table(Verdict)
_event, _taken = table(StepEvent), table(PathTaken)
_ROWS: sa.BindParameter[Any] = bindparam("row_ids", expanding=True)

# One that somebody is claiming this very moment is left to them: they find the conversation erased.
_QUEUED = (
    sa.select(_evaluation.c.id)
    .where(_evaluation.c.conversation_id.in_(_ROWS), _evaluation.c.status == Status.QUEUED)
    .with_for_update(skip_locked=True)
)
_SKIP = (
    sa.update(_evaluation)
    .where(_evaluation.c.id.in_(bindparam("evaluation_ids", expanding=True)))
    .values(status=Status.SKIPPED, reason=Reason.ERASED, finished_at=bindparam("now"))
)
_FORGET_WORDS = (
    sa.update(_evaluation)
    .where(_evaluation.c.conversation_id.in_(_ROWS), _evaluation.c.transcript_digest.is_not(None))
    .values(transcript_digest=None)
)
_JUDGED = sa.select(_verdict.c.goal_id).where(_verdict.c.conversation_id.in_(_ROWS)).distinct()
_FORGET_REASONING = sa.update(_verdict).where(_verdict.c.conversation_id.in_(_ROWS)).values(rationale="", evidence=[])
_FORGET_EVENTS, _FORGET_PATHS = (
    sa.delete(found).where(found.c.conversation_id.in_(_ROWS)) for found in (_event, _taken)
)


def blank(now: datetime) -> dict[str, Any]:
    """Return what an erased conversation has in the place of everything that told of a person."""
    return {
        "contact_id": None,
        "contact_tracked": False,
        "end_reason": None,
        "platform_metadata": None,
        "transcript": [],
        "transcript_digest": "",
        "erased_at": now,
    }


def erase(session: Session, project_id: UUID, held: Mapping[UUID, str], now: datetime) -> None:
    """Erase held conversations, given by id with the agent that each is counted for.

    Transcript, contact, metadata, the reasoning of verdicts, events and the path go; outcomes, cycles and all counts
    stay. An evaluation that is queued is skipped, and one that is running will find out when it wants to store.
    """
    row_ids = list(held)
    if not row_ids:
        return
    if queued := run(session, _QUEUED, row_ids=row_ids).scalars().all():
        run(session, _SKIP, evaluation_ids=queued, now=now)
    run(session, _FORGET_WORDS, row_ids=row_ids)
    # Goals are locked before events and verdicts, by everybody: see goals.remove.
    judged = set(run(session, _JUDGED, row_ids=row_ids).scalars())
    goals.lock_existing(session, sorted(judged | events.goals_of(session, row_ids)))
    told = {row_id: of_one for row_id, of_one in events.load(session, row_ids).items() if of_one}
    kept = _counted(session, project_id, held, told)
    if told:
        # A webhook's own conversation has none, and counts itself after this: a recount locks paths later than that.
        run(session, _FORGET_EVENTS, row_ids=row_ids)
        run(session, _FORGET_PATHS, row_ids=row_ids)
    run(session, _FORGET_REASONING, row_ids=row_ids)
    messages.forget(session, row_ids)
    session.execute(sa.update(_conversation).where(_conversation.c.id.in_(row_ids)).values(blank(now)))
    rollups.count_erased(session, project_id, kept)


def _counted(
    session: Session, project_id: UUID, held: Mapping[UUID, str], told: Mapping[UUID, Sequence[Told]]
) -> dict[Place, Tally]:
    zone = projects.time_zone(session, project_id)
    found: dict[Place, Tally] = {}
    for row_id, of_one in told.items():
        gather(found, tallies(track(one.tracked for one in of_one), held[row_id], zone))
    return found
