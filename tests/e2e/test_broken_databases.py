"""A database that breaks under a running server: 503 meanwhile, nothing half stored, and the server goes on after."""

import json
import resource
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import httpx2
import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from goalline.judge.stand_in import MODEL, StandIn
from tests import servers
from tests.running import Running, conversation, environment, run, serving, wait_until

BEFORE, DURING = 10, 8
GOAL = {"name": "Appointment booked", "description": "The agent booked an appointment.", "kind": "primary"}
FAST = {"GOALLINE_DATABASE_TIMEOUT_SECONDS": 1, "GOALLINE_LEASE_SECONDS": 3, "GOALLINE_SWEEP_SECONDS": 0.5}


@dataclass(frozen=True)
class Stage:
    """A running server, what it was started with, and its database from outside."""

    goalline: Running
    settings: dict[str, str]
    folder: Path

    def send(self, number: int) -> httpx2.Response:
        # Too long to find room in what is already allocated, and of words that cannot be compressed.
        said = Random(number).randbytes(20_000).hex()
        turns = [{"role": "user", "text": said}, *conversation(number)["transcript"]]
        return self.goalline.client.post("/v1/conversations", json=conversation(number, transcript=turns))

    def send_all(self, numbers: range) -> None:
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(self.send, numbers))
        assert {answer.status_code for answer in answers} == {202}

    def all_is_judged_and_counted(self, number: int) -> None:
        wait_until(lambda: self._succeeded() == number, self.goalline.process, self.folder / "serve.log", 120)
        assert self.goalline.get("/v1/reports/success-rate")["conversations"] == number
        verified = run(self.settings, self.folder, "rollups", "verify", "--json")
        assert json.loads(verified.stdout) == {"differences": []}, verified.stderr

    def _succeeded(self) -> int:
        # The server's connections may be the last ones that were lost: it says so once for each.
        with suppress(AssertionError):
            rows = self.goalline.get("/v1/conversations", limit="200")["items"]
            return [row["evaluation"]["status"] for row in rows].count("succeeded")
        return -1


Fault = Callable[[Stage], AbstractContextManager[object]]


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with StandIn() as model:
        yield model


def _settings(stand_in: StandIn, url: str) -> dict[str, str]:
    return environment(
        GOALLINE_DATABASE_URL=url,
        GOALLINE_EMBEDDED_THREADS=4,
        GOALLINE_MODEL=MODEL,
        OPENAI_BASE_URL=stand_in.url,
        **FAST,
    )


def _goes_through(stage: Stage, fault: Fault) -> None:
    """Break the database and mend it again: what was refused is taken then, and everything is counted once."""
    stage.goalline.post("/v1/goals", GOAL)
    stage.send_all(range(BEFORE))
    with fault(stage):
        # What still fits is taken; soon nothing does.
        answers = [stage.send(number) for number in range(BEFORE, BEFORE + DURING)]
        refused = [answer for answer in answers if answer.status_code != 202]
        assert answers[-1] in refused
        for answer in refused:
            assert answer.status_code == 503, answer.text
            assert answer.headers["content-type"] == "application/problem+json"
            assert int(answer.headers["retry-after"]) > 0
        assert stage.goalline.client.get("/healthz").status_code == 200
    # The very same server takes everything again, what it had accepted included: once.
    wait_until(lambda: stage.send(BEFORE).status_code == 202, stage.goalline.process, stage.folder / "serve.log")
    stage.send_all(range(BEFORE + DURING))
    stage.all_is_judged_and_counted(BEFORE + DURING)


