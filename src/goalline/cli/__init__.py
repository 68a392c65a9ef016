"""The commands of Goalline; each one's module is imported when it is called, so that the others do not wait for it."""

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from goalline import __version__

_COMMANDS = {
    "serve": ("serve:serve", "Run the API and the pages; without Redis, the worker too."),
    "worker": ("serve:worker", "Run worker processes that judge what is queued in Redis."),
    "migrate": ("serve:migrate", "Bring the database's schema up to date."),
    "stand-in": ("serve:stand_in", "Run the stand-in model, which matches words and is no LLM."),
    "doctor": ("doctor:doctor", "Check settings, database, queue and model; say what to do."),
    "demo": ("demo:demo", "Send sample conversations through the whole of Goalline."),
    "judge": ("judging:judge", "Judge a labelled file; print accuracy, kappa and the confusion matrix."),
    "keys": ("keys:app", "API keys: create, list, revoke."),
    "projects": ("projects:app", "Projects (tenants): create, list, edit."),
    "goals": ("goals:app", "Goals: list, export, import into another project."),
    "sources": ("sources:app", "Sources: the platforms that send webhooks."),
    "subscriptions": ("subscriptions:app", "Subscriptions: who is told what happens."),
    "evaluations": ("evaluations:app", "Evaluations: list them, retry what failed."),
    "retention": ("retention:app", "Words of conversations that ended long ago: delete them."),
    "rollups": ("rollups:app", "The counts behind the rates: verify, rebuild."),
}
"""Every command: where it is found when it is called, and its line in the list of commands."""


class _Commands(TyperGroup):
    """Lists the commands by what is said of them above, and imports the one that is called."""

    def list_commands(self, _ctx: Any) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, _ctx: Any, name: str) -> TyperCommand | None:
        return TyperCommand(name, help=_COMMANDS[name][1]) if name in _COMMANDS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, _line, rest = super().resolve_command(ctx, args)
        return name, _load(name) if name else None, rest

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            from pydantic import ValidationError

            from goalline.cli.wording import first_fault

            if isinstance(error.__cause__, ValidationError):
                error.message = first_fault(error.__cause__)
            raise


def _load(name: str) -> Any:
    module, _, attribute = _COMMANDS[name][0].partition(":")
    found = getattr(import_module(f"goalline.cli.{module}"), attribute)
    # A Typer application of this one command: there is no public way to make a command alone.
    alone = typer.Typer(rich_markup_mode="markdown", add_completion=False)
    alone.callback()(lambda: None)
    if isinstance(found, typer.Typer):
        alone.add_typer(found, name=name)
    else:
        alone.command(name)(found)
    group: Any = typer.main.get_command(alone)
    return group.commands[name]


app = typer.Typer(
    name="goalline",
    cls=_Commands,
    help="""Tells the owner of an AI phone or chat agent whether each conversation did what it was for.

    Example: `goalline demo` shows all of it on sample data""",
    no_args_is_help=True,
    add_completion=False,
    # Locals hold keys and transcripts.
    pretty_exceptions_show_locals=False,
    rich_markup_mode="markdown",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"goalline {__version__}")
        raise typer.Exit


@app.callback()
def _goalline(
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass
