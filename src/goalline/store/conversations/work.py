"""Work: an evaluation that was claimed, with all that the judge needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import Session

from goalline.domain.evaluation import Reason
from goalline.domain.goal import GoalInForce, goals_in_force
from goalline.domain.transcript import Turn, is_empty
from goalline.store.conversations import claims, conversations
from goalline.store.conversations.claims import Claim
from goalline.store.goals import histories
from goalline.telemetry import place_of


@dataclass(frozen=True, slots=True)
class Work:
    """A claimed evaluation with all that the judge needs."""

    claim: Claim
    turns: Sequence[Turn]
    transcript_digest: str
    goals: Sequence[GoalInForce]
    erased: bool = False
    unreadable: str | None = None
    """The kind and place of the error that reading it ended in."""

    @property
    def needless(self) -> Reason | None:
        """Why there is nothing to judge, if there is nothing."""
        if self.erased:
            return Reason.ERASED
        if is_empty(self.turns):
            return Reason.EMPTY_TRANSCRIPT
        return None if self.goals else Reason.NO_GOAL_IN_FORCE


def begin(
    session: Session,
    evaluation_id: UUID,
    now: datetime,
    lease: timedelta,
    *,
    turns: Sequence[UUID] = (),
    suspects: bool = False,
) -> Work | None:
    """Claim an evaluation and read what it is about; None where somebody else has it or it has ended.

    Where one of the projects in `turns` has an evaluation that is due, its oldest is taken in place of the one named.
    """
    claim = _first_of(session, turns, now, lease, suspects) or claims.claim(
        session, evaluation_id, now, now + lease, suspects=suspects
    )
    if claim is None:
        return None
    try:
        return _read(session, claim)
    except (ValueError, TypeError, LookupError) as error:
        # The claim stands: rolled back with the rest, it would be the first to be claimed again, and so for ever.
        return Work(claim, (), "", (), unreadable=place_of(error))


def _read(session: Session, claim: Claim) -> Work:
    said = conversations.to_judge(session, claim.conversation_id)
    known = histories.histories(session, said.project_id, said.agent_id)
    in_force = goals_in_force(known, said.agent_id, said.ended_at)
    return Work(claim, said.turns, said.transcript_digest, in_force, said.erased_at is not None)


def _first_of(session: Session, turns: Sequence[UUID], now: datetime, lease: timedelta, suspects: bool) -> Claim | None:
    for project_id in turns:
        if claim := claims.claim_oldest(session, project_id, now, now + lease, suspects=suspects):
            return claim
    return None
