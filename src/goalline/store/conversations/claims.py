"""Claims: who runs an evaluation, until when, and how that ends; the row is the job."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, String, and_, bindparam, case, func, null, or_, select, update
from sqlmodel import Session

from goalline.domain.evaluation import MOST_INTERRUPTIONS, SUSPECT_AFTER, Effort, Reason, Status, Usage
from goalline.store.database import run
from goalline.store.tables import Evaluation, is_queued, table

_evaluation = table(Evaluation)
_CLAIMING = (
    update(_evaluation)
    .where(
        _evaluation.c.status == Status.QUEUED,
        _evaluation.c.interruptions.between(bindparam("least"), bindparam("most")),
    )
    .values(
        status=Status.RUNNING,
        reason=None,
        attempts=_evaluation.c.attempts + 1,
        ring_at=bindparam("lease_until"),
        # However long it took until somebody had time for it: its own time begins now.
        tried_since=case((_evaluation.c.attempts == 0, bindparam("now")), else_=_evaluation.c.tried_since),
    )
    .returning(
        _evaluation.c.id,
        _evaluation.c.project_id,
        _evaluation.c.conversation_id,
        _evaluation.c.number,
        _evaluation.c.attempts,
        _evaluation.c.interruptions,
        _evaluation.c.tried_since,
    )
)
# A fresh one is due whatever the time: the clock of the server that queued it may run a little ahead.
_CLAIM = _CLAIMING.where(
    _evaluation.c.id == bindparam("evaluation_id"),
    or_(_evaluation.c.attempts == 0, _evaluation.c.due_at <= bindparam("now")),
)
_oldest = _evaluation.alias("oldest")
_CLAIM_OLDEST = _CLAIMING.where(
    _evaluation.c.id
    == select(_oldest.c.id)
    .where(
        _oldest.c.project_id == bindparam("whose"),
        is_queued(_oldest),
        _oldest.c.due_at <= bindparam("now"),
        _oldest.c.interruptions.between(bindparam("least"), bindparam("most")),
    )
    .order_by(_oldest.c.due_at)
    .limit(1)
    .with_for_update(skip_locked=True)
    .scalar_subquery()
)

# The number of attempts is the fence: whoever claims the row after us has a higher one.
_OWNED = update(_evaluation).where(
    _evaluation.c.id == bindparam("evaluation_id"),
    _evaluation.c.status == Status.RUNNING,
    _evaluation.c.attempts == bindparam("held_attempts"),
)
_RENEW = _OWNED.values(ring_at=bindparam("lease_until"))
_HAND_BACK = _OWNED.values(status=Status.QUEUED, ring_at=bindparam("now")).returning(_evaluation.c.id)
_IDLE = (
    select(_evaluation.c.id)
    .where(_evaluation.c.id.in_(bindparam("evaluation_ids", expanding=True)))
    .with_for_update(skip_locked=True)
)


def _plus(name: str) -> ColumnElement[Any]:
    # What is unknown adds nothing; what was never known stays unknown.
    column = _evaluation.c[name]
    more = bindparam(f"more_{name}", type_=column.type)
    return func.coalesce(column + more, column, more)


def _total_cost() -> ColumnElement[Any]:
    # A sum that leaves out calls of unknown cost would look like the whole.
    before, more = _evaluation.c.cost, bindparam("more_cost", type_=_evaluation.c.cost.type)
    unknown = and_(_evaluation.c.calls > 0, before.is_(None)) | and_(
        bindparam("more_calls", type_=_evaluation.c.calls.type) > 0, more.is_(None)
    )
    return case((unknown, null()), else_=func.coalesce(before + more, before, more))


_SPENT = {
    "model": func.coalesce(bindparam("used_model", type_=String), _evaluation.c.model),
    "prompt_digest": func.coalesce(bindparam("used_prompt", type_=String), _evaluation.c.prompt_digest),
    "cost": _total_cost(),
    **{name: _plus(name) for name in ("calls", "prompt_tokens", "completion_tokens")},
}
_RELEASE = _OWNED.values(
    status=bindparam("new_status"),
    reason=bindparam("new_reason"),
    due_at=bindparam("new_due_at"),
    ring_at=bindparam("new_due_at"),
    # Whoever hands it back has survived it.
    interruptions=0,
    **_SPENT,
).returning(_evaluation.c.id)
_FINISH = _OWNED.values(
    status=bindparam("new_status"),
    reason=bindparam("new_reason"),
    finished_at=bindparam("now"),
    transcript_digest=bindparam("digest"),
    last_error=func.coalesce(bindparam("error", type_=String), _evaluation.c.last_error),
    **_SPENT,
).returning(_evaluation.c.id)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run one evaluation: valid while the row is running in this very attempt."""

    evaluation_id: UUID
    project_id: UUID
    conversation_id: UUID
    number: int
    attempts: int
    interruptions: int
    tried_since: datetime

    @property
    def suspect(self) -> bool:
        """Whether this evaluation may be what kills workers."""
        return self.interruptions >= SUSPECT_AFTER


