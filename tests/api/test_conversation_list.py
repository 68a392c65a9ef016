"""GET /v1/conversations: every filter, and pages without gaps or repeats."""

from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
from fastapi.testclient import TestClient

from goalline.domain.evaluation import Reason
from goalline.domain.goal import Kind
from goalline.domain.verdict import Outcome
from tests.api.calls import NOBODY, problem
from tests.api.world import NewWorld, World, age_goals, delivery, goal


def names(client: TestClient, **query: Any) -> list[str]:
    """Return the platform's ids of the conversations that a query lists, in their order."""
    response = client.get("/v1/conversations", params=query)
    assert response.status_code == 200, response.text
    return [item["conversation_id"] for item in response.json()["items"]]


def pages(client: TestClient, **query: Any) -> list[list[str]]:
    """Return the ids on every page of a list."""
    found, cursor = [], None
    while True:
        response = client.get("/v1/conversations", params={**query, **({"cursor": cursor} if cursor else {})})
        assert response.status_code == 200, response.text
        found.append([item["conversation_id"] for item in response.json()["items"]])
        cursor = response.json()["next_cursor"]
        if cursor is None:
            return found


def fill(world: World) -> World:
    """Fill a world with four conversations, each a day older than the one before, that differ in everything.

    new: front-desk, ann, achieved; refused: front-desk, bob, failed; night: night-desk, ann, skipped as it is empty;
    old: front-desk, no contact, not achieved but reminded.
    """
    client = world.client()
    goal(client, "Appointment booked", agent_id="front-desk")
    goal(client, "Reminder offered", Kind.SECONDARY)
    age_goals(world, 10_000)
    world.judge.outcomes = {"Appointment booked": Outcome.NOT_ACHIEVED}
    client.post("/v1/conversations", json=delivery("old", ended_at="2026-01-01T12:00:00Z"))
    world.evaluate()
    night = delivery("night", "", ended_at="2026-01-02T12:00:00Z", agent_id="night-desk", contact_id="ann")
    client.post("/v1/conversations", json=night)
    world.evaluate()
    world.judge.fails = Reason.REFUSED
    client.post("/v1/conversations", json=delivery("refused", ended_at="2026-01-03T12:00:00Z", contact_id="bob"))
    world.evaluate()
    world.judge.fails, world.judge.outcomes = None, {"Reminder offered": Outcome.NOT_ACHIEVED}
    client.post("/v1/conversations", json=delivery("new", ended_at="2026-01-04T12:00:00Z", contact_id="ann"))
    world.evaluate()
    return world


@pytest.fixture
def some(world: World) -> World:
    """A filled world of a test's own."""
    return fill(world)


@pytest.fixture(scope="module")
def shared(lasting_world: World) -> World:
    """A filled world for all tests that only read."""
    return fill(lasting_world)


def test_the_conversation_that_ended_last_comes_first_whenever_it_was_received(client: TestClient) -> None:
    for day in (3, 1, 4, 2):
        client.post("/v1/conversations", json=delivery(f"day-{day}", ended_at=f"2026-01-0{day}T12:00:00Z"))
    assert names(client) == ["day-4", "day-3", "day-2", "day-1"]


