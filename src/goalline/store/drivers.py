"""What each driver is told about its connections, and which of its errors are the database's and not ours."""

import math
import sqlite3
from contextlib import suppress
from typing import Any

from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, InternalError, OperationalError, ProgrammingError

_NO_RIGHT = "42501"


def is_unavailable(error: DBAPIError) -> bool:
    """Tell whether an error says that the database is out of reach, full, read-only, damaged or too busy.

    The others say that what we asked of it was wrong.
    """
    # PostgreSQL's driver has InternalError for what is read-only or damaged, SQLite's a plain DatabaseError for a
    # damaged file. Rights that were taken away come as ProgrammingError, like misspelt statements.
    return (
        error.connection_invalidated
        or isinstance(error, (OperationalError, InterfaceError, InternalError))
        or type(error) is DatabaseError
        or (isinstance(error, ProgrammingError) and getattr(error.orig, "sqlstate", None) == _NO_RIGHT)
    )


def kind_of(error: BaseException) -> str:
    """Return an error's name, as in DiskFull or SQLITE_FULL; its own words may repeat a statement's values."""
    cause = getattr(error, "orig", None) or error
    return getattr(cause, "sqlite_errorname", None) or type(cause).__name__


def postgresql_options(url: URL, timeout: float) -> dict[str, Any]:
    """Return what libpq is told, except for what the URL says itself: it gives up a server that has gone silent."""
    options = {
        "connect_timeout": max(2, math.ceil(timeout)),
        "keepalives_idle": math.ceil(timeout),
        "keepalives_interval": 1,
        "keepalives_count": math.ceil(timeout),
        "tcp_user_timeout": math.ceil(2000 * timeout),
    }
    return {name: value for name, value in options.items() if name not in url.query}


def tame_postgresql(engine: Engine, timeout: float) -> None:
    """Bound the wait for locks, and let the server notice soon that this machine is gone and its locks are free."""
    seconds = math.ceil(timeout)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        # Not sent with the start of the connection, as some pools between here and the server refuse that.
        connection.execute(
            f"SET lock_timeout = '{seconds}s'; SET tcp_keepalives_idle = {seconds};"
            f" SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = {seconds}"
        )
        connection.commit()


def tame_sqlite(engine: Engine, timeout: float) -> None:
    """Make SQLite keep promises that it does not keep by default; it waits `timeout` seconds for other processes."""

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        # The driver must not open transactions by itself: it would do so as readers, and a reader that turns
        # writer loses other writers' updates or fails.
        connection.isolation_level = None
        # Only the first connection ever changes the file's mode, and for that it must be alone with the file. Where
        # it is not, the file works as well as before and a later connection tries again.
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode=WAL")
        for pragma in (
            "foreign_keys=ON",
            f"busy_timeout={math.ceil(1000 * timeout)}",
            "synchronous=FULL",
            "secure_delete=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("goalline_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
