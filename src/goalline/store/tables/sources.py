"""Where conversations come from: sources."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, UniqueConstraint
from sqlmodel import Field

from goalline.domain.platforms import PlatformName
from goalline.store.tables.columns import Row, choice


class Source(Row, table=True):
    """A platform that sends webhooks to a project; `sealed` holds its secrets, encrypted."""

    __table_args__ = (UniqueConstraint("project_id", "name"),)

    id: UUID = Field(primary_key=True)
    project_id: UUID = Field(foreign_key="project.id")
    name: str
    platform: PlatformName = Field(sa_type=choice(PlatformName))
    options: dict[str, Any] = Field(sa_type=JSON)
    tool_events: list[dict[str, Any]] = Field(sa_type=JSON)
    sealed: str
    enabled: bool = True
    created_at: datetime
