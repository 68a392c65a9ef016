"""Tracked goals over HTTP: goals with steps, and the events that a platform would send of them."""

from itertools import count
from typing import Any

from fastapi.testclient import TestClient

from tests.api.world import World, age_goals

FLIGHT: list[dict[str, Any]] = [
    {"key": "start", "name": "Wants to pre-book a flight", "initial": True},
    {"key": "details", "name": "Passenger details given", "time_saved": "00:03:00"},
    {"key": "confirmed", "name": "Booking confirmed", "completion": True, "cost_savings": "15.00"},
]
"""Sample data: the steps of pre-booking a flight."""

MORNING = "2025-05-02T09:{:02}:{:02}Z"
_IDS = count()


def tracked_goal(world: World, name: str, steps: list[dict[str, Any]] | None = None, **more: Any) -> str:
    """Create a secondary goal with steps that was there long ago; return its id."""
    body = {"name": name, "description": f"What {name} means.", "kind": "secondary", "steps": steps or FLIGHT, **more}
    response = world.client().post("/v1/goals", json=body)
    assert response.status_code == 201, response.text
    age_goals(world, 10_000)
    goal_id: str = response.json()["id"]
    return goal_id


def tell(client: TestClient, *events: dict[str, Any]) -> None:
    """Send events; each must be accepted."""
    sent = [{"id": f"sample-{next(_IDS)}", "agent_id": "front-desk", **event} for event in events]
    response = client.post("/v1/events", json={"events": sent})
    assert response.json() == {"accepted": len(events), "duplicates": 0, "rejected": []}, response.text


def attempt(client: TestClient, goal_id: str, call: str, at: str = MORNING, **reached: int) -> None:
    """Report a cycle: the steps that a call reached, each so many seconds after nine."""
    event = {"type": "goal.step", "conversation_id": call, "goal": goal_id}
    tell(
        client,
        *({**event, "step": key, "occurred_at": at.format(*divmod(second, 60))} for key, second in reached.items()),
    )


def complete(client: TestClient, call: str, name: str, at: str = MORNING.format(0, 0), **more: Any) -> None:
    """Report that a call completed a task."""
    tell(client, {"type": "task.completed", "conversation_id": call, "name": name, "occurred_at": at, **more})


def flight(world: World, name: str = "Pre-book a flight") -> str:
    """Create a goal that four calls tried: begun only, with details, completed, and completed without details."""
    goal_id, client = tracked_goal(world, name), world.client()
    attempt(client, goal_id, "begun", start=0)
    attempt(client, goal_id, "detailed", start=0, details=40)
    attempt(client, goal_id, "booked", start=0, details=60, confirmed=200)
    attempt(client, goal_id, "straight", start=0, confirmed=90)
    return goal_id
