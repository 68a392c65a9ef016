"""Projects and their API keys."""

import secrets
import string
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import bindparam, delete, insert, update
from sqlmodel import Session, col, select

from goalline.domain import key as keys
from goalline.domain.key import Scope
from goalline.domain.money import DEFAULT_CURRENCY
from goalline.domain.refusal import Conflict, NotFound
from goalline.domain.step import have_amounts
from goalline.store.database import Upsert, run
from goalline.store.tables import ApiKey, Goal, GoalRevision, Project, table

_LETTERS = string.ascii_letters + string.digits
_MAKE_ONCE = Upsert(table(Project), lambda statement: statement.on_conflict_do_nothing(index_elements=["name"]))
_TIME_ZONE = select(Project.time_zone).where(col(Project.id) == bindparam("project_id"))
_HOLDER = select(ApiKey, Project).join(Project).where(col(ApiKey.prefix) == bindparam("prefix"))


def create(session: Session, name: str, time_zone: str, now: datetime, *, currency: str = DEFAULT_CURRENCY) -> Project:
    """Store a new project.

    Raises:
        Conflict: there is one of this name already.
    """
    if session.exec(select(Project).where(Project.name == name)).first():
        raise Conflict(f"there is a project named {name!r} already", "name")
    project = Project(id=uuid4(), name=name, time_zone=time_zone, currency=currency, created_at=now)
    session.add(project)
    session.flush()
    return project


def first(session: Session, time_zone: str, currency: str, now: datetime) -> Project:
    """Return the oldest project, after making one named `default` where there is none."""
    found = every(session)
    if found:
        return found[0]
    # Two servers may start at the same moment: one of them makes it, the other finds it made.
    made = {"id": uuid4(), "name": "default", "time_zone": time_zone, "currency": currency, "created_at": now}
    _MAKE_ONCE.run(session, made)
    return every(session)[0]


def move(session: Session, project: Project, time_zone: str) -> None:
    """Give a project another time zone; what is counted by its days has to be counted anew after this."""
    session.execute(update(table(Project)).where(col(Project.id) == project.id).values(time_zone=time_zone))


def change_currency(session: Session, project_id: UUID, currency: str) -> None:
    """Give a project another currency; naming the one it has changes nothing.

    Raises:
        Conflict: a goal's steps have, or once had, amounts in the present currency; they cannot be converted.
    """
    project = lock(session, project_id)
    if currency == project.currency:
        return
    of_project = select(GoalRevision).join(Goal).where(Goal.project_id == project_id)
    for revision in session.exec(of_project):
        if have_amounts(revision.steps):
            raise Conflict(
                f"the currency stays {project.currency}: steps of the goal {revision.name!r} have, or once had, "
                "amounts in it, and amounts are not converted; make another project for another currency",
                "currency",
            )
    session.execute(update(table(Project)).where(col(Project.id) == project_id).values(currency=currency))


def every(session: Session) -> Sequence[Project]:
    """Return all projects, oldest first."""
    return session.exec(select(Project).order_by(col(Project.created_at), col(Project.id))).all()


def get(session: Session, project_id: UUID) -> Project:
    """Return one project."""
    project = session.get(Project, project_id)
    if project is None:
        raise NotFound(f"there is no project {project_id}")
    return project


def time_zone(session: Session, project_id: UUID) -> str:
    """Return the time zone whose days a project counts by, as it is at this moment of the transaction."""
    zone: str = run(session, _TIME_ZONE, project_id=project_id).scalar_one()
    return zone


def named(session: Session, name: str | None) -> Project:
    """Return the project of this name; None means the only one there is.

    Raises:
        NotFound: there is no such project, or no project at all.
        Conflict: no name was given and there are several.
    """
    projects = [project for project in every(session) if name in (None, project.name)]
    if not projects:
        raise NotFound(f"there is no project {name!r}" if name else "there is no project yet; run goalline serve once")
    if len(projects) > 1:
        raise Conflict("there are several projects; name one of " + ", ".join(project.name for project in projects))
    return projects[0]


def lock(session: Session, project_id: UUID) -> Project:
    """Hold the project until the end of the transaction, so that its goals change one at a time."""
    return session.exec(select(Project).where(Project.id == project_id).with_for_update(key_share=True)).one()


def create_key(
    session: Session,
    project_id: UUID,
    name: str,
    scope: Scope,
    now: datetime,
    *,
    lifetime: timedelta | None = None,
    made_by: UUID | None = None,
) -> str:
    """Store a new key and return it: the only time that it is seen whole.

    A key made by another one is a browser's sign-in; the project's expired ones are swept away with it.
    """
    if made_by:
        keys_table = table(ApiKey).c
        session.execute(
            delete(table(ApiKey)).where(
                keys_table.project_id == project_id, keys_table.made_by.is_not(None), keys_table.expires_at <= now
            )
        )
    prefix = "".join(secrets.choice(_LETTERS) for _ in range(12))
    key = keys.assemble(prefix, secrets.token_urlsafe(24))
    session.execute(
        insert(table(ApiKey)).values(
            id=uuid4(),
            project_id=project_id,
            name=name,
            scope=scope,
            prefix=prefix,
            digest=keys.digest(key),
            made_by=made_by,
            created_at=now,
            expires_at=now + lifetime if lifetime else None,
        )
    )
    return key


def has_keys(session: Session) -> bool:
    """Tell whether anybody has ever made a key, in any project."""
    return session.exec(select(ApiKey.id).limit(1)).first() is not None


def holder(session: Session, key: str, now: datetime) -> tuple[ApiKey, Project] | None:
    """Return the stored key that `key` is, with its project; None where it is unknown, wrong, revoked or expired."""
    # How long this look-up takes tells at most whether a prefix exists, which is no secret and opens nothing. What is
    # secret is compared outside of the database, by its digest and in constant time.
    prefix = keys.prefix_of(key)
    found = session.exec(_HOLDER, params={"prefix": prefix}).first() if prefix else None
    if found is None:
        return None
    stored, project = found
    over = stored.revoked_at or (stored.expires_at and stored.expires_at <= now)
    return None if over or not keys.matches(key, stored.digest) else (stored, project)


def find_key(session: Session, key: str, now: datetime) -> ApiKey | None:
    """Return the stored key that `key` is, or None where it is unknown, wrong, revoked or expired."""
    found = holder(session, key, now)
    return found[0] if found else None


def keys_of(session: Session, project_id: UUID) -> Sequence[ApiKey]:
    """Return the keys that people made in a project, oldest first; sign-ins of browsers are left out."""
    return session.exec(
        select(ApiKey)
        .where(ApiKey.project_id == project_id, col(ApiKey.made_by).is_(None))
        .order_by(col(ApiKey.created_at), col(ApiKey.id))
    ).all()


def revoke_key(session: Session, project_id: UUID, prefix: str, now: datetime) -> None:
    """Revoke a key and every sign-in that was made with it.

    Raises:
        NotFound: the project has no key of this prefix.
    """
    found = session.exec(select(ApiKey).where(ApiKey.project_id == project_id, ApiKey.prefix == prefix)).first()
    if found is None:
        raise NotFound(f"this project has no key gl_{prefix}_...; goalline keys list shows those it has")
    session.execute(
        update(table(ApiKey))
        .where((col(ApiKey.id) == found.id) | (col(ApiKey.made_by) == found.id), col(ApiKey.revoked_at).is_(None))
        .values(revoked_at=now)
    )
