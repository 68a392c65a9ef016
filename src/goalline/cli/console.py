"""What the commands share: the terminal, the settings, an opened database, and a way to give up."""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NoReturn

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.text import Text

from goalline.domain.refusal import Refusal
from goalline.settings import LogFormat, Settings, misspelt
from goalline.store import schema
from goalline.store.database import Database, DatabaseUnavailable
from goalline.store.schema import SchemaOutdated
from goalline.telemetry import configure_logs

out = Console()
"""Results; they may be piped."""

err = Console(stderr=True)
"""Progress and complaints."""

_AS_IS: dict[str, Any] = {"soft_wrap": True, "highlight": False, "markup": False}


def fail(message: str) -> NoReturn:
    """Say what is wrong and end the command with status 1."""
    # Not as markup: the message may quote names and paths that hold square brackets.
    err.print(Text.assemble(("goalline:", "bold red"), " ", message), soft_wrap=True)
    raise typer.Exit(1)


def print_json(value: Any) -> None:
    """Print one line of JSON, for scripts."""
    typer.echo(json.dumps(value, default=str))


def load_settings() -> Settings:
    """Read the settings, or end the command and name the variables that are wrong, never their values."""
    try:
        settings = Settings()
    except ValidationError as error:
        for item in error.errors(include_url=False, include_input=False, include_context=False):
            err.print(": ".join([*_variable(item["loc"]), plain(item["msg"])]), **_AS_IS)
        fail("the settings are not valid")
    for name, meant in misspelt(os.environ).items():
        err.print(f"{name} is no setting of Goalline" + (f"; did you mean {meant}?" if meant else ""), **_AS_IS)
    configure_logs(settings.log_level, settings.log_format is LogFormat.JSON)
    return settings


def _variable(place: tuple[int | str, ...]) -> list[str]:
    # A rule about several settings names them itself.
    name = str(place[0]) if place else ""
    field = Settings.model_fields.get(name)
    return [(field and field.alias) or (f"GOALLINE_{name.upper()}" if field else name)] if name else []


def plain(message: str) -> str:
    """Return a message of pydantic without its technical beginning."""
    return message.removeprefix("Value error, ")


def checked(kind: Any, value: str, option: str) -> str:
    """Return the value as the kind of text that it has to be, or end the command and name the option."""
    try:
        accepted: str = TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        fail(f"{option}: {plain(error.errors()[0]['msg'])}")
    return accepted


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
            kind = str(error) if isinstance(error, DatabaseUnavailable) else _kind(error)
            fail(f"the database cannot be opened ({kind}); check GOALLINE_DATABASE_URL and that it is running")


def _kind(error: Exception) -> str:
    return type(getattr(error, "orig", None) or error).__name__


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
