"""After an upgrade from the first release everything goes on: its numbers, its keys, its queue, its conversations."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from dramatiq.brokers.stub import StubBroker
from fastapi.testclient import TestClient

from goalline import pipeline
from goalline.bootstrap import Services
from goalline.domain.evaluation import Status
from goalline.domain.key import Scope
from goalline.settings import Settings
from goalline.store import projects, schema
from goalline.store.database import Database
from goalline.worker import utc_now
from tests.api.calls import problem
from tests.api.world import ScriptedJudge, World, delivery
from tests.store.first_release import KEYS, SAMPLE, TABLES, build
from tests.store.world import World as Store

CLINIC, SHOP = "sample clinic", "sample shop"
STEPS = [
    {"key": "begun", "name": "Begun", "initial": True},
    {"key": "paid", "name": "Paid", "completion": True, "revenue": "12.50"},
]


@pytest.fixture
def upgraded(database_url: str) -> Iterator[World]:
    """The first release's sample clinic on the newest schema; whatever is done with it, all counts stay right."""
    database = Database(database_url)
    build(database)
    schema.migrate(database)
    with database.reading() as session:
        project = projects.named(session, CLINIC)
    settings = Settings.model_validate({"database_url": database_url, "model": "scripted-model"})
    parts = Services(settings, database, ScriptedJudge(), StubBroker(middleware=[]))
    yield World(parts, project, {scope: KEYS[CLINIC][scope] for scope in Scope}, ScriptedJudge())
    assert Store(database, project).differences() == []
    database.close()


@pytest.fixture
def client(upgraded: World) -> TestClient:
    """A client with an admin's key of the first release."""
    return upgraded.client()


def as_then(then: Any, now: Any) -> Any:
    """Return what is answered now, without what has been added since."""
    if isinstance(then, dict) and isinstance(now, dict):
        return {name: as_then(value, now.get(name)) for name, value in then.items()}
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        return [as_then(one, other) for one, other in zip(then, now, strict=True)]
    return now


def holder(world: World, key: str) -> TestClient:
    client = world.browser()
    client.headers["Authorization"] = f"Bearer {key}"
    return client


def goal_id(client: TestClient, name: str) -> str:
    items = client.get("/v1/goals").json()["items"]
    return str(next(item["id"] for item in items if item["name"] == name))


def test_every_report_has_the_numbers_that_it_had(upgraded: World) -> None:
    for report in SAMPLE["reports"]:
        client = holder(upgraded, KEYS[report["project"]]["read"])
        answer = client.get(report["path"], params=report["query"])
        assert as_then(report["answer"], answer.json()) == report["answer"], report["query"]


def test_conversations_read_as_they_did(client: TestClient) -> None:
    for name, then in SAMPLE["conversations"].items():
        assert as_then(then, client.get(f"/v1/conversations/{name}").json()) == then, name
    of_clinic = [row for row in TABLES["conversation"] if row["project_id"] == TABLES["project"][0]["id"]]
    assert len(client.get("/v1/conversations", params={"limit": 200}).json()["items"]) == len(of_clinic)


def test_keys_go_on_opening_what_they_opened_and_nothing_else(upgraded: World) -> None:
    for project in (CLINIC, SHOP):
        assert holder(upgraded, KEYS[project]["read"]).get("/v1/goals").status_code == 200
        problem(holder(upgraded, KEYS[project]["ingest"]).get("/v1/goals"), 403)
    assert holder(upgraded, KEYS["signed in"]).get("/v1/goals").status_code == 200
    for name in ("revoked", "expired"):
        problem(holder(upgraded, KEYS[name]).get("/v1/goals"), 401)


