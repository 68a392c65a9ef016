"""What becomes of a driver's errors and of waiting: the database's own faults are told from ours, and waits end."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from goalline.store.database import Database, DatabaseUnavailable
from goalline.store.drivers import postgresql_options
from tests.store.world import World, a_project, at_once

IN_ANOTHER_STATE = {
    "25006": "read-only",
    "40001": "serialization failure",
    "40P01": "deadlock",
    "42501": "rights taken away",
    "53100": "disk full",
    "53200": "out of memory",
    "53300": "too many connections",
    "55P03": "lock not available",
    "57014": "cancelled",
    "57P01": "shut down by an admin",
    "58030": "input/output error",
    "XX001": "data corrupted",
}
WRONG_OF_US = ["22003", "23505", "42601", "42P01"]


@pytest.fixture
def impatient(world: World) -> Iterator[Database]:
    """The world's database, with one connection and next to no patience."""
    url = world.database.engine.url.render_as_string(hide_password=False)
    with closing(Database(url, pool_size=1, timeout=0.1)) as database:
        yield database


def fail_with(database: Database, sqlstate: str) -> None:
    with database.transaction() as session:
        session.execute(sa.text(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{sqlstate}'; END $$"))


@pytest.mark.parametrize("sqlstate", IN_ANOTHER_STATE, ids=IN_ANOTHER_STATE.get)
def test_a_fault_of_the_server_is_no_defect_of_ours(postgres_world: World, sqlstate: str) -> None:
    with pytest.raises(DatabaseUnavailable):
        fail_with(postgres_world.database, sqlstate)


@pytest.mark.parametrize("sqlstate", WRONG_OF_US)
def test_a_defect_of_ours_is_no_fault_of_the_server(postgres_world: World, sqlstate: str) -> None:
    with pytest.raises(DBAPIError):
        fail_with(postgres_world.database, sqlstate)


def test_a_damaged_file_is_no_defect_of_ours(sqlite_world: World) -> None:
    path = Path(sqlite_world.database.engine.url.database or "")
    sqlite_world.database.close()
    with path.open("r+b") as file:
        file.write(b"no longer what it was" * 10)
    with pytest.raises(DatabaseUnavailable, match="SQLITE_NOTADB"):
        a_project(sqlite_world.database, "other")


def test_who_gets_no_connection_in_time_is_told_so(impatient: Database) -> None:
    def read() -> None:
        with impatient.reading() as session:
            session.execute(sa.text("SELECT 1"))

    with impatient.reading() as session:
        session.execute(sa.text("SELECT 1"))
        with pytest.raises(DatabaseUnavailable):
            at_once(read)
    read()


def test_who_gets_no_turn_to_write_in_time_is_told_so(impatient: Database) -> None:
    with impatient.transaction() as session:
        session.execute(sa.text("SELECT 1"))
        with pytest.raises(DatabaseUnavailable):
            at_once(lambda: a_project(impatient, "in vain"))
    a_project(impatient, "other")


def test_a_lock_of_somebody_else_is_not_waited_for_longer_than_told(postgres_world: World) -> None:
    url = postgres_world.database.engine.url.render_as_string(hide_password=False)
    with closing(Database(url, timeout=1)) as impatient:
        with postgres_world.database.transaction() as session:
            session.execute(sa.text("LOCK TABLE project"))
            with pytest.raises(DatabaseUnavailable, match="LockNotAvailable"):
                a_project(impatient, "in vain")
        a_project(impatient, "other")


def test_a_server_that_has_gone_silent_is_given_up() -> None:
    url = sa.make_url("postgresql://db.example/goalline?connect_timeout=30")
    options = postgresql_options(url, 5)
    assert (options["tcp_user_timeout"], options["keepalives_idle"]) == (10_000, 5)
    assert "connect_timeout" not in options, "what the URL says holds"
