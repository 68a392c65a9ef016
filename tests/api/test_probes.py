"""Probes, and what callers see and logs hold when the database is gone or Goalline itself is at fault."""

import logging
import re
import socket
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
import structlog
from fastapi.testclient import TestClient
from pydantic import SecretStr

from goalline.api import probes
from goalline.api.app import create_app
from goalline.bootstrap import services
from goalline.worker import Bell
from tests.api.calls import CALLS, Call, break_database, problem, stored
from tests.api.world import World, delivery

SECRET = "xylophone"


@pytest.fixture
def read_only(judged: World) -> World:
    """A world whose database takes no writes any more, as when its disk is full."""

    @sa.event.listens_for(judged.database.engine, "begin", insert=True)
    def refuse_writes(connection: sa.Connection) -> None:
        connection.exec_driver_sql("PRAGMA query_only=ON")

    return judged


@pytest.fixture
def defective(judged: World) -> World:
    """A world in which storing a conversation meets an error that nobody foresaw and that repeats what was said."""
    with judged.database.transaction() as session:
        session.connection().exec_driver_sql(
            "CREATE TRIGGER defect BEFORE INSERT ON conversation "
            f"BEGIN SELECT RAISE(ABORT, 'cannot store {SECRET}'); END"
        )
    return judged


def set_schema(world: World, version: str | None) -> None:
    with world.database.transaction() as session:
        connection = session.connection()
        if version is None:
            connection.exec_driver_sql("DROP TABLE alembic_version")
        else:
            connection.execute(sa.text("UPDATE alembic_version SET version_num = :version"), {"version": version})


def test_a_server_that_answers_is_alive(world: World) -> None:
    response = world.browser().get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("probe", ["/healthz", "/readyz"])
def test_a_load_balancer_may_ask_for_the_head_only(world: World, probe: str) -> None:
    response = world.browser().head(probe)
    assert (response.status_code, response.content) == (200, b"")


def test_a_server_is_alive_without_its_database(world: World) -> None:
    break_database(world)
    assert world.browser().get("/healthz").status_code == 200


def test_a_server_with_its_database_is_ready_and_tells_of_its_queue(world: World) -> None:
    response = world.browser().get("/readyz")
    assert (response.status_code, response.json()) == (
        200,
        {
            "status": "ok",
            "database": "ok",
            "queue": "ok",
            "due": 0,
            "later": 0,
            "running": 0,
            "oldest_due_seconds": 0.0,
            "detail": None,
        },
    )


def test_what_waits_is_told_with_the_age_of_the_first(world: World) -> None:
    for number in range(2):
        world.client().post("/v1/conversations", json=delivery(f"call-{number}"))
    with world.database.transaction() as session:
        session.connection().exec_driver_sql("UPDATE evaluation SET due_at = datetime('now', '-100 seconds')")
    found = world.browser().get("/readyz").json()
    assert (found["status"], found["due"], found["later"], found["running"]) == ("ok", 2, 0, 0)
    assert 99 <= found["oldest_due_seconds"] < 1_000


@pytest.mark.parametrize(
    ("settings", "advice"),
    [({"openai_base_url": None}, "set OPENAI_API_KEY or OPENAI_BASE_URL"), ({"embedded_threads": 0}, "THREADS is 0")],
)
def test_a_server_that_judges_nothing_is_degraded_and_ready(
    world: World, settings: dict[str, object], advice: str
) -> None:
    response = world.browser(**settings).get("/readyz")
    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    assert advice in response.json()["detail"]


def beside_redis(world: World, url: str) -> TestClient:
    settings = world.parts.settings.model_copy(update={"redis_url": SecretStr(url)})
    parts = replace(world.parts, settings=settings, broker=services(settings).broker)
    return TestClient(create_app(parts, Bell(parts)))


def test_a_redis_that_answers_is_ok(world: World, redis_url: str) -> None:
    response = beside_redis(world, redis_url).get("/readyz")
    assert (response.status_code, response.json()["status"], response.json()["queue"]) == (200, "ok", "ok")


def test_a_redis_that_is_away_is_told_and_no_reason_to_stop_taking_webhooks(world: World) -> None:
    response = beside_redis(world, f"redis://:{SECRET}@127.0.0.1:1/0").get("/readyz")
    found = response.json()
    assert (response.status_code, found["status"], found["queue"]) == (200, "degraded", "unreachable")
    assert "GOALLINE_REDIS_URL" in found["detail"]
    assert SECRET not in response.text


