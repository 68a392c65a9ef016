"""The goals' calls: created, listed, reworded, archived, restored, deleted."""

from datetime import datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient

from goalline.domain.evaluation import Status
from goalline.domain.goal import Kind
from tests.api.calls import NOBODY, problem, stored
from tests.api.world import World, delivery, goal
from tests.domain.steps import FLIGHT


def draft(**changes: object) -> dict[str, object]:
    return {"name": "Appointment booked", "description": "A time was agreed.", "kind": "primary", **changes}


def names(client: TestClient, **query: Any) -> list[str]:
    response = client.get("/v1/goals", params=query)
    assert response.status_code == 200, response.text
    return [item["name"] for item in response.json()["items"]]


@pytest.fixture
def one(client: TestClient) -> str:
    """The address of a goal."""
    return f"/v1/goals/{goal(client, 'Appointment booked')['id']}"


def test_a_created_goal_is_answered_whole_and_says_where_it_is(client: TestClient) -> None:
    response = client.post("/v1/goals", json=draft(agent_id="front-desk"))
    assert response.status_code == 201
    created = response.json()
    assert response.headers["location"] == f"/v1/goals/{created['id']}"
    assert client.get(response.headers["location"]).json() == created
    assert datetime.fromisoformat(created.pop("created_at")).tzinfo
    assert created.pop("id")
    assert created == {
        "name": "Appointment booked",
        "description": "A time was agreed.",
        "kind": "primary",
        "agent_id": "front-desk",
        "judged": True,
        "state": "active",
        "revision": 1,
        "archived_at": None,
        "steps": [],
    }


def test_a_goal_is_judged_and_for_every_agent_unless_told_otherwise(client: TestClient) -> None:
    created = client.post("/v1/goals", json=draft()).json()
    assert (created["judged"], created["agent_id"]) == (True, None)


@pytest.mark.parametrize("agent", [None, "front-desk"])
def test_a_second_active_primary_goal_in_one_place_is_refused_and_told_of_the_first(
    world: World, client: TestClient, agent: str | None
) -> None:
    first = goal(client, "Appointment booked", agent_id=agent)
    before = stored(world.database)
    detail = problem(client.post("/v1/goals", json=draft(name="Sale", agent_id=agent)), 409, "kind")["detail"]
    assert "Appointment booked" in detail
    assert str(first["id"]) in detail
    assert stored(world.database) == before


def test_each_agent_and_the_project_may_have_a_primary_goal(client: TestClient) -> None:
    for agent in (None, "front-desk", "night-desk"):
        assert client.post("/v1/goals", json=draft(agent_id=agent)).status_code == 201


def test_there_may_be_any_number_of_secondary_goals(client: TestClient) -> None:
    for _ in range(3):
        assert client.post("/v1/goals", json=draft(kind="secondary")).status_code == 201


def test_goals_are_listed_oldest_first(client: TestClient) -> None:
    for name in ("c", "a", "b"):
        goal(client, name, Kind.SECONDARY)
    assert names(client) == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["everywhere", "front", "reminder", "gone"]),
        ({"state": "active"}, ["everywhere", "front", "reminder"]),
        ({"state": "archived"}, ["gone"]),
        ({"kind": "primary"}, ["everywhere", "front"]),
        ({"kind": "secondary"}, ["reminder", "gone"]),
        ({"kind": "secondary", "state": "active"}, ["reminder"]),
        ({"agent": "front-desk"}, ["front", "gone"]),
        ({"agent": "nobody"}, []),
    ],
    ids=str,
)
def test_a_filter_shows_the_goals_it_names(client: TestClient, query: dict[str, str], expected: list[str]) -> None:
    goal(client, "everywhere")
    goal(client, "front", agent_id="front-desk")
    goal(client, "reminder", Kind.SECONDARY)
    gone = goal(client, "gone", Kind.SECONDARY, "front-desk")
    client.post(f"/v1/goals/{gone['id']}/archive")
    assert names(client, **query) == expected


@pytest.mark.parametrize("limit", [1, 2, 5, 200])
def test_pages_of_goals_put_together_are_the_list(client: TestClient, limit: int) -> None:
    for number in range(5):
        goal(client, f"goal {number}", Kind.SECONDARY)
    found: list[str] = []
    query: dict[str, Any] = {"limit": limit}
    while query:
        page = client.get("/v1/goals", params=query).json()
        assert 0 < len(page["items"]) <= limit
        found += [item["name"] for item in page["items"]]
        query = {"limit": limit, "cursor": page["next_cursor"]} if page["next_cursor"] else {}
    assert found == [f"goal {number}" for number in range(5)]


def test_an_edit_makes_a_new_revision_and_leaves_the_rest_as_it_was(client: TestClient, one: str) -> None:
    before = client.get(one).json()
    edited = client.patch(one, json={"description": "A day and a time were agreed."})
    assert edited.status_code == 200
    assert edited.json() == {**before, "description": "A day and a time were agreed.", "revision": 2}
    assert client.get(one).json() == edited.json()


@pytest.mark.parametrize(
    "change", [{"name": "Visit booked"}, {"kind": "secondary"}, {"judged": False}, {"name": "x", "judged": False}]
)
def test_everything_about_the_wording_can_be_edited(client: TestClient, change: dict[str, object]) -> None:
    one = f"/v1/goals/{client.post('/v1/goals', json=draft(steps=FLIGHT)).json()['id']}"
    edited = client.patch(one, json=change).json()
    assert {field: edited[field] for field in change} == change
    assert edited["revision"] == 2


