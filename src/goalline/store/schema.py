"""Brings the database's schema up to date, and tells when it is not."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from goalline.store.database import Database

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 4_607_142_019


class SchemaOutdated(Exception):
    """The database is not at the schema that this version of Goalline needs."""


def migrate(database: Database) -> list[str]:
    """Apply the migrations that are missing and return their names; several callers at once wait for each other."""
    with database.migrating() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        before = _applied(connection)
        command.upgrade(_config(connection), "head")
        return [name for name in _names() if name not in before]


def require_current(database: Database) -> None:
    """Do nothing when the schema is current.

    Raises:
        SchemaOutdated: migrations are missing, or the schema is newer than this version knows.
    """
    with database.reading() as session:
        applied = _applied(session.connection())
    if applied != set(_names()):
        raise SchemaOutdated(
            "the database is not at this version's schema; run goalline migrate"
            if applied <= set(_names())
            else "the database was made by a newer version of Goalline; install that version"
        )


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _names() -> list[str]:
    scripts = ScriptDirectory(str(_MIGRATIONS))
    return [script.revision for script in reversed(list(scripts.walk_revisions()))]


def _applied(connection: Connection) -> set[str]:
    heads = MigrationContext.configure(connection).get_current_heads()
    scripts = ScriptDirectory(str(_MIGRATIONS))
    known = set(_names())
    if not set(heads) <= known:
        return known | set(heads)
    return {script.revision for head in heads for script in scripts.iterate_revisions(head, "base")}
