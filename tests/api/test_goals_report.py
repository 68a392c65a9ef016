"""GET /v1/reports/goals: the completion rate of every goal, beside the conversations that it is for."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from goalline.domain.goal import Kind
from goalline.domain.verdict import Outcome
from tests.api.calls import NOBODY, problem
from tests.api.world import World, age_goals, delivery, goal


def lines(client: TestClient, **query: Any) -> dict[str, dict[str, Any]]:
    """Return the line of each goal, by its name."""
    response = client.get("/v1/reports/goals", params=query)
    assert response.status_code == 200, response.text
    return {line["goal"]["name"]: line for line in response.json()["goals"]}


def fill(world: World) -> World:
    """Fill a world with a goal of the front desk, one of the night desk and one of all, and three conversations."""
    client = world.client()
    goal(client, "Booked", agent_id="front-desk")
    goal(client, "Handed over", agent_id="night-desk")
    goal(client, "Reminded", Kind.SECONDARY)
    age_goals(world, 10_000)
    for number, (agent, day, outcome) in enumerate(
        (("front-desk", 1, Outcome.ACHIEVED), ("front-desk", 2, Outcome.PARTIAL), ("night-desk", 2, Outcome.ACHIEVED))
    ):
        world.judge.outcomes = {"Booked": outcome, "Handed over": Outcome.NOT_ACHIEVED, "Reminded": Outcome.ACHIEVED}
        body = delivery(f"call-{number}", agent_id=agent, ended_at=f"2025-05-0{day}T10:00:00Z")
        client.post("/v1/conversations", json=body)
        world.evaluate()
    return world


@pytest.fixture
def counted(world: World) -> World:
    """A filled world of a test's own."""
    return fill(world)


@pytest.fixture(scope="module")
def shared(lasting_world: World) -> World:
    """A filled world for all tests that only read."""
    return fill(lasting_world)


def rates(client: TestClient, **query: Any) -> dict[str, tuple[float | None, int, int]]:
    """Return rate, evaluated and conversations of each goal."""
    return {
        name: (line["completion_rate"], line["evaluated"], line["conversations"])
        for name, line in lines(client, **query).items()
    }


def test_a_project_without_goals_has_an_empty_report(client: TestClient) -> None:
    assert client.get("/v1/reports/goals").json() == {"time_zone": "UTC", "series_interval": "day", "goals": []}


def test_a_goal_that_nothing_was_judged_by_has_no_rate(client: TestClient) -> None:
    created = goal(client, "Booked")
    [line] = client.get("/v1/reports/goals").json()["goals"]
    assert line == {
        "goal": {"id": created["id"], "name": "Booked", "kind": "primary", "agent_id": None, "state": "active"},
        "completion_rate": None,
        "interval": None,
        "achieved": 0,
        "partial": 0,
        "not_achieved": 0,
        "evaluated": 0,
        "conversations": 0,
        "coverage": None,
        "series": [],
    }


def test_each_goal_has_its_own_rate_over_the_conversations_of_its_agent(shared: World) -> None:
    assert rates(shared.client()) == {"Booked": (0.5, 2, 2), "Handed over": (0.0, 1, 1), "Reminded": (1.0, 3, 3)}


def test_each_goal_has_its_counts_its_interval_and_its_coverage(counted: World) -> None:
    counted.client().post("/v1/conversations", json=delivery("waiting", ended_at="2025-05-02T10:00:00Z"))
    line = lines(counted.client())["Booked"]
    assert (line["achieved"], line["partial"], line["not_achieved"]) == (1, 1, 0)
    # 1 of 2.
    assert line["interval"] == pytest.approx([0.0945, 0.9055], abs=1e-4)
    assert line["coverage"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"agent": "front-desk"}, {"Booked": (0.5, 2, 2), "Reminded": (1.0, 2, 2)}),
        ({"agent": "nobody"}, {"Reminded": (None, 0, 0)}),
        ({"kind": "secondary"}, {"Reminded": (1.0, 3, 3)}),
        ({"kind": "primary"}, {"Booked": (0.5, 2, 2), "Handed over": (0.0, 1, 1)}),
        ({"to": "2025-05-01"}, {"Booked": (1.0, 1, 1), "Handed over": (None, 0, 0), "Reminded": (1.0, 1, 1)}),
        ({"from": "2025-05-02"}, {"Booked": (0.0, 1, 1), "Handed over": (0.0, 1, 1), "Reminded": (1.0, 2, 2)}),
        ({"from": "2025-05-03"}, {"Booked": (None, 0, 0), "Handed over": (None, 0, 0), "Reminded": (None, 0, 0)}),
    ],
    ids=str,
)
def test_a_filter_counts_what_it_names(
    shared: World, query: dict[str, str], expected: dict[str, tuple[float | None, int, int]]
) -> None:
    assert rates(shared.client(), **query) == expected


def test_a_filter_by_goal_leaves_that_goal_alone(shared: World) -> None:
    client = shared.client()
    every = lines(client)
    assert lines(client, goal=every["Booked"]["goal"]["id"]) == {
        "Booked": {**every["Booked"], "series": every["Booked"]["series"]}
    }
    problem(client.get("/v1/reports/goals", params={"goal": NOBODY}), 404)


def test_a_revision_counts_what_was_judged_by_its_wording(counted: World) -> None:
    client = counted.client()
    goal_id = lines(client)["Booked"]["goal"]["id"]
    client.patch(f"/v1/goals/{goal_id}", json={"description": "A day and a time were agreed."})
    client.post("/v1/conversations", json=delivery("new"))
    counted.evaluate()
    assert rates(client, goal=goal_id, revision=1)["Booked"] == (0.5, 2, 3)
    assert rates(client, goal=goal_id, revision=2)["Booked"] == (1.0, 1, 3)
    problem(client.get("/v1/reports/goals", params={"revision": 1}), 422, "revision")


def test_an_archived_goal_stays_in_the_report_and_says_so(counted: World) -> None:
    client = counted.client()
    client.post(f"/v1/goals/{lines(client)['Booked']['goal']['id']}/archive")
    assert lines(client)["Booked"]["goal"]["state"] == "archived"
    assert rates(client)["Booked"] == (0.5, 2, 2)


def test_a_goal_stands_under_its_newest_name(counted: World) -> None:
    client = counted.client()
    client.patch(f"/v1/goals/{lines(client)['Booked']['goal']['id']}", json={"name": "Visit booked"})
    assert rates(client)["Visit booked"] == (0.5, 2, 2)


def test_the_two_reports_agree_on_every_goal(shared: World) -> None:
    client = shared.client()
    for line in lines(client).values():
        alone = client.get("/v1/reports/success-rate", params={"goal": line["goal"]["id"]}).json()
        same = ("interval", "achieved", "partial", "not_achieved", "evaluated", "conversations", "coverage")
        assert {field: alone[field] for field in same} == {field: line[field] for field in same}
        assert alone["success_rate"] == line["completion_rate"]
        one = lines(client, goal=line["goal"]["id"])[line["goal"]["name"]]
        assert [{**point, "success_rate": point["completion_rate"]} for point in one["series"]] == [
            {**point, "completion_rate": point["success_rate"]} for point in alone["series"]
        ]
