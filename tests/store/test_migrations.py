"""Migrations of databases that are in use: whatever stood in them is there afterwards."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from alembic import command
from sqlalchemy.exc import IntegrityError

from goalline.domain.goal import Kind
from goalline.domain.key import Scope
from goalline.store import projects, schema
from goalline.store.conversations import conversations
from goalline.store.database import Database
from goalline.store.goals import goals
from tests.store.world import BEFORE, NOW, World

PROJECT, KEY, GOAL, CALL, RUN, VERDICT = (UUID(int=number) for number in range(1, 7))

_TYPES: list[tuple[Any, Any]] = [
    (UUID, sa.Uuid()),
    (datetime, sa.DateTime(timezone=True)),
    (date, sa.Date()),
    ((list, dict), sa.JSON()),
]

# The first schema's rows, by the names of that time: the classes of today may have moved on.
_DAY = NOW.date()
FIRST: dict[str, dict[str, Any]] = {
    "project": {"id": PROJECT, "name": "sample", "time_zone": "Europe/Berlin", "created_at": BEFORE},
    "api_key": {
        "id": KEY,
        "project_id": PROJECT,
        "name": "sample",
        "scope": "read",
        "prefix": "abcdefghijkl",
        "digest": "0" * 64,
        "created_at": BEFORE,
    },
    "goal": {"id": GOAL, "project_id": PROJECT, "kind": "primary", "revision": 1, "created_at": BEFORE},
    "goal_revision": {
        "goal_id": GOAL,
        "number": 1,
        "name": "Book",
        "description": "It is booked.",
        "kind": "primary",
        "judged": True,
        "in_force_from": BEFORE,
    },
    "goal_period": {"goal_id": GOAL, "active_from": BEFORE, "active_until": None},
    "conversation": {
        "id": CALL,
        "project_id": PROJECT,
        "conversation_id": "call-1",
        "agent_id": "ann",
        "ended_at": NOW,
        "received_at": NOW,
        "day": _DAY,
        "platform_metadata": {"a": [1, None]},
        "transcript_digest": "d",
        "transcript": [{"role": "user", "text": "Hello"}],
        "evaluations": 1,
    },
    "evaluation": {
        "id": RUN,
        "conversation_id": CALL,
        "number": 1,
        "status": "succeeded",
        "attempts": 1,
        "interruptions": 0,
        "created_at": NOW,
        "tried_since": NOW,
        "due_at": NOW,
        "ring_at": NOW,
        "calls": 1,
        "cost": 125_000,
    },
    "verdict": {
        "id": VERDICT,
        "conversation_id": CALL,
        "evaluation_id": RUN,
        "goal_id": GOAL,
        "revision": 1,
        "kind": "primary",
        "outcome": "achieved",
        "rationale": "It is.",
        "counted": True,
        "evidence": [{"turn": 1, "quote": "Hello"}],
    },
    "verdict_rollup": {
        "project_id": PROJECT,
        "day": _DAY,
        "agent_id": "ann",
        "goal_id": GOAL,
        "revision": 1,
        "kind": "primary",
        "achieved": 1,
        "partial": 0,
        "not_achieved": 0,
    },
    "conversation_rollup": {"project_id": PROJECT, "day": _DAY, "agent_id": "ann", "conversations": 1},
}


@pytest.fixture
def first(database_url: str) -> Iterator[Database]:
    """A database at the first schema, with a row in every table."""
    database = Database(database_url)
    with database.migrating() as connection:
        command.upgrade(schema._config(connection), "0001")
        for name, row in FIRST.items():
            connection.execute(_inserted(name, row))
    yield database
    database.close()


def _inserted(name: str, row: dict[str, Any]) -> sa.Insert:
    columns = [sa.column(column, _type(value)) for column, value in row.items()]
    return sa.table(name, *columns).insert().values(row)


def _type(value: object) -> Any:
    return next((column for kind, column in _TYPES if isinstance(value, kind)), None)


def rows(database: Database) -> dict[str, list[dict[str, Any]]]:
    with database.reading() as session:
        tables = sa.MetaData()
        tables.reflect(session.connection())
        return {
            table.name: [dict(row._mapping) for row in session.execute(sa.select(table))]
            for table in tables.sorted_tables
            if table.name != "alembic_version"
        }


def _id(value: object) -> UUID:
    # SQLite keeps it as text.
    return value if isinstance(value, UUID) else UUID(str(value))


pytestmark = pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")


def test_the_sample_has_a_row_in_every_table_of_the_first_schema(first: Database) -> None:
    assert {name: len(found) for name, found in rows(first).items()} == dict.fromkeys(FIRST, 1)


def test_a_database_in_use_is_given_what_is_new_and_keeps_everything(first: Database) -> None:
    before = rows(first)
    assert schema.migrate(first) == ["0002", "0003", "0004", "0005", "0006", "0007"]
    after = rows(first)
    assert after["project"][0].pop("currency") == "USD"
    assert after["goal_revision"][0].pop("steps") == []
    assert (after["conversation"][0].pop("contact_tracked"), after["conversation"][0].pop("erased_at")) == (False, None)
    assert after["conversation"][0].pop("transcript_deleted_at") is None
    assert (_id(after["evaluation"][0].pop("project_id")), after["evaluation"][0].pop("last_error")) == (PROJECT, None)
    assert after == before | {name: [] for name in after.keys() - before.keys()}


def test_a_migrated_database_is_read_by_the_code_of_today(first: Database) -> None:
    schema.migrate(first)
    with first.reading() as session:
        project = projects.get(session, PROJECT)
        goal = goals.get(session, PROJECT, GOAL)
        (revision,) = goals.revisions(session, PROJECT, GOAL)
        (key,) = projects.keys_of(session, PROJECT)
        call = conversations.get(session, PROJECT, CALL)
    assert (project.name, project.time_zone, project.currency) == ("sample", "Europe/Berlin", "USD")
    assert (goal.name, goal.kind, goal.judged, goal.steps, goal.created_at) == ("Book", Kind.PRIMARY, True, (), BEFORE)
    assert (revision.steps, revision.in_force_from) == ((), BEFORE)
    assert (key.scope, call.platform_metadata) == (Scope.READ, {"a": [1, None]})
    assert World(first, project).differences() == []


def test_going_back_to_the_first_schema_keeps_what_it_knew(first: Database) -> None:
    before = rows(first)
    schema.migrate(first)
    with first.migrating() as connection:
        command.downgrade(schema._config(connection), "0001")
    assert rows(first) == before


@pytest.mark.parametrize("name", ["project", "goal_revision"])
def test_new_rows_have_to_bring_what_the_migration_gave_to_the_old_ones(first: Database, name: str) -> None:
    schema.migrate(first)
    changed: dict[str, Any] = {"id": UUID(int=99), "name": "new"} if name == "project" else {"number": 2}
    with pytest.raises(IntegrityError, match=r"currency|steps"), first.transaction() as session:
        session.execute(_inserted(name, FIRST[name] | changed))
