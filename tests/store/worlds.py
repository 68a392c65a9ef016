"""Fixtures: an empty world on each database. The schema is made once; a file is copied, a server's tables emptied."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from goalline.store import schema
from goalline.store.database import Database
from tests import servers
from tests.store.world import World, a_world


def _migrate(url: str) -> None:
    database = Database(url)
    schema.migrate(database)
    database.close()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with nothing but the schema."""
    path = tmp_path_factory.mktemp("migrated") / "goalline.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_server(postgres_server: str) -> Iterator[str]:
    """The URL of a PostgreSQL database with the schema, which one test after the other may use."""
    with servers.fresh_database(postgres_server) as url:
        _migrate(url)
        yield url


@pytest.fixture
def sqlite_world(migrated_file: Path, tmp_path: Path) -> Iterator[World]:
    """A world on SQLite only."""
    path = tmp_path / "world.db"
    shutil.copy(migrated_file, path)
    with a_world(f"sqlite:///{path}") as world:
        yield world


@pytest.fixture
def postgres_world(migrated_server: str) -> Iterator[World]:
    """A world on PostgreSQL only."""
    with a_world(migrated_server) as world:
        yield world


@pytest.fixture(params=["sqlite", "postgres"])
def world(request: pytest.FixtureRequest) -> World:
    """An empty database with one project in it: each test that asks for one runs on both."""
    world: World = request.getfixturevalue(f"{request.param}_world")
    return world
