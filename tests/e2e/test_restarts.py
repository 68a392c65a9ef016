"""Told to stop, Goalline finishes or hands back what it has begun: a rolling restart under load loses nothing."""

import json
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Any

import httpx2
import psycopg
import pytest
from sqlalchemy import make_url

from goalline.judge.stand_in import Fault, StandIn
from tests.e2e.wire import connected, head, heard
from tests.running import Running, conversation, installed, run, serving, wait_until, working

GOAL = {"name": "Appointment booked", "description": "The agent booked an appointment.", "kind": "primary"}
CONVERSATIONS, CLIENTS = 400, 4


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with StandIn() as model:
        yield model


def rows(postgres_url: str, query: str) -> list[Any]:
    plain = make_url(postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection:
        return connection.execute(query).fetchall()  # type: ignore[call-overload,no-any-return,unused-ignore]


def stop(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(60)


class Fleet:
    """Two servers and a worker on one database and one Redis, each of which can be replaced while others work."""

    def __init__(self, settings: dict[str, str], folder: Path, stack: ExitStack) -> None:
        self._settings, self._folder, self._stack = settings, folder, stack
        self.servers = [self._server("one", None)]
        self.servers.append(self._server("two", self.servers[0].key))
        self.worker = self._worker()

    def _server(self, name: str, key: str | None) -> Running:
        (self._folder / name).mkdir(exist_ok=True)
        return self._stack.enter_context(serving(self._settings, self._folder / name, key))

    def _worker(self) -> subprocess.Popen[str]:
        return self._stack.enter_context(working(self._settings, self._folder, "--processes", "2", "--threads", "4"))

    def replace_server(self, place: int) -> None:
        assert stop(self.servers[place].process) == 0
        self.servers[place] = self._server("one" if place == 0 else "two", self.servers[place].key)

    def replace_worker(self) -> None:
        assert stop(self.worker) == 0
        self.worker = self._worker()

    def send(self, number: int) -> int:
        """Send a conversation to one server or, where nobody takes it, to the other, as a load balancer would."""
        for attempt in range(100):
            server = self.servers[(number + attempt) % 2]
            try:
                return server.client.post("/v1/conversations", json=conversation(number)).status_code
            except (httpx2.TransportError, RuntimeError):  # it is stopping, has stopped, or was replaced just now
                continue
        raise AssertionError("neither server took the conversation")


def test_a_rolling_restart_under_load_loses_nothing_and_answers_no_5xx(
    stand_in: StandIn, postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    settings = installed(tmp_path, stand_in.url, postgres_url, redis_url)
    stand_in.latency = 0.05
    sent, half = Counter[int](), Event()
    with ExitStack() as stack:
        fleet = Fleet(settings, tmp_path, stack)
        fleet.servers[0].post("/v1/goals", GOAL)

        def client(first: int) -> list[int]:
            answers: list[int] = []
            for number in range(first, CONVERSATIONS, CLIENTS):
                if len(answers) == CONVERSATIONS // CLIENTS // 2:
                    half.wait(120)
                answers.append(fleet.send(number))
            return answers

        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(client, first) for first in range(CLIENTS)]
            fleet.replace_server(0)
            fleet.replace_worker()
            half.set()
            fleet.replace_server(1)
            fleet.replace_worker()
            for each in clients:
                sent.update(each.result(300))
        assert sent == {202: CONVERSATIONS}
        judged = "SELECT count(*) FROM evaluation WHERE status = 'succeeded'"
        wait_until(lambda: rows(postgres_url, judged) == [(CONVERSATIONS,)], seconds=180)
        assert fleet.servers[0].get("/v1/reports/success-rate")["evaluated"] == CONVERSATIONS
    # Whoever was told to stop has finished its work or handed it back: nothing had to be found by its lost lease.
    assert rows(postgres_url, "SELECT count(*) FROM evaluation WHERE interruptions > 0") == [(0,)]
    assert stand_in.calls == CONVERSATIONS
    verified = run(settings, tmp_path, "rollups", "verify", "--json")
    assert json.loads(verified.stdout) == {"differences": []}


def test_a_worker_that_is_stopped_as_soon_as_it_says_that_it_is_ready_ends_in_order(
    stand_in: StandIn, postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    settings = installed(tmp_path, stand_in.url, postgres_url, redis_url)
    with working(settings, tmp_path) as worker:
        wait_until(lambda: "worker ready" in (tmp_path / "worker.log").read_text(), worker, tmp_path / "worker.log")
        assert stop(worker) == 0


def test_a_worker_that_is_stopped_hands_back_what_the_model_keeps_waiting(
    stand_in: StandIn, postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    settings = installed(tmp_path, stand_in.url, postgres_url, redis_url, GOALLINE_SHUTDOWN_SECONDS=1)
    stand_in.script([Fault(delay=600, repeat=True)])
    with serving(settings, tmp_path) as goalline:
        goalline.post("/v1/goals", GOAL)
        with working(settings, tmp_path, "--threads", "4") as worker:
            for number in range(4):
                goalline.post("/v1/conversations", conversation(number))
            wait_until(lambda: stand_in.calls == 4, worker, tmp_path / "worker.log")
            assert stop(worker) == 0
        found = rows(postgres_url, "SELECT DISTINCT status, interruptions FROM evaluation")
        assert found == [("queued", 0)]
        stand_in.script([])
        with working(settings, tmp_path, "--threads", "4") as worker:
            done = "SELECT count(*) FROM evaluation WHERE status = 'succeeded'"
            wait_until(lambda: rows(postgres_url, done) == [(4,)], worker, tmp_path / "worker.log")


def test_a_server_that_judges_itself_hands_back_as_well(stand_in: StandIn, tmp_path: Path) -> None:
    settings = installed(
        tmp_path,
        stand_in.url,
        f"sqlite:///{tmp_path}/goalline.db",
        GOALLINE_EMBEDDED_THREADS=4,
        GOALLINE_SHUTDOWN_SECONDS=1,
    )
    stand_in.script([Fault(delay=600, repeat=True)])
    with serving(settings, tmp_path) as goalline:
        goalline.post("/v1/goals", GOAL)
        for number in range(4):
            goalline.post("/v1/conversations", conversation(number))
        wait_until(lambda: stand_in.calls == 4, goalline.process, tmp_path / "serve.log")
        assert stop(goalline.process) == 0
    stand_in.script([])
    with serving(settings, tmp_path, goalline.key) as goalline:

        def states() -> list[str]:
            return [row["evaluation"]["status"] for row in goalline.get("/v1/conversations")["items"]]

        wait_until(lambda: states() == ["succeeded"] * 4, goalline.process, tmp_path / "serve.log")
        [run_] = goalline.get("/v1/conversations/sample-0")["evaluations"]
        assert (run_["attempts"], run_["last_error"]) == (2, None)


def test_a_client_that_does_not_end_its_request_does_not_keep_a_server_from_ending(
    stand_in: StandIn, tmp_path: Path
) -> None:
    settings = installed(
        tmp_path,
        stand_in.url,
        f"sqlite:///{tmp_path}/goalline.db",
        GOALLINE_EMBEDDED_THREADS=1,
        GOALLINE_SHUTDOWN_SECONDS=6,
    )
    stand_in.script([Fault(delay=4)])
    with serving(settings, tmp_path) as goalline, connected(goalline) as connection:
        connection.sendall(head(goalline, "POST /v1/events HTTP/1.1", "Content-Length: 1000") + b"{")
        goalline.post("/v1/goals", GOAL)
        for number in range(5):
            goalline.post("/v1/conversations", conversation(number))
        wait_until(lambda: stand_in.calls == 1, goalline.process, tmp_path / "serve.log")
        goalline.client.close()
        assert stop(goalline.process) == 0
        assert heard(connection) == b""
    # What was under way ended, in less time than the client was given, and nothing else was begun.
    assert stand_in.calls == 1
    log = (tmp_path / "serve.log").read_text()
    assert log.count("evaluated") == 1
    assert "Traceback" not in log
