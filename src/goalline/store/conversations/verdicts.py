"""Verdicts: stored, counted in place of older ones, taken back, read with the names of their goals."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, func, insert, update
from sqlmodel import Session, col, select

from goalline.domain.evaluation import Status
from goalline.domain.goal import Kind
from goalline.domain.rates import Counts
from goalline.domain.verdict import Verdict
from goalline.store import rollups
from goalline.store.conversations.claims import Claim
from goalline.store.goals import goals
from goalline.store.rollups import VerdictPlace
from goalline.store.tables import Conversation, Evaluation, GoalRevision, table
from goalline.store.tables import Verdict as VerdictRow

_evaluation = table(Evaluation)
_INSERT_VERDICTS = insert(table(VerdictRow))


@dataclass(frozen=True, slots=True)
class Locked:
    """A conversation that this transaction holds: where and what it counts, and whether it was erased."""

    id: UUID
    project_id: UUID
    day: date
    agent_id: str
    evaluations: int
    erased_at: datetime | None


@dataclass(frozen=True, slots=True)
class NamedVerdict:
    """A verdict with the name its goal had in the revision that it is pinned to, and the model that found it."""

    verdict: VerdictRow
    name: str
    model: str | None


def store_verdicts(session: Session, row: Locked, held: Claim, verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Store the verdicts of an evaluation of a locked conversation, count them in place of older ones, and return them.

    Where a newer evaluation has succeeded first, its verdicts go on counting and these are stored beside them: none is
    returned. Verdicts for goals that were deleted meanwhile are dropped.
    """
    counted = row.evaluations == held.number or _newest_success(session, row.id) == held.number
    judged = {verdict.goal_id for verdict in verdicts}
    # Goals are locked before verdicts and rollups, by everybody: see goals.remove.
    older = counted_goals(session, row) if held.number > 1 else set()
    existing = goals.lock_existing(session, sorted(judged | older))
    changes = uncount(session, row) if counted and older else []
    kept = [verdict for verdict in verdicts if verdict.goal_id in existing]
    if kept:
        session.connection().execute(
            _INSERT_VERDICTS,
            [
                {
                    "id": uuid4(),
                    "conversation_id": row.id,
                    "evaluation_id": held.evaluation_id,
                    "goal_id": verdict.goal_id,
                    "revision": verdict.revision,
                    "kind": verdict.kind,
                    "outcome": verdict.outcome,
                    "rationale": verdict.rationale,
                    "evidence": [item.model_dump() for item in verdict.evidence],
                    "counted": counted,
                }
                for verdict in kept
            ],
        )
    if counted:
        for verdict in kept:
            place = VerdictPlace(row.project_id, row.day, row.agent_id, verdict.goal_id, verdict.revision, verdict.kind)
            changes.append((place, Counts.of(verdict.outcome)))
    rollups.count_verdicts(session, changes)
    return kept if counted else []


def counted_goals(session: Session, row: Conversation | Locked) -> set[UUID]:
    """Return the goals for which a verdict of this conversation is counted."""
    return set(
        session.exec(
            select(VerdictRow.goal_id).where(VerdictRow.conversation_id == row.id, col(VerdictRow.counted))
        ).all()
    )


def take_back_verdicts(session: Session, row: Conversation | Locked) -> None:
    """Take the counted verdicts of a locked conversation out of the rates; the rows stay."""
    rollups.count_verdicts(session, uncount(session, row))


def uncount(session: Session, row: Conversation | Locked) -> list[tuple[VerdictPlace, Counts]]:
    """Mark the counted verdicts of a locked conversation as not counted, and return what that changes in the counts.

    Whoever calls this counts the changes, together with all others of its transaction: rollups are locked in one
    order, and that holds only for those that are counted at once.
    """
    if row.day is None:
        # It has not ended, so nobody has judged it.
        return []
    verdict = table(VerdictRow)
    counted = session.execute(
        update(verdict)
        .where(verdict.c.conversation_id == row.id, verdict.c.counted)
        .values(counted=False)
        .returning(verdict.c.goal_id, verdict.c.revision, verdict.c.kind, verdict.c.outcome)
    ).all()
    return [
        (VerdictPlace(row.project_id, row.day, row.agent_id, goal_id, revision, kind), -Counts.of(outcome))
        for goal_id, revision, kind, outcome in counted
    ]


def verdicts_of(session: Session, row_ids: Sequence[UUID]) -> dict[UUID, list[NamedVerdict]]:
    """Return the counted verdicts of some conversations, each one's primary verdict first, then by goal name."""
    found: dict[UUID, list[NamedVerdict]] = {row_id: [] for row_id in row_ids}
    for named in _named(session, col(VerdictRow.conversation_id).in_(row_ids) & col(VerdictRow.counted)):
        found[named.verdict.conversation_id].append(named)
    return found


def found_by(session: Session, evaluation_id: UUID) -> list[NamedVerdict]:
    """Return the verdicts of one evaluation, counted or not, the primary one first, then by goal name."""
    return _named(session, col(VerdictRow.evaluation_id) == evaluation_id)


def _named(session: Session, which: ColumnElement[bool]) -> list[NamedVerdict]:
    rows = session.exec(
        select(VerdictRow, GoalRevision.name, Evaluation.model)
        .join(Evaluation, col(Evaluation.id) == col(VerdictRow.evaluation_id))
        .join(
            GoalRevision,
            (col(GoalRevision.goal_id) == col(VerdictRow.goal_id))
            & (col(GoalRevision.number) == col(VerdictRow.revision)),
        )
        .where(which)
    ).all()
    found = [NamedVerdict(*row) for row in rows]
    return sorted(found, key=lambda named: (named.verdict.kind is not Kind.PRIMARY, named.name))


def _newest_success(session: Session, conversation_id: UUID) -> int | None:
    number: int | None = session.execute(
        select(func.max(_evaluation.c.number)).where(
            _evaluation.c.conversation_id == conversation_id, _evaluation.c.status == Status.SUCCEEDED
        )
    ).scalar()
    return number
