"""Conversations: received once, read one by one or as a list, deleted with all that hangs on them."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy import bindparam, delete, update
from sqlmodel import Session, col, select

from goalline.domain.calendar import local_day
from goalline.domain.refusal import Conflict, NotFound
from goalline.domain.text import storable
from goalline.domain.transcript import Delivery, Turn
from goalline.store import projects, rollups
from goalline.store.contacts import deactivation, erasure
from goalline.store.conversations.verdicts import Locked, counted_goals, take_back_verdicts
from goalline.store.database import Upsert, run
from goalline.store.goals import goals
from goalline.store.outbound import log as messages
from goalline.store.rollups import ConversationPlace
from goalline.store.tables import (
    Conversation,
    DeactivatedContact,
    Project,
    table,
)
from goalline.store.track import events, recording

_TURNS = TypeAdapter(tuple[Turn, ...])

_columns, _silent = table(Conversation).c, table(DeactivatedContact).c
_INSERT_ONCE = Upsert(
    table(Conversation),
    # RETURNING and not the row count: psycopg reports -1 rows for an insert that met a conflict.
    lambda statement: statement.on_conflict_do_nothing(index_elements=["project_id", "conversation_id"]).returning(
        # The project may be moving to another time zone just now: whoever moves it waits for this insert, or this
        # insert for them. And the contact may be deactivated just now, in the same way.
        sa.select(table(Project).c.time_zone).where(table(Project).c.id == bindparam("owner")).scalar_subquery(),
        sa.exists().where(_silent.project_id == bindparam("owner"), _silent.digest == bindparam("contact_digest")),
    ),
)
_TO_JUDGE = sa.select(
    _columns.project_id,
    _columns.agent_id,
    _columns.ended_at,
    _columns.transcript,
    _columns.transcript_digest,
    _columns.erased_at,
).where(_columns.id == bindparam("row_id"))
_LOCK = (
    sa.select(
        _columns.id, _columns.project_id, _columns.day, _columns.agent_id, _columns.evaluations, _columns.erased_at
    )
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
    erased_at: datetime | None


def insert_once(
    session: Session, project: Project, delivery: Delivery, digest: str, now: datetime, *, silent: bool = False
) -> tuple[UUID, date] | None:
    """Store a conversation and return its id and its local day; None where its `conversation_id` is stored already.

    A start or an end in the future is stored as `now`, the time of receipt. With `silent`, or where its contact was
    deactivated only just now, it is stored as an erased one, without a word of it.
    """
    row = {
        "id": uuid4(),
        "project_id": project.id,
        "conversation_id": delivery.conversation_id,
        "contact_id": delivery.contact_id,
        "contact_tracked": False,
        **_ended(delivery, digest, project.time_zone, now),
        **(erasure.blank(now) if silent else {}),
    }
    contact_digest = deactivation.digest(delivery.contact_id) if delivery.contact_id is not None else None
    inserted = _INSERT_ONCE.run(session, row | {"owner": project.id, "contact_digest": contact_digest}).first()
    if inserted is None:
        return None
    time_zone, silent_by_now = inserted
    if silent_by_now and not silent:
        erasure.erase(session, project.id, {row["id"]: delivery.agent_id}, now)
    if time_zone != project.time_zone:
        row["day"] = local_day(row["ended_at"], time_zone)
        session.execute(update(table(Conversation)).where(col(Conversation.id) == row["id"]).values(day=row["day"]))
    return row["id"], row["day"]


def end(
    session: Session, row: Conversation, delivery: Delivery, digest: str, now: datetime, *, silent: bool = False
) -> date:
    """Store the end of a held conversation that events have opened, and return its local day.

    With `silent` nothing is stored of its words and its contact.
    """
    ended = _ended(delivery, digest, projects.time_zone(session, row.project_id), now)
    if delivery.contact_id is not None:
        ended |= {"contact_id": delivery.contact_id, "contact_tracked": False}
    if silent:
        ended |= erasure.blank(row.erased_at or now)
    session.execute(update(table(Conversation)).where(col(Conversation.id) == row.id).values(ended))
    day: date = ended["day"]
    return day


def _ended(delivery: Delivery, digest: str, time_zone: str, now: datetime) -> dict[str, Any]:
    ended_at = min(delivery.ended_at, now)
    return {
        "agent_id": delivery.agent_id,
        "channel": delivery.channel,
        "started_at": min(delivery.started_at, now) if delivery.started_at else None,
        "ended_at": ended_at,
        "received_at": now,
        "day": local_day(ended_at, time_zone),
        "end_reason": delivery.end_reason,
        "platform_metadata": delivery.metadata,
        "transcript": as_stored(delivery),
        "transcript_digest": digest,
        "evaluations": 1,
    }


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
            contact_tracked=row.contact_tracked and delivery.contact_id is None,
            end_reason=delivery.end_reason or row.end_reason,
            platform_metadata=delivery.metadata if delivery.metadata is not None else row.platform_metadata,
            transcript=as_stored(delivery),
            transcript_digest=digest,
            transcript_deleted_at=None,
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
    project_id, agent_id, ended_at, stored, digest, erased_at = run(session, _TO_JUDGE, row_id=row_id).one()
    return ToJudge(project_id, agent_id, ended_at, _TURNS.validate_python(stored), digest, erased_at)


def lock(session: Session, row_id: UUID) -> Locked | None:
    """Hold a conversation until the end of the transaction; None where it was deleted."""
    row = run(session, _LOCK, row_id=row_id).first()
    return Locked(*row) if row else None


def turns(row: Conversation) -> list[Turn]:
    """Return the turns of a stored transcript."""
    return list(_TURNS.validate_python(row.transcript))


def redate(session: Session, project_id: UUID, time_zone: str) -> int:
    """Work out anew on which local day each conversation ended and return how many moved to another day.

    The project's time zone was changed in this transaction. Whoever holds a conversation counts by days: all of them
    have ended before the first is looked at, and whoever comes later waits for the end of this transaction.
    """
    conversation = table(Conversation)
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.text(f"LOCK TABLE {conversation.name} IN EXCLUSIVE MODE"))
    rows = session.execute(
        sa.select(conversation.c.id, conversation.c.ended_at, conversation.c.day).where(
            conversation.c.project_id == project_id, conversation.c.ended_at.is_not(None)
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
    """Delete a conversation with its transcript, evaluations, verdicts, events, and their share in the counts.

    Raises:
        NotFound: the project has no such conversation.
        Conflict: it was erased. Nobody knows any more which of the counts are its, and without it, its events could be
            sent again and count twice.
    """
    row = get(session, project_id, reference, lock=True)
    if row.erased_at is not None:
        raise Conflict(
            f"conversation {row.conversation_id!r} was erased: only what is counted is left, and that it was, so that "
            "nothing of it is stored or counted again; it stays"
        )
    # Goals are locked before verdicts and rollups, by everybody: see goals.remove.
    goals.lock_existing(session, sorted(counted_goals(session, row) | events.goals_of(session, [row.id])))
    take_back_verdicts(session, row)
    if row.day:
        rollups.count_conversations(session, ConversationPlace(project_id, row.day, row.agent_id), -1)
    recording.forget(session, project_id, row.id, row.agent_id)
    messages.forget(session, [row.id])
    session.execute(delete(table(Conversation)).where(col(Conversation.id) == row.id))
