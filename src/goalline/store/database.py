"""Opens the database and hands out transactions, on SQLite and on PostgreSQL."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import copy
from typing import Any, Self

from pydantic import TypeAdapter
from sqlalchemy import (
    Connection,
    Engine,
    Executable,
    Table,
    bindparam,
    create_engine,
    func,
    make_url,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlmodel import Session

from goalline.store.drivers import is_unavailable, kind_of, postgresql_options, tame_postgresql, tame_sqlite
from goalline.store.writers import TurnMissed, Writers

__all__ = ["Database", "DatabaseUnavailable", "Session", "Upsert", "run"]

_UNHURRIED_SECONDS = 30.0

# Several times as fast as the standard library's.
_JSON: TypeAdapter[Any] = TypeAdapter(Any)


class DatabaseUnavailable(Exception):
    """The database cannot be reached, is full, read-only or too busy; nothing of the transaction was stored."""


class Database:
    """One database, its connections and its transactions; safe to share between threads."""

    def __init__(self, url: str, pool_size: int = 20, timeout: float = 30.0) -> None:
        """Prepare to connect; nothing is opened before the first transaction.

        Args:
            url: an SQLAlchemy URL, `sqlite:///FILE` or `postgresql://...`.
            pool_size: the most connections kept open; more threads than that wait their turn.
            timeout: seconds to wait for a connection or a lock at most. A PostgreSQL server that has gone silent is
                given up after twice as long.

        Raises:
            ValueError: the URL names another kind of database, or SQLite in memory.
        """
        parsed = make_url(url)
        options = {
            "pool_size": pool_size,
            "max_overflow": 0,
            "pool_timeout": timeout,
            # The values of a statement are transcripts: they do not belong into errors.
            "hide_parameters": True,
            "json_serializer": _to_json,
            "json_deserializer": _JSON.validate_json,
        }
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite:
            if parsed.database in (None, "", ":memory:"):
                raise ValueError("SQLite needs a file, as threads share it: write sqlite:///goalline.db")
            self.engine = create_engine(parsed, **options)
            tame_sqlite(self.engine, timeout)
        elif parsed.get_backend_name() == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
            bounds = postgresql_options(parsed, timeout)
            self.engine = create_engine(parsed, pool_pre_ping=True, connect_args=bounds, **options)
            tame_postgresql(self.engine, timeout)
        else:
            raise ValueError(
                f"GOALLINE_DATABASE_URL must start with sqlite:// or postgresql://, not {parsed.drivername}"
            )
        self._writing = self.engine.execution_options(goalline_writes=True)
        # SQLite has one writer at a time anyway. Queueing for it here is fair; its own busy wait is a lottery.
        self._writers = Writers() if self.is_sqlite else None
        self._hurried, self._patience = True, timeout

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Give a session that may write; commit at the end of the block, roll back when it raises."""
        with _translating(), self._turn(), self._session(self._writing) as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Give a session for reading; whatever it changes is rolled back."""
        with _translating(), self._session(self.engine) as session:
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """Give a session for reading in which every query sees the same moment, however long it takes."""
        engine = self.engine if self.is_sqlite else self.engine.execution_options(isolation_level="REPEATABLE READ")
        with _translating(), self._session(engine) as session:
            yield session

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """Give a connection in a writing transaction, for changes of the schema."""
        with _translating(), self._turn(), self._writing.connect() as connection:
            driver: Any = connection.connection.driver_connection
            if self.is_sqlite:
                # Tables are rebuilt to be altered; dropping the old one must not delete what refers to it. This has
                # to be said before the transaction begins.
                driver.execute("PRAGMA foreign_keys=OFF")
            try:
                with connection.begin():
                    if not self.is_sqlite:
                        # Others may migrate, or read what is to be altered, for as long as it takes them.
                        connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
                    yield connection
                    if self.is_sqlite and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                        raise DatabaseUnavailable("rows refer to rows that are not there; nothing was changed")
            finally:
                if self.is_sqlite:
                    driver.execute("PRAGMA foreign_keys=ON")

    def unhurried(self) -> Self:
        """Return this very database for work that nobody waits for: it lets the others write first, and is patient."""
        other = copy(self)
        other._hurried, other._patience = False, _UNHURRIED_SECONDS
        return other

    def close(self) -> None:
        """Close all connections that are not in use."""
        self.engine.dispose()

    def _turn(self) -> AbstractContextManager[None]:
        return self._writers.turn(self._patience, hurried=self._hurried) if self._writers else nullcontext()

    def _session(self, engine: Engine) -> Session:
        return Session(engine, expire_on_commit=False, autoflush=False)


@contextmanager
def _translating() -> Iterator[None]:
    try:
        yield
    except (DBAPIError, PoolTimeout, TurnMissed) as error:
        if isinstance(error, DBAPIError) and not is_unavailable(error):
            raise
        raise DatabaseUnavailable(kind_of(error)) from None


class Upsert:
    """An INSERT with an ON CONFLICT clause, written once for both databases, each of which has its own."""

    def __init__(self, table: Table, clause: Callable[[Any], Executable]) -> None:
        """Build the statement: `clause` adds ON CONFLICT, and RETURNING if wanted, to an INSERT into `table`."""
        self._table, self._clause = table, clause
        self._statements = {"sqlite": clause(sqlite.insert(table)), "postgresql": clause(postgresql.insert(table))}
        self._of_arrays: dict[tuple[str, ...], Executable] = {}

    def run(self, session: Session, rows: dict[str, Any] | list[dict[str, Any]]) -> Any:
        """Insert one row, or several that have the same columns."""
        connection = session.connection()
        if isinstance(rows, list) and len(rows) > 1 and connection.dialect.name == "postgresql":
            arrays = {name: [row[name] for row in rows] for name in rows[0]}
            return connection.execute(self._from_arrays(tuple(arrays)), arrays)
        return connection.execute(self._statements[connection.dialect.name], rows)

    def _from_arrays(self, names: tuple[str, ...]) -> Executable:
        # Row by row, each is a statement of its own for the driver and the server; all in one VALUES, the driver reads
        # thousands of parameters. One array for each column costs a fraction of either.
        if names not in self._of_arrays:
            columns = [self._table.c[name] for name in names]
            arrays = [bindparam(column.name, type_=postgresql.ARRAY(column.type, dimensions=1)) for column in columns]
            given = func.unnest(*arrays).table_valued(*names).render_derived()
            inserted = postgresql.insert(self._table).from_select(names, select(given), include_defaults=False)
            self._of_arrays[names] = self._clause(inserted)
        return self._of_arrays[names]


def run(session: Session, statement: Executable, values: dict[str, Any] | None = None, /, **more: Any) -> Any:
    """Run a statement that was built once, with the values of its parameters.

    Building a statement costs more than running it, and a session's own machinery about as much: what every single
    conversation passes through goes this way.
    """
    return session.connection().execute(statement, {**(values or {}), **more})


def _to_json(value: Any) -> str:
    return _JSON.dump_json(value).decode()
