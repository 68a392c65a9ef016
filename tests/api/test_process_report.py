"""GET /v1/reports/process and /v1/reports/goals/{goal_id}/process: what the track counted, in figures to read."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from goalline.domain.key import Scope
from tests.api.calls import NOBODY, another_project, problem
from tests.api.tracked import FLIGHT, attempt, flight, tracked_goal
from tests.api.world import NewWorld, World, goal

NOTHING = {
    "started": 0,
    "incomplete": 0,
    "partial": 0,
    "completed": 0,
    "completion_rate": None,
    "interval": None,
    "cost_savings": "0.00",
    "revenue": "0.00",
    "time_saved": "00:00:00",
}
NO_TIME = {"median": None, "ninetieth_percentile": None}


def of_goal(client: TestClient, goal_id: object, **query: Any) -> dict[str, Any]:
    response = client.get(f"/v1/reports/goals/{goal_id}/process", params=query)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def of_all(client: TestClient, **query: Any) -> dict[str, Any]:
    response = client.get("/v1/reports/process", params=query)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def counts(line: dict[str, Any]) -> tuple[int, int, int, int]:
    return line["started"], line["incomplete"], line["partial"], line["completed"]


def test_a_flight_is_reported_in_every_state_with_all_that_it_saved(world: World) -> None:
    goal_id = flight(world)
    found = of_goal(world.client(Scope.READ), goal_id)
    steps = found.pop("steps")
    numbers = {
        "started": 4,
        "incomplete": 1,
        "partial": 1,
        "completed": 2,
        "completion_rate": 0.5,
        # 2 of 4.
        "interval": [pytest.approx(0.1500, abs=1e-4), pytest.approx(0.8500, abs=1e-4)],
        "cost_savings": "30.00",
        "revenue": "0.00",
        "time_saved": "00:06:00",
    }
    assert found == {
        **numbers,
        "goal": {
            "id": goal_id,
            "name": "Pre-book a flight",
            "kind": "secondary",
            "agent_id": None,
            "state": "active",
        },
        "currency": "USD",
        "time_zone": "UTC",
        "duration": {"median": "00:01:30", "ninetieth_percentile": "00:03:20"},
        "series_interval": "day",
        "series": [{"start": "2025-05-02", **numbers}],
    }
    assert [(step["key"], step["reached"], step["share_of_started"]) for step in steps] == [
        ("start", 4, 1.0),
        ("details", 2, 0.5),
        ("confirmed", 2, 0.5),
    ]
    assert [step["share_of_previous"] for step in steps] == [None, 0.5, 1.0]


def test_a_step_is_described_as_the_goal_has_it(world: World) -> None:
    step = of_goal(world.client(), tracked_goal(world, "Fly"))["steps"][2]
    assert step == {
        "key": "confirmed",
        "name": "Booking confirmed",
        "order": 3,
        "initial": False,
        "completion": True,
        "current": True,
        "reached": 0,
        "share_of_started": None,
        "share_of_previous": None,
    }


def test_a_step_of_the_past_has_a_share_of_the_cycles_and_none_of_a_step_before(world: World) -> None:
    goal_id, client = flight(world), world.client()
    assert client.patch(f"/v1/goals/{goal_id}", json={"steps": [FLIGHT[0], FLIGHT[2]]}).status_code == 200
    past = of_goal(client, goal_id)["steps"][2]
    assert (past["key"], past["current"], past["reached"]) == ("details", False, 2)
    assert (past["share_of_started"], past["share_of_previous"]) == (0.5, None)


def test_a_goal_without_steps_answers_zeros(world: World) -> None:
    created = goal(world.client(), "Judged only")
    found = of_goal(world.client(), created["id"])
    assert found == {
        **NOTHING,
        "goal": {"id": created["id"], "name": "Judged only", "kind": "primary", "agent_id": None, "state": "active"},
        "currency": "USD",
        "time_zone": "UTC",
        "duration": NO_TIME,
        "steps": [],
        "series_interval": "day",
        "series": [],
    }


def test_a_project_without_any_answers_zeros_and_nulls(client: TestClient) -> None:
    assert of_all(client) == {
        **NOTHING,
        "currency": "USD",
        "time_zone": "UTC",
        "duration": NO_TIME,
        "series_interval": "day",
        "series": [],
        "goals": [],
    }


def test_days_without_a_cycle_are_zeros_in_a_series(world: World) -> None:
    goal_id = flight(world)
    found = of_goal(world.client(), goal_id, **{"from": "2025-05-01", "to": "2025-05-03"})
    assert [(point["start"], point["started"]) for point in found["series"]] == [
        ("2025-05-01", 0),
        ("2025-05-02", 4),
        ("2025-05-03", 0),
    ]
    assert found["series"][0] == {"start": "2025-05-01", **NOTHING}


def test_a_series_can_be_cut_by_month(world: World) -> None:
    goal_id = flight(world)
    attempt(world.client(), goal_id, "in June", at="2025-06-30T09:{:02}:{:02}Z", start=0)
    found = of_goal(world.client(), goal_id, interval="month")
    assert found["series_interval"] == "month"
    assert [(point["start"], point["started"]) for point in found["series"]] == [("2025-05-01", 4), ("2025-06-01", 1)]


def test_a_report_is_over_the_agent_and_the_days_that_are_asked_for(world: World) -> None:
    goal_id, client = flight(world), world.client()
    assert counts(of_goal(client, goal_id, agent="front-desk")) == (4, 1, 1, 2)
    assert counts(of_goal(client, goal_id, agent="night-desk")) == (0, 0, 0, 0)
    late = of_goal(client, goal_id, **{"from": "2025-05-03"})
    assert (counts(late), late["duration"], late["steps"][0]["reached"]) == ((0, 0, 0, 0), NO_TIME, 0)


def test_days_are_those_of_the_project(new_world: NewWorld) -> None:
    world = new_world(time_zone="America/New_York")
    goal_id = tracked_goal(world, "Fly")
    attempt(world.client(), goal_id, "late", at="2025-03-10T03:{:02}:{:02}Z", start=0, confirmed=3_599)
    # The clocks went forward on the 9th: the 10th begins at four in UTC, and not at five.
    attempt(world.client(), goal_id, "early", at="2025-03-10T04:{:02}:{:02}Z", start=0)
    series = of_goal(world.client(), goal_id)["series"]
    assert [(point["start"], *counts(point)) for point in series] == [
        ("2025-03-09", 1, 0, 0, 1),
        ("2025-03-10", 1, 1, 0, 0),
    ]


def test_the_totals_are_the_sum_of_the_goals(world: World) -> None:
    flight(world)
    worth = [FLIGHT[0], {**FLIGHT[2], "cost_savings": "0.1", "revenue": "0.2", "time_saved": "99:59:59"}]
    other, client = tracked_goal(world, "Hotel", worth), world.client()
    for number in range(3):
        attempt(client, other, f"hotel {number}", at="2025-05-04T09:{:02}:{:02}Z", start=0, confirmed=60 + number)
    found = of_all(client)
    assert counts(found) == (7, 1, 1, 5)
    assert (found["cost_savings"], found["revenue"], found["time_saved"]) == ("30.30", "0.60", "300:05:57")
    assert found["duration"] == {"median": "00:01:02", "ninetieth_percentile": "00:03:20"}
    lines = {line["goal"]["name"]: line for line in found["goals"]}
    assert [counts(line) for line in lines.values()] == [(4, 1, 1, 2), (3, 0, 0, 3)]
    assert (lines["Hotel"]["cost_savings"], lines["Hotel"]["duration"]["median"]) == ("0.30", "00:01:01")
    starts = ["2025-05-02", "2025-05-03", "2025-05-04"]
    for line in (found, *found["goals"]):
        assert [point["start"] for point in line["series"]] == starts
        for name in ("started", "completed"):
            assert sum(point[name] for point in line["series"]) == line[name]


def test_of_ten_cycles_the_fifth_and_the_ninth_are_told_by_how_long_they_took(world: World) -> None:
    goal_id = tracked_goal(world, "Fly")
    for seconds in range(10, 110, 10):
        attempt(world.client(), goal_id, f"call {seconds}", start=0, confirmed=seconds)
    found = of_goal(world.client(), goal_id)
    assert found["duration"] == {"median": "00:00:50", "ninetieth_percentile": "00:01:30"}


def test_amounts_have_the_decimals_of_the_currency(new_world: NewWorld) -> None:
    world = new_world()
    with world.database.transaction() as session:
        session.connection().exec_driver_sql("UPDATE project SET currency = 'KWD'")
    goal_id = tracked_goal(world, "Fly", [FLIGHT[0], {**FLIGHT[2], "cost_savings": "1.125"}])
    attempt(world.client(), goal_id, "call", start=0, confirmed=1)
    found = of_goal(world.client(), goal_id)
    assert (found["currency"], found["cost_savings"], found["revenue"]) == ("KWD", "1.125", "0.000")


def test_another_project_sees_neither_the_goal_nor_its_counts(world: World) -> None:
    goal_id, stranger = flight(world), another_project(world)
    problem(stranger.get(f"/v1/reports/goals/{goal_id}/process"), 404)
    assert of_all(stranger)["goals"] == []
    assert counts(of_all(stranger)) == (0, 0, 0, 0)


def test_a_goal_that_is_not_there_is_not_found(client: TestClient) -> None:
    problem(client.get(f"/v1/reports/goals/{NOBODY}/process"), 404)


@pytest.mark.parametrize("path", [f"/v1/reports/goals/{NOBODY}/process", "/v1/reports/process"])
def test_a_time_that_ends_before_it_begins_is_refused(client: TestClient, path: str) -> None:
    problem(client.get(path, params={"from": "2025-05-02", "to": "2025-05-01"}), 422, "from")


def test_a_series_that_would_be_endless_is_refused(client: TestClient) -> None:
    query = {"from": "2000-01-01", "to": "2025-05-01", "interval": "day"}
    problem(client.get("/v1/reports/process", params=query), 422, "interval")
