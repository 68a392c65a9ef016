"""Contacts over HTTP: profile, export, deactivation and erasure."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from goalline.api.contacts.exports import ContactExport
from goalline.domain.evaluation import Status
from goalline.domain.key import Scope
from goalline.worker import utc_now
from tests.api.calls import another_project, problem, stored
from tests.api.world import World, days_ago, delivery

MIA = "mia/+49 4711"
ADDRESS = f"/v1/contacts/{quote(MIA)}"
STEPS = [
    {"key": "start", "name": "Begun", "initial": True},
    {"key": "sold", "name": "Sold", "completion": True, "cost_savings": "15.00", "time_saved": "00:03:00"},
]
SOLD = {"name": "Sold", "description": "Something was sold.", "kind": "primary", "steps": STEPS}


def event(number: int, kind: str, at: str, **more: object) -> dict[str, object]:
    return {"id": f"e-{number}", "type": kind, "conversation_id": "call-1", "occurred_at": at, **more}


@pytest.fixture
def goal(client: TestClient) -> dict[str, Any]:
    goal: dict[str, Any] = client.post("/v1/goals", json=SOLD).json()
    return goal


@pytest.fixture
def told(world: World, client: TestClient, goal: dict[str, Any]) -> list[str]:
    """A judged conversation of a contact with a completed cycle, a task and a path; when its events happened."""
    times = [utc_now().isoformat().replace("+00:00", "Z") for _ in range(4)]
    body = delivery("call-1", "I would like to buy two.", contact_id=MIA, metadata={"seat": 17}, channel="phone")
    client.post("/v1/conversations", json=body)
    events = [
        event(1, "goal.step", times[0], goal=goal["id"], step="start"),
        event(2, "goal.step", times[1], goal="Sold", step="sold"),
        event(3, "task.completed", times[2], name="Receipt sent", contact_id=MIA),
        event(4, "step.executed", times[3], name="greeting"),
    ]
    assert client.post("/v1/events", json={"events": events}).json()["accepted"] == 4
    assert world.evaluate() == [Status.SUCCEEDED]
    return times


def deactivate(client: TestClient, existing: str) -> dict[str, Any]:
    response = client.post(f"{ADDRESS}/deactivate", json={"existing": existing})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def test_the_profile_of_a_contact(client: TestClient, goal: dict[str, Any], told: list[str]) -> None:
    conversation = client.get("/v1/conversations/call-1").json()
    assert client.get(ADDRESS).json() == {
        "contact_id": MIA,
        "state": "active",
        "deactivated_at": None,
        "conversations": {
            "count": 1,
            "latest": [
                {
                    "id": conversation["id"],
                    "conversation_id": "call-1",
                    "agent_id": "front-desk",
                    "ended_at": conversation["ended_at"],
                }
            ],
            "all": "/v1/conversations?contact=mia%2F%2B49%204711",
        },
        "completed_goals": [
            {
                "goal": {"id": goal["id"], "name": "Sold"},
                "completed": 1,
                "first_at": told[1],
                "last_at": told[1],
            }
        ],
        "tasks": [{"name": "Receipt sent", "completed": 1, "first_at": told[2], "last_at": told[2]}],
    }


@pytest.mark.usefixtures("told")
def test_the_profile_leads_to_the_list_of_all_conversations(client: TestClient) -> None:
    address = client.get(ADDRESS).json()["conversations"]["all"]
    assert [item["conversation_id"] for item in client.get(address).json()["items"]] == ["call-1"]


def test_an_open_conversation_has_no_end_and_an_agent_only_once_it_is_known(client: TestClient) -> None:
    task = event(1, "task.completed", days_ago(1), name="Receipt sent", contact_id=MIA)
    client.post("/v1/events", json={"events": [task]})
    [named] = client.get(ADDRESS).json()["conversations"]["latest"]
    assert (named["agent_id"], named["ended_at"]) == (None, None)


@pytest.mark.parametrize(
    ("method", "suffix"),
    [("GET", ""), ("GET", "/export"), ("POST", "/activate"), ("DELETE", "")],
)
def test_of_a_contact_that_nobody_has_heard_of_nothing_can_be_told(
    client: TestClient, method: str, suffix: str
) -> None:
    assert MIA in problem(client.request(method, ADDRESS + suffix), 404)["detail"]


@pytest.mark.usefixtures("told")
def test_another_project_knows_nothing_of_a_contact(world: World) -> None:
    before = stored(world.database)
    stranger = another_project(world)
    problem(stranger.get(ADDRESS), 404)
    problem(stranger.get(f"{ADDRESS}/export"), 404)
    problem(stranger.delete(ADDRESS), 404)
    after = stored(world.database)
    assert {name: rows for name, rows in after.items() if name not in ("project", "api_key")} == {
        name: rows for name, rows in before.items() if name not in ("project", "api_key")
    }


def test_an_id_that_no_contact_can_have_is_refused(client: TestClient) -> None:
    problem(client.get("/v1/contacts/mia%00"), 422, "contact_id")
    problem(client.get(f"/v1/contacts/{'m' * 256}"), 422, "contact_id")


def test_an_export_holds_everything_and_is_an_attachment(
    client: TestClient, goal: dict[str, Any], told: list[str]
) -> None:
    response = client.get(f"{ADDRESS}/export")
    assert response.headers["content-type"] == "application/json"
    disposition = response.headers["content-disposition"]
    assert disposition.startswith('attachment; filename="contact-')
    assert disposition.isascii()
    ContactExport.model_validate(response.json(), extra="forbid")
    exported = response.json()
    [conversation] = exported.pop("conversations")
    assert exported == {
        "contact_id": MIA,
        "state": "active",
        "deactivated_at": None,
        "format": "goalline-contact",
        "version": 1,
        "currency": "USD",
        "events_elsewhere": [],
    }
    assert conversation["transcript"] == [{"role": "user", "text": "I would like to buy two.", "at": None}]
    assert conversation["metadata"] == {"seat": 17}
    [verdict] = conversation["verdicts"]
    assert verdict["goal"] == {"id": goal["id"], "name": "Sold", "kind": "primary"}
    assert (verdict["outcome"], verdict["rationale"], verdict["counted"]) == ("achieved", "Because of Sold.", True)
    assert verdict["evidence"] == [{"turn": 1, "quote": "I would like to buy two."}]
    [run] = conversation["evaluations"]
    assert "cost" not in run
    assert run["status"] == "succeeded"
    assert sorted(one["id"] for one in conversation["events"]) == ["e-1", "e-2", "e-3", "e-4"]
    assert {one["conversation_id"] for one in conversation["events"]} == {"call-1"}
    [cycle] = conversation["cycles"]
    assert (cycle["state"], cycle["cost_savings"], cycle["time_saved"]) == ("completed", "15.00", "00:03:00")
    assert conversation["tasks"] == [{"name": "Receipt sent", "at": told[2]}]
    assert conversation["path"] == ["greeting"]


def test_an_export_is_the_same_each_time_and_holds_all_of_many_conversations(client: TestClient) -> None:
    for number in range(45):
        client.post("/v1/conversations", json=delivery(f"call-{number}", contact_id=MIA))
    first, second = client.get(f"{ADDRESS}/export"), client.get(f"{ADDRESS}/export")
    assert first.content == second.content
    references = [one["conversation_id"] for one in json.loads(first.content)["conversations"]]
    assert references == [f"call-{number}" for number in range(45)]


def test_an_export_names_events_of_others_that_name_the_contact(client: TestClient) -> None:
    client.post("/v1/conversations", json=delivery("call-1", contact_id="noa"))
    task = event(1, "task.completed", days_ago(1), name="Call passed on", contact_id=MIA)
    client.post("/v1/events", json={"events": [task]})
    exported = client.get(f"{ADDRESS}/export").json()
    assert exported["conversations"] == []
    assert [(one["name"], one["conversation_id"]) for one in exported["events_elsewhere"]] == [
        ("Call passed on", "call-1")
    ]


@pytest.mark.usefixtures("told")
def test_an_export_takes_an_admin_and_a_profile_a_reader(world: World) -> None:
    reader = world.client(Scope.READ)
    assert reader.get(ADDRESS).status_code == 200
    problem(reader.get(f"{ADDRESS}/export"), 403)


@pytest.mark.parametrize("body", [{}, {"existing": None}, {"existing": "remove"}, {"existing": ["keep"]}])
def test_deactivating_wants_to_know_what_becomes_of_what_there_is(client: TestClient, body: dict[str, Any]) -> None:
    detail = problem(client.post(f"{ADDRESS}/deactivate", json=body), 422, "existing")["detail"]
    assert '"keep" (what is stored of the contact stays as it is)' in detail
    assert '"delete" (it is erased for good' in detail


@pytest.mark.usefixtures("told")
def test_a_deactivated_contact_keeps_what_there_is_and_gets_nothing_more(client: TestClient) -> None:
    answer = deactivate(client, "keep")
    assert (answer["contact_id"], answer["state"]) == (MIA, "deactivated")
    assert deactivate(client, "keep") == answer
    profile = client.get(ADDRESS).json()
    assert profile["deactivated_at"] == answer["deactivated_at"]
    assert profile["conversations"]["count"] == 1
    task = event(9, "task.completed", days_ago(0), name="Receipt sent")
    [rejected] = client.post("/v1/events", json={"events": [task]}).json()["rejected"]
    assert "deactivated" in rejected["detail"]
    response = client.post("/v1/conversations", json=delivery("call-2", contact_id=MIA))
    assert response.status_code == 202
    assert response.json()["evaluation"]["status"] == "skipped"
    shown = client.get("/v1/conversations/call-2").json()
    assert (shown["contact_id"], shown["transcript"]) == (None, [])
    assert shown["evaluations"][0]["reason"] == "contact_deactivated"
    assert "deactivated" in shown["evaluations"][0]["explanation"]
    assert client.get(ADDRESS).json() == profile


@pytest.mark.usefixtures("told")
def test_deactivating_can_erase_what_there_is(world: World, client: TestClient) -> None:
    deactivate(client, "delete")
    profile = client.get(ADDRESS).json()
    assert (profile["state"], profile["conversations"]["count"]) == ("deactivated", 0)
    assert (profile["completed_goals"], profile["tasks"]) == ([], [])
    assert MIA not in str(stored(world.database))


def test_an_activated_contact_is_recorded_again(client: TestClient) -> None:
    deactivate(client, "keep")
    answer = {"contact_id": MIA, "state": "active", "deactivated_at": None}
    assert client.post(f"{ADDRESS}/activate").json() == answer
    client.post("/v1/conversations", json=delivery("call-2", contact_id=MIA))
    assert client.get(ADDRESS).json()["conversations"]["count"] == 1
    assert client.post(f"{ADDRESS}/activate").json() == answer


@pytest.mark.usefixtures("told")
def test_an_erased_contact_is_gone_and_what_it_counted_stays(world: World, client: TestClient) -> None:
    rate = client.get("/v1/reports/success-rate").json()
    response = client.delete(ADDRESS)
    assert (response.status_code, response.content) == (204, b"")
    assert client.get("/v1/reports/success-rate").json() == rate
    problem(client.get(ADDRESS), 404)
    problem(client.delete(ADDRESS), 404)
    shown = client.get("/v1/conversations/call-1").json()
    assert (shown["contact_id"], shown["transcript"], shown["metadata"]) == (None, [], None)
    assert [(one["outcome"], one["rationale"], one["evidence"]) for one in shown["verdicts"]] == [("achieved", "", [])]
    assert MIA not in str(stored(world.database))
    assert "two" not in str(stored(world.database))


@pytest.mark.usefixtures("told")
def test_an_erased_conversation_is_not_judged_again_nor_stored_anew(client: TestClient) -> None:
    client.delete(ADDRESS)
    assert "erased" in problem(client.post("/v1/conversations/call-1/evaluations"), 409)["detail"]
    response = client.post("/v1/conversations", json=delivery("call-1", "I am back.", contact_id=MIA))
    assert response.status_code == 202
    assert response.json()["duplicate"] is True
    assert client.get("/v1/conversations/call-1").json()["transcript"] == []


@pytest.mark.usefixtures("told")
def test_pages_show_an_erased_conversation(client: TestClient, world: World) -> None:
    client.delete(ADDRESS)
    browser = world.browser(dashboard_open=True)
    row = browser.get("/").text.partition("call-1</a>")[2].partition("</th>")[0]
    assert "erased" in row
    assert browser.get("/conversations/call-1").status_code == 200
