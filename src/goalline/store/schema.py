"""Brings the database's schema up to date, and tells when it is not."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from goalline.store.database import Database

if TYPE_CHECKING:
    from alembic.config import Config

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 4_607_142_019
"""Any number that no other program locks on this database."""


class SchemaOutdated(Exception):
    """The database is not at the schema that this version of Goalline needs."""


def migrate(database: Database) -> list[str]:
    """Apply the migrations that are missing and return their names; several callers at once wait for each other."""
    from alembic import command

    with database.migrating() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        known, applied = _known(), _applied(connection)
        if applied and applied not in known:
            return []
        command.upgrade(_config(connection), "head")
        return [name for name in known if not applied or name > applied]


def require_current(database: Database) -> None:
    """Do nothing when the schema is current.

    Raises:
        SchemaOutdated: migrations are missing, or the schema is newer than this version knows.
    """
    with database.reading() as session:
        applied = _applied(session.connection())
    if applied is None or applied in _known()[:-1]:
        raise SchemaOutdated("the database is not at this version's schema; run goalline migrate")
    if applied not in _known():
        raise SchemaOutdated("the database was made by a newer version of Goalline; install that version")


def _config(connection: Connection) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@cache
def _known() -> list[str]:
    # Migrations are numbered in their order, which Alembic's own chain of revisions agrees with.
    return sorted(file.name.split("_")[0] for file in (_MIGRATIONS / "versions").glob("[0-9]*.py"))


def _applied(connection: Connection) -> str | None:
    # Read by hand: Alembic takes a third of a second to import, which every start of every command would pay.
    if not inspect(connection).has_table("alembic_version"):
        return None
    applied: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return applied
