"""Whose everything is: projects and their keys."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field

from goalline.domain.key import Scope
from goalline.store.tables.columns import Row, choice


class Project(Row, table=True):
    """The tenant: whose goals and conversations these are, and whose days and money are counted."""

    id: UUID = Field(primary_key=True)
    name: str = Field(unique=True)
    time_zone: str
    currency: str
    created_at: datetime


class ApiKey(Row, table=True):
    """A key of the API, kept as its hash; a browser's sign-in is a key too, made by another key and soon expired."""

    __tablename__ = "api_key"

    id: UUID = Field(primary_key=True)
    project_id: UUID = Field(foreign_key="project.id", index=True)
    name: str
    scope: Scope = Field(sa_type=choice(Scope))
    prefix: str = Field(unique=True)
    digest: str
    made_by: UUID | None = Field(default=None, foreign_key="api_key.id", index=True)
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