@contextmanager
def _locked_by_another_process(stage: Stage) -> Iterator[None]:
    with closing(sqlite3.connect(stage.folder / "goalline.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def _unwritable(stage: Stage) -> Iterator[None]:
    # The kernel lets the server write to no file, not even as root: for SQLite an I/O error.
    limit = partial(resource.prlimit, stage.goalline.process.pid, resource.RLIMIT_FSIZE)
    soft, hard = limit()
    limit((0, hard))
    try:
        yield
    finally:
        limit((soft, hard))


@pytest.mark.parametrize("fault", [_locked_by_another_process, _unwritable])
def test_a_server_outlives_a_fault_of_its_file(fault: Fault, stand_in: StandIn, tmp_path: Path) -> None:
    settings = _settings(stand_in, f"sqlite:///{tmp_path}/goalline.db")
    with serving(settings, tmp_path) as goalline:
        _goes_through(Stage(goalline, settings, tmp_path), fault)


def test_a_server_outlives_a_full_disk_under_its_file(stand_in: StandIn, tmp_path: Path) -> None:
    try:
        within = partial(servers.on_small_disk, "4m")
        within("true")
    except servers.ServerUnavailableError as error:
        pytest.skip(str(error))
    settings = _settings(stand_in, "sqlite:///small/goalline.db")
    with serving(settings, tmp_path, within=within) as goalline:
        disk = Path(f"/proc/{goalline.process.pid}/root{tmp_path}/small")
        seen_from_here = settings | {"GOALLINE_DATABASE_URL": f"sqlite:///{disk}/goalline.db"}

        @contextmanager
        def full(_: Stage) -> Iterator[None]:
            with suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
                while filler.write(bytes(4096)):
                    pass
            yield
            (disk / "filler").unlink()

        _goes_through(Stage(goalline, seen_from_here, tmp_path), full)
        assert "SQLITE_FULL" in (tmp_path / "serve.log").read_text()


def _plain(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _server(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(_plain(make_url(url).set(database="postgres").render_as_string(False)), autocommit=True)


def _cut(connection: psycopg.Connection[Any], name: str) -> None:
    connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])


@contextmanager
def _altered(wrong: str, right: str, stage: Stage) -> Iterator[None]:
    """Alter the database, of which connections learn that are opened then."""
    url = stage.settings["GOALLINE_DATABASE_URL"]
    name = make_url(url).database or ""
    with _server(url) as server:
        for change in (wrong, right):
            server.execute(sql.SQL(f"ALTER DATABASE {{}} {change}").format(sql.Identifier(name)))  # type: ignore[arg-type,unused-ignore]
            _cut(server, name)
            if change == wrong:
                yield


@contextmanager
def _locked_by_another_client(stage: Stage) -> Iterator[None]:
    with psycopg.connect(_plain(stage.settings["GOALLINE_DATABASE_URL"])) as other:
        other.execute("LOCK TABLE conversation IN SHARE MODE")
        yield
        other.rollback()


FAULTS = {
    "read-only": partial(_altered, "SET default_transaction_read_only = on", "RESET default_transaction_read_only"),
    "out of reach": partial(_altered, "ALLOW_CONNECTIONS false", "ALLOW_CONNECTIONS true"),
    "no connection left": partial(_altered, "CONNECTION LIMIT 0", "CONNECTION LIMIT -1"),
    "locked": _locked_by_another_client,
}


@contextmanager
def _ordinary_user(url: str) -> Iterator[str]:
    """Yield the URL for a user that owns the database and has no other rights: limits do not hold for superusers."""
    user, name = f"goalline_test_{uuid4().hex}", sql.Identifier(make_url(url).database or "")
    with _server(url) as server:
        # A server may ask for passwords.
        server.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(user), sql.Literal(user)))
        server.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(name, sql.Identifier(user)))
        try:
            yield make_url(url).set(username=user, password=user).render_as_string(hide_password=False)
        finally:
            server.execute(sql.SQL("ALTER DATABASE {} OWNER TO CURRENT_USER").format(name))
            with psycopg.connect(_plain(url), autocommit=True) as connection:
                connection.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(user)))


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_server_outlives_a_fault_of_postgresql(
    fault: Fault, stand_in: StandIn, postgres_url: str, tmp_path: Path
) -> None:
    with _ordinary_user(postgres_url) as url:
        settings = _settings(stand_in, url)
        assert run(settings, tmp_path, "migrate").returncode == 0
        with serving(settings, tmp_path) as goalline:
            # Faults are brought about by somebody who may do so.
            stage = Stage(goalline, settings | {"GOALLINE_DATABASE_URL": postgres_url}, tmp_path)
            _goes_through(stage, fault)


def test_a_server_outlives_a_full_disk_under_postgresql(stand_in: StandIn, tmp_path: Path) -> None:
    with _small_postgres() as server_url:
        url = make_url(server_url).set(database="small").render_as_string(hide_password=False)
        with _server(server_url) as server:
            server.execute("CREATE DATABASE small TEMPLATE template0 TABLESPACE small")
        settings = _settings(stand_in, url)
        assert run(settings, tmp_path, "migrate").returncode == 0

        @contextmanager
        def full(_: Stage) -> Iterator[None]:
            with psycopg.connect(_plain(url), autocommit=True) as connection:
                connection.execute("CREATE TABLE filler (x text)")
                for rows in (500, 1):
                    with suppress(psycopg.errors.DiskFull):
                        while True:
                            connection.execute(
                                "INSERT INTO filler SELECT repeat('x', 1000) FROM generate_series(1, %s)", [rows]
                            )
                yield
                connection.execute("DROP TABLE filler")

        with serving(settings, tmp_path) as goalline:
            _goes_through(Stage(goalline, settings, tmp_path), full)
        assert "DiskFull" in (tmp_path / "serve.log").read_text()


@contextmanager
def _small_postgres() -> Iterator[str]:
    try:
        servers.on_small_disk("1m")
    except servers.ServerUnavailableError as error:
        pytest.skip(str(error))
    with servers.postgres(small_disk="32m") as url:
        yield url


def test_connections_that_are_lost_in_the_middle_lose_nothing(
    stand_in: StandIn, postgres_url: str, tmp_path: Path
) -> None:
    settings = _settings(stand_in, postgres_url)
    assert run(settings, tmp_path, "migrate").returncode == 0
    with serving(settings, tmp_path) as goalline, _server(postgres_url) as server:
        stage = Stage(goalline, settings, tmp_path)
        goalline.post("/v1/goals", GOAL)

        def insist(number: int) -> set[int]:
            statuses: set[int] = set()
            while 202 not in statuses:
                statuses.add(stage.send(number).status_code)
            return statuses

        with ThreadPoolExecutor(4) as pool:
            sent = [pool.submit(insist, number) for number in range(100)]
            for each in sent[::10]:
                each.result()
                _cut(server, make_url(postgres_url).database or "")
        assert set().union(*(each.result() for each in sent)) <= {202, 503}
        stage.all_is_judged_and_counted(100)
