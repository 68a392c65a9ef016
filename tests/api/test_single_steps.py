"""One step at a time over HTTP: read, put, deleted, and refused where the rest would break a rule."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.api.calls import another_project, problem, stored
from tests.api.test_goal_steps import EMPTY, SHOWN, WORTHLESS, create
from tests.api.world import NewWorld, World, goal
from tests.domain.steps import FLIGHT, begin, complete


@pytest.fixture
def one(client: TestClient) -> str:
    """The address of a goal with steps."""
    return f"/v1/goals/{create(client, FLIGHT)['id']}"


def keys(client: TestClient, address: str) -> list[str]:
    return [step["key"] for step in client.get(address).json()["steps"]]


def revision(client: TestClient, address: str) -> int:
    number: int = client.get(address).json()["revision"]
    return number


@pytest.mark.parametrize("shown", SHOWN, ids=lambda step: step["key"])
def test_a_step_is_read_as_it_stands_in_its_goal(client: TestClient, one: str, shown: dict[str, Any]) -> None:
    response = client.get(f"{one}/steps/{shown['key']}")
    assert (response.status_code, response.json()) == (200, shown)


def test_a_new_step_goes_to_the_end_as_a_new_revision(client: TestClient, one: str) -> None:
    response = client.put(f"{one}/steps/seat", json={"name": "Seat chosen", "revenue": "9.5"})
    seat = {**EMPTY, **WORTHLESS, "key": "seat", "name": "Seat chosen", "order": 4, "revenue": "9.50"}
    assert (response.status_code, response.json()) == (200, seat)
    assert client.get(f"{one}/steps/seat").json() == seat
    current = client.get(one).json()
    assert (current["steps"], current["revision"]) == ([*SHOWN, seat], 2)


def test_a_step_that_is_put_replaces_all_but_its_place(client: TestClient, one: str) -> None:
    replaced = client.put(f"{one}/steps/details", json={"name": "Passenger named"}).json()
    assert replaced == {**EMPTY, **WORTHLESS, "key": "details", "name": "Passenger named", "order": 2}
    assert client.get(one).json()["steps"] == [SHOWN[0], replaced, SHOWN[2]]


def test_a_step_goes_where_its_order_says(client: TestClient, one: str) -> None:
    client.put(f"{one}/steps/details", json={"name": "Details", "order": 8})
    assert keys(client, one) == ["started", "confirmed", "details"]


def test_putting_a_step_as_it_is_makes_no_revision(world: World, client: TestClient, one: str) -> None:
    before = stored(world.database)
    for shown in SHOWN:
        body = {field: value for field, value in shown.items() if field != "key"}
        assert client.put(f"{one}/steps/{shown['key']}", json=body).json() == shown
    assert stored(world.database) == before


def test_a_step_may_be_deleted_that_the_rest_can_do_without(client: TestClient, one: str) -> None:
    response = client.delete(f"{one}/steps/details")
    assert (response.status_code, response.content) == (204, b"")
    assert (keys(client, one), revision(client, one)) == (["started", "confirmed"], 2)
    problem(client.get(f"{one}/steps/details"), 404)


def test_a_deleted_step_stands_in_the_earlier_revision(client: TestClient, one: str) -> None:
    client.delete(f"{one}/steps/details")
    assert client.get(f"{one}/revisions").json()["items"][1]["steps"] == SHOWN


def test_a_completion_step_may_be_deleted_while_there_is_another(client: TestClient, one: str) -> None:
    client.put(f"{one}/steps/seat", json={"name": "Seat chosen", "completion": True})
    assert client.delete(f"{one}/steps/confirmed").status_code == 204


DELETIONS = {"confirmed": "'confirmed' is the last completion step", "started": "'started' is the initial step"}


@pytest.mark.parametrize("key", DELETIONS)
def test_a_step_that_the_rest_cannot_do_without_is_not_deleted(
    world: World, client: TestClient, one: str, key: str
) -> None:
    before = stored(world.database)
    assert DELETIONS[key] in problem(client.delete(f"{one}/steps/{key}"), 422, "steps")["detail"]
    assert stored(world.database) == before


PUTS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "a second initial step": ("seat", {"initial": True}, "steps", "exactly one initial step"),
    "the initial step made another": ("started", {}, "steps", "no step is the initial one"),
    "the initial step made a completion step": (
        *("started", {"initial": True, "completion": True}, "steps"),
        "'started' is the initial step and a completion step",
    ),
    "the last completion step made another": ("confirmed", {}, "steps", "no step is a completion step"),
    "an order that is taken": ("seat", {"order": 2}, "steps", "'details', 'seat' have the same order 2"),
    "no name": ("seat", {"name": None}, "name", ""),
    "a key in the body": ("seat", {"key": "seat"}, "key", "not a known field"),
    "an amount that is a float": ("seat", {"revenue": 1.5}, "revenue", "string"),
    "a duration that is none": ("seat", {"time_saved": "90"}, "time_saved", "HH:MM:SS"),
    "an order below 1": ("seat", {"order": 0}, "order", "must be at least 1"),
    "a key with a blank": ("window%20seat", {}, "key", "letters, digits"),
    "a key of 65 characters": ("a" * 65, {}, "key", "1 to 64"),
}


@pytest.mark.parametrize("name", PUTS)
def test_a_step_that_would_break_a_rule_is_refused_for_it(
    world: World, client: TestClient, one: str, name: str
) -> None:
    key, content, field, said = PUTS[name]
    before = stored(world.database)
    response = client.put(f"{one}/steps/{key}", json={"name": "New", **content})
    (error,) = problem(response, 422, field)["errors"]
    assert said in error["detail"]
    assert stored(world.database) == before


def test_the_first_steps_of_a_goal_have_to_come_together(world: World, client: TestClient) -> None:
    address = f"/v1/goals/{goal(client, 'Appointment booked')['id']}"
    before = stored(world.database)
    response = client.put(f"{address}/steps/begin", json={"name": "Begin", "initial": True})
    assert "send its first ones together" in problem(response, 422, "steps")["detail"]
    assert stored(world.database) == before


def test_a_step_beyond_the_limit_is_refused_and_one_that_is_there_may_be_replaced(new_world: NewWorld) -> None:
    client = new_world(max_steps_per_goal=2).client()
    address = f"/v1/goals/{create(client, [begin(), complete()])['id']}"
    body = {"name": "New", "completion": True}
    assert "2 is the limit" in problem(client.put(f"{address}/steps/more", json=body), 422, "steps")["detail"]
    assert client.put(f"{address}/steps/done", json=body).json()["name"] == "New"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_step_that_is_not_there_is_not_found(world: World, client: TestClient, one: str, method: str) -> None:
    before = stored(world.database)
    assert "no step 'Details'" in problem(client.request(method, f"{one}/steps/Details"), 404)["detail"]
    assert stored(world.database) == before


def test_another_projects_steps_cannot_be_seen_or_touched(world: World, client: TestClient, one: str) -> None:
    stranger = another_project(world)
    before = stored(world.database)
    problem(stranger.get(f"{one}/steps/details"), 404)
    problem(stranger.put(f"{one}/steps/details", json={"name": "Taken over"}), 404)
    problem(stranger.delete(f"{one}/steps/details"), 404)
    assert stored(world.database) == before
    assert client.get(f"{one}/steps/details").json() == SHOWN[1]
