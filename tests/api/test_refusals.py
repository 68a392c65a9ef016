"""Addresses, methods and query parameters that are no good: refused as problems that name the parameter."""

import base64
import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.api.calls import CALLS, NOBODY, Call, problem, stored
from tests.api.world import World, goal

LISTS = ("/v1/conversations", "/v1/goals", "/v1/evaluations")
REPORTS = ("/v1/reports/success-rate", "/v1/reports/goals")
DATED = ("/v1/conversations", *REPORTS)


def cursor(place: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


CURSORS = {
    "empty": "",
    "no cursor": "x",
    "NUL": "%00",
    "bytes that are no text": "%F0%9F",
    "too long": "a" * 201,
    "no JSON": base64.urlsafe_b64encode(b"[1").decode(),
    "deep": base64.urlsafe_b64encode(b"[" * 140).decode(),
    "a number": cursor(1),
    "null": cursor(None),
    "one part": cursor(["2026-01-01T00:00:00Z"]),
    "three parts": cursor(["2026-01-01T00:00:00Z", NOBODY, 1]),
    "a time that is none": cursor(["soon", NOBODY]),
    "a time in seconds": cursor([1_763_715_000, NOBODY]),
    "a time without zone": cursor(["2026-01-01T00:00:00", NOBODY]),
    "a time before all time": cursor(["0001-01-01T00:00:00+14:00", NOBODY]),
    "a time after all time": cursor(["9999-12-31T23:59:59-14:00", NOBODY]),
    "an id that is none": cursor(["2026-01-01T00:00:00Z", "x"]),
    "an id that is a list": cursor(["2026-01-01T00:00:00Z", [NOBODY]]),
}

DAYS = ("", "x", "2026", "2026-11", "2026-13-01", "2026-02-30", "1999-12-31", "9000-01-01", "0000-01-01", "1763715000")
WEEKS = (
    "2026-W01-1",
    "2026-W01",
    "20261121",
    "2026W011",
    "2026-11-21T10:00Z",
    "20261121T100000Z",
    "2026-W01-1T10:00:00Z",
)
TIMES = (
    "2026-11-21T10:00:00",
    "2026-11-21T25:00Z",
    "2026-11-21T10:00%2B99:00",
    "0001-01-01T00:00%2B14:00",
    "now",
    "%00",
)
LINES = ("", "%20", "%00", "a%0Ab", "a%1Bb", "a" * 256)

QUERIES = [
    *((path, "limit", value) for path in LISTS for value in ("0", "-1", "201", "x", "1.5", "", "9" * 5_000)),
    *((path, "kind", value) for path in ("/v1/goals", *REPORTS) for value in ("", "Primary", "x")),
    *((path, "agent", value) for path in (*LISTS, *REPORTS) for value in LINES),
    *(("/v1/conversations", "contact", value) for value in LINES),
    *(("/v1/conversations", "status", value) for value in ("", "done", "QUEUED")),
    *(("/v1/conversations", "outcome", value) for value in ("", "yes", "not-achieved")),
    *(("/v1/conversations", "open", value) for value in ("", "x", "2")),
    *((path, "goal", value) for path in DATED for value in ("", "x", "%00", NOBODY[:-1], NOBODY + "0")),
    *((path, "state", value) for path in ("/v1/goals", "/v1/evaluations") for value in ("", "deleted", "Active")),
    *(("/v1/evaluations", "reason", value) for value in ("", "Refused", "bad luck")),
    *(("/v1/evaluations", name, value) for name in ("since", "until") for value in (*DAYS, *WEEKS, *TIMES)),
    *((path, "revision", value) for path in REPORTS for value in ("", "0", "-1", "x", "1.5", "9" * 30)),
    *((path, "interval", value) for path in REPORTS for value in ("", "year", "hour", "Day")),
    *((path, "from", value) for path in DATED for value in (*DAYS, *WEEKS, *TIMES)),
    *((path, "to", value) for path in DATED for value in (*DAYS, *WEEKS, *TIMES)),
    *((path, "page", "2") for path in (*LISTS, *REPORTS)),
]


@pytest.mark.parametrize(("path", "name"), sorted({(path, name) for path, name, _ in QUERIES}))
def test_a_bad_query_parameter_is_refused_by_its_name(untouched: World, path: str, name: str) -> None:
    client, before = untouched.client(), stored(untouched.database)
    for value in (value for at, parameter, value in QUERIES if (at, parameter) == (path, name)):
        body = problem(client.get(f"{path}?{name}={value}"), 422, name)
        assert [error["field"] for error in body["errors"]] == [name], value
    assert stored(untouched.database) == before


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("name", CURSORS)
def test_what_is_no_cursor_is_refused(untouched: World, path: str, name: str) -> None:
    problem(untouched.client().get(f"{path}?cursor={CURSORS[name]}"), 422, "cursor")


def test_every_parameter_that_is_documented_is_tried(untouched: World) -> None:
    paths = untouched.client().get("/openapi.json").json()["paths"]
    documented = {
        (path, parameter["name"])
        for path in (*LISTS, *REPORTS)
        for parameter in paths[path]["get"]["parameters"]
        if parameter["name"] != "cursor"
    }
    assert documented == {(path, name) for path, name, _ in QUERIES if name != "page"}


def test_several_bad_parameters_are_named_at_once(untouched: World) -> None:
    query = {"limit": "x", "status": "x", "goal": "x", "from": "x", "more": "x"}
    problem(untouched.client().get("/v1/conversations", params=query), 422, *query)


@pytest.mark.parametrize("goal_id", ["x", "1", NOBODY[:-1], NOBODY + "0", "%00", "a" * 4_000, "%F0%9F"])
@pytest.mark.parametrize("call", [call for call in CALLS if "{goal_id}" in call.route], ids=str)
def test_what_is_no_goals_id_is_refused(untouched: World, call: Call, goal_id: str) -> None:
    response = call.send(untouched.client(), goal_id)
    assert "goal_id" in {error["field"] for error in problem(response, 422)["errors"]}


GOALS: dict[str, tuple[dict[str, Any], str]] = {
    "no name": ({"name": None}, "name"),
    "an empty name": ({"name": " "}, "name"),
    "a name of two lines": ({"name": "a\nb"}, "name"),
    "a name of 256 characters": ({"name": "a" * 256}, "name"),
    "a name that is a number": ({"name": 1}, "name"),
    "a description with NUL": ({"description": "a\x00"}, "description"),
    "an empty description": ({"description": ""}, "description"),
    "a description of 4,001 characters": ({"description": "a" * 4_001}, "description"),
    "a kind that is none": ({"kind": "tertiary"}, "kind"),
    "judged perhaps": ({"judged": "perhaps"}, "judged"),
    "judged twice": ({"judged": 2}, "judged"),
    "a revision of one's own": ({"revision": 7}, "revision"),
    "a state of one's own": ({"state": "archived"}, "state"),
}


@pytest.mark.parametrize("name", GOALS)
def test_a_bad_goal_is_refused_for_the_field_that_is_wrong(world: World, client: TestClient, name: str) -> None:
    change, field = GOALS[name]
    address = f"/v1/goals/{goal(client, 'Appointment booked')['id']}"
    before = stored(world.database)
    draft = {"name": "Sale made", "description": "Something was sold.", "kind": "secondary", **change}
    problem(client.post("/v1/goals", json=draft), 422, field)
    body = problem(client.patch(address, json=change), 422)
    assert any(field in f"{error['field']} {error['detail']}" for error in body["errors"])
    assert stored(world.database) == before


@pytest.mark.parametrize("field", ["name", "description", "kind"])
def test_a_goal_that_lacks_something_is_refused_for_it(world: World, client: TestClient, field: str) -> None:
    before = stored(world.database)
    draft = {"name": "Sale made", "description": "Something was sold.", "kind": "secondary"}
    draft.pop(field)
    problem(client.post("/v1/goals", json=draft), 422, field)
    assert stored(world.database) == before


@pytest.mark.parametrize("agent", ["", " ", "a\nb", "a" * 256, 7, []])
def test_a_goal_for_an_agent_that_cannot_be_is_refused(untouched: World, agent: object) -> None:
    draft = {"name": "Sale made", "description": "Something was sold.", "kind": "primary", "agent_id": agent}
    problem(untouched.client().post("/v1/goals", json=draft), 422, "agent_id")


def test_a_goal_cannot_move_to_another_agent(world: World, client: TestClient) -> None:
    address = f"/v1/goals/{goal(client, 'Appointment booked')['id']}"
    before = stored(world.database)
    problem(client.patch(address, json={"agent_id": "front-desk"}), 422, "agent_id")
    assert stored(world.database) == before


@pytest.mark.parametrize("body", [{}, [], None])
def test_an_edit_that_says_nothing_is_refused(world: World, client: TestClient, body: object) -> None:
    address = f"/v1/goals/{goal(client, 'Appointment booked')['id']}"
    before = stored(world.database)
    problem(client.patch(address, json=body), 422, "body")
    assert stored(world.database) == before


@pytest.mark.parametrize("field", ["name", "description", "kind", "judged", "steps"])
def test_an_edit_cannot_take_a_field_away(world: World, client: TestClient, field: str) -> None:
    address = f"/v1/goals/{goal(client, 'Appointment booked')['id']}"
    before = stored(world.database)
    problem(client.patch(address, json={"name": "Renamed", "judged": False, field: None}), 422, field)
    assert stored(world.database) == before


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/nothing", "/v2/goals", "/v1/reports", f"/v1/goals/{NOBODY}/x"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_unknown_address_is_a_problem_too(untouched: World, path: str, method: str) -> None:
    assert "/docs" in problem(untouched.client().request(method, path), 404)["detail"]


METHODS = {
    "/v1/conversations": "GET, POST",
    "/v1/conversations/call-1": "GET, DELETE",
    "/v1/goals": "GET, POST",
    f"/v1/goals/{NOBODY}": "GET, PATCH, DELETE",
    f"/v1/goals/{NOBODY}/archive": "POST",
    f"/v1/goals/{NOBODY}/restore": "POST",
    f"/v1/goals/{NOBODY}/revisions": "GET",
    f"/v1/goals/{NOBODY}/steps/confirmed": "GET, PUT, DELETE",
    f"/v1/goals/{NOBODY}/package": "GET",
    "/v1/packages": "GET, POST",
    "/v1/evaluations": "GET",
    "/v1/evaluations/retry": "POST",
    "/v1/reports/success-rate": "GET",
    "/v1/reports/goals": "GET",
    "/healthz": "GET, HEAD",
    "/readyz": "GET, HEAD",
    "/metrics": "GET",
}


@pytest.mark.parametrize("path", METHODS)
def test_a_wrong_method_is_told_the_right_ones(untouched: World, path: str) -> None:
    client, before = untouched.client(), stored(untouched.database)
    for method in {"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"} - set(METHODS[path].split(", ")):
        response = client.request(method, path, json={})
        assert METHODS[path] in problem(response, 405)["detail"]
        assert response.headers["allow"] == METHODS[path]
    assert stored(untouched.database) == before
