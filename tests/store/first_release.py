"""A database as the first release left it: sample data in every table, and what that release answered about it."""

import json
import re
from collections.abc import Callable, Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from alembic import command

from goalline.store import schema
from goalline.store.database import Database

# Made by that release's own code, at the last commit before migration 0002 (ab00f13). A script created two projects
# with keys and goals, called `pipeline.receive`, `evaluate`, `judge_again` and `sweep` with times given by hand and a
# judge that does as it is told, edited, archived and restored goals in between, then wrote down every row of every
# table, and what the API of that release answered with. It is to be made again only if it was wrong: it is history.
SAMPLE: dict[str, Any] = json.loads((Path(__file__).parent / "first_release.json").read_text())
TABLES: dict[str, list[dict[str, Any]]] = SAMPLE["tables"]
KEYS: dict[str, Any] = SAMPLE["keys"]
FIRST = "0001"

_SHAPES: list[tuple[str, Any, Callable[[str], object]]] = [
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", sa.Uuid(), UUID),
    (r"\d{4}-\d\d-\d\dT\S+\+00:00", sa.DateTime(timezone=True), datetime.fromisoformat),
    (r"\d{4}-\d\d-\d\d", sa.Date(), date.fromisoformat),
]


RENAMED = {"interrupted": "poison"}
"""Reasons that go by another name today."""


def build(database: Database) -> None:
    """Make the first release's schema in an empty database, with the sample in it."""
    with database.migrating() as connection:
        command.upgrade(schema._config(connection), FIRST)
        for name, rows in TABLES.items():
            # A column is of the kind of the first value in it.
            kinds = {column: _kind(next(filter(None, (row[column] for row in rows)), None)) for column in rows[0]}
            columns = [sa.column(column, kind) for column, kind in kinds.items()]
            typed = [{column: _read(kinds[column], value) for column, value in row.items()} for row in rows]
            connection.execute(sa.table(name, *columns).insert(), typed)


def stored(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Return every row of every table there is, whatever the schema, by the table's name."""
    with database.reading() as session:
        tables = sa.MetaData()
        tables.reflect(session.connection())
        return {
            table.name: _sorted(dict(row._mapping) for row in session.execute(sa.select(table)))
            for table in tables.sorted_tables
        }


def of_old(rows: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Return what is stored in the tables and columns that the first release had, in the words of today."""
    return {
        name: _sorted({column: _renamed(row[column]) for column in old[0]} for row in rows[name])
        for name, old in TABLES.items()
    }


def _renamed(value: Any) -> Any:
    return RENAMED.get(value, value) if isinstance(value, str) else value


def statements(database: Database, act: Callable[[int, str], object]) -> None:
    """Have `act` called after each statement on a database, with how many there were and with its text."""
    ran = 0

    @sa.event.listens_for(database.engine, "after_cursor_execute")
    def after(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        nonlocal ran
        ran += 1
        act(ran, statement)


def _kind(value: Any) -> Any:
    if isinstance(value, list | dict):
        return sa.JSON(none_as_null=True)
    return next((kind for shape, kind, _ in _SHAPES if isinstance(value, str) and re.fullmatch(shape, value)), None)


def _read(kind: Any, value: Any) -> Any:
    read = next((read for _, known, read in _SHAPES if known is kind), None)
    return read(value) if read and value is not None else value


def _sorted(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=repr)
