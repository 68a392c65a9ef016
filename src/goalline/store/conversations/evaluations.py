"""Evaluations: queued, claimed under a lease, handed back or ended once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, String, and_, bindparam, case, func, insert, null, or_, update
from sqlmodel import Session, col, select

from goalline.domain.evaluation import Effort, Reason, Status, Usage
from goalline.store.database import run
from goalline.store.tables import Conversation, Evaluation, table

_evaluation = table(Evaluation)
_ENQUEUE = insert(_evaluation)
_CLAIM = (
    update(_evaluation)
    .where(
        _evaluation.c.id == bindparam("evaluation_id"),
        _evaluation.c.status == Status.QUEUED,
        # A fresh one is due whatever the time: the clock of the server that queued it may run a little ahead.
        or_(_evaluation.c.attempts == 0, _evaluation.c.due_at <= bindparam("now")),
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
        _evaluation.c.conversation_id,
        _evaluation.c.number,
        _evaluation.c.attempts,
        _evaluation.c.tried_since,
    )
)

# The number of attempts is the fence: whoever claims the row after us has a higher one.
_OWNED = update(_evaluation).where(
    _evaluation.c.id == bindparam("evaluation_id"),
    _evaluation.c.status == Status.RUNNING,
    _evaluation.c.attempts == bindparam("held_attempts"),
)
_RENEW = _OWNED.values(ring_at=bindparam("lease_until"))
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
    **_SPENT,
).returning(_evaluation.c.id)
_FINISH = _OWNED.values(
    status=bindparam("new_status"),
    reason=bindparam("new_reason"),
    finished_at=bindparam("now"),
    transcript_digest=bindparam("digest"),
    **_SPENT,
).returning(_evaluation.c.id)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run one evaluation: valid while the row is running in this very attempt."""

    evaluation_id: UUID
    conversation_id: UUID
    number: int
    attempts: int
    tried_since: datetime


def enqueue(session: Session, conversation_id: UUID, number: int, now: datetime, ring_again_at: datetime) -> UUID:
    """Store the `number`-th evaluation of a conversation as queued, due at once, and return its id.

    Whoever commits this rings the bell; should nobody have heard it by `ring_again_at`, the sweep rings again. The
    conversation is either new in this transaction or locked by it.
    """
    row = _new(conversation_id, number, now) | {"ring_at": ring_again_at}
    run(session, _ENQUEUE, row)
    if number > 1:
        conversation = table(Conversation)
        session.execute(update(conversation).where(conversation.c.id == conversation_id).values(evaluations=number))
    evaluation_id: UUID = row["id"]
    return evaluation_id


def skip(session: Session, conversation_id: UUID, reason: Reason, now: datetime) -> UUID:
    """Store the only evaluation that a conversation will have, skipped before anybody could claim it; return its id."""
    row = _new(conversation_id, 1, now) | {"status": Status.SKIPPED, "reason": reason, "finished_at": now}
    run(session, _ENQUEUE, row)
    evaluation_id: UUID = row["id"]
    return evaluation_id


def newest(session: Session, row: Conversation) -> Evaluation:
    """Return a conversation's newest evaluation."""
    return session.exec(
        select(Evaluation).where(Evaluation.conversation_id == row.id, Evaluation.number == row.evaluations)
    ).one()


def of_conversation(session: Session, row: Conversation) -> Sequence[Evaluation]:
    """Return all evaluations of a conversation, newest first."""
    return session.exec(
        select(Evaluation).where(Evaluation.conversation_id == row.id).order_by(col(Evaluation.number).desc())
    ).all()


def newest_of(session: Session, rows: Sequence[Conversation]) -> dict[UUID, Evaluation]:
    """Return the newest evaluation of each of some conversations."""
    found = session.exec(
        select(Evaluation)
        .join(Conversation, col(Evaluation.conversation_id) == col(Conversation.id))
        .where(
            col(Conversation.id).in_([row.id for row in rows]),
            col(Evaluation.number) == col(Conversation.evaluations),
        )
    )
    return {evaluation.conversation_id: evaluation for evaluation in found}


def waiting(session: Session, conversation_id: UUID, now: datetime, ring_again_at: datetime) -> UUID | None:
    """Return the evaluation that will judge the conversation as it is stored when this transaction commits.

    That is the newest one still queued. Delays that a failing LLM brought upon it end, and its deadline is a new
    one's, as the bell is rung for it. Its row is held until the commit: a worker that claims it next reads what is
    committed.
    """
    queued = session.execute(
        update(_evaluation)
        .where(_evaluation.c.conversation_id == conversation_id, _evaluation.c.status == Status.QUEUED)
        .values(tried_since=now, due_at=_evaluation.c.created_at, ring_at=ring_again_at, interruptions=0)
        .returning(_evaluation.c.number, _evaluation.c.id)
    ).all()
    return max(queued)[1] if queued else None


def claim(session: Session, evaluation_id: UUID, now: datetime, lease_until: datetime) -> Claim | None:
    """Take a queued evaluation that is due, or return None where somebody else has it or it has ended."""
    row = run(session, _CLAIM, evaluation_id=evaluation_id, now=now, lease_until=lease_until).first()
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
) -> bool:
    """End an evaluation in a terminal state; return False where the claim was lost and nothing may be stored."""
    values = {"new_status": status, "new_reason": reason, "now": now, "digest": transcript_digest}
    return run(session, _FINISH, values | _fence(held) | _spent(effort)).first() is not None


def _new(conversation_id: UUID, number: int, now: datetime) -> dict[str, Any]:
    return {
        "id": uuid4(),
        "conversation_id": conversation_id,
        "number": number,
        "status": Status.QUEUED,
        "created_at": now,
        "tried_since": now,
        "due_at": now,
        "ring_at": now,
        "attempts": 0,
        "interruptions": 0,
        "calls": 0,
    }


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
