"""From the first release's database, with data in it, to the newest schema: whole, or not at all."""

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from goalline.domain.evaluation import Reason, Status
from goalline.store import projects, schema
from goalline.store.database import Database
from goalline.store.schema import SchemaOutdated
from tests.running import command, environment
from tests.store.first_release import FIRST, RENAMED, TABLES, build, of_old, statements, stored
from tests.store.world import World

pytestmark = pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")

LATER = [name for name in schema._known() if name > FIRST]
REASONS = {
    *("empty_transcript", "no_goal_in_force", "ungrounded", "invalid_answer", "refused", "content_filter"),
    *("truncated", "too_long", "bad_request", "unauthorized", "forbidden", "not_found", "unavailable"),
    *("interrupted", "internal_error"),
}
"""All that there were at the time; the code of today must still know them, if by another name."""

SECONDS = 120

Point = Callable[[int, str], bool]
POINTS: dict[str, Point] = {
    "the first change": lambda _, statement: statement.lstrip().startswith(("ALTER TABLE", "CREATE TABLE")),
    "between two migrations": lambda _, statement: "alembic_version" in statement and f"'{LATER[0]}'" in statement,
    "the last statement": lambda _, statement: "alembic_version" in statement and f"'{LATER[-1]}'" in statement,
}
every_point = pytest.mark.parametrize("point", POINTS)


@pytest.fixture
def first(database_url: str) -> Iterator[Database]:
    """A database as the first release left it."""
    database = Database(database_url)
    build(database)
    yield database
    database.close()


def is_as_before(database: Database, before: object) -> bool:
    """Tell whether nothing was changed at all, and the schema is still the first one."""
    with pytest.raises(SchemaOutdated, match="run goalline migrate"):
        schema.require_current(database)
    return stored(database) == before


def is_whole(database: Database, before: dict[str, list[dict[str, object]]]) -> bool:
    """Tell whether the schema is the newest, all that was stored is there, and all counts are right."""
    schema.require_current(database)
    with database.reading() as session:
        owners = projects.every(session)
    return of_old(stored(database)) == of_old(before) and World(database, owners[0]).differences() == []


def test_the_sample_has_rows_in_every_table_and_every_state_and_reason_of_that_time(first: Database) -> None:
    assert {name for name, rows in stored(first).items() if rows} == {*TABLES, "alembic_version"}
    runs = Counter((row["status"], row["reason"]) for row in TABLES["evaluation"])
    assert {status for status, _ in runs} == {"queued", "running", "succeeded", "failed", "skipped"} <= set(Status)
    assert {reason for _, reason in runs if reason} == REASONS
    assert {RENAMED.get(reason, reason) for reason in REASONS} <= set(Reason)
    assert {row["counted"] for row in TABLES["verdict"]} == {True, False}
    assert len({row["time_zone"] for row in TABLES["project"]}) == 2
    assert max(row["number"] for row in TABLES["goal_revision"]) == 3
    assert any(row["active_until"] for row in TABLES["goal_period"])


def test_a_migration_of_data_in_use_keeps_all_of_it_and_all_counts(first: Database) -> None:
    before = stored(first)
    assert schema.migrate(first) == LATER
    assert is_whole(first, before)
    assert schema.migrate(first) == []


@every_point
def test_a_migration_that_fails_half_way_changes_nothing_and_succeeds_at_the_next_try(
    first: Database, database_url: str, point: str
) -> None:
    before, failing = stored(first), Database(database_url)

    def fail(ran: int, statement: str) -> None:
        if POINTS[point](ran, statement):
            raise ZeroDivisionError

    statements(failing, fail)
    with pytest.raises(ZeroDivisionError):
        schema.migrate(failing)
    failing.close()
    assert is_as_before(first, before)
    assert schema.migrate(first) == LATER
    assert is_whole(first, before)


KILLED = """
import os, signal, sys
from goalline.store import schema
from goalline.store.database import Database
from tests.store.first_release import statements
from tests.store.test_first_release import POINTS

def kill(ran, statement):
    if POINTS[sys.argv[2]](ran, statement):
        os.kill(os.getpid(), signal.SIGKILL)

database = Database(sys.argv[1])
statements(database, kill)
schema.migrate(database)
"""


@every_point
def test_a_migration_that_is_killed_changes_nothing_and_succeeds_at_the_next_start(
    first: Database, database_url: str, point: str
) -> None:
    before = stored(first)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, database_url, point],
        env=environment() | {"PYTHONPATH": ":".join(sys.path)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert is_as_before(first, before)
    assert schema.migrate(first) == LATER
    assert is_whole(first, before)


def test_two_commands_that_migrate_at_once_do_no_harm(first: Database, database_url: str, tmp_path: Path) -> None:
    before = stored(first)
    settings = environment(GOALLINE_DATABASE_URL=database_url)
    migrating = [
        subprocess.Popen(
            command("migrate"),
            env=settings,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        said = [process.communicate(timeout=SECONDS) for process in migrating]
    finally:
        for process in migrating:
            with suppress(ProcessLookupError):
                process.kill()
    assert [process.returncode for process in migrating] == [0, 0], said
    assert sorted(out for out, _ in said) == [f"applied {', '.join(LATER)}\n", "the schema is up to date\n"]
    assert is_whole(first, before)
