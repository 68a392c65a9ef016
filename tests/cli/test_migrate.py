"""goalline migrate: the schema is brought up to date once, and a database of a newer version is left alone."""

import re

import pytest

from goalline.store import schema
from goalline.store.database import Database
from goalline.store.schema import SchemaOutdated
from tests.cli.terminal import Terminal
from tests.store import first_release


@pytest.fixture
def newer(terminal: Terminal) -> Terminal:
    """A terminal beside a database that a later version has migrated."""
    terminal.prints("migrate")
    terminal.rows("UPDATE alembic_version SET version_num = '9999'")
    return terminal


def test_the_first_run_names_what_it_applied(terminal: Terminal, database_url: str) -> None:
    assert re.match(r"applied 0001\b", terminal.prints("migrate", GOALLINE_DATABASE_URL=database_url))


def test_the_second_run_changes_nothing(terminal: Terminal, database_url: str) -> None:
    terminal.prints("migrate", GOALLINE_DATABASE_URL=database_url)
    assert terminal.prints("migrate", GOALLINE_DATABASE_URL=database_url) == "the schema is up to date\n"


def test_migrating_keeps_what_is_stored(terminal: Terminal) -> None:
    terminal.prints("projects", "create", "clinic")
    terminal.prints("migrate")
    assert terminal.says("projects", "list", "--json")[0]["name"] == "clinic"


def test_on_sqlite_every_command_migrates_by_itself(terminal: Terminal) -> None:
    terminal.prints("projects", "list")
    assert terminal.prints("migrate") == "the schema is up to date\n"


def test_on_postgresql_a_command_advises_to_migrate(terminal: Terminal, postgres_url: str) -> None:
    terminal.environment["GOALLINE_DATABASE_URL"] = postgres_url
    assert "run goalline migrate" in terminal.refuses("keys", "list")
    terminal.prints("migrate")
    assert terminal.says("projects", "list", "--json") == []


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("worker",), ("evaluations", "list")], ids=" ".join)
def test_on_postgresql_nothing_starts_on_the_schema_of_the_first_release(
    terminal: Terminal, postgres_url: str, command: tuple[str, ...]
) -> None:
    database = Database(postgres_url)
    first_release.build(database)
    terminal.environment = {
        "GOALLINE_DATABASE_URL": postgres_url,
        "GOALLINE_REDIS_URL": "redis://127.0.0.1:1/0",
        "OPENAI_BASE_URL": "http://127.0.0.1:1/v1",
    }
    complaint = terminal.refuses(*command)
    assert complaint == "goalline: the database is not at this version's schema; run goalline migrate\n"
    with pytest.raises(SchemaOutdated):
        schema.require_current(database)
    database.close()


@pytest.mark.parametrize(
    "command", [("migrate",), ("serve", "--port", "0"), ("keys", "list"), ("rollups", "rebuild")], ids=" ".join
)
def test_a_database_of_a_newer_version_is_refused_with_advice(newer: Terminal, command: tuple[str, ...]) -> None:
    complaint = newer.refuses(*command)
    assert "the database was made by a newer version of Goalline; install that version" in complaint
    assert newer.rows("SELECT version_num FROM alembic_version") == [("9999",)]