def claim(
    session: Session, evaluation_id: UUID, now: datetime, lease_until: datetime, *, suspects: bool = False
) -> Claim | None:
    """Take a queued evaluation that is due, or return None where somebody else has it or it has ended.

    Those that may be what kills workers are taken with `suspects` alone, and with it no others are.
    """
    values = {"evaluation_id": evaluation_id, **_terms(now, lease_until, suspects)}
    row = run(session, _CLAIM, values).first()
    return Claim(*row) if row else None


def claim_oldest(
    session: Session, project_id: UUID, now: datetime, lease_until: datetime, *, suspects: bool = False
) -> Claim | None:
    """Take the evaluation of a project that has been due for longest, or return None where none is; see `claim`."""
    values = {"whose": project_id, **_terms(now, lease_until, suspects)}
    row = run(session, _CLAIM_OLDEST, values).first()
    return Claim(*row) if row else None


def renew(session: Session, claims: Sequence[Claim], lease_until: datetime) -> None:
    """Prolong the leases of claims that are still valid.

    A row that another transaction is changing is left to it: it is about to end, or its turn comes next time. To
    wait for it while holding others would meet those who delete conversations head on.
    """
    idle = set(run(session, _IDLE, evaluation_ids=[held.evaluation_id for held in claims]).scalars())
    for held in claims:
        if held.evaluation_id in idle:
            run(session, _RENEW, _fence(held), lease_until=lease_until)


def hand_back(session: Session, claims: Sequence[Claim], now: datetime) -> list[UUID]:
    """Queue again, as if nobody had taken them, the evaluations whose claims are still valid; return their ids.

    Their claims are void from then on. A row that another transaction is changing is about to end, and left to it.
    """
    idle = set(run(session, _IDLE, evaluation_ids=[held.evaluation_id for held in claims]).scalars())
    return [
        held.evaluation_id
        for held in claims
        if held.evaluation_id in idle and run(session, _HAND_BACK, _fence(held), now=now).first()
    ]


def release(session: Session, held: Claim, due_at: datetime, reason: Reason, effort: Effort) -> bool:
    """Hand an evaluation back to the queue until `due_at`; return False where the claim was lost."""
    values = {"new_status": Status.QUEUED, "new_reason": reason, "new_due_at": due_at}
    return run(session, _RELEASE, values | _fence(held) | _spent(effort)).first() is not None


def finish(
    session: Session,
    held: Claim,
    status: Status,
    now: datetime,
    *,
    reason: Reason | None = None,
    effort: Effort | None = None,
    transcript_digest: str | None = None,
    error: str | None = None,
) -> bool:
    """End an evaluation in a terminal state; return False where the claim was lost and nothing may be stored.

    `error` is what went wrong, for operators, in no words of anybody.
    """
    values = {"new_status": status, "new_reason": reason, "now": now, "digest": transcript_digest, "error": error}
    return run(session, _FINISH, values | _fence(held) | _spent(effort)).first() is not None


def _terms(now: datetime, lease_until: datetime, suspects: bool) -> dict[str, Any]:
    least, most = (SUSPECT_AFTER, MOST_INTERRUPTIONS) if suspects else (0, SUSPECT_AFTER - 1)
    return {"now": now, "lease_until": lease_until, "least": least, "most": most}


def _fence(held: Claim) -> dict[str, Any]:
    return {"evaluation_id": held.evaluation_id, "held_attempts": held.attempts}


def _spent(effort: Effort | None) -> dict[str, Any]:
    usage = effort.usage if effort else Usage()
    return {
        "used_model": effort and effort.model,
        "used_prompt": effort and effort.prompt_digest,
        "more_calls": usage.calls,
        "more_prompt_tokens": usage.prompt_tokens,
        "more_completion_tokens": usage.completion_tokens,
        "more_cost": effort and effort.cost,
    }
