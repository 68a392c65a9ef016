"""The commands of Goalline."""

from typing import Annotated

import typer

from goalline import __version__
from goalline.cli import demo, judging, keys, projects, rollups, serve

app = typer.Typer(
    name="goalline",
    help="Tells the owner of an AI phone or chat agent whether each conversation did what it was for.",
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


app.command()(serve.serve)
app.command()(serve.worker)
app.command()(serve.migrate)
app.command("stand-in")(serve.stand_in)
app.command()(demo.demo)
app.command()(judging.judge)
app.add_typer(keys.app, name="keys")
app.add_typer(projects.app, name="projects")
app.add_typer(rollups.app, name="rollups")
