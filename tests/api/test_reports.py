"""GET /v1/reports/success-rate: what counts, and what a filter leaves of it."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from goalline.domain.evaluation import Reason
from goalline.domain.goal import Kind
from goalline.domain.verdict import Outcome
from tests.api.calls import NOBODY, problem
from tests.api.world import World, age_goals, delivery, goal

NOTHING = {
    "success_rate": None,
    "interval": None,
    "achieved": 0,
    "partial": 0,
    "not_achieved": 0,
    "evaluated": 0,
    "conversations": 0,
    "coverage": None,
}


def rate(client: TestClient, **query: Any) -> dict[str, Any]:
    response = client.get("/v1/reports/success-rate", params=query)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def counts(report: dict[str, Any]) -> tuple[int, int, int, int]:
    """Return achieved, partial, not achieved, and conversations."""
    return report["achieved"], report["partial"], report["not_achieved"], report["conversations"]


def judge(world: World, conversation_id: str, outcome: str, ended_at: str, agent_id: str = "front-desk") -> None:
    """Let a conversation be judged so by all its primary goals; secondary ones are partial."""
    world.judge.outcomes = {"Appointment booked": Outcome(outcome), "Reminder offered": Outcome.PARTIAL}
    body = delivery(conversation_id, ended_at=ended_at, agent_id=agent_id)
    assert world.client().post("/v1/conversations", json=body).status_code == 202
    world.evaluate()


def fill(world: World) -> World:
    """Fill a world with five judged conversations of two agents, on two days."""
    client = world.client()
    goal(client, "Appointment booked")
    goal(client, "Reminder offered", Kind.SECONDARY)
    age_goals(world, 10_000)
    judge(world, "1", "achieved", "2025-05-01T10:00:00Z")
    judge(world, "2", "achieved", "2025-05-01T11:00:00Z")
    judge(world, "3", "partial", "2025-05-03T10:00:00Z")
    judge(world, "4", "achieved", "2025-05-03T10:00:00Z", "night-desk")
    judge(world, "5", "not_achieved", "2025-05-03T10:00:00Z", "night-desk")
    return world


@pytest.fixture
def counted(world: World) -> World:
    """A filled world of a test's own."""
    return fill(world)


@pytest.fixture(scope="module")
def shared(lasting_world: World) -> World:
    """A filled world for all tests that only read."""
    return fill(lasting_world)


def test_where_nothing_happened_the_rate_is_unknown_and_not_zero(client: TestClient) -> None:
    assert rate(client) == {**NOTHING, "time_zone": "UTC", "series_interval": "day", "series": []}


def test_a_conversation_that_was_not_judged_yet_lowers_the_coverage_and_nothing_else(client: TestClient) -> None:
    goal(client, "Appointment booked")
    client.post("/v1/conversations", json=delivery())
    report = rate(client)
    assert {field: report[field] for field in NOTHING} == {**NOTHING, "conversations": 1, "coverage": 0.0}
    [point] = report["series"]
    assert {field: point[field] for field in NOTHING} == {**NOTHING, "conversations": 1, "coverage": 0.0}


def test_the_rate_is_achieved_by_all_that_were_evaluated(shared: World) -> None:
    report = rate(shared.client())
    assert counts(report) == (3, 1, 1, 5)
    assert (report["success_rate"], report["evaluated"], report["coverage"]) == (0.6, 5, 1.0)


def test_the_rate_stands_with_its_wilson_interval(shared: World) -> None:
    # 3 of 5: (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n), worked out by hand for z = 1.96.
    assert rate(shared.client())["interval"] == pytest.approx([0.2307, 0.8824], abs=1e-4)


@pytest.mark.parametrize("reason", [Reason.REFUSED, Reason.UNGROUNDED, Reason.INTERNAL_ERROR])
def test_a_judgement_that_failed_is_in_no_rate(counted: World, reason: Reason) -> None:
    counted.judge.fails = reason
    judge(counted, "6", "not_achieved", "2025-05-03T10:00:00Z")
    report = rate(counted.client())
    assert counts(report) == (3, 1, 1, 6)
    assert (report["success_rate"], report["coverage"]) == (0.6, pytest.approx(5 / 6))


def test_a_conversation_that_was_skipped_is_in_no_rate(counted: World) -> None:
    body = delivery("6", "", ended_at="2025-05-03T10:00:00Z")
    counted.client().post("/v1/conversations", json=body)
    counted.evaluate()
    assert counts(rate(counted.client())) == (3, 1, 1, 6)


