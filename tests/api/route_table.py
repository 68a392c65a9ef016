"""How to call every route so that it does its work, on things that belong to one project."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
from fastapi import FastAPI
from fastapi.testclient import TestClient

from goalline.domain.evaluation import Reason, Status
from goalline.domain.goal import GoalDraft
from goalline.domain.key import Scope
from goalline.domain.package import packed, written
from goalline.worker import utc_now
from tests.api.tracked import FLIGHT
from tests.api.world import World, age_goals, delivery

PUBLIC = {
    "/healthz",
    "/readyz",
    "/metrics",
    "/docs",
    "/openapi.json",
    "/static",
    "/sign-in",
    # Without a sign-in there is nothing that it ends.
    "/sign-out",
    # Signed in place of a key: tests/api/test_hooks.py.
    "/v1/hooks/{source}",
    "/v1/hooks/{source}/",
}
"""What anybody may ask for. Whoever adds to it says in SECURITY.md why that is safe."""

GOAL, RETIRED = "Heron booked", "Kite retired"
CALL, OPEN, FAILED, CONTACT, AGENT = "call-heron", "open-heron", "failed-heron", "mia-heron", "desk-heron"
SOURCE, LISTENER = "Heron phones", "Heron listener"
AFTER_ALL = base64.urlsafe_b64encode(b"1000000").decode()
SAID, TASK, GREETING, SEAT = "I would like the heron seat.", "Heron receipt sent", "Heron greeting", "heron window"


@dataclass(frozen=True)
class Filling:
    """A call that its project's own key succeeds with; in `{}` stand the things of `Things`.

    With another project's key it is answered `stranger`, and tells nothing. `reveals` is a word that the owner is told.
    """

    scope: Scope
    query: dict[str, Any] = field(default_factory=dict)
    body: Any = None
    stranger: int = 404
    reveals: str | None = None


@dataclass(frozen=True)
class Things:
    """What belongs to one project, by the names that stand in the routes and in their fillings."""

    goal: str
    retired: str
    row: str
    cursor: str
    project: str
    source: str
    subscription: str
    message: str

    @property
    def named(self) -> dict[str, str]:
        """What takes the place of the names."""
        return {
            "goal_id": self.goal,
            "source_id": self.source,
            "subscription_id": self.subscription,
            "message_id": self.message,
            "retired": self.retired,
            "row": self.row,
            "cursor": self.cursor,
            "key": "details",
            "reference:path": CALL,
            "contact_id:path": CONTACT,
        }

    def words(self, request: httpx2.Request) -> set[str]:
        """Return what nobody else may be told, without what stands in the request itself."""
        ids = {self.goal, self.retired, self.row, self.project, self.source, self.subscription, self.message}
        asked = f"{httpx2.URL(request.url)} {request.read().decode()}"
        return {word for word in ids | {"heron", "Heron", "Kite", SAID} if word not in asked}


def filled(template: Any, named: dict[str, str]) -> Any:
    """Return a template with the names in `{}` replaced."""
    if isinstance(template, dict):
        return {name: filled(value, named) for name, value in template.items()}
    if isinstance(template, list):
        return [filled(value, named) for value in template]
    if isinstance(template, str):
        for name, value in named.items():
            template = template.replace(f"{{{name}}}", value)
    return template


def event(kind: str, call: str = CALL, **more: str) -> dict[str, str]:
    """Return an event of just now with an id of its own."""
    content = {"type": kind, "conversation_id": call, "agent_id": AGENT, **more}
    return {"id": "-".join(["heron", *content.values()]), "occurred_at": utc_now().isoformat(), **content}


def _package() -> dict[str, Any]:
    goal = {"name": GOAL, "description": "Taken over.", "kind": "primary", "judged": True}
    return written(packed("USD", [GoalDraft.model_validate(goal)]))


_NEW_GOAL = {"name": "Another one", "description": "Of one's own.", "kind": "secondary", "agent_id": AGENT}
_NEW_EVENTS = {
    "events": [
        event("goal.step", goal="{goal_id}", step="details", contact_id=CONTACT),
        event("goal.step", goal=GOAL, step="details"),
        event("task.completed", name="Something else"),
    ]
}
_NEW_SOURCE = {"name": "Another one", "platform": "standard_webhooks"}
_NEW_SUBSCRIPTION = {"name": "Another one", "url": "https://other.example.com/", "types": ["goal.achieved"]}
_DELIVERY = delivery(CALL, agent_id=AGENT, contact_id=CONTACT)
_READ, _INGEST, _ADMIN = Scope.READ, Scope.INGEST, Scope.ADMIN
_LISTED = [
    Filling(_READ, stranger=200, reveals=CALL),
    Filling(_READ, {"goal": "{goal_id}"}, stranger=200, reveals=CALL),
    Filling(_READ, {"contact": CONTACT}, stranger=200, reveals="{row}"),
    Filling(_READ, {"agent": AGENT}, stranger=200, reveals="{row}"),
    Filling(_READ, {"open": "true"}, stranger=200, reveals=OPEN),
    Filling(_READ, {"cursor": "{cursor}"}, stranger=200, reveals=CALL),
]
_MESSAGES = [
    Filling(_ADMIN, reveals="{message_id}"),
    Filling(_ADMIN, {"status": "waiting", "cursor": AFTER_ALL}, reveals="{message_id}"),
]
_CELL = {"goal": "{goal_id}", "outcome": "achieved", "state": "completed"}

FILLINGS: dict[str, list[Filling]] = {
    "POST /v1/conversations": [Filling(_INGEST, body=_DELIVERY, stranger=202)],
    "POST /v1/conversations/": [Filling(_INGEST, body=_DELIVERY, stranger=202)],
    "GET /v1/conversations": _LISTED,
    "GET /v1/conversations/": _LISTED,
    "GET /v1/conversations/{reference:path}": [Filling(_READ, reveals=SAID)],
    "POST /v1/conversations/{reference:path}/evaluations": [Filling(_ADMIN)],
    "DELETE /v1/conversations/{reference:path}": [Filling(_ADMIN)],
    "GET /v1/evaluations": [
        Filling(_READ, stranger=200, reveals=CALL),
        Filling(_READ, {"state": "failed", "agent": AGENT}, stranger=200, reveals=FAILED),
    ],
    "POST /v1/evaluations/retry": [
        Filling(_ADMIN, body={"state": "failed", "agent": AGENT}, stranger=202, reveals='"queued":1')
    ],
    "GET /v1/contacts/{contact_id:path}/export": [Filling(_ADMIN, reveals=SAID)],
    "POST /v1/contacts/{contact_id:path}/deactivate": [Filling(_ADMIN, body={"existing": "delete"}, stranger=200)],
    "POST /v1/contacts/{contact_id:path}/activate": [Filling(_ADMIN)],
    "GET /v1/contacts/{contact_id:path}": [Filling(_READ, reveals=CALL)],
    "DELETE /v1/contacts/{contact_id:path}": [Filling(_ADMIN)],
    "POST /v1/events": [Filling(_INGEST, body=_NEW_EVENTS, stranger=202)],
    "POST /v1/events/": [Filling(_INGEST, body=_NEW_EVENTS, stranger=202)],
    "POST /v1/goals": [Filling(_ADMIN, body=_NEW_GOAL, stranger=201)],
    "GET /v1/goals": [
        Filling(_READ, stranger=200, reveals=GOAL),
        Filling(_READ, {"state": "archived"}, stranger=200, reveals=RETIRED),
    ],
    "GET /v1/goals/{goal_id}": [Filling(_READ, reveals=GOAL)],
    "GET /v1/goals/{goal_id}/revisions": [Filling(_READ, reveals=GOAL)],
    "PATCH /v1/goals/{goal_id}": [Filling(_ADMIN, body={"description": "Taken over."})],
    "POST /v1/goals/{goal_id}/archive": [Filling(_ADMIN)],
    "POST /v1/goals/{goal_id}/restore": [Filling(_ADMIN)],
    "DELETE /v1/goals/{goal_id}": [Filling(_ADMIN, {"confirm": GOAL})],
    "GET /v1/goals/{goal_id}/steps/{key}": [Filling(_READ, reveals="Passenger")],
    "PUT /v1/goals/{goal_id}/steps/{key}": [Filling(_ADMIN, body={"name": "Taken over"})],
    "DELETE /v1/goals/{goal_id}/steps/{key}": [Filling(_ADMIN)],
    "GET /v1/goals/{goal_id}/package": [Filling(_READ, reveals=GOAL)],
    "GET /v1/packages": [
        Filling(_READ, stranger=200, reveals=GOAL),
        Filling(_READ, {"goal": ["{goal_id}", "{retired}"]}, reveals=RETIRED),
    ],
    "POST /v1/packages": [Filling(_ADMIN, body=_package(), stranger=200)],
    "GET /v1/reports/success-rate": [
        Filling(_READ, stranger=200, reveals='"evaluated":1'),
        Filling(_READ, {"goal": "{goal_id}"}, reveals='"evaluated":1'),
    ],
    "GET /v1/reports/goals": [
        Filling(_READ, stranger=200, reveals=GOAL),
        Filling(_READ, {"goal": "{goal_id}"}, reveals=GOAL),
    ],
    "GET /v1/reports/goals/{goal_id}/process": [Filling(_READ, reveals=GOAL)],
    "GET /v1/reports/process": [Filling(_READ, stranger=200, reveals=GOAL)],
    "GET /v1/reports/tasks": [Filling(_READ, {"agent": AGENT}, stranger=200, reveals=TASK)],
    "GET /v1/reports/paths": [Filling(_READ, {"agent": AGENT}, stranger=200, reveals=GREETING)],
    "GET /v1/reports/paths/conversations": [Filling(_READ, {"node": [GREETING]}, stranger=200, reveals=CALL)],
    "GET /v1/reports/agreement": [
        Filling(_READ, stranger=200, reveals=GOAL),
        Filling(_READ, {"goal": "{goal_id}"}, reveals=GOAL),
    ],
    "GET /v1/reports/agreement/conversations": [Filling(_READ, _CELL, reveals=CALL)],
    "POST /v1/sources": [Filling(_ADMIN, body=_NEW_SOURCE, stranger=201)],
    "GET /v1/sources": [Filling(_ADMIN, stranger=200, reveals=SOURCE)],
    "GET /v1/sources/{source_id}": [Filling(_ADMIN, reveals=SOURCE)],
    "PATCH /v1/sources/{source_id}": [Filling(_ADMIN, body={"enabled": False})],
    "POST /v1/sources/{source_id}/rotate": [Filling(_ADMIN, body={"overlap_hours": 1})],
    "DELETE /v1/sources/{source_id}": [Filling(_ADMIN)],
    "POST /v1/subscriptions": [Filling(_ADMIN, body=_NEW_SUBSCRIPTION, stranger=201)],
    "GET /v1/subscriptions": [Filling(_ADMIN, stranger=200, reveals=LISTENER)],
    "GET /v1/subscriptions/{subscription_id}": [Filling(_ADMIN, reveals=LISTENER)],
    "PATCH /v1/subscriptions/{subscription_id}": [Filling(_ADMIN, body={"enabled": False})],
    "POST /v1/subscriptions/{subscription_id}/rotate": [Filling(_ADMIN, body={"overlap_hours": 1})],
    "POST /v1/subscriptions/{subscription_id}/test": [Filling(_ADMIN, reveals="subscription.tested")],
    "DELETE /v1/subscriptions/{subscription_id}": [Filling(_ADMIN)],
    "GET /v1/subscriptions/{subscription_id}/messages": _MESSAGES,
    "GET /v1/subscriptions/{subscription_id}/messages/{message_id}": [Filling(_ADMIN, reveals="{row}")],
    "POST /v1/subscriptions/{subscription_id}/messages/{message_id}/redeliver": [Filling(_ADMIN, reveals="{row}")],
    "POST /v1/subscriptions/{subscription_id}/redeliver": [Filling(_ADMIN, reveals='"messages":0')],
    "GET /": [Filling(_READ, stranger=200, reveals=GOAL), Filling(_READ, {"agent": AGENT}, stranger=200, reveals=CALL)],
    "GET /conversations/{reference:path}": [Filling(_READ, reveals=SAID)],
}
"""Every route that wants a key, with the calls that its tests make."""


def calls_of(app: FastAPI) -> set[str]:
    """Return every method and address of an application's own table of routes that is not public."""
    return {f"{method} {path}" for method, path in _routes(app.routes) if path not in PUBLIC}


