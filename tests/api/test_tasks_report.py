"""GET /v1/reports/tasks: which tasks were completed, and how often."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.api.calls import another_project, problem
from tests.api.tracked import complete
from tests.api.world import World


def report(client: TestClient, **query: Any) -> dict[str, Any]:
    response = client.get("/v1/reports/tasks", params=query)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def names(client: TestClient, **query: Any) -> list[str]:
    return [task["name"] for task in report(client, **query)["tasks"]]


@pytest.fixture
def filled(client: TestClient) -> TestClient:
    """A client of a project in which four calls completed three tasks."""
    complete(client, "call-1", "order")
    complete(client, "call-2", "order", at="2025-05-03T00:00:00Z")
    complete(client, "call-3", "refund", at="2025-05-02T23:59:59Z")
    complete(client, "call-4", "callback", agent_id="night-desk")
    return client


def test_a_project_without_tasks_has_an_empty_report(client: TestClient) -> None:
    assert report(client) == {"time_zone": "UTC", "total": 0, "completed": 0, "tasks": []}


def test_tasks_come_most_completed_first_then_by_name(filled: TestClient) -> None:
    assert report(filled) == {
        "time_zone": "UTC",
        "total": 3,
        "completed": 4,
        "tasks": [
            {"name": "order", "completed": 2},
            {"name": "callback", "completed": 1},
            {"name": "refund", "completed": 1},
        ],
    }


def test_a_limit_shortens_the_list_and_not_the_totals(filled: TestClient) -> None:
    found = report(filled, limit=1)
    assert (len(found["tasks"]), found["total"], found["completed"]) == (1, 3, 4)


def test_fifty_tasks_are_listed_unless_more_are_asked_for(client: TestClient) -> None:
    for number in range(51):
        complete(client, "call-1", f"task {number}")
    assert (len(names(client)), len(names(client, limit=200))) == (50, 51)


@pytest.mark.parametrize("limit", [0, 201])
def test_a_limit_is_between_1_and_200(client: TestClient, limit: int) -> None:
    problem(client.get("/v1/reports/tasks", params={"limit": limit}), 422, "limit")


def test_tasks_are_those_of_the_agent_that_is_asked_for(filled: TestClient) -> None:
    assert names(filled, agent="night-desk") == ["callback"]


def test_tasks_are_those_of_the_days_that_are_asked_for(filled: TestClient) -> None:
    assert names(filled, **{"from": "2025-05-03"}) == ["order"]
    assert names(filled, to="2025-05-02") == ["callback", "order", "refund"]


def test_a_time_that_ends_before_it_begins_is_refused(client: TestClient) -> None:
    problem(client.get("/v1/reports/tasks", params={"from": "2025-05-02", "to": "2025-05-01"}), 422, "from")


def test_a_task_of_a_conversation_that_was_deleted_is_gone(filled: TestClient) -> None:
    assert filled.delete("/v1/conversations/call-3").status_code == 204
    assert names(filled) == ["order", "callback"]


def test_another_project_sees_none_of_them(filled: TestClient, world: World) -> None:
    assert (names(filled, limit=1), report(another_project(world))["total"]) == (["order"], 0)
