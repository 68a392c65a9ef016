"""What the tests of the API are given: a world, made anew for each test, and a client that may do everything in it."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from dramatiq.brokers.stub import StubBroker
from fastapi.testclient import TestClient

from goalline.bootstrap import Services
from goalline.domain.evaluation import Status
from goalline.domain.goal import Kind
from goalline.domain.key import Scope
from goalline.domain.verdict import Outcome
from goalline.settings import Settings
from goalline.store import projects, rollups, schema
from goalline.store.database import Database
from goalline.store.track import recount
from goalline.store.vault import Vault, new_key
from goalline.worker import utc_now
from tests import servers
from tests.api.route_table import Things, furnish
from tests.api.world import NewWorld, ScriptedJudge, World, delivery, goal, make_key
from tests.store.worlds import migrated_file

__all__ = ["migrated_file"]

VAULT = Vault([new_key()])


@contextmanager
def making_worlds(folder: Path, migrated_file: Path) -> Iterator[NewWorld]:
    """Make worlds in a folder, each on a fresh SQLite database unless a `database_url` is given; close them."""
    opened: list[Database] = []

    def make(**settings: object) -> World:
        file = folder / f"goalline-{len(opened)}.db"
        shutil.copy(migrated_file, file)
        given = settings.pop("database_url", None)
        url = str(given or f"sqlite:///{file}")
        model = {"model": "scripted-model", "openai_base_url": "http://127.0.0.1:1/v1"}
        chosen = Settings.model_validate({"database_url": url, **model, **settings})
        database, judge = Database(url), ScriptedJudge()
        opened.append(database)
        if given:
            schema.migrate(database)
        with database.transaction() as session:
            project = projects.create(session, "Sample project", chosen.time_zone, utc_now())
        parts = Services(chosen, database, judge, StubBroker(middleware=[]), vault=VAULT)
        return World(parts, project, {scope: make_key(database, project, scope) for scope in Scope}, judge)

    yield make
    for database in opened:
        database.close()


@pytest.fixture
def new_world(tmp_path: Path, migrated_file: Path) -> Iterator[NewWorld]:
    """Makes a world on a fresh SQLite database, or at `database_url`, with the settings that are given."""
    with making_worlds(tmp_path, migrated_file) as make:
        yield make


@pytest.fixture
def world(new_world: NewWorld) -> World:
    """A world with the default settings."""
    return new_world()


@pytest.fixture
def client(world: World) -> TestClient:
    """A client with an admin's key."""
    return world.client()


def _judge_one(world: World) -> World:
    admin = world.client()
    goal(admin, "Appointment booked")
    goal(admin, "Reminder offered", Kind.SECONDARY)
    world.judge.outcomes = {"Reminder offered": Outcome.NOT_ACHIEVED}
    world.judge.quotes = {"Appointment booked": [(2, "booked for monday")]}
    admin.post("/v1/conversations", json=delivery())
    assert world.evaluate() == [Status.SUCCEEDED]
    return world


@pytest.fixture
def judged(world: World) -> World:
    """A world with one conversation, achieved by its primary goal and not by its secondary one."""
    return _judge_one(world)


@pytest.fixture(scope="module")
def lasting_world(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[World]:
    """A world that all tests of a module share: for requests that change nothing."""
    with making_worlds(tmp_path_factory.mktemp("lasting"), migrated_file) as make:
        yield make()


@pytest.fixture(scope="module")
def untouched(lasting_world: World) -> World:
    """A world as `judged` is, shared by all tests of a module: for requests that must change nothing."""
    return _judge_one(lasting_world)


def _on_file(file: Path) -> World:
    """Return a world on a migrated database file, which may hold one already."""
    settings = Settings.model_validate({"database_url": f"sqlite:///{file}", "wrong_sign_ins_per_minute": 1_000_000})
    database, judge = Database(settings.database_url), ScriptedJudge()
    with database.transaction() as session:
        project = projects.first(session, "UTC", "USD", utc_now())
    parts = Services(settings, database, judge, StubBroker(middleware=[]), vault=VAULT)
    return World(parts, project, {scope: make_key(database, project, scope) for scope in Scope}, judge)


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> tuple[Path, Things]:
    """A database file in which one project has something of everything, and what that is called."""
    file = tmp_path_factory.mktemp("furnished") / "goalline.db"
    shutil.copy(migrated_file, file)
    world = _on_file(file)
    things = furnish(world)
    world.database.close()
    return file, things


@pytest.fixture(scope="session")
def things(furnished: tuple[Path, Things]) -> Things:
    """What the things of the furnished project are called."""
    return furnished[1]


@pytest.fixture(scope="module")
def shared(furnished: tuple[Path, Things], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A copy of the furnished database, for requests that must change nothing."""
    copy = tmp_path_factory.mktemp("shared") / "goalline.db"
    shutil.copy(furnished[0], copy)
    world = _on_file(copy)
    yield world
    world.database.close()


@pytest.fixture
def own(furnished: tuple[Path, Things], tmp_path: Path) -> Iterator[World]:
    """A copy of the furnished database, for one test."""
    shutil.copy(furnished[0], tmp_path / "goalline.db")
    world = _on_file(tmp_path / "goalline.db")
    yield world
    world.database.close()


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def hostile(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, migrated_file: Path
) -> Iterator[World]:
    """A world with a goal on each database, with limits high enough for what is merely long."""
    limits: dict[str, Any] = {"max_turns": 10_000, "max_characters": 2_000_000, "max_body_bytes": 8_000_000}
    with ExitStack() as stack:
        if request.param == "postgres":
            server = request.getfixturevalue("postgres_server")
            limits["database_url"] = stack.enter_context(servers.fresh_database(server))
        make = stack.enter_context(making_worlds(tmp_path_factory.mktemp("hostile"), migrated_file))
        world = make(**limits)
        goal(world.client(), "Booked")
        yield world
        with world.database.reading() as session:
            assert list(rollups.differences(session)) == []
            assert list(recount.differences(session)) == []


@pytest.fixture(scope="module")
def admin(hostile: World) -> TestClient:
    """A client that may do everything, and to whom the pages are open."""
    client = hostile.browser(dashboard_open=True)
    client.headers["Authorization"] = f"Bearer {hostile.keys[Scope.ADMIN]}"
    return client