def test_an_edit_that_changes_nothing_makes_no_revision(world: World, client: TestClient, one: str) -> None:
    before, shown = stored(world.database), client.get(one).json()
    same = {field: shown[field] for field in ("name", "description", "kind", "judged")}
    assert client.patch(one, json=same).json() == shown
    assert stored(world.database) == before


@pytest.mark.usefixtures("one")
def test_an_edit_cannot_make_a_second_primary_goal(world: World, client: TestClient) -> None:
    other = goal(client, "Reminder offered", Kind.SECONDARY)
    before = stored(world.database)
    detail = problem(client.patch(f"/v1/goals/{other['id']}", json={"kind": "primary"}), 409, "kind")["detail"]
    assert "Appointment booked" in detail
    assert stored(world.database) == before


def test_every_wording_can_be_read_newest_first(client: TestClient, one: str) -> None:
    client.patch(one, json={"name": "Visit booked"})
    client.patch(one, json={"kind": "secondary"})
    page = client.get(f"{one}/revisions").json()
    assert page["next_cursor"] is None
    times = [revision.pop("in_force_from") for revision in page["items"]]
    assert times == sorted(times, reverse=True)
    words = {"description": "What Appointment booked means.", "judged": True, "steps": []}
    assert page["items"] == [
        {"number": 3, "name": "Visit booked", "kind": "secondary", **words},
        {"number": 2, "name": "Visit booked", "kind": "primary", **words},
        {"number": 1, "name": "Appointment booked", "kind": "primary", **words},
    ]


def test_an_archived_goal_judges_no_more_and_keeps_its_history(judged: World) -> None:
    client = judged.client()
    for item in client.get("/v1/goals").json()["items"]:
        response = client.post(f"/v1/goals/{item['id']}/archive")
        assert (response.status_code, response.json()["state"]) == (200, "archived")
        assert response.json()["archived_at"]
    client.post("/v1/conversations", json=delivery("call-2"))
    assert judged.evaluate() == [Status.SKIPPED]
    assert len(client.get("/v1/conversations/call-1").json()["verdicts"]) == 2


def test_a_restored_goal_judges_again(client: TestClient, world: World, one: str) -> None:
    client.post(f"{one}/archive")
    restored = client.post(f"{one}/restore").json()
    assert (restored["state"], restored["archived_at"]) == ("active", None)
    client.post("/v1/conversations", json=delivery())
    assert world.evaluate() == [Status.SUCCEEDED]


@pytest.mark.parametrize("action", ["archive", "restore"])
def test_archiving_and_restoring_twice_are_like_once(world: World, client: TestClient, one: str, action: str) -> None:
    client.post(f"{one}/archive")
    first, before = client.post(f"{one}/{action}"), stored(world.database)
    again = client.post(f"{one}/{action}")
    assert (again.status_code, again.json()) == (200, first.json())
    assert stored(world.database) == before


def test_a_goal_cannot_be_restored_beside_the_one_that_took_its_place(
    world: World, client: TestClient, one: str
) -> None:
    client.post(f"{one}/archive")
    taken = goal(client, "Sale made")
    before = stored(world.database)
    detail = problem(client.post(f"{one}/restore"), 409, "kind")["detail"]
    assert "Sale made" in detail
    assert str(taken["id"]) in detail
    assert stored(world.database) == before


@pytest.mark.parametrize("confirm", [None, "", "appointment booked", "Appointment booked ", "yes", "true"])
def test_a_goal_is_not_deleted_without_its_name(judged: World, confirm: str | None) -> None:
    client, before = judged.client(), stored(judged.database)
    address = f"/v1/goals/{client.get('/v1/goals').json()['items'][0]['id']}"
    body = problem(client.delete(address, params={"confirm": confirm} if confirm is not None else {}), 422, "confirm")
    assert "confirm=Appointment booked" in body["detail"]
    assert stored(judged.database) == before


def test_a_goal_that_is_deleted_by_its_name_takes_its_verdicts_and_counts_along(judged: World) -> None:
    client = judged.client()
    address = f"/v1/goals/{client.get('/v1/goals').json()['items'][0]['id']}"
    response = client.delete(address, params={"confirm": "Appointment booked"})
    assert (response.status_code, response.content) == (204, b"")
    problem(client.get(address), 404)
    verdicts = client.get("/v1/conversations/call-1").json()["verdicts"]
    assert [verdict["goal"]["name"] for verdict in verdicts] == ["Reminder offered"]
    rate = client.get("/v1/reports/success-rate").json()
    assert (rate["evaluated"], rate["conversations"]) == (0, 1)
    assert [line["goal"]["name"] for line in client.get("/v1/reports/goals").json()["goals"]] == ["Reminder offered"]


def test_the_name_that_confirms_is_the_newest_one(client: TestClient, one: str) -> None:
    client.patch(one, json={"name": "Wizyta umówiona & gotowa?"})
    problem(client.delete(one, params={"confirm": "Appointment booked"}), 422, "confirm")
    assert client.delete(one, params={"confirm": "Wizyta umówiona & gotowa?"}).status_code == 204


def test_a_goal_that_is_not_there_is_not_found(world: World, client: TestClient) -> None:
    nowhere, before = f"/v1/goals/{NOBODY}", stored(world.database)
    problem(client.get(nowhere), 404)
    problem(client.get(f"{nowhere}/revisions"), 404)
    problem(client.patch(nowhere, json={"name": "x"}), 404)
    problem(client.post(f"{nowhere}/archive"), 404)
    problem(client.post(f"{nowhere}/restore"), 404)
    problem(client.delete(nowhere, params={"confirm": "x"}), 404)
    assert stored(world.database) == before