def test_an_item_is_a_conversation_without_its_words(shared: World) -> None:
    client = shared.client()
    item = client.get("/v1/conversations").json()["items"][0]
    whole = client.get("/v1/conversations/new").json()
    evaluation = item.pop("evaluation")
    assert item == {
        field: value
        for field, value in whole.items()
        if field not in ("transcript", "metadata", "evaluations", "cycles", "tasks", "steps", "untracked")
    }
    assert evaluation == {"id": whole["evaluations"][0]["id"], "status": "succeeded"}
    assert [verdict["outcome"] for verdict in item["verdicts"]] == ["achieved", "not_achieved"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["new", "refused", "night", "old"]),
        ({"agent": "front-desk"}, ["new", "refused", "old"]),
        ({"agent": "night-desk"}, ["night"]),
        ({"agent": "Front-Desk"}, []),
        ({"agent": "front"}, []),
        ({"contact": "ann"}, ["new", "night"]),
        ({"contact": "nobody"}, []),
        ({"status": "succeeded"}, ["new", "old"]),
        ({"status": "failed"}, ["refused"]),
        ({"status": "skipped"}, ["night"]),
        ({"status": "queued"}, []),
        ({"status": "running"}, []),
        ({"outcome": "achieved"}, ["new"]),
        ({"outcome": "not_achieved"}, ["old"]),
        ({"outcome": "partial"}, []),
        ({"goal": NOBODY}, []),
        ({"from": "2026-01-03"}, ["new", "refused"]),
        ({"to": "2026-01-03"}, ["refused", "night", "old"]),
        ({"from": "2026-01-02", "to": "2026-01-03"}, ["refused", "night"]),
        ({"from": "2026-01-04", "to": "2026-01-04"}, ["new"]),
        ({"from": "2026-01-05"}, []),
        ({"from": "2026-01-03T23:00:00Z", "to": "2026-01-04T13:00:00Z"}, ["new"]),
        ({"from": "2026-01-03", "to": "2026-01-04T11:00:00Z"}, ["refused"]),
        ({"from": "2026-01-03T12:00:00Z", "to": "2026-01-04T12:00:00Z"}, ["new", "refused"]),
        ({"from": "2026-01-03T12:00:00.000001Z", "to": "2026-01-04T11:59:59.999999Z"}, []),
        ({"from": "2026-01-03T14:00:00+02:00", "to": "2026-01-03t12:00:00z"}, ["refused"]),
        ({"agent": "front-desk", "contact": "ann"}, ["new"]),
        ({"agent": "front-desk", "status": "failed", "from": "2026-01-04"}, []),
    ],
    ids=str,
)
def test_a_filter_shows_what_it_names_and_nothing_else(
    shared: World, query: dict[str, str], expected: list[str]
) -> None:
    assert names(shared.client(), **query) == expected


def test_a_goal_shows_the_conversations_that_have_its_verdict_and_an_outcome_looks_at_it(shared: World) -> None:
    client = shared.client()
    reminder = next(item["id"] for item in client.get("/v1/goals").json()["items"] if item["kind"] == "secondary")
    assert names(client, goal=reminder) == ["new", "old"]
    assert names(client, goal=reminder, outcome="achieved") == ["old"]
    assert names(client, goal=reminder, outcome="not_achieved") == ["new"]


def test_the_status_is_that_of_the_newest_evaluation(some: World) -> None:
    client = some.client()
    client.post("/v1/conversations/new/evaluations")
    assert names(client, status="queued") == ["new"]
    assert names(client, status="succeeded") == ["old"]
    assert client.get("/v1/conversations").json()["items"][0]["evaluation"]["status"] == "queued"


def test_an_outcome_that_was_replaced_is_found_no_more(some: World) -> None:
    client = some.client()
    some.judge.outcomes = {"Appointment booked": Outcome.PARTIAL}
    client.post("/v1/conversations/new/evaluations")
    some.evaluate()
    assert names(client, outcome="achieved") == []
    assert names(client, outcome="partial") == ["new"]


def test_days_are_those_of_the_projects_time_zone(new_world: NewWorld) -> None:
    client = new_world(time_zone="Pacific/Auckland").client()
    client.post("/v1/conversations", json=delivery("before", ended_at="2026-01-01T10:59:59Z"))
    client.post("/v1/conversations", json=delivery("after", ended_at="2026-01-01T11:00:00Z"))
    assert names(client, to="2026-01-01") == ["before"]
    assert names(client, **{"from": "2026-01-02"}) == ["after"]