def test_a_redis_that_says_nothing_fails_no_probe(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # The client's own time limit would be five seconds.
    monkeypatch.setattr(probes, "_REDIS_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = beside_redis(world, f"redis://127.0.0.1:{listener.getsockname()[1]}/0").get("/readyz").json()
    assert (found["status"], found["queue"]) == ("degraded", "unreachable")


def test_a_server_without_its_database_is_not_ready(world: World) -> None:
    break_database(world)
    assert "GOALLINE_DATABASE_URL" in problem(world.browser().get("/readyz"), 503)["detail"]
    assert world.browser().head("/readyz").status_code == 503


@pytest.mark.parametrize(("version", "advice"), [(None, "goalline migrate"), ("9999", "newer version")])
def test_a_server_on_another_schema_is_not_ready_and_says_what_to_do(
    world: World, version: str | None, advice: str
) -> None:
    set_schema(world, version)
    assert advice in problem(world.browser().get("/readyz"), 503)["detail"]


def test_a_server_is_ready_again_when_its_schema_is(world: World) -> None:
    with world.database.reading() as session:
        current = session.connection().exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
    set_schema(world, "9999")
    browser = world.browser()
    problem(browser.get("/readyz"), 503)
    set_schema(world, current)
    assert browser.get("/readyz").status_code == 200


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_without_a_database_every_call_asks_to_be_sent_again(world: World, call: Call) -> None:
    client = world.client()
    break_database(world)
    response = call.send(client)
    assert int(response.headers["retry-after"]) > 0
    assert "send the request again" in problem(response, 503)["detail"]


def test_a_delivery_that_cannot_be_stored_asks_to_be_sent_again(read_only: World) -> None:
    before = stored(read_only.database)
    response = read_only.client().post("/v1/conversations", json=delivery("call-2"))
    problem(response, 503)
    assert response.headers["retry-after"]
    assert stored(read_only.database) == before


def test_a_database_that_only_reads_is_still_read(read_only: World) -> None:
    assert read_only.client().get("/v1/conversations/call-1").status_code == 200


def test_the_log_names_the_kind_of_trouble_and_nothing_that_was_sent(read_only: World) -> None:
    with structlog.testing.capture_logs() as lines:
        read_only.client().post("/v1/conversations", json=delivery(SECRET, SECRET))
    assert [line["event"] for line in lines] == ["database_unavailable"]
    assert lines[0]["cause"] == "SQLITE_READONLY"
    assert SECRET not in str(lines)


def send_secret(world: World) -> tuple[TestClient, Any]:
    client = world.client()
    return client, client.post("/v1/conversations", json=delivery(f"call-{SECRET}", f"I play the {SECRET}."))


def test_a_defect_of_ours_is_a_problem_without_internals(defective: World) -> None:
    _, response = send_secret(defective)
    body = problem(response, 500)
    assert body["errors"] == []
    for internal in (SECRET, "Traceback", "sqlite", "sqlalchemy", "IntegrityError", "INSERT", ".py", "conversation_id"):
        assert internal.lower() not in response.text.lower()


def test_a_defect_of_ours_stores_nothing(defective: World) -> None:
    before = stored(defective.database)
    send_secret(defective)
    assert stored(defective.database) == before


def test_after_a_defect_the_server_goes_on(defective: World) -> None:
    client, _ = send_secret(defective)
    assert client.get("/v1/conversations/call-1").status_code == 200
    with defective.database.transaction() as session:
        session.connection().exec_driver_sql("DROP TRIGGER defect")
    assert client.post("/v1/conversations", json=delivery("call-2")).status_code == 202


def test_the_log_of_a_defect_says_where_it_was_and_nothing_that_was_said(
    defective: World, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as lines:
        send_secret(defective)
    [line] = lines
    assert (line["event"], line["log_level"]) == ("request_failed", "error")
    assert (line["method"], line["route"]) == ("POST", "/v1/conversations")
    assert re.fullmatch(r"IntegrityError at /\S+\.py:\d+", line["error"])
    printed = "".join(capfd.readouterr())
    assert SECRET not in f"{lines} {caplog.text} {printed}"


def test_a_route_is_logged_without_the_ids_in_its_address(judged: World) -> None:
    with judged.database.transaction() as session:
        connection = session.connection()
        connection.exec_driver_sql('UPDATE verdict SET evidence = \'[{"turn": "x"}]\'')
    with structlog.testing.capture_logs() as lines:
        problem(judged.client().get("/v1/conversations/call-1"), 500)
    assert [line["route"] for line in lines] == ["/v1/conversations/{reference:path}"]
    assert "call-1" not in str(lines)