def test_what_was_queued_or_left_behind_is_judged(upgraded: World, client: TestClient) -> None:
    last = max(row["ring_at"] for row in TABLES["evaluation"])
    long_after = datetime.fromisoformat(last) + timedelta(days=1)
    waiting = {row["id"] for row in TABLES["evaluation"] if row["status"] in ("queued", "running")}
    queued = pipeline.sweep(upgraded.database, long_after, forgotten=True)
    assert {str(one) for one in queued} == waiting
    lease = timedelta(days=1)
    for one in queued:
        work = pipeline.claim(upgraded.database, one, long_after, lease)
        assert work
        done = pipeline.evaluate(upgraded.database, upgraded.judge, work, lambda: long_after, give_up_after=lease)
        assert done is Status.SUCCEEDED
    assert [run["status"] for run in client.get("/v1/conversations/queued-again").json()["evaluations"]] == [
        "succeeded"
    ] * 2


def test_what_failed_is_judged_again(upgraded: World, client: TestClient) -> None:
    before = client.get("/v1/evaluations", params={"state": "failed", "limit": 200}).json()["items"]
    assert len({item["reason"] for item in before}) == 13
    assert client.post("/v1/evaluations/retry", json={"state": "failed"}).json()["queued"] == len(before)
    upgraded.evaluate()
    assert client.get("/v1/evaluations", params={"state": "failed"}).json()["items"] == []


def test_goals_go_on_being_edited_and_judged_by(upgraded: World, client: TestClient) -> None:
    address = f"/v1/goals/{goal_id(client, 'Visit booked')}"
    assert client.patch(address, json={"name": "Stay booked", "steps": STEPS}).json()["revision"] == 4
    wordings = client.get(f"{address}/revisions").json()["items"]
    assert [one["name"] for one in wordings] == ["Stay booked", "Visit booked", "Visit booked", "Appointment booked"]
    shop = holder(upgraded, KEYS[SHOP]["admin"])
    assert shop.post(f"/v1/goals/{goal_id(shop, 'Sale made')}/restore").json()["state"] == "active"
    client.post("/v1/conversations", json=delivery("new-call", ended_at="2999-01-01T00:00:00Z"))
    upgraded.evaluate()
    (primary, *_) = client.get("/v1/conversations/new-call").json()["verdicts"]
    assert (primary["goal"]["name"], primary["revision"]) == ("Stay booked", 4)


def test_events_are_recorded_for_conversations_of_that_time(client: TestClient) -> None:
    goal = goal_id(client, "Visit booked")
    client.patch(f"/v1/goals/{goal}", json={"steps": STEPS})
    shared = {"conversation_id": "call-0", "occurred_at": utc_now().isoformat()}
    events = [
        {"id": "e-1", "type": "goal.step", "goal": goal, "step": "begun"} | shared,
        {"id": "e-2", "type": "goal.step", "goal": goal, "step": "paid"} | shared,
        {"id": "e-3", "type": "task.completed", "name": "Reminder sent"} | shared,
        {"id": "e-4", "type": "step.executed", "name": "Greeting"} | shared,
    ]
    assert client.post("/v1/events", json={"events": events}).json() == {
        "accepted": 4,
        "duplicates": 0,
        "rejected": [],
    }
    of_one = client.get("/v1/conversations/call-0").json()
    assert [(cycle["state"], cycle["revenue"]) for cycle in of_one["cycles"]] == [("completed", "12.50")]
    assert [task["name"] for task in of_one["tasks"]] == ["Reminder sent"]
    assert as_then(SAMPLE["conversations"]["call-0"]["verdicts"], of_one["verdicts"]) == of_one["verdicts"]


def test_what_is_sent_again_is_known(client: TestClient) -> None:
    (then,) = [row for row in TABLES["conversation"] if row["conversation_id"] == "in-revision-3"]
    body = {name: then[name] for name in ("conversation_id", "agent_id", "ended_at", "transcript")}
    assert client.post("/v1/conversations", json=body).json()["duplicate"] is True
    assert len(client.get("/v1/conversations/in-revision-3").json()["evaluations"]) == 1


def test_conversations_are_deleted_and_contacts_erased(client: TestClient) -> None:
    assert client.delete("/v1/conversations/judged-twice").status_code == 204
    contact = "/v1/contacts/sample-contact-1"
    assert client.get(contact).json()["conversations"]["count"] == 4
    assert client.delete(contact).status_code == 204
    assert client.get("/v1/conversations/call-1").json()["transcript"] == []
