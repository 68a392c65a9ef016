"""What the commands share: the terminal, the settings, an opened database, and a way to give up."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console

from goalline.domain.refusal import Refusal
from goalline.settings import LogFormat, Settings
from goalline.store import schema
from goalline.store.database import Database, DatabaseUnavailable
from goalline.store.schema import SchemaOutdated
from goalline.telemetry import configure_logs

out = Console()
"""Results; they may be piped."""

err = Console(stderr=True)
"""Progress and complaints."""


def fail(message: str) -> NoReturn:
    """Say what is wrong and end the command with status 1."""
    err.print(f"[bold red]goalline:[/] {message}", soft_wrap=True, highlight=False)
    raise typer.Exit(1)


def print_json(value: Any) -> None:
    """Print one line of JSON, for scripts."""
    typer.echo(json.dumps(value, default=str))


def load_settings() -> Settings:
    """Read the settings, or end the command and name the variables that are wrong, never their values."""
    try:
        settings = Settings()
    except ValidationError as error:
        for item in error.errors(include_url=False, include_input=False):
            field = Settings.model_fields.get(str(item["loc"][0])) if item["loc"] else None
            alias = field.alias if field else str(item["loc"][0]) if item["loc"] else "settings"
            name = alias or f"GOALLINE_{str(item['loc'][0]).upper()}"
            err.print(f"{name}: {item['msg']}", soft_wrap=True, highlight=False)
        fail("the settings are not valid")
    configure_logs(settings.log_level, settings.log_format is LogFormat.JSON)
    return settings


def open_database(settings: Settings) -> Database:
    """Open the database with a current schema: on SQLite it is brought up to date, elsewhere it has to be."""
    try:
        database = Database(settings.database_url, settings.database_pool_size)
        if database.is_sqlite:
            schema.migrate(database)
        schema.require_current(database)
    except (ValueError, SchemaOutdated) as error:
        fail(str(error))
    except DatabaseUnavailable as error:
        fail(f"the database cannot be opened ({error}); check GOALLINE_DATABASE_URL and that it is running")
    return database


@contextmanager
def refusals() -> Iterator[None]:
    """Turn refusals and an unavailable database into a message and status 1."""
    try:
        yield
    except Refusal as refusal:
        fail(refusal.detail)
    except DatabaseUnavailable as error:
        fail(f"the database is not available ({error}); nothing was changed")
