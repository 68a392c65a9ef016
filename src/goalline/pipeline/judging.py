"""What is found: an evaluation is claimed, judged and stored; what gets lost on the way is found again."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from goalline.domain.evaluation import (
    Effort,
    Judge,
    Judgement,
    JudgementFailed,
    JudgeUnavailable,
    Reason,
    Status,
    release_delay,
)
from goalline.domain.goal import GoalInForce, goals_in_force
from goalline.domain.transcript import Turn, is_empty
from goalline.store.conversations import conversations, evaluations, recovery
from goalline.store.conversations.evaluations import Claim
from goalline.store.conversations.verdicts import counted_goals, store_verdicts, take_back_verdicts
from goalline.store.database import Database, DatabaseUnavailable
from goalline.store.goals import goals, histories
from goalline.telemetry import log, place_of

SWEEP_LIMIT = 1_000
"""Most evaluations one sweep rings for; a longer backlog is served by the next sweeps."""

_log = log(__name__)

Clock = Callable[[], datetime]
Holding = Callable[[Claim], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class Work:
    """A claimed evaluation with all that the judge needs."""

    claim: Claim
    turns: Sequence[Turn]
    transcript_digest: str
    goals: Sequence[GoalInForce]
    erased: bool = False

    @property
    def needless(self) -> Reason | None:
        """Why there is nothing to judge, if there is nothing."""
        if self.erased:
            return Reason.ERASED
        if is_empty(self.turns):
            return Reason.EMPTY_TRANSCRIPT
        return None if self.goals else Reason.NO_GOAL_IN_FORCE


def evaluate(
    database: Database,
    judge: Judge,
    evaluation_id: UUID,
    clock: Clock,
    *,
    lease: timedelta,
    give_up_after: timedelta,
    holding: Holding = nullcontext,
) -> Status | None:
    """Claim an evaluation, let the judge think, and store what it found.

    Returns the state it is left in, or None where it was not ours to run: somebody else has it, it has ended, or
    the claim was lost while the judge thought. The judge thinks inside `holding(claim)`, which may renew the lease.
    """
    work = _begin(database, evaluation_id, clock(), lease)
    if work is None:
        return None
    if work.needless:
        return _skip(database, work, work.needless, clock())
    with holding(work.claim):
        try:
            return complete(database, work, judge.judge(work.goals, work.turns), clock())
        except JudgeUnavailable as unavailable:
            return _release(database, work.claim, unavailable, clock(), give_up_after)
        except JudgementFailed as failed:
            return _fail(database, work.claim, failed.reason, failed.effort, clock())
        except DatabaseUnavailable:
            raise
        except Exception as error:
            # A defect of ours must not make the same conversation be judged, and paid for, again and again.
            _log.error("judgement_broke", evaluation_id=str(evaluation_id), error=place_of(error))
            return _fail(database, work.claim, Reason.INTERNAL_ERROR, None, clock())


def complete(database: Database, work: Work, judgement: Judgement, now: datetime) -> Status | None:
    """Store a judgement and count its verdicts, in one transaction; None where the claim was lost before."""
    with database.transaction() as session:
        row = conversations.lock(session, work.claim.conversation_id)
        if row and row.erased_at:
            # What the judge has read cannot be taken back; nothing of it is kept but what it cost.
            erased = evaluations.finish(
                session, work.claim, Status.SKIPPED, now, reason=Reason.ERASED, effort=judgement.effort
            )
            return Status.SKIPPED if erased else None
        if row is None or not evaluations.finish(
            session,
            work.claim,
            Status.SUCCEEDED,
            now,
            effort=judgement.effort,
            transcript_digest=work.transcript_digest,
        ):
            return None
        store_verdicts(session, row, work.claim, judgement.verdicts)
        return Status.SUCCEEDED


def sweep(database: Database, now: datetime, *, forgotten: bool = False) -> list[UUID]:
    """Return the evaluations to ring for: queued ones that nobody took, running ones whose worker died.

    Each is returned once in `RING_AGAIN_AFTER`, however many sweepers there are; and as long as nobody takes it, ever
    less often, so that a backlog does not fill the broker. With `forgotten`, for a bell that lost its memory, every
    queued evaluation that is due counts as not rung for yet.
    """
    with database.transaction() as session:
        if forgotten:
            recovery.forget_bells(session, now)
        return recovery.recover(session, now, SWEEP_LIMIT)


def _begin(database: Database, evaluation_id: UUID, now: datetime, lease: timedelta) -> Work | None:
    with database.transaction() as session:
        claim = evaluations.claim(session, evaluation_id, now, now + lease)
        if claim is None:
            return None
        said = conversations.to_judge(session, claim.conversation_id)
        known = histories.histories(session, said.project_id, said.agent_id)
        in_force = goals_in_force(known, said.agent_id, said.ended_at)
        return Work(claim, said.turns, said.transcript_digest, in_force, said.erased_at is not None)


def _skip(database: Database, work: Work, reason: Reason, now: datetime) -> Status | None:
    with database.transaction() as session:
        row = conversations.lock(session, work.claim.conversation_id)
        if row is None or not evaluations.finish(session, work.claim, Status.SKIPPED, now, reason=reason):
            return None
        if reason is Reason.EMPTY_TRANSCRIPT and row.evaluations == work.claim.number:
            # Verdicts on words that were taken back have nothing to rest on any more, unless newer words came since.
            goals.lock_existing(session, sorted(counted_goals(session, row)))
            take_back_verdicts(session, row)
        return Status.SKIPPED


def _release(
    database: Database, claim: Claim, unavailable: JudgeUnavailable, now: datetime, give_up_after: timedelta
) -> Status | None:
    deadline = claim.tried_since + give_up_after
    if now >= deadline:
        return _fail(database, claim, Reason.UNAVAILABLE, unavailable.effort, now)
    # The last attempt is made at the deadline, even where the provider asked for a longer pause.
    due_at = min(now + release_delay(now - claim.tried_since, unavailable.retry_after), deadline)
    with database.transaction() as session:
        released = evaluations.release(session, claim, due_at, Reason.UNAVAILABLE, unavailable.effort)
        return Status.QUEUED if released else None


def _fail(database: Database, claim: Claim, reason: Reason, effort: Effort | None, now: datetime) -> Status | None:
    with database.transaction() as session:
        failed = evaluations.finish(session, claim, Status.FAILED, now, reason=reason, effort=effort)
        return Status.FAILED if failed else None
