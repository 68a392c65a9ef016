"""Packages over HTTP: exported as a file, tried, imported, and refused by the field that is wrong."""

from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient

from goalline.domain.goal import GoalDraft, Kind
from goalline.domain.key import Scope
from goalline.domain.package import packed, written
from tests.api.calls import NOBODY, another_project, problem, stored
from tests.api.world import NewWorld, World, goal
from tests.domain.steps import FLIGHT, begin, complete, pass_by

PACKAGE = written(packed("USD", []))


def flight(client: TestClient, **more: Any) -> dict[str, Any]:
    body = {"name": "Flight booked", "description": "It is booked.", "kind": "secondary", "steps": FLIGHT, **more}
    response = client.post("/v1/goals", json=body)
    assert response.status_code == 201, response.text
    created: dict[str, Any] = response.json()
    return created


def load(client: TestClient, package: Any, **query: str) -> dict[str, Any]:
    response = client.post("/v1/packages", json=package, params=query)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def as_file(response: httpx2.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["content-disposition"] == 'attachment; filename="goals.json"'
    package: dict[str, Any] = response.json()
    return package


@pytest.fixture
def filled(client: TestClient) -> TestClient:
    goal(client, "Appointment booked")
    flight(client, agent_id="front-desk")
    return client


def test_one_goal_is_answered_as_a_file_that_another_project_imports(world: World, client: TestClient) -> None:
    created = flight(client)
    package = as_file(client.get(f"/v1/goals/{created['id']}/package"))
    shared = ("name", "description", "kind", "agent_id", "judged", "steps")
    assert package["goals"] == [{field: created[field] for field in shared}]
    other = another_project(world)
    answer = load(other, package)
    (copy,) = other.get("/v1/goals").json()["items"]
    assert answer == {
        "dry_run": False,
        "goals": [
            {
                "name": "Flight booked",
                "agent_id": None,
                "kind": "secondary",
                "action": "create",
                "goal_id": copy["id"],
                "revision": 1,
                "changes": [],
                "state": "active",
            }
        ],
    }
    assert {field: copy[field] for field in shared} == package["goals"][0]


def test_an_archived_goal_is_exported_when_it_is_asked_for(client: TestClient) -> None:
    address = f"/v1/goals/{flight(client)['id']}"
    client.post(f"{address}/archive")
    assert as_file(client.get(f"{address}/package"))["goals"]
    assert as_file(client.get("/v1/packages"))["goals"] == []


def test_all_active_goals_are_exported_or_those_that_are_named(filled: TestClient) -> None:
    book, fly = filled.get("/v1/goals").json()["items"]
    third = goal(filled, "Reminder offered", Kind.SECONDARY)

    def names(**query: Any) -> list[str]:
        return [found["name"] for found in as_file(filled.get("/v1/packages", params=query))["goals"]]

    assert names() == ["Appointment booked", "Reminder offered", "Flight booked"]
    assert names(goal=[fly["id"], book["id"]]) == ["Appointment booked", "Flight booked"]
    assert names(goal=third["id"]) == ["Reminder offered"]


def test_one_goal_alone_is_the_same_package_either_way(client: TestClient) -> None:
    created = flight(client)
    one = client.get(f"/v1/goals/{created['id']}/package").json()
    assert client.get("/v1/packages", params={"goal": created["id"]}).json() == one


def test_importing_twice_changes_nothing_the_second_time(world: World, filled: TestClient) -> None:
    other, package = another_project(world), filled.get("/v1/packages").json()
    first = load(other, package)
    before = stored(world.database)
    again = load(other, package)
    assert [found["action"] for found in again["goals"]] == ["none", "none"]
    assert [found["goal_id"] for found in again["goals"]] == [found["goal_id"] for found in first["goals"]]
    assert stored(world.database) == before


def test_a_goal_that_differs_gets_a_new_revision_and_the_fields_are_named(filled: TestClient) -> None:
    package = filled.get("/v1/packages").json()
    _, fly = filled.get("/v1/goals").json()["items"]
    filled.patch(f"/v1/goals/{fly['id']}", json={"description": "Another one.", "steps": []})
    same, changed = load(filled, package)["goals"]
    assert (same["action"], same["changes"]) == ("none", [])
    assert (changed["action"], changed["changes"], changed["revision"]) == ("change", ["description", "steps"], 3)
    assert filled.get(f"/v1/goals/{fly['id']}").json() == fly | {"revision": 3}


@pytest.mark.parametrize("value", ["true", "1"])
def test_a_dry_run_answers_the_same_plan_and_stores_nothing(world: World, filled: TestClient, value: str) -> None:
    other, package = another_project(world), filled.get("/v1/packages").json()
    before = stored(world.database)
    planned = load(other, package, dry_run=value)
    assert stored(world.database) == before
    done = load(other, package, dry_run="false")
    assert (planned["dry_run"], done["dry_run"]) == (True, False)
    assert planned["goals"] == [found | {"goal_id": None} for found in done["goals"]]


def test_a_goal_that_is_not_there_is_not_exported(world: World, filled: TestClient) -> None:
    there = filled.get("/v1/goals").json()["items"][0]["id"]
    problem(filled.get(f"/v1/goals/{NOBODY}/package"), 404)
    problem(filled.get("/v1/packages", params={"goal": [there, NOBODY]}), 404)
    stranger = another_project(world)
    problem(stranger.get(f"/v1/goals/{there}/package"), 404)
    problem(stranger.get("/v1/packages", params={"goal": there}), 404)


def test_goals_that_cannot_be_told_apart_are_not_exported(client: TestClient) -> None:
    ids = [str(flight(client)["id"]) for _ in range(2)]
    detail = problem(client.get("/v1/packages"), 409, "goal")["detail"]
    assert all(goal_id in detail for goal_id in ids)


@pytest.mark.usefixtures("filled")
def test_who_only_reads_exports_and_does_not_import(world: World) -> None:
    reader, ingester = world.client(Scope.READ), world.client(Scope.INGEST)
    package = as_file(reader.get("/v1/packages"))
    for client in (reader, ingester):
        problem(client.post("/v1/packages", json=package, params={"dry_run": "true"}), 403)
    problem(ingester.get("/v1/packages"), 403)


def put(place: str, value: Any) -> Any:
    """Return a change of the package below: a value at a place such as `goals.0.name`."""

    def change(package: dict[str, Any]) -> None:
        *path, last = place.split(".")
        target: Any = package
        for part in path:
            target = target[int(part)] if isinstance(target, list) else target[part]
        target[int(last) if isinstance(target, list) else last] = value

    return change


FAULTS: dict[str, tuple[Any, str, str]] = {
    "another format": (put("format", "goals"), "format", "no package of goals"),
    "no format": (put("format", None), "format", "no package of goals"),
    "a newer version": (put("version", 2), "version", "upgrade Goalline"),
    "a version in words": (put("version", "1"), "version", "whole number"),
    "another name": (put("goals.0.name", "Sold"), "digest", "changed or cut after its export"),
    "another revenue": (put("goals.1.steps.2.revenue", "151.00"), "digest", "changed or cut after its export"),
    "no goals": (put("goals", []), "digest", "changed or cut after its export"),
    "a digest of its own": (put("digest", "sha256:00"), "digest", "changed or cut after its export"),
    "no digest": (put("digest", None), "digest", "must be a string"),
    "an unknown currency": (put("currency", "XXX"), "currency", "the code of a currency"),
    "goals that are no list": (put("goals", {}), "goals", "list"),
    "too many goals": (put("goals", [{}] * 201), "goals", "at most 200"),
    "a goal that is text": (put("goals.0", "Book"), "goals[0]", "must be a JSON object"),
    "a kind that is none": (put("goals.1.kind", "tertiary"), "goals[1].kind", "must be one of"),
    "steps that break a rule": (put("goals.1.steps", [begin()]), "goals[1].steps", "no step besides the initial one"),
    "an amount that is a float": (put("goals.1.steps.2.revenue", 1.5), "goals[1].steps[2].revenue", "as a string"),
    "an amount too fine": (put("goals.1.steps.2.revenue", "1.505"), "goals[1].steps", "decimals of USD"),
    "a goal that would measure nothing": (put("goals.0.judged", value=False), "goals[0].steps", "measure nothing"),
    "a field that is nobody's": (put("goals.0.id", NOBODY), "goals[0].id", "not a known field"),
    "another field that is nobody's": (put("id", NOBODY), "id", "not a known field"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("dry_run", ["true", "false"])
def test_a_bad_package_is_refused_for_the_field_that_is_wrong_and_nothing_is_stored(
    world: World, filled: TestClient, fault: str, dry_run: str
) -> None:
    change, field, words = FAULTS[fault]
    package = filled.get("/v1/packages").json()
    change(package)
    before = stored(world.database)
    body = problem(filled.post("/v1/packages", json=package, params={"dry_run": dry_run}), 422, field)
    assert any(error["field"] == field and words in error["detail"] for error in body["errors"])
    assert stored(world.database) == before


def test_two_goals_of_one_name_are_refused_by_their_places(filled: TestClient) -> None:
    package = filled.get("/v1/packages").json()
    package["goals"].append(package["goals"][0])
    assert "goals[0] and goals[2]" in problem(filled.post("/v1/packages", json=package), 422, "goals[2].name")["detail"]


@pytest.mark.parametrize(("body", "status"), [(b"", 422), (b"[]", 422), (b"null", 422), (b'{"form', 400)])
def test_a_body_that_is_no_object_is_refused(client: TestClient, body: bytes, status: int) -> None:
    response = client.post("/v1/packages", content=body, headers={"Content-Type": "application/json"})
    problem(response, status, "body")


def test_a_second_primary_goal_is_refused_and_the_other_named(world: World, filled: TestClient) -> None:
    other, package = another_project(world), filled.get("/v1/packages").json()
    there = goal(other, "Sale made")
    before = stored(world.database)
    for dry_run in ("true", "false"):
        response = other.post("/v1/packages", json=package, params={"dry_run": dry_run})
        detail = problem(response, 409, "goals[0].kind")["detail"]
        assert "'Appointment booked' cannot be imported: 'Sale made'" in detail
        assert str(there["id"]) in detail
    assert stored(world.database) == before


def test_amounts_in_another_currency_are_refused(client: TestClient) -> None:
    package = written(packed("EUR", []))
    assert load(client, package)["goals"] == []
    fields = {"name": "A", "description": "A.", "kind": "secondary", "steps": FLIGHT}
    with_amounts = written(packed("EUR", [GoalDraft.model_validate(fields)]))
    assert "amounts in EUR" in problem(client.post("/v1/packages", json=with_amounts), 422, "currency")["detail"]


def test_the_settings_limit_the_steps_of_what_is_imported(new_world: NewWorld, client: TestClient) -> None:
    flight(client, steps=[begin(), pass_by("a"), pass_by("b"), complete()])
    package = client.get("/v1/packages").json()
    few = new_world(max_steps_per_goal=3).client()
    detail = problem(few.post("/v1/packages", json=package), 422, "goals[0].steps")["detail"]
    assert "4 steps, and 3 is the limit" in detail
    assert few.get("/v1/goals").json()["items"] == []


@pytest.mark.parametrize(
    ("method", "query", "field"),
    [
        ("GET", "goal=x", "goal[0]"),
        ("GET", f"goal={NOBODY}&goal=", "goal[1]"),
        ("GET", "goals=all", "goals"),
        ("GET", "dry_run=true", "dry_run"),
        ("POST", "dry_run=perhaps", "dry_run"),
        ("POST", "dryrun=true", "dryrun"),
    ],
)
def test_a_bad_query_parameter_is_refused_by_its_name(client: TestClient, method: str, query: str, field: str) -> None:
    problem(client.request(method, f"/v1/packages?{query}", json=PACKAGE if method == "POST" else None), 422, field)
