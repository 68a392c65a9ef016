"""Conversations: received once, read one by one or as a list, deleted with all that hangs on them."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, bindparam, delete, exists, update
from sqlalchemy.orm import defer
from sqlmodel import Session, col, select

from goalline.domain.calendar import local_day
from goalline.domain.evaluation import Status
from goalline.domain.goal import Kind
from goalline.domain.rates import Counts
from goalline.domain.refusal import NotFound
from goalline.domain.text import storable
from goalline.domain.transcript import Delivery, Turn
from goalline.domain.verdict import Outcome
from goalline.store import goals, rollups
from goalline.store.database import Upsert, run
from goalline.store.rollups import ConversationPlace, VerdictPlace
from goalline.store.tables import Conversation, Evaluation, GoalRevision, Project, Verdict, table

_TURNS = TypeAdapter(tuple[Turn, ...])
_WITHOUT_TRANSCRIPT = defer(Conversation.transcript, raiseload=True)  # type: ignore[arg-type]

_columns = table(Conversation).c
_INSERT_ONCE = Upsert(
    table(Conversation),
    # RETURNING and not the row count: psycopg reports -1 rows for an insert that met a conflict.
    lambda statement: statement.on_conflict_do_nothing(index_elements=["project_id", "conversation_id"]).returning(
        # The project may be moving to another time zone just now: whoever moves it waits for this insert, or this
        # insert for them.
        sa.select(table(Project).c.time_zone).where(table(Project).c.id == bindparam("owner")).scalar_subquery()
    ),
)
_TO_JUDGE = sa.select(
    _columns.project_id, _columns.agent_id, _columns.ended_at, _columns.transcript, _columns.transcript_digest
).where(_columns.id == bindparam("row_id"))
_LOCK = (
    sa.select(_columns.id, _columns.project_id, _columns.day, _columns.agent_id, _columns.evaluations)
    .where(_columns.id == bindparam("row_id"))
    .with_for_update()
)


@dataclass(frozen=True, slots=True)
class ToJudge:
    """What a judge needs of a conversation."""

    project_id: UUID
    agent_id: str
    ended_at: datetime
    turns: Sequence[Turn]
    transcript_digest: str


@dataclass(frozen=True, slots=True)
class Locked:
    """A conversation that this transaction holds: where it is counted, and the number of its newest evaluation."""

    id: UUID
    project_id: UUID
    day: date
    agent_id: str
    evaluations: int


@dataclass(frozen=True, slots=True)
class ConversationFilter:
    """Which conversations a list shows; None shows all. `goal_id` and `outcome` look at counted verdicts.

    Those that ended at `ended_from` are shown, those that ended at `ended_before` are not.
    """

    agent_id: str | None = None
    contact_id: str | None = None
    ended_from: datetime | None = None
    ended_before: datetime | None = None
    status: Status | None = None
    goal_id: UUID | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class NamedVerdict:
    """A verdict with the name its goal had in the revision that it is pinned to, and the model that found it."""

    verdict: Verdict
    name: str
    model: str | None


def insert_once(
    session: Session, project: Project, delivery: Delivery, digest: str, now: datetime
) -> tuple[UUID, date] | None:
    """Store a conversation and return its id and its local day; None where its `conversation_id` is stored already.

    A start or an end in the future is stored as `now`, the time of receipt.
    """
    ended_at = min(delivery.ended_at, now)
    day = local_day(ended_at, project.time_zone)
    row: dict[str, Any] = {
        "id": uuid4(),
        "project_id": project.id,
        "conversation_id": delivery.conversation_id,
        "agent_id": delivery.agent_id,
        "contact_id": delivery.contact_id,
        "channel": delivery.channel,
        "started_at": min(delivery.started_at, now) if delivery.started_at else None,
        "ended_at": ended_at,
        "received_at": now,
        "day": day,
        "end_reason": delivery.end_reason,
        "platform_metadata": delivery.metadata,
        "transcript": as_stored(delivery),
        "transcript_digest": digest,
        "evaluations": 1,
    }
    time_zone = _INSERT_ONCE.run(session, row | {"owner": project.id}).scalar()
    if time_zone is None:
        return None
    if time_zone != project.time_zone:
        day = local_day(ended_at, time_zone)
        session.execute(update(table(Conversation)).where(col(Conversation.id) == row["id"]).values(day=day))
    return row["id"], day


def as_stored(delivery: Delivery) -> list[dict[str, Any]]:
    """Return a delivery's transcript as it is stored: JSON objects without empty members."""
    stored: list[dict[str, Any]] = _TURNS.dump_python(delivery.transcript, mode="json", exclude_none=True)
    return stored


def replace_transcript(session: Session, row: Conversation, delivery: Delivery, digest: str) -> None:
    """Store a newer transcript of a conversation, with what else the platform knows better by now."""
    session.execute(
        update(table(Conversation))
        .where(col(Conversation.id) == row.id)
        .values(
            contact_id=delivery.contact_id or row.contact_id,
            end_reason=delivery.end_reason or row.end_reason,
            platform_metadata=delivery.metadata if delivery.metadata is not None else row.platform_metadata,
            transcript=as_stored(delivery),
            transcript_digest=digest,
        )
    )


