"""Sources over HTTP: which platforms send webhooks, created, changed, given new secrets, deleted."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from goalline.api.deps import Admin, Parts
from goalline.api.problems import documented
from goalline.domain.platforms import PlatformName
from goalline.domain.source import SourceDraft, SourceEdit
from goalline.store import sources
from goalline.store.tables import Source
from goalline.worker import utc_now

MOST_OVERLAP_HOURS = 24 * 30

router = APIRouter(prefix="/v1/sources", tags=["sources"])


class SourceOut(BaseModel):
    """A source. Its platform sends its webhooks to `url`, on this server; its secrets are never shown."""

    id: UUID
    name: str
    platform: PlatformName
    url: str
    options: dict[str, Any]
    tool_events: list[dict[str, Any]]
    enabled: bool
    created_at: datetime

    @classmethod
    def of(cls, source: Source) -> "SourceOut":
        """Return what is told of a source."""
        told = {name: getattr(source, name) for name in cls.model_fields if name != "url"}
        return cls(**told, url=f"/v1/hooks/{source.id}")


class SourceMade(SourceOut):
    """A source with its new secret, where that was made here: it is shown this once."""

    secret: str | None


class Sources(BaseModel):
    """All sources of a project, oldest first."""

    items: list[SourceOut]


class Rotation(BaseModel):
    """A new secret for a source; without one it is made here. The ones before stay valid for `overlap_hours`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    secret: str | None = Field(default=None, repr=False)
    overlap_hours: Annotated[int, Field(ge=0, le=MOST_OVERLAP_HOURS, strict=True)] = 24


@router.post("", status_code=201, responses=documented(400, 409, 413, 415))
def create(draft: SourceDraft, parts: Parts, caller: Admin, response: Response) -> SourceMade:
    """Create a source: a URL to which a platform sends its webhooks. The secret is encrypted and never shown again."""
    with parts.database.transaction() as session:
        source, made = sources.create(session, parts.vault, caller.project.id, draft, utc_now())
    response.headers["Location"] = f"/v1/sources/{source.id}"
    return SourceMade(**SourceOut.of(source).model_dump(), secret=made)


@router.get("")
def listed(parts: Parts, caller: Admin) -> Sources:
    """List sources, oldest first."""
    with parts.database.reading() as session:
        return Sources(items=[SourceOut.of(source) for source in sources.every(session, caller.project.id)])


@router.get("/{source_id}", responses=documented(404))
def read(source_id: UUID, parts: Parts, caller: Admin) -> SourceOut:
    """Read one source."""
    with parts.database.reading() as session:
        return SourceOut.of(sources.get(session, caller.project.id, source_id))


@router.patch("/{source_id}", responses=documented(400, 404, 409, 413, 415))
def edit(source_id: UUID, change: SourceEdit, parts: Parts, caller: Admin) -> SourceOut:
    """Change a source's name, options or tool events, or disable and enable it."""
    with parts.database.transaction() as session:
        return SourceOut.of(sources.edit(session, caller.project.id, source_id, change))


@router.post("/{source_id}/rotate", responses=documented(400, 404, 409, 413, 415))
def rotate(source_id: UUID, rotation: Rotation, parts: Parts, caller: Admin) -> SourceMade:
    """Give a source a new secret; both are valid for a while, so that the platform can be told in between."""
    overlap = timedelta(hours=rotation.overlap_hours)
    with parts.database.transaction() as session:
        source, made = sources.rotate(
            session, parts.vault, caller.project.id, source_id, rotation.secret, utc_now(), overlap
        )
    return SourceMade(**SourceOut.of(source).model_dump(), secret=made)


@router.delete("/{source_id}", status_code=204, responses=documented(404))
def delete(source_id: UUID, parts: Parts, caller: Admin) -> None:
    """Delete a source; what it has sent stays."""
    with parts.database.transaction() as session:
        sources.delete(session, caller.project.id, source_id)
