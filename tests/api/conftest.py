"""What the tests of the API are given: a world, made anew for each test, and a client that may do everything in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from dramatiq.brokers.stub import StubBroker
from fastapi.testclient import TestClient

from goalline.bootstrap import Services
from goalline.domain.evaluation import Status
from goalline.domain.goal import Kind
from goalline.domain.key import Scope
from goalline.domain.verdict import Outcome
from goalline.settings import Settings
from goalline.store import projects, schema
from goalline.store.database import Database
from goalline.worker import utc_now
from tests.api.world import NewWorld, ScriptedJudge, World, delivery, goal, make_key


@contextmanager
def making_worlds(folder: Path) -> Iterator[NewWorld]:
    """Make worlds in a folder, each on a fresh SQLite database unless a `database_url` is given; close them."""
    opened: list[Database] = []

    def make(**settings: object) -> World:
        url = str(settings.pop("database_url", f"sqlite:///{folder / f'goalline-{len(opened)}.db'}"))
        model = {"model": "scripted-model", "openai_base_url": "http://127.0.0.1:1/v1"}
        chosen = Settings.model_validate({"database_url": url, **model, **settings})
        database, judge = Database(url), ScriptedJudge()
        opened.append(database)
        schema.migrate(database)
        with database.transaction() as session:
            project = projects.create(session, "Sample project", chosen.time_zone, utc_now())
        parts = Services(chosen, database, judge, StubBroker(middleware=[]))
        return World(parts, project, {scope: make_key(database, project, scope) for scope in Scope}, judge)

    yield make
    for database in opened:
        database.close()


@pytest.fixture
def new_world(tmp_path: Path) -> Iterator[NewWorld]:
    """Makes a world on a fresh SQLite database, or at `database_url`, with the settings that are given."""
    with making_worlds(tmp_path) as make:
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
def lasting_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world that all tests of a module share: for requests that change nothing."""
    with making_worlds(tmp_path_factory.mktemp("lasting")) as make:
        yield make()


@pytest.fixture(scope="module")
def untouched(lasting_world: World) -> World:
    """A world as `judged` is, shared by all tests of a module: for requests that must change nothing."""
    return _judge_one(lasting_world)