def get(session: Session, project_id: UUID, reference: str | UUID, *, lock: bool = False) -> Conversation:
    """Return a conversation by Goalline's id or by the platform's own.

    With `lock` it is held until the end of the transaction, so that one change of it happens at a time.

    Raises:
        NotFound: the project has no such conversation.
    """
    if storable(str(reference)) != str(reference):
        raise NotFound("there is no conversation of that id; it has characters that no id has")
    columns = col(Conversation.conversation_id) == str(reference)
    with suppress(ValueError):
        columns |= col(Conversation.id) == UUID(str(reference))
    query = select(Conversation).where(Conversation.project_id == project_id, columns)
    found = session.exec(query.with_for_update() if lock else query).all()
    if not found:
        raise NotFound(f"there is no conversation {str(reference)!r}")
    # A platform may well use a UUID that is another conversation's id here; its own naming wins.
    return next((row for row in found if row.conversation_id == str(reference)), found[0])


def to_judge(session: Session, row_id: UUID) -> ToJudge:
    """Return what a judge needs of the conversation of an evaluation that is there."""
    project_id, agent_id, ended_at, stored, digest = run(session, _TO_JUDGE, row_id=row_id).one()
    return ToJudge(project_id, agent_id, ended_at, _TURNS.validate_python(stored), digest)


def lock(session: Session, row_id: UUID) -> Locked | None:
    """Hold a conversation until the end of the transaction; None where it was deleted."""
    row = run(session, _LOCK, row_id=row_id).first()
    return Locked(*row) if row else None


def turns(row: Conversation) -> list[Turn]:
    """Return the turns of a stored transcript."""
    return list(_TURNS.validate_python(row.transcript))


def page(
    session: Session,
    project_id: UUID,
    wanted: ConversationFilter,
    *,
    after: tuple[datetime, UUID] | None = None,
    limit: int,
) -> Sequence[Conversation]:
    """Return up to `limit` conversations, the one that ended last first, from the one behind `after` on.

    Transcripts are not loaded.
    """
    newest = (col(Conversation.ended_at), col(Conversation.id))
    query = (
        select(Conversation)
        .where(Conversation.project_id == project_id, *_conditions(wanted))
        .order_by(newest[0].desc(), newest[1].desc())
        .limit(limit)
        .options(_WITHOUT_TRANSCRIPT)
    )
    if after:
        ended_at, row_id = after
        query = query.where((newest[0] < ended_at) | ((newest[0] == ended_at) & (newest[1] < row_id)))
    return session.exec(query).all()


def verdicts_of(session: Session, row_ids: Sequence[UUID]) -> dict[UUID, list[NamedVerdict]]:
    """Return the counted verdicts of some conversations, each one's primary verdict first, then by goal name."""
    found: dict[UUID, list[NamedVerdict]] = {row_id: [] for row_id in row_ids}
    rows = session.exec(
        select(Verdict, GoalRevision.name, Evaluation.model)
        .join(Evaluation, col(Evaluation.id) == col(Verdict.evaluation_id))
        .join(
            GoalRevision,
            (col(GoalRevision.goal_id) == col(Verdict.goal_id)) & (col(GoalRevision.number) == col(Verdict.revision)),
        )
        .where(col(Verdict.conversation_id).in_(row_ids), col(Verdict.counted))
    ).all()
    for verdict, name, model in sorted(rows, key=lambda row: (row[0].kind is not Kind.PRIMARY, row[1])):
        found[verdict.conversation_id].append(NamedVerdict(verdict, name, model))
    return found


def redate(session: Session, project_id: UUID, time_zone: str) -> int:
    """Work out anew on which local day each conversation ended and return how many moved to another day.

    The project's time zone was changed in this transaction; what is received from now on waits for its end.
    """
    conversation = table(Conversation)
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.text(f"LOCK TABLE {conversation.name} IN SHARE ROW EXCLUSIVE MODE"))
    rows = session.execute(
        sa.select(conversation.c.id, conversation.c.ended_at, conversation.c.day).where(
            conversation.c.project_id == project_id
        )
    )
    moved = [
        {"row": row_id, "new_day": new}
        for row_id, ended_at, day in rows
        if (new := local_day(ended_at, time_zone)) != day
    ]
    if moved:
        session.execute(
            update(conversation).where(conversation.c.id == sa.bindparam("row")).values(day=sa.bindparam("new_day")),
            moved,
        )
    return len(moved)


def remove(session: Session, project_id: UUID, reference: str | UUID) -> None:
    """Delete a conversation with its transcript, evaluations, verdicts, and their share in the counts.

    Raises:
        NotFound: the project has no such conversation.
    """
    row = get(session, project_id, reference, lock=True)
    # Goals are locked before verdicts and rollups, by everybody: see goals.remove.
    goals.lock_existing(session, sorted(counted_goals(session, row)))
    take_back_verdicts(session, row)
    session.execute(delete(table(Conversation)).where(col(Conversation.id) == row.id))
    rollups.count_conversations(session, ConversationPlace(project_id, row.day, row.agent_id), -1)


def counted_goals(session: Session, row: Conversation | Locked) -> set[UUID]:
    """Return the goals for which a verdict of this conversation is counted."""
    return set(
        session.exec(select(Verdict.goal_id).where(Verdict.conversation_id == row.id, col(Verdict.counted))).all()
    )


def take_back_verdicts(session: Session, row: Conversation | Locked) -> None:
    """Take the counted verdicts of a locked conversation out of the rates; the rows stay."""
    rollups.count_verdicts(session, uncount(session, row))


def uncount(session: Session, row: Conversation | Locked) -> list[tuple[VerdictPlace, Counts]]:
    """Mark the counted verdicts of a locked conversation as not counted, and return what that changes in the counts.

    Whoever calls this counts the changes, together with all others of its transaction: rollups are locked in one
    order, and that holds only for those that are counted at once.
    """
    verdict = table(Verdict)
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
