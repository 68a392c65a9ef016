"""goalline serve, worker and stand-in: what they do first, and when they refuse to start."""

import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from goalline import worker
from goalline.cli import serve, server
from goalline.domain.key import Scope
from goalline.judge.stand_in import MODEL
from goalline.store import projects
from goalline.store.database import Database
from tests.cli.terminal import Terminal, in_background
from tests.running import command, environment, first_key, wait_until, working

Started = list[dict[str, Any]]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, terminal: Terminal) -> Started:
    """How the web server was started, instead of starting it; no worker runs beside it either."""
    calls: Started = []
    monkeypatch.setattr(server, "run", lambda _app, _seconds, _on_ending, **options: calls.append(options))
    terminal.environment["GOALLINE_EMBEDDED_THREADS"] = "0"
    return calls


@pytest.fixture
def taken() -> Iterator[str]:
    """A port of this machine that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield str(listener.getsockname()[1])


def test_the_first_start_makes_a_project_and_prints_an_admin_key(terminal: Terminal, started: Started) -> None:
    shown = terminal.prints("serve", "--port", "0")
    assert "made project 'default' and an admin key. It is shown this once" in shown
    database = Database(f"sqlite:///{terminal.database_file}")
    with database.reading() as session:
        found = projects.find_key(session, first_key(shown), worker.utc_now())
    database.close()
    assert found is not None
    assert found.scope is Scope.ADMIN
    assert len(started) == 1


def test_the_second_start_prints_no_key(terminal: Terminal, started: Started) -> None:
    terminal.prints("serve", "--port", "0")
    shown = terminal.prints("serve", "--port", "0")
    assert "gl_" not in shown
    assert len(terminal.says("keys", "list", "--json")) == 1
    assert len(started) == 2


@pytest.mark.usefixtures("started")
def test_who_has_a_key_already_gets_no_other_one(terminal: Terminal) -> None:
    terminal.prints("keys", "create", "--scope", "read")
    assert "gl_" not in terminal.prints("serve", "--port", "0")


@pytest.mark.usefixtures("started")
def test_the_first_project_counts_its_days_in_the_time_zone_of_the_settings(terminal: Terminal) -> None:
    terminal.prints("serve", "--port", "0", GOALLINE_TIME_ZONE="Europe/Berlin")
    assert terminal.says("projects", "list", "--json")[0]["time_zone"] == "Europe/Berlin"


@pytest.mark.usefixtures("started")
def test_the_first_project_has_the_currency_of_the_settings(terminal: Terminal) -> None:
    terminal.prints("serve", "--port", "0", GOALLINE_CURRENCY="EUR")
    terminal.prints("serve", "--port", "0", GOALLINE_CURRENCY="JPY")
    assert [row["currency"] for row in terminal.says("projects", "list", "--json")] == ["EUR"]


def test_the_server_listens_where_it_is_told_to(terminal: Terminal, started: Started) -> None:
    terminal.prints("serve", "--host", "localhost", "--port", "0")
    assert (started[0]["host"], started[0]["port"]) == ("localhost", 0)


def test_a_port_that_is_taken_is_named_before_anything_is_made(
    terminal: Terminal, started: Started, taken: str
) -> None:
    complaint = terminal.refuses("serve", "--port", taken)
    assert f"cannot listen on 127.0.0.1 port {taken}: address already in use; try another --port" in complaint
    assert not terminal.database_file.exists()
    assert not started


def test_an_address_of_another_machine_is_refused(terminal: Terminal, started: Started) -> None:
    assert "cannot listen on 192.0.2.1 port 8000" in terminal.refuses("serve", "--host", "192.0.2.1")
    assert not started


def test_a_port_beyond_the_last_one_is_refused(terminal: Terminal) -> None:
    assert "--port" in terminal.refuses("serve", "--port", "65536", status=2)


def test_a_worker_without_redis_says_where_the_worker_is(terminal: Terminal) -> None:
    complaint = terminal.refuses("worker")
    assert "GOALLINE_REDIS_URL is not set: without Redis the worker runs inside goalline serve" in complaint
    assert complaint == terminal.refuses("worker", GOALLINE_REDIS_URL="")


@pytest.mark.parametrize(
    ("options", "expected"),
    [((), (1, 9)), (("-p", "2"), (2, 9)), (("--processes", "3", "--threads", "4"), (3, 4))],
)
def test_a_worker_runs_as_many_processes_and_threads_as_asked(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], expected: tuple[int, int]
) -> None:
    ran: list[tuple[int, int]] = []
    monkeypatch.setattr(
        worker, "run", lambda processes, threads, _seconds, _metrics_at: ran.append((processes, threads))
    )
    settings = {"GOALLINE_REDIS_URL": "redis://127.0.0.1:1/0", "OPENAI_API_KEY": "sk-sample"}
    terminal.prints("worker", *options, GOALLINE_WORKER_THREADS="9", **settings)
    assert ran == [expected]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, None),
        ({"GOALLINE_METRICS_HOST": "::1"}, None),
        ({"GOALLINE_METRICS_PORT": "1"}, ("127.0.0.1", 1)),
        ({"GOALLINE_METRICS_PORT": "1", "GOALLINE_METRICS_HOST": "localhost"}, ("localhost", 1)),
    ],
)
def test_a_worker_serves_metrics_where_a_port_is_set(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], expected: tuple[str, int] | None
) -> None:
    ran: list[tuple[str, int] | None] = []
    monkeypatch.setattr(worker, "run", lambda _processes, _threads, _seconds, metrics_at: ran.append(metrics_at))
    monkeypatch.setattr(serve, "_require_free", lambda *_: None)
    out_of_reach = {"GOALLINE_REDIS_URL": "redis://127.0.0.1:1/0", "OPENAI_API_KEY": "sk-sample"}
    shown = terminal.prints("worker", **settings, **out_of_reach)
    assert ran == [expected]
    assert ("| metrics http://" in shown) == bool(expected)


def test_a_worker_refuses_a_metrics_port_that_is_taken(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "run", lambda *_: pytest.fail("the worker was started"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        terminal.environment |= {"GOALLINE_REDIS_URL": "redis://127.0.0.1:1/0", "OPENAI_API_KEY": "sk-sample"}
        complaint = terminal.refuses("worker", GOALLINE_METRICS_PORT=port)
    assert f"cannot listen on 127.0.0.1 port {port}" in complaint
    assert "try another GOALLINE_METRICS_PORT" in complaint


def test_a_worker_waits_for_a_redis_that_is_out_of_reach_without_a_traceback(tmp_path: Path) -> None:
    settings = environment(GOALLINE_REDIS_URL="redis://:xyzzyplugh@127.0.0.1:1/0", OPENAI_API_KEY="sk-sample")
    log = tmp_path / "worker.log"
    with working(settings, tmp_path, "--threads", "1") as process:
        wait_until(lambda: "connection error" in log.read_text(), process, log)
    assert "Traceback" not in log.read_text()
    assert "xyzzyplugh" not in log.read_text()


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_the_stand_in_says_where_it_listens_and_that_it_is_no_llm(
    tmp_path: Path, number: signal.Signals, expected: int
) -> None:
    with subprocess.Popen(
        in_background(command("stand-in", "--port", "0")),
        cwd=tmp_path,
        env=environment(COLUMNS=200),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            told = process.stdout.readline()
            url = told.split()[3]
            assert httpx2.get(f"{url}/models", timeout=10).json()["data"][0]["id"] == MODEL
        finally:
            process.send_signal(number)
            try:
                status = process.wait(30)
            finally:
                process.kill()
    assert "word matching, no LLM" in told
    assert status == expected


def test_the_stand_in_names_a_port_that_is_taken(terminal: Terminal, taken: str) -> None:
    complaint = terminal.refuses("stand-in", "--port", taken)
    assert f"cannot listen on 127.0.0.1 port {taken}: address already in use" in complaint
