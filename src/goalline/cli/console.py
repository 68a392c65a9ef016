"""What the commands share: the terminal, the settings, and a way to give up."""

import json
import os
from typing import Any, NoReturn

import typer
from pydantic import BaseModel, TypeAdapter, ValidationError
from rich.console import Console
from rich.text import Text

from goalline.cli.wording import first_fault, plain
from goalline.domain.money import Currency
from goalline.settings import LogFormat, Settings, misspelt
from goalline.telemetry import configure_logs

out = Console()
"""Results; they may be piped."""

err = Console(stderr=True)
"""Progress and complaints."""

AS_IS: dict[str, Any] = {"soft_wrap": True, "highlight": False, "markup": False}
"""How to print a line that quotes names, paths and numbers: unbroken, uncoloured, square brackets left alone."""


def fail(message: str) -> NoReturn:
    """Say what is wrong and end the command with status 1."""
    _complain(message)
    raise typer.Exit(1)


def _complain(message: str) -> None:
    # Not as markup: the message may quote names and paths that hold square brackets.
    err.print(Text.assemble(("goalline:", "bold red"), " ", message), soft_wrap=True)


def print_json(value: Any) -> None:
    """Print one line of JSON, for scripts."""
    typer.echo(json.dumps(value, default=str))


class _Known(BaseModel):
    """What the domain has to say about settings, which cannot ask it themselves."""

    currency: Currency


def load_settings() -> Settings:
    """Read the settings, or end the command and name the variables that are wrong, never their values."""
    settings, faults = read_settings()
    if settings is None:
        _complain("the settings are not valid")
        for fault in faults:
            err.print(f"  {fault}", **AS_IS)
        raise typer.Exit(1)
    for name, meant in misspelt(os.environ).items():
        err.print(f"{name} is no setting of Goalline" + (f"; did you mean {meant}?" if meant else ""), **AS_IS)
    configure_logs(settings.log_level, settings.log_format is LogFormat.JSON)
    return settings


def read_settings() -> tuple[Settings | None, list[str]]:
    """Read the settings; where they are not valid, return None and what is wrong, each with its variable."""
    try:
        settings = Settings()
        _Known.model_validate({"currency": settings.currency})
    except ValidationError as error:
        items = error.errors(include_url=False, include_input=False)
        return None, [": ".join([*_variable(item["loc"]), plain(item)]) for item in items]
    return settings, []


def _variable(place: tuple[int | str, ...]) -> list[str]:
    # A rule about several settings names them itself.
    name = str(place[0]) if place else ""
    field = Settings.model_fields.get(name)
    return [(field and field.alias) or (f"GOALLINE_{name.upper()}" if field else name)] if name else []


def checked(kind: Any, value: str, option: str) -> str:
    """Return the value as the kind of text that it has to be, or end the command and name the option."""
    try:
        accepted: str = TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        fail(f"{option}: {first_fault(error)}")
    return accepted