@pytest.mark.parametrize(
    ("day", "first", "last"),
    [
        # The clocks of Berlin went forward on 2025-03-30 and back on 2025-10-26.
        ("2025-03-30", "2025-03-29T23:00:00Z", "2025-03-30T21:59:59.999999Z"),
        ("2025-10-26", "2025-10-25T22:00:00Z", "2025-10-26T22:59:59.999999Z"),
    ],
)
def test_a_day_on_which_the_clocks_change_is_listed_whole_and_alone(
    new_world: NewWorld, day: str, first: str, last: str
) -> None:
    client = new_world(time_zone="Europe/Berlin").client()
    moments = {"first": first, "last": last}
    before, after = datetime.fromisoformat(first), datetime.fromisoformat(last)
    moments["before"] = (before - datetime.resolution).isoformat()
    moments["after"] = (after + datetime.resolution).isoformat()
    for name, end in moments.items():
        client.post("/v1/conversations", json=delivery(name, ended_at=end))
    assert names(client, **{"from": day, "to": day}) == ["last", "first"]


def test_a_time_that_ends_before_it_starts_is_refused(shared: World) -> None:
    for query in (
        {"from": "2026-01-02", "to": "2026-01-01"},
        {"from": "2026-01-01T12:00:00Z", "to": "2026-01-01T11:59:59Z"},
        {"from": "2026-01-02", "to": "2026-01-01T23:59:59Z"},
    ):
        problem(shared.client().get("/v1/conversations", params=query), 422, "from")


def test_a_slash_too_many_does_no_harm(shared: World) -> None:
    client = shared.client()
    assert client.get("/v1/conversations/?limit=2").json() == client.get("/v1/conversations?limit=2").json()


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 200])
def test_pages_put_together_are_the_list(client: TestClient, limit: int) -> None:
    # Three of them ended in the same instant: the order must hold there as well.
    for number in range(7):
        client.post("/v1/conversations", json=delivery(f"call-{number}", ended_at=f"2026-01-0{number // 3 + 1}T00:00Z"))
    whole = names(client)
    found = pages(client, limit=limit)
    assert [name for page in found for name in page] == whole
    assert sorted(whole) == [f"call-{number}" for number in range(7)]
    assert all(len(page) == limit for page in found[:-1])
    assert found[-1]


def test_a_filter_holds_on_every_page(shared: World) -> None:
    assert pages(shared.client(), limit=1, agent="front-desk") == [["new"], ["refused"], ["old"]]


def test_a_conversation_that_comes_in_meanwhile_moves_no_page(client: TestClient) -> None:
    for day in range(1, 5):
        client.post("/v1/conversations", json=delivery(f"day-{day}", ended_at=f"2026-01-0{day}T12:00:00Z"))
    first = client.get("/v1/conversations", params={"limit": 2}).json()
    client.post("/v1/conversations", json=delivery("day-5", ended_at="2026-01-05T12:00:00Z"))
    client.delete("/v1/conversations/day-3")
    assert names(client, limit=2, cursor=first["next_cursor"]) == ["day-2", "day-1"]


def test_a_page_has_fifty_unless_told_otherwise(client: TestClient) -> None:
    for number in range(51):
        client.post("/v1/conversations", json=delivery(f"call-{number}"))
    assert [len(page) for page in pages(client)] == [50, 1]


def test_verdicts_stand_with_the_conversation_they_belong_to(shared: World) -> None:
    items = shared.client().get("/v1/conversations").json()["items"]
    found = {item["conversation_id"]: [verdict["outcome"] for verdict in item["verdicts"]] for item in items}
    assert found == {
        "new": ["achieved", "not_achieved"],
        "refused": [],
        "night": [],
        "old": ["not_achieved", "achieved"],
    }


def test_the_order_of_a_list_is_strict(client: TestClient) -> None:
    for number in range(5):
        client.post("/v1/conversations", json=delivery(f"call-{number}", ended_at="2026-01-01T00:00:00Z"))
    ids = [item["id"] for item in client.get("/v1/conversations").json()["items"]]
    assert all(one > other for one, other in pairwise(ids))
