"""A conversation's JSON: the cycles, tasks and analytics steps that its events amount to, and what counts nowhere."""

from typing import Any

from fastapi.testclient import TestClient

from goalline import upkeep
from goalline.domain.key import Scope
from goalline.store import projects
from goalline.worker import utc_now
from tests.api.tracked import FLIGHT, MORNING, attempt, complete, tell, tracked_goal
from tests.api.world import World, delivery, make_key


def read(client: TestClient, call: str = "call-1") -> dict[str, Any]:
    response = client.get(f"/v1/conversations/{call}")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def at(second: int) -> str:
    """Return a time of the morning as answers write it."""
    return MORNING.format(*divmod(second, 60))


def passed(client: TestClient, name: str, second: int, **more: Any) -> None:
    tell(
        client, {"type": "step.executed", "conversation_id": "call-1", "name": name, "occurred_at": at(second), **more}
    )


def without_ids(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in item.items() if name != "event_id"} for item in items]


def test_a_cycle_is_told_with_its_goal_its_times_its_savings_and_its_steps(world: World) -> None:
    goal_id, client = tracked_goal(world, "Flight"), world.client()
    event = {"type": "goal.step", "conversation_id": "call-1", "goal": "Flight"}
    for key, second in (("confirmed", 200), ("start", 0), ("details", 60)):
        tell(client, {**event, "id": key, "step": key, "occurred_at": at(second)})
    assert read(world.client(Scope.READ))["cycles"] == [
        {
            "goal_id": goal_id,
            "goal": {"id": goal_id, "name": "Flight", "kind": "secondary"},
            "number": 1,
            "state": "completed",
            "started_at": at(0),
            "completed_at": at(200),
            "cost_savings": "15.00",
            "revenue": "0.00",
            "time_saved": "00:03:00",
            "steps": [
                {"key": key, "name": name, "at": when, "revision": 1, "event_id": key}
                for key, name, when in (
                    ("start", "Wants to pre-book a flight", at(0)),
                    ("details", "Passenger details given", at(60)),
                    ("confirmed", "Booking confirmed", at(200)),
                )
            ],
        }
    ]


def test_each_attempt_is_a_cycle_of_its_own_and_goals_stand_primary_first_then_by_name(world: World) -> None:
    client = world.client()
    zebra, ant = tracked_goal(world, "Zebra", kind="primary"), tracked_goal(world, "Ant")
    bee = tracked_goal(world, "Bee")
    for goal_id in (bee, zebra, ant):
        attempt(client, goal_id, "call-1", start=0, details=5)
    attempt(client, zebra, "call-1", start=10)
    cycles = read(client)["cycles"]
    assert [(one["goal"]["name"], one["number"], one["state"]) for one in cycles] == [
        ("Zebra", 1, "partial"),
        ("Zebra", 2, "incomplete"),
        ("Ant", 1, "partial"),
        ("Bee", 1, "partial"),
    ]
    assert [one["time_saved"] for one in cycles] == ["00:03:00", "00:00:00", "00:03:00", "00:03:00"]


def test_a_cycle_and_its_steps_keep_the_names_of_their_time(world: World) -> None:
    goal_id, client = tracked_goal(world, "Flight"), world.client()
    attempt(client, goal_id, "call-1", start=0)
    renamed = [{**step, "name": f"New {step['name']}"} for step in FLIGHT]
    client.patch(f"/v1/goals/{goal_id}", json={"name": "Journey", "steps": renamed})
    now = {"type": "goal.step", "conversation_id": "call-1", "goal": "Journey", "occurred_at": "2999-01-01T00:00:00Z"}
    tell(client, {**now, "step": "details"})
    [cycle] = read(client)["cycles"]
    assert cycle["goal"]["name"] == "Flight"
    assert [(step["name"], step["revision"]) for step in cycle["steps"]] == [
        ("Wants to pre-book a flight", 1),
        ("New Passenger details given", 2),
    ]
    tell(client, {**now, "step": "start"})
    assert [one["goal"]["name"] for one in read(client)["cycles"]] == ["Flight", "Journey"]


