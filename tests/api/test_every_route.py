"""Every route there is, from the application's own table: whom it refuses."""

from datetime import timedelta

import httpx2
import pytest
import time_machine
from fastapi.testclient import TestClient

from goalline.domain.key import Scope
from goalline.store import projects
from goalline.worker import utc_now
from tests.api.calls import idle_app, problem, stored
from tests.api.route_table import FILLINGS, Things, calls_of, send
from tests.api.world import World, make_key

every_call = pytest.mark.parametrize("call", FILLINGS)


@pytest.fixture(scope="module")
def caller(shared: World) -> TestClient:
    """A client that holds no key."""
    return shared.browser()


def test_every_route_is_public_or_says_how_it_is_called() -> None:
    assert calls_of(idle_app()) == set(FILLINGS)


def test_a_route_that_nobody_thought_of_is_found() -> None:
    app = idle_app()
    app.add_api_route("/v1/secrets", lambda: "all of them")
    app.mount("/files", idle_app())
    assert calls_of(app) - set(FILLINGS) == {"GET /v1/secrets", "ANY /files"}


def test_every_parameter_that_takes_an_id_is_filled_by_some_call() -> None:
    fillings = {call.replace(":path", ""): of_call for call, of_call in FILLINGS.items()}
    found: set[str] = set()
    for path, operations in idle_app().openapi()["paths"].items():
        for method, operation in operations.items():
            named = {
                parameter["name"]
                for parameter in operation.get("parameters", ())
                if parameter["in"] == "query" and "'uuid'" in str(parameter["schema"])
            }
            used = {name for filling in fillings.get(f"{method.upper()} {path}", ()) for name in filling.query}
            assert named <= used, f"{method} {path}"
            found |= named
    assert found == {"goal"}


def is_page(call: str) -> bool:
    return "/v1/" not in call


def refused(response: httpx2.Response, call: str, status: int) -> None:
    """Assert that a call was refused in the form that its callers read."""
    if is_page(call):
        assert response.status_code == status, response.text
        assert response.headers["content-type"] == "text/html; charset=utf-8"
    else:
        problem(response, status)
    assert response.headers["www-authenticate"].startswith("Bearer")


def attempt(world: World, client: TestClient, call: str, things: Things, header: str | None) -> httpx2.Response:
    """Make a call that must be refused, with its right parameters and body; nothing may change by it."""
    client.headers.pop("Authorization", None)
    if header is not None:
        client.headers["Authorization"] = header
    before = stored(world.database)
    response = send(client, call, FILLINGS[call][0], things)
    assert stored(world.database) == before
    assert not [word for word in things.words(response.request) if word in response.text]
    return response


@every_call
def test_without_a_key_nothing_is_answered(shared: World, caller: TestClient, things: Things, call: str) -> None:
    response = attempt(shared, caller, call, things, None)
    if is_page(call):
        assert (response.status_code, response.headers["location"].split("?")[0]) == (303, "/sign-in")
    else:
        refused(response, call, 401)


@every_call
def test_a_malformed_key_is_refused(shared: World, caller: TestClient, things: Things, call: str) -> None:
    key = shared.keys[Scope.ADMIN]
    for wrong in (f"Bearer {key[:-33]}", f"Bearer {key} {key}", "Bearer gl_x", f"bearer {key.upper()}", "Bearer \x7f"):
        refused(attempt(shared, caller, call, things, wrong), call, 401)
    for other in ("", "Bearer", key, f"Basic {key}", f"Token {key}", f"Bearer: {key}"):
        response = attempt(shared, caller, call, things, other)
        # What is not meant as a key leads a browser to sign-in.
        assert response.status_code in ((303, 401) if is_page(call) else (401,)), other


@every_call
def test_an_unknown_key_is_refused(shared: World, caller: TestClient, things: Things, call: str) -> None:
    key = shared.keys[Scope.ADMIN]
    of_another_secret = key[:-1] + ("A" if key[-1] != "A" else "B")
    for wrong in (of_another_secret, "gl_aaaaaaaaaaaa_" + "b" * 32):
        response = attempt(shared, caller, call, things, f"Bearer {wrong}")
        refused(response, call, 401)
        assert wrong not in response.text


@every_call
def test_a_revoked_key_is_refused(shared: World, caller: TestClient, things: Things, call: str) -> None:
    key = make_key(shared.database, shared.project, Scope.ADMIN)
    with shared.database.transaction() as session:
        projects.revoke_key(session, shared.project.id, key.split("_")[1], utc_now())
    refused(attempt(shared, caller, call, things, f"Bearer {key}"), call, 401)


@every_call
def test_an_expired_key_is_refused(shared: World, caller: TestClient, things: Things, call: str) -> None:
    with shared.database.transaction() as session:
        day = timedelta(days=1)
        key = projects.create_key(session, shared.project.id, "short", Scope.ADMIN, utc_now(), lifetime=day)
    with time_machine.travel(utc_now() + 2 * day, tick=True):
        refused(attempt(shared, caller, call, things, f"Bearer {key}"), call, 401)


@every_call
def test_a_key_of_too_small_a_scope_is_refused(shared: World, caller: TestClient, things: Things, call: str) -> None:
    needed = FILLINGS[call][0].scope
    for scope in Scope:
        if not scope.allows(needed):
            response = attempt(shared, caller, call, things, f"Bearer {shared.keys[scope]}")
            refused(response, call, 403)
            assert response.headers["www-authenticate"] == f'Bearer error="insufficient_scope", scope="{needed}"'
