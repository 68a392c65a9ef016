"""Sources: platforms that send webhooks, and the secrets by which they are known."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import bindparam
from sqlmodel import Session, col, select

from goalline.domain import platforms
from goalline.domain.platforms import PlatformName
from goalline.domain.platforms.platform import Options
from goalline.domain.refusal import Invalid
from goalline.domain.source import SourceDraft, SourceEdit, ToolEvent, options_of
from goalline.store import projects, secrets
from goalline.store.registry import Registry
from goalline.store.secrets import Secret
from goalline.store.tables import Project, Source
from goalline.store.vault import Vault

_sources = Registry(Source)
get, named, every = _sources.get, _sources.named, _sources.every

_ENABLED = select(Source, Project).join(Project).where(col(Source.id) == bindparam("source_id"), col(Source.enabled))


def create(
    session: Session, vault: Vault, project_id: UUID, draft: SourceDraft, now: datetime
) -> tuple[Source, str | None]:
    """Store a new source; return it, and its secret where that was made here: the only time that it is seen.

    Raises:
        Conflict: there is one of this name already, or secrets cannot be kept.
        Invalid: the secret is missing, or is none that this platform can have.
    """
    options = options_of(draft.platform, draft.options)
    projects.lock(session, project_id)
    _sources.require_free(session, project_id, draft.name)
    secret, made = _accepted(draft.platform, options, draft.secret)
    source_id = uuid4()
    source = Source(
        id=source_id,
        project_id=project_id,
        name=draft.name,
        platform=draft.platform,
        options=draft.options,
        tool_events=_plain(draft.tool_events),
        sealed=secrets.seal(vault, source_id, [Secret(secret)]),
        created_at=now,
    )
    session.add(source)
    session.flush()
    return source, secret if made else None


def edit(session: Session, project_id: UUID, source_id: UUID, change: SourceEdit) -> Source:
    """Change a source.

    Raises:
        NotFound: the project has no such source.
        Conflict: there is another one of this name.
        Invalid: the platform has no such options.
    """
    projects.lock(session, project_id)
    source = get(session, project_id, source_id, lock=True)
    if change.name is not None and change.name != source.name:
        _sources.require_free(session, project_id, change.name)
        source.name = change.name
    if change.options is not None:
        options_of(source.platform, change.options)
        source.options = change.options
    if change.tool_events is not None:
        source.tool_events = _plain(change.tool_events)
    if change.enabled is not None:
        source.enabled = change.enabled
    session.flush()
    return source


def rotate(
    session: Session,
    vault: Vault,
    project_id: UUID,
    source_id: UUID,
    secret: str | None,
    now: datetime,
    overlap: timedelta,
) -> tuple[Source, str | None]:
    """Give a source a new secret; those that it has stay valid for `overlap` at most.

    Returns the source, and the new secret where it was made here: the only time that it is seen.

    Raises:
        NotFound: the project has no such source.
        Invalid: the secret is missing, or is none that this platform can have.
        Conflict: too many are valid at once, or secrets cannot be kept or read.
    """
    source = get(session, project_id, source_id, lock=True)
    new, made = _accepted(source.platform, options_of(source.platform, source.options), secret)
    source.sealed = secrets.rotated(vault, source.id, source.sealed, new, now, overlap)
    session.flush()
    return source, new if made else None


def delete(session: Session, project_id: UUID, source_id: UUID) -> None:
    """Delete a source; what it has sent stays.

    Raises:
        NotFound: the project has no such source.
    """
    session.delete(get(session, project_id, source_id, lock=True))
    session.flush()


def enabled(session: Session, source_id: UUID) -> tuple[Source, Project] | None:
    """Return a source that takes webhooks, with its project; None where it is unknown or disabled."""
    return session.exec(_ENABLED, params={"source_id": source_id}).first()


def _accepted(platform: PlatformName, options: Options, secret: str | None) -> tuple[str, bool]:
    adapter, made = platforms.BY_NAME[platform], secret is None
    if secret is None:
        if not adapter.makes_secret:
            raise Invalid("this platform makes the secret; copy it from there", "secret")
        secret = secrets.new()
    try:
        adapter.check_secret(secret, options)
    except ValueError as error:
        raise Invalid(str(error), "secret") from None
    return secret, made


def _plain(tool_events: Sequence[ToolEvent]) -> list[dict[str, Any]]:
    return [each.model_dump(mode="json", exclude_none=True) for each in tool_events]
