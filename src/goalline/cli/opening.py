"""Opening the database, and saying what keeps it from being opened."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from goalline.cli.console import fail
from goalline.domain.refusal import Refusal
from goalline.settings import Settings
from goalline.store import schema
from goalline.store.database import Database, DatabaseUnavailable
from goalline.store.drivers import kind_of
from goalline.store.schema import SchemaOutdated

_SQLITE_BEGINS_WITH = b"SQLite format 3\0"


def open_database(settings: Settings) -> Database:
    """Open the database with a current schema: on SQLite it is brought up to date, elsewhere it has to be."""
    with opening(settings) as database:
        if database.is_sqlite:
            schema.migrate(database)
        schema.require_current(database)
    return database


@contextmanager
def opening(settings: Settings) -> Iterator[Database]:
    """Give the database to look at its schema; turn whatever keeps it from being opened into a message and status 1."""
    database = None
    with ExitStack() as on_failure:
        try:
            database = Database(settings.database_url, settings.database_pool_size)
            on_failure.callback(database.close)
            yield database
            on_failure.pop_all()
        except (ValueError, SchemaOutdated) as error:
            fail(str(error))
        except Exception as error:
            # A driver has its own exceptions for wrong options, missing rights and files that are no database. Their
            # texts may repeat the address with its password; their kinds do not.
            fail(trouble(database, error))


@contextmanager
def opened(settings: Settings) -> Iterator[Database]:
    """Give the database, closed at the end; turn refusals and a lost database into a message and status 1."""
    database = open_database(settings)
    try:
        yield database
    except Refusal as refusal:
        fail(refusal.detail)
    except DatabaseUnavailable as error:
        fail(f"the database is not available ({error}); nothing was changed")
    finally:
        database.close()


def place(database: Database) -> str:
    """Return where a database is, without user and password: `SQLite goalline.db` or `PostgreSQL HOST:PORT/NAME`."""
    url = database.engine.url
    if database.is_sqlite:
        return f"SQLite {url.database}"
    host, port, name = _server(database)
    return f"PostgreSQL {host}{f':{port}' if url.port else ''}/{name}"


def why_not(path: Path) -> str | None:
    """Return what keeps an SQLite file from being opened, None where that cannot be seen from outside."""
    folder = path.parent
    try:
        if path.is_dir():
            return "it is a folder"
        if not folder.is_dir():
            return f"the folder {folder} is missing"
        return _trouble_with(path) if path.exists() else _trouble_with_making_a_file(folder)
    except PermissionError:
        return f"no permission to look into the folder {folder}"


def _trouble_with_making_a_file(folder: Path) -> str | None:
    return None if os.access(folder, os.W_OK | os.X_OK) else f"no permission to write in the folder {folder}"


def _trouble_with(file: Path) -> str | None:
    if not os.access(file, os.R_OK | os.W_OK):
        return "no permission to read and write it"
    with suppress(OSError), file.open("rb") as content:
        if content.read(len(_SQLITE_BEGINS_WITH)) not in (b"", _SQLITE_BEGINS_WITH):
            return "it is not a SQLite database"
    return None


def kind(error: Exception) -> str:
    """Return what sort of error it is, without a driver's own words: they may repeat an address with its password."""
    return str(error) if isinstance(error, DatabaseUnavailable) else kind_of(error)


def trouble(database: Database | None, error: Exception) -> str:
    """Return in one line which database cannot be opened and why, without a driver's own words."""
    check = "check GOALLINE_DATABASE_URL"
    if database is None:
        return f"the database cannot be opened ({kind(error)}); {check}"
    if database.is_sqlite:
        path = Path(database.engine.url.database or "")
        return f"the SQLite database {path} cannot be opened: {why_not(path) or kind(error)}; {check}"
    host, port, name = _server(database)
    where = f"the PostgreSQL database {name} at {host} port {port}"
    there = "that the server runs, and that it has this database and user"
    return f"{where} cannot be opened ({kind(error)}); {check}, {there}"


def _server(database: Database) -> tuple[str, str, str]:
    url = database.engine.url
    # libpq takes host and port from the query too, and has defaults for whatever is left out.
    host = url.host or url.query.get("host") or "localhost"
    port = url.port or url.query.get("port") or 5432
    return _joined(host), _joined(port), url.database or url.username or "postgres"


def _joined(value: str | int | tuple[str, ...]) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)
