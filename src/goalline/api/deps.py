"""What routes ask for: the services, the caller behind the key, and a place in a list."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, HTTPException, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field

from goalline.bootstrap import Services
from goalline.domain.key import Scope
from goalline.domain.refusal import Invalid
from goalline.store import projects
from goalline.store.tables import ApiKey, Project
from goalline.worker import Bell, utc_now

T = TypeVar("T")
NO_KEY = "send an API key: Authorization: Bearer gl_..."
CHALLENGE = {"WWW-Authenticate": "Bearer"}
_bearer = HTTPBearer(auto_error=False, description="An API key: `goalline keys create` makes one.")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request: a key, and the project that it belongs to."""

    key: ApiKey
    project: Project


def services_of(request: Request) -> Services:
    """Return what the application runs on."""
    parts: Services = request.app.state.services
    return parts


def bell_of(request: Request) -> Bell:
    """Return the bell of the application."""
    bell: Bell = request.app.state.bell
    return bell


def caller(parts: Services, key: str) -> Caller | None:
    """Return who holds a key, or None where it is unknown, revoked or expired."""
    with parts.database.reading() as session:
        found = projects.holder(session, key, utc_now())
    return Caller(*found) if found else None


def _needing(scope: Scope) -> Callable[..., Caller]:
    def check(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
    ) -> Caller:
        if credentials is None:
            raise HTTPException(401, NO_KEY, CHALLENGE)
        found = caller(services_of(request), credentials.credentials)
        if found is None:
            raise HTTPException(401, "this API key is not valid, or no longer; ask an admin for another", CHALLENGE)
        if not found.key.scope.allows(scope):
            challenge = {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'}
            raise HTTPException(403, f"this needs a key of scope {scope}; this one's is {found.key.scope}", challenge)
        return found

    return check


Parts = Annotated[Services, Depends(services_of)]
Ringer = Annotated[Bell, Depends(bell_of)]
Ingester = Annotated[Caller, Depends(_needing(Scope.INGEST))]
Reader = Annotated[Caller, Depends(_needing(Scope.READ))]
Admin = Annotated[Caller, Depends(_needing(Scope.ADMIN))]


class Query(BaseModel):
    """The query parameters of a route; one that it does not know is refused, not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PageQuery(Query):
    """A place in a list and how much of it to show."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str | None, Field(max_length=200, description="`next_cursor` of the page before.")] = None

    @property
    def after(self) -> tuple[datetime, UUID] | None:
        """The last row of the page before.

        Raises:
            Invalid: the cursor is not one of ours.
        """
        return place_at(self.cursor)


class Page(BaseModel, Generic[T]):
    """One page of a list; `next_cursor` is null on the last one."""

    items: list[T]
    next_cursor: str | None


def cut(rows: Sequence[T], limit: int, place: Callable[[T], tuple[datetime, UUID]]) -> tuple[Sequence[T], str | None]:
    """Cut a list, read with one row more than `limit`, to a page; return it with the cursor of the next one."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], cursor_at(place(rows[limit - 1]))


def cursor_at(place: tuple[datetime, UUID]) -> str:
    """Return the cursor of what comes behind a row, given by its time and its id."""
    at, row_id = place
    return base64.urlsafe_b64encode(json.dumps([at.isoformat(), str(row_id)]).encode()).decode()


def place_at(cursor: str | None) -> tuple[datetime, UUID] | None:
    """Return time and id of the row that a cursor stands behind.

    Raises:
        Invalid: the cursor is not one of ours.
    """
    if cursor is None:
        return None
    try:
        time, row_id = json.loads(base64.urlsafe_b64decode(cursor))
        at = datetime.fromisoformat(time)
        if at.tzinfo is None:
            raise ValueError
        # A time so early or so late that UTC has no name for it is none that we wrote, nor one to look for.
        return at.astimezone(UTC), UUID(row_id)
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise Invalid("this is no cursor of this list; send the next_cursor of the page before", "cursor") from None
