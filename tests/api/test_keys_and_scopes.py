"""Who may do what: keys, scopes and projects beyond what every route is asked in test_every_route.py."""

from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from goalline.domain.key import Scope
from goalline.store import projects
from goalline.worker import utc_now
from tests.api.calls import CALLS, Call, another_project, problem, stored
from tests.api.world import World, delivery, goal

every_call = pytest.mark.parametrize("call", CALLS, ids=str)


def test_the_table_of_routes_holds_what_the_contract_names() -> None:
    assert {str(call) for call in CALLS} >= {
        "POST /v1/conversations",
        "GET /v1/conversations",
        "GET /v1/conversations/{reference:path}",
        "DELETE /v1/conversations/{reference:path}",
        "POST /v1/conversations/{reference:path}/evaluations",
        "GET /v1/evaluations",
        "POST /v1/evaluations/retry",
        "POST /v1/goals",
        "GET /v1/goals",
        "GET /v1/goals/{goal_id}",
        "PATCH /v1/goals/{goal_id}",
        "DELETE /v1/goals/{goal_id}",
        "POST /v1/goals/{goal_id}/archive",
        "POST /v1/goals/{goal_id}/restore",
        "GET /v1/goals/{goal_id}/revisions",
        "GET /v1/goals/{goal_id}/steps/{key}",
        "PUT /v1/goals/{goal_id}/steps/{key}",
        "DELETE /v1/goals/{goal_id}/steps/{key}",
        "GET /v1/goals/{goal_id}/package",
        "GET /v1/packages",
        "POST /v1/packages",
        "GET /v1/contacts/{contact_id:path}",
        "DELETE /v1/contacts/{contact_id:path}",
        "GET /v1/contacts/{contact_id:path}/export",
        "POST /v1/contacts/{contact_id:path}/deactivate",
        "POST /v1/contacts/{contact_id:path}/activate",
        "GET /v1/reports/success-rate",
        "GET /v1/reports/goals",
    }


def test_a_key_that_is_not_even_ascii_opens_nothing(world: World) -> None:
    problem(world.browser().get("/v1/goals", headers=[(b"authorization", "Bearer gl_é".encode())]), 401)


def test_a_key_in_the_address_or_in_a_cookie_is_no_key(world: World) -> None:
    key = world.keys[Scope.ADMIN]
    client = world.browser()
    problem(client.get("/v1/goals", params={"key": key, "access_token": key}), 401)
    client.cookies.set("goalline", key)
    problem(client.get("/v1/goals"), 401)


def test_who_sends_no_key_is_told_so_whatever_the_body_is(world: World) -> None:
    bodiless = world.browser().post("/v1/goals")
    for content in (b"{}", b"no JSON", b"." * 5_000_000):
        answer = world.browser().post("/v1/goals", content=content)
        assert problem(answer, 401) == problem(bodiless, 401)
        assert answer.headers["WWW-Authenticate"] == bodiless.headers["WWW-Authenticate"]


@pytest.fixture
def expiring(world: World) -> TestClient:
    """A client whose admin's key is good for one day."""
    with world.database.transaction() as session:
        lifetime = timedelta(days=1)
        key = projects.create_key(session, world.project.id, "short", Scope.ADMIN, utc_now(), lifetime=lifetime)
    client = world.browser()
    client.headers["Authorization"] = f"Bearer {key}"
    return client


def test_a_key_is_good_until_it_expires(expiring: TestClient) -> None:
    assert expiring.get("/v1/goals").status_code == 200


@pytest.mark.parametrize("scope", Scope)
@every_call
def test_each_call_takes_the_scope_it_needs_and_no_lesser_one(world: World, call: Call, scope: Scope) -> None:
    before = stored(world.database)
    response = call.send(world.client(scope))
    if scope in (Scope.ADMIN, call.scope):
        assert response.status_code not in (401, 403), response.text
    else:
        detail = problem(response, 403)["detail"]
        assert call.scope in detail
        assert scope in detail
        assert stored(world.database) == before


def test_who_may_only_deliver_learns_nothing_of_what_was_delivered(world: World) -> None:
    ingest = world.client(Scope.INGEST)
    assert ingest.post("/v1/conversations", json=delivery()).status_code == 202
    problem(ingest.get("/v1/conversations/call-1"), 403)


def test_another_projects_goal_cannot_be_edited_or_deleted_even_by_its_name(judged: World) -> None:
    stranger = another_project(judged)
    (one, *_) = judged.client().get("/v1/goals").json()["items"]
    before = stored(judged.database)
    problem(stranger.patch(f"/v1/goals/{one['id']}", json={"name": "Taken over"}), 404)
    problem(stranger.delete(f"/v1/goals/{one['id']}", params={"confirm": one["name"]}), 404)
    assert stored(judged.database) == before


def test_another_projects_goal_is_no_filter_either(judged: World) -> None:
    stranger = another_project(judged)
    goal_id = judged.client().get("/v1/goals").json()["items"][0]["id"]
    assert stranger.get("/v1/conversations", params={"goal": goal_id}).json()["items"] == []
    problem(stranger.get("/v1/reports/success-rate", params={"goal": goal_id}), 404)


def test_lists_and_reports_of_another_project_are_empty(judged: World) -> None:
    stranger = another_project(judged)
    assert stranger.get("/v1/conversations").json() == {"items": [], "next_cursor": None}
    assert stranger.get("/v1/goals").json() == {"items": [], "next_cursor": None}
    assert stranger.get("/v1/evaluations").json() == {"items": [], "next_cursor": None}
    rate = stranger.get("/v1/reports/success-rate").json()
    assert (rate["conversations"], rate["evaluated"], rate["series"]) == (0, 0, [])
    assert stranger.get("/v1/reports/goals").json()["goals"] == []


def test_two_projects_may_use_the_same_ids_and_primary_goals(judged: World) -> None:
    stranger = another_project(judged)
    goal(stranger, "Appointment booked")
    receipt = stranger.post("/v1/conversations", json=delivery(agent_id="other-desk")).json()
    assert receipt["duplicate"] is False
    assert stranger.get("/v1/conversations/call-1").json()["agent_id"] == "other-desk"
    assert judged.client().get("/v1/conversations/call-1").json()["agent_id"] == "front-desk"


def test_a_cursor_of_one_project_shows_nothing_of_it_to_another(judged: World) -> None:
    admin = judged.client()
    admin.post("/v1/conversations", json=delivery("call-2"))
    cursor = admin.get("/v1/conversations", params={"limit": 1}).json()["next_cursor"]
    assert another_project(judged).get("/v1/conversations", params={"cursor": cursor}).json()["items"] == []
