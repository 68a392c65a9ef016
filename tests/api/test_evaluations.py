"""Evaluations over HTTP: listed in all their states, and judged again when they have failed."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from goalline.api import evaluations as routes
from goalline.domain.evaluation import Effort, Reason, Status
from goalline.domain.key import Scope
from goalline.store.conversations import claims
from goalline.worker import Bell, utc_now
from tests.api.calls import another_project, problem, stored
from tests.api.world import World, delivery, goal


@pytest.fixture
def failed(world: World) -> World:
    """Three conversations that the model refused to judge, of two agents, and one that waits for a first judgement."""
    admin = world.client()
    goal(admin, "Appointment booked")
    for number, agent in enumerate(("front-desk", "front-desk", "night-desk")):
        admin.post("/v1/conversations", json=delivery(f"call-{number}", agent_id=agent))
    world.judge.fails = Reason.REFUSED
    assert world.evaluate() == [Status.FAILED] * 3
    world.judge.fails = None
    admin.post("/v1/conversations", json=delivery("call-3"))
    return world


def listed(client: TestClient, **query: Any) -> list[str]:
    response = client.get("/v1/evaluations", params=query)
    assert response.status_code == 200, response.text
    return [item["conversation_id"] for item in response.json()["items"]]


def retried(client: TestClient, **body: Any) -> Any:
    response = client.post("/v1/evaluations/retry", json={"state": "failed"} | body)
    assert response.status_code == 202, response.text
    return response.json()


def test_an_evaluation_is_listed_as_its_conversation_shows_it(failed: World) -> None:
    client = failed.client(Scope.READ)
    of_one = client.get("/v1/conversations/call-2").json()
    (item,) = [one for one in client.get("/v1/evaluations").json()["items"] if one["conversation_id"] == "call-2"]
    own = {"conversation_id": "call-2", "agent_id": "night-desk", "ended_at": of_one["ended_at"]}
    assert item == of_one["evaluations"][0] | own


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["call-3", "call-2", "call-1", "call-0"]),
        ({"state": "failed"}, ["call-2", "call-1", "call-0"]),
        ({"state": "queued"}, ["call-3"]),
        ({"state": "skipped"}, []),
        ({"reason": "refused"}, ["call-2", "call-1", "call-0"]),
        ({"reason": "truncated"}, []),
        ({"agent": "night-desk"}, ["call-2"]),
        ({"since": "2000-01-01", "until": "2000-01-02"}, []),
        ({"since": "2000-01-01"}, ["call-3", "call-2", "call-1", "call-0"]),
        ({"until": "2000-01-01T00:00:00Z"}, []),
    ],
)
def test_filters_narrow_the_list(failed: World, query: dict[str, str], expected: list[str]) -> None:
    assert listed(failed.client(), **query) == expected


def test_since_and_until_take_what_ended_at_that_very_moment(failed: World) -> None:
    client = failed.client()
    at = client.get("/v1/conversations/call-1").json()["ended_at"]
    assert listed(client, since=at, until=at) == ["call-1"]


def test_page_by_page_the_list_is_whole(failed: World) -> None:
    client, pages, cursor = failed.client(), list[list[str]](), None
    while not pages or cursor:
        page = client.get("/v1/evaluations", params={"limit": 3} | ({"cursor": cursor} if cursor else {})).json()
        cursor = page["next_cursor"]
        pages.append([item["conversation_id"] for item in page["items"]])
    assert pages == [["call-3", "call-2", "call-1"], ["call-0"]]


def test_what_waits_for_the_provider_is_listed_with_its_next_attempt(failed: World) -> None:
    client = failed.client()
    (item,) = client.get("/v1/evaluations", params={"state": "queued"}).json()["items"]
    assert (item["reason"], item["next_attempt_at"], item["finished_at"]) == (None, None, None)
    now, effort = utc_now(), Effort("scripted-model", "0123456789abcdef")
    with failed.database.transaction() as session:
        claim = claims.claim(session, UUID(item["id"]), now, now)
        assert claim
        claims.release(session, claim, now + timedelta(minutes=1), Reason.UNAVAILABLE, effort)
    (item,) = client.get("/v1/evaluations", params={"state": "queued"}).json()["items"]
    assert item["reason"] == "unavailable"
    assert datetime.fromisoformat(item["next_attempt_at"]) == now + timedelta(minutes=1)


def test_what_failed_is_queued_rung_for_and_judged(failed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[object] = []
    monkeypatch.setattr(Bell, "ring", lambda _, evaluation_ids: rung.extend(evaluation_ids))
    client = failed.client()
    assert retried(client) == {"queued": 3, "passed_over": 0, "remaining": 0, "next_cursor": None}
    queued = [item["id"] for item in client.get("/v1/evaluations", params={"state": "queued"}).json()["items"]]
    assert {str(one) for one in rung} < set(queued)
    assert (len(rung), len(queued)) == (3, 4)
    assert failed.evaluate() == [Status.SUCCEEDED] * 4
    assert retried(client)["queued"] == 0


def test_a_client_repeats_the_request_until_there_is_no_cursor(failed: World) -> None:
    client = failed.client()
    first = retried(client, limit=2)
    assert (first["queued"], first["remaining"]) == (2, 1)
    # What fails again meanwhile does not come again: otherwise this would never end, and cost something each time.
    failed.judge.fails = Reason.UNAUTHORIZED
    failed.evaluate()
    second = retried(client, limit=2, cursor=first["next_cursor"])
    assert second == {"queued": 1, "passed_over": 0, "remaining": 0, "next_cursor": None}


def test_a_limit_that_is_met_just_so_leaves_nothing_to_repeat(failed: World) -> None:
    assert retried(failed.client(), limit=3) == {"queued": 3, "passed_over": 0, "remaining": 0, "next_cursor": None}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"reason": "refused"}, 3),
        ({"reason": "unauthorized"}, 0),
        ({"agent": "front-desk"}, 2),
        ({"since": "2000-01-01T00:00:00Z"}, 3),
        ({"until": "2000-01-01"}, 0),
    ],
)
def test_filters_narrow_what_is_judged_again(failed: World, body: dict[str, str], expected: int) -> None:
    assert retried(failed.client(), **body)["queued"] == expected


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "state"),
        ({"state": "skipped"}, "state"),
        ({"state": "queued"}, "state"),
        ({"state": "failed", "reason": "bad luck"}, "reason"),
        ({"state": "failed", "limit": 0}, "limit"),
        ({"state": "failed", "limit": routes.MOST_RETRIED + 1}, "limit"),
        ({"state": "failed", "since": "yesterday"}, "since"),
        ({"state": "failed", "since": "2026-11-22", "until": "2026-11-21"}, "since"),
        ({"state": "failed", "until": 20261121}, "until"),
        ({"state": "failed", "agent": ""}, "agent"),
        ({"state": "failed", "cursor": "x"}, "cursor"),
        ({"state": "failed", "all": True}, "all"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_nothing_is_queued(failed: World, body: object, field: str) -> None:
    before = stored(failed.database)
    problem(failed.client().post("/v1/evaluations/retry", json=body), 422, field)
    assert stored(failed.database) == before


def test_an_unknown_reason_is_answered_with_those_there_are(failed: World) -> None:
    client = failed.client()
    asked = client.get("/v1/evaluations", params={"reason": "bad luck"})
    for response in (asked, client.post("/v1/evaluations/retry", json={"state": "failed", "reason": "bad luck"})):
        assert all(reason in problem(response, 422, "reason")["detail"] for reason in Reason)


def test_a_list_that_ends_before_it_begins_is_refused(failed: World) -> None:
    query = {"since": "2026-11-22", "until": "2026-11-21"}
    assert (
        "since must not be later than until"
        in problem(failed.client().get("/v1/evaluations", params=query), 422, "since")["detail"]
    )


def test_another_projects_failures_are_left_alone(failed: World) -> None:
    before = stored(failed.database)
    stranger = another_project(failed)
    after = stored(failed.database)
    assert retried(stranger) == {"queued": 0, "passed_over": 0, "remaining": 0, "next_cursor": None}
    assert stored(failed.database) == after
    assert before["evaluation"] == after["evaluation"]
