"""Deactivated contacts: those of whom nothing more is recorded, known by a digest of their ids alone."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlmodel import Session

from goalline.store import projects
from goalline.store.database import Upsert, run
from goalline.store.tables import Conversation, DeactivatedContact, table

_deactivated = table(DeactivatedContact).c
_DEACTIVATED = sa.select(_deactivated.digest).where(
    _deactivated.project_id == bindparam("project_id"), _deactivated.digest.in_(bindparam("digests", expanding=True))
)
_DEACTIVATE = Upsert(
    table(DeactivatedContact),
    lambda statement: statement.on_conflict_do_nothing(index_elements=["project_id", "digest"]),
)


def digest(contact_id: str) -> str:
    """Return the SHA-256 (hex) of a contact's id."""
    return hashlib.sha256(contact_id.encode()).hexdigest()


def deactivated(session: Session, project_id: UUID, contact_ids: Iterable[str | None]) -> set[str]:
    """Return those of some contacts of whom nothing more is recorded."""
    by_digest = {digest(contact_id): contact_id for contact_id in contact_ids if contact_id is not None}
    if not by_digest:
        return set()
    found = run(session, _DEACTIVATED, project_id=project_id, digests=list(by_digest)).scalars()
    return {by_digest[one] for one in found}


def since(session: Session, project_id: UUID, contact_id: str) -> datetime | None:
    """Return since when nothing more is recorded of a contact; None for an active one."""
    query = sa.select(_deactivated.deactivated_at).where(*_this(project_id, contact_id))
    at: datetime | None = session.execute(query).scalar()
    return at


def deactivate(session: Session, project_id: UUID, contact_id: str, now: datetime) -> None:
    """Record nothing more of a contact from now on; of one who is deactivated already, that stays as it is.

    Whoever writes about a conversation looks for deactivated contacts after it has begun to write. All of them have
    ended before this is stored, and whoever comes later waits and finds it: so what there is of the contact when this
    transaction has ended is all that there will be.
    """
    projects.lock(session, project_id)
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.text(f"LOCK TABLE {table(Conversation).name} IN SHARE ROW EXCLUSIVE MODE"))
    row = {"project_id": project_id, "digest": digest(contact_id), "deactivated_at": now}
    _DEACTIVATE.run(session, row)


def activate(session: Session, project_id: UUID, contact_id: str) -> None:
    """Record what is told of a contact from now on."""
    session.execute(sa.delete(table(DeactivatedContact)).where(*_this(project_id, contact_id)))


def _this(project_id: UUID, contact_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return _deactivated.project_id == project_id, _deactivated.digest == digest(contact_id)
