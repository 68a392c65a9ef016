"""What the tests of the JSON API share: every call there is, how a problem looks, and a dump of all that is stored."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import sqlalchemy as sa
from dramatiq.brokers.stub import StubBroker
from fastapi import FastAPI
from fastapi.testclient import TestClient

from goalline.api.app import create_app
from goalline.api.bodies import SIGNED
from goalline.bootstrap import Services
from goalline.domain.key import Scope
from goalline.settings import Settings
from goalline.store import projects
from goalline.store.database import Database
from goalline.store.tables import Row
from goalline.worker import Bell, utc_now
from tests.api.world import ScriptedJudge, World, make_key

NOBODY = "00000000-0000-4000-8000-000000000000"
"""The id of nothing."""


@dataclass(frozen=True)
class Call:
    """A method and an address of the API, as its route has it."""

    method: str
    route: str

    def __str__(self) -> str:
        return f"{self.method} {self.route}"

    @property
    def scope(self) -> Scope:
        """The scope that the call needs: who delivers may not read, who reads may not change."""
        if self.method == "POST" and self.route.rstrip("/") in ("/v1/conversations", "/v1/events"):
            return Scope.INGEST
        if self.route.endswith("{contact_id:path}/export") or self.route.startswith(
            ("/v1/sources", "/v1/subscriptions")
        ):
            return Scope.ADMIN
        return Scope.READ if self.method == "GET" else Scope.ADMIN

    def send(self, client: TestClient, goal_id: object = NOBODY, conversation: str = NOBODY) -> httpx2.Response:
        """Send it, with a body that is no good where it takes one."""
        path = self.route.replace("{goal_id}", str(goal_id)).replace("{reference:path}", conversation)
        path = re.sub(r"\{(source_id|subscription_id|message_id|contact_id:path)\}", NOBODY, path)
        path = path.replace("{key}", "confirmed")
        return client.request(self.method, path, json={} if self.method in ("POST", "PUT", "PATCH") else None)


def idle_app() -> FastAPI:
    """Return an application that is never asked for anything that is stored."""
    settings = Settings.model_validate({"database_url": "sqlite:///never-opened.db"})
    parts = Services(settings, Database(settings.database_url), ScriptedJudge(), StubBroker(middleware=[]))
    return create_app(parts, Bell(parts))


def _calls(routes: list[Any]) -> Iterator[Call]:
    for route in routes:
        if hasattr(route, "original_router"):
            yield from _calls(route.original_router.routes)
        elif getattr(route, "path", "").startswith("/v1") and not route.path.startswith(SIGNED):
            yield from (Call(method, route.path) for method in sorted(route.methods))


CALLS = list(_calls(idle_app().routes))
"""Every call under /v1, from the application's own table of routes."""

DOCUMENTED = [call for call in CALLS if not call.route.endswith("/")]
"""Those that have an address of their own: two more are for conversations, with a slash too many at the end."""


def problem(response: httpx2.Response, status: int, *fields: str) -> dict[str, Any]:
    """Return the body of a response that must be a problem of this status and name these fields."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert set(body) == {"type", "title", "status", "detail", "errors"}
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert all(set(error) == {"field", "detail"} and error["detail"] for error in body["errors"])
    assert {error["field"] for error in body["errors"]} >= set(fields)
    return body


def stored(database: Database) -> dict[str, list[str]]:
    """Return every row of every table."""
    with database.reading() as session:
        return {
            table.name: sorted(repr(tuple(row)) for row in session.execute(sa.select(table)))
            for table in Row.metadata.sorted_tables
        }


def another_project(world: World) -> TestClient:
    """Return a client that holds an admin's key of another project in the same database."""
    with world.database.transaction() as session:
        project = projects.create(session, "Another sample project", "UTC", utc_now())
    client = world.browser()
    client.headers["Authorization"] = f"Bearer {make_key(world.database, project, Scope.ADMIN)}"
    return client


def break_database(world: World) -> None:
    """Make the database file one that cannot be opened."""
    world.database.close()
    path = Path(str(world.database.engine.url.database))
    path.unlink()
    path.mkdir()


def fixture(name: str) -> bytes:
    """Return a file of `fixtures/webhooks`."""
    return (Path(__file__).parents[2] / "fixtures" / "webhooks" / name).read_bytes()


def raw(body: object) -> bytes:
    """Return JSON as plain as it gets: NaN stays NaN, and a lone surrogate stays one."""
    return json.dumps(body, ensure_ascii=True, allow_nan=True).encode()