def test_a_conversation_that_is_judged_again_counts_once(counted: World) -> None:
    client = counted.client()
    counted.judge.outcomes = {"Appointment booked": Outcome.NOT_ACHIEVED}
    client.post("/v1/conversations/1/evaluations")
    counted.evaluate()
    assert counts(rate(client)) == (2, 1, 2, 5)


def test_an_archived_goal_keeps_its_share(counted: World) -> None:
    client = counted.client()
    for item in client.get("/v1/goals").json()["items"]:
        client.post(f"/v1/goals/{item['id']}/archive")
    assert counts(rate(client)) == (3, 1, 1, 5)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"agent": "front-desk"}, (2, 1, 0, 3)),
        ({"agent": "night-desk"}, (1, 0, 1, 2)),
        ({"agent": "nobody"}, (0, 0, 0, 0)),
        ({"kind": "primary"}, (3, 1, 1, 5)),
        ({"kind": "secondary"}, (0, 5, 0, 5)),
        ({"from": "2025-05-02"}, (1, 1, 1, 3)),
        ({"from": "2025-05-03"}, (1, 1, 1, 3)),
        ({"from": "2025-05-04"}, (0, 0, 0, 0)),
        ({"to": "2025-05-01"}, (2, 0, 0, 2)),
        ({"to": "2025-04-30"}, (0, 0, 0, 0)),
        ({"from": "2025-05-01", "to": "2025-05-01"}, (2, 0, 0, 2)),
        ({"from": "2025-05-03T23:59:59Z", "agent": "night-desk"}, (1, 0, 1, 2)),
    ],
    ids=str,
)
def test_a_filter_counts_what_it_names(
    shared: World, query: dict[str, str], expected: tuple[int, int, int, int]
) -> None:
    report = rate(shared.client(), **query)
    assert counts(report) == expected
    fields = ("achieved", "partial", "not_achieved", "conversations")
    assert counts({field: sum(point[field] for point in report["series"]) for field in fields}) == expected


def test_a_goals_own_rate_is_read_by_its_id(shared: World) -> None:
    client = shared.client()
    ids = {item["name"]: item["id"] for item in client.get("/v1/goals").json()["items"]}
    assert counts(rate(client, goal=ids["Appointment booked"])) == (3, 1, 1, 5)
    assert counts(rate(client, goal=ids["Reminder offered"])) == (0, 5, 0, 5)
    assert counts(rate(client, goal=ids["Reminder offered"], kind="primary")) == (0, 0, 0, 5)


def test_a_revision_counts_what_was_judged_by_its_wording(counted: World) -> None:
    client = counted.client()
    goal_id = client.get("/v1/goals").json()["items"][0]["id"]
    client.patch(f"/v1/goals/{goal_id}", json={"description": "A day and a time were agreed."})
    client.post("/v1/conversations", json=delivery("6"))
    counted.judge.outcomes = {"Appointment booked": Outcome.NOT_ACHIEVED}
    counted.evaluate()
    assert counts(rate(client, goal=goal_id, revision=1))[:3] == (3, 1, 1)
    assert counts(rate(client, goal=goal_id, revision=2))[:3] == (0, 0, 1)
    assert counts(rate(client, goal=goal_id, revision=3))[:3] == (0, 0, 0)
    assert counts(rate(client, goal=goal_id)) == (3, 1, 2, 6)


def test_all_secondary_goals_at_once_have_no_coverage(shared: World) -> None:
    report = rate(shared.client(), kind="secondary")
    assert report["coverage"] is None
    assert all(point["coverage"] is None for point in report["series"])


def test_a_goal_that_is_not_there_has_no_rate(shared: World) -> None:
    problem(shared.client().get("/v1/reports/success-rate", params={"goal": NOBODY}), 404)


def test_a_revision_without_its_goal_is_refused(shared: World) -> None:
    problem(shared.client().get("/v1/reports/success-rate", params={"revision": 1}), 422, "revision")


def test_a_deleted_conversation_is_counted_no_more(counted: World) -> None:
    client = counted.client()
    client.delete("/v1/conversations/5")
    report = rate(client)
    assert counts(report) == (3, 1, 0, 4)
    assert report["success_rate"] == 0.75