def test_amounts_have_the_decimals_of_the_projects_currency(world: World) -> None:
    with world.database.transaction() as session:
        project = projects.create(session, "Sample project in Japan", "UTC", utc_now(), currency="JPY")
    client = world.browser()
    client.headers["Authorization"] = f"Bearer {make_key(world.database, project, Scope.ADMIN)}"
    steps = [{**step, "revenue": "1500"} if step.get("completion") else step for step in FLIGHT]
    client.post("/v1/goals", json={"name": "Flight", "description": "A flight.", "kind": "primary", "steps": steps})
    event = {"type": "goal.step", "conversation_id": "call-1", "goal": "Flight", "occurred_at": "2999-01-01T00:00:00Z"}
    tell(client, {**event, "step": "start"}, {**event, "step": "confirmed"})
    [cycle] = read(client)["cycles"]
    assert (cycle["cost_savings"], cycle["revenue"]) == ("15", "1500")


def test_a_step_before_any_initial_step_is_told_with_the_reason_why_it_does_not_count(world: World) -> None:
    goal_id, client = tracked_goal(world, "Flight"), world.client()
    attempt(client, goal_id, "call-1", details=0, start=10, confirmed=20)
    found = read(client)
    [stray] = without_ids(found["untracked"])
    assert "before any initial step" in stray.pop("reason")
    assert stray == {
        "goal_id": goal_id,
        "goal": {"id": goal_id, "name": "Flight", "kind": "secondary"},
        "key": "details",
        "name": "Passenger details given",
        "at": at(0),
    }
    assert [step["key"] for step in found["cycles"][0]["steps"]] == ["start", "confirmed"]
    assert found["cycles"][0]["time_saved"] == "00:00:00"


def test_analytics_steps_are_told_in_order_with_the_one_before(world: World) -> None:
    client = world.client()
    for name, second in (("Farewell", 90), ("Greeting", 0), ("Question", 30), ("Question", 60)):
        passed(client, name, second)
    steps = read(client)["steps"]
    assert without_ids(steps) == [
        {"name": "Greeting", "at": at(0), "previous": None},
        {"name": "Question", "at": at(30), "previous": "Greeting"},
        {"name": "Question", "at": at(60), "previous": "Question"},
        {"name": "Farewell", "at": at(90), "previous": "Question"},
    ]
    assert len({step["event_id"] for step in steps}) == 4


def test_tasks_are_told_with_the_time_of_each_completion(world: World) -> None:
    client = world.client()
    for second in (40, 10):
        complete(client, "call-1", "Mail sent", at(second))
    assert without_ids(read(client)["tasks"]) == [{"name": "Mail sent", "at": at(second)} for second in (10, 40)]


def test_a_conversation_that_only_events_tell_of_is_open(world: World) -> None:
    client = world.client()
    passed(client, "Greeting", 0, agent_id=None)
    found = read(client)
    assert (found["ended_at"], found["agent_id"], found["erased_at"]) == (None, None, None)
    assert (found["transcript"], found["verdicts"], found["evaluations"]) == ([], [], [])
    passed(client, "Question", 1, agent_id="front-desk")
    assert read(client)["agent_id"] == "front-desk"
    client.post("/v1/conversations", json=delivery())
    found = read(client)
    assert found["ended_at"]
    assert [step["name"] for step in found["steps"]] == ["Greeting", "Question"]


def test_of_an_erased_conversation_the_cycles_are_left_without_their_steps(world: World) -> None:
    goal_id, client = tracked_goal(world, "Flight"), world.client()
    attempt(client, goal_id, "call-1", details=0, start=10, confirmed=20)
    complete(client, "call-1", "Mail sent")
    passed(client, "Greeting", 0)
    client.post("/v1/conversations", json=delivery(contact_id="sample-contact"))
    before = read(client)["cycles"]
    client.patch(f"/v1/goals/{goal_id}", json={"name": "Journey"})
    upkeep.erase(world.database, world.project.id, "sample-contact", utc_now())
    found = read(client)
    assert found["erased_at"]
    assert (found["tasks"], found["steps"], found["untracked"], found["transcript"]) == ([], [], [], [])
    [kept] = found["cycles"]
    assert kept == {**before[0], "goal": {**before[0]["goal"], "name": "Journey"}, "steps": []}
    assert kept["cost_savings"] == "15.00"