def _routes(routes: list[Any]) -> Iterator[tuple[str, str]]:
    for route in routes:
        if hasattr(route, "original_router"):
            yield from _routes(route.original_router.routes)
        else:
            yield from ((method, route.path) for method in getattr(route, "methods", None) or {"ANY"})


def send(client: TestClient, call: str, filling: Filling, things: Things) -> httpx2.Response:
    """Make a call; redirects are not followed."""
    method, _, route = call.partition(" ")
    return client.request(
        method,
        filled(route, things.named),
        params=filled(filling.query, things.named),
        json=filled(filling.body, things.named),
        follow_redirects=False,
    )


def furnish(world: World) -> Things:
    """Fill a project with something of everything; return what its things are called."""
    admin = world.client()
    drafts = (
        {"name": GOAL, "description": "A heron.", "kind": "primary", "judged": True, "steps": FLIGHT},
        {"name": RETIRED, "description": "A kite.", "kind": "secondary"},
    )
    goal, retired = (admin.post("/v1/goals", json=draft).json()["id"] for draft in drafts)
    age_goals(world)
    admin.post(f"/v1/goals/{retired}/archive")
    listener = {"name": LISTENER, "url": "https://heron.example.com/", "types": ["evaluation.completed"]}
    subscription = admin.post("/v1/subscriptions", json=listener).json()["id"]
    words = SAID, "You have the heron seat."
    sent = delivery(CALL, *words, agent_id=AGENT, contact_id=CONTACT, metadata={"seat": SEAT})
    world.judge.quotes = {GOAL: [(1, SAID)]}
    assert admin.post("/v1/conversations", json=sent).status_code == 202
    events = [
        *(event("goal.step", goal=goal, step=step) for step in ("start", "confirmed")),
        event("task.completed", name=TASK),
        event("step.executed", name=GREETING),
        event("step.executed", OPEN, name=GREETING),
    ]
    assert admin.post("/v1/events", json={"events": events}).json()["accepted"] == len(events)
    assert world.evaluate() == [Status.SUCCEEDED]
    world.judge.fails = Reason.REFUSED
    assert admin.post("/v1/conversations", json=delivery(FAILED, agent_id=AGENT)).status_code == 202
    assert world.evaluate() == [Status.FAILED]
    world.judge.fails = None
    row = admin.get(f"/v1/conversations/{CALL}").json()["id"]
    later = delivery("later-heron", agent_id=AGENT, ended_at=utc_now().isoformat())
    admin.post("/v1/conversations", json=later)
    cursor = admin.get("/v1/conversations", params={"limit": 1}).json()["next_cursor"]
    source = admin.post("/v1/sources", json={"name": SOURCE, "platform": "standard_webhooks"}).json()["id"]
    (message,) = admin.get(f"/v1/subscriptions/{subscription}/messages").json()["items"]
    return Things(goal, retired, row, cursor, str(world.project.id), source, subscription, message["id"])
