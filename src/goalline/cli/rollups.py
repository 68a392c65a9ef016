"""goalline rollups: verify, rebuild."""

from dataclasses import asdict
from typing import Any

import typer

from goalline.cli.console import load_settings, out, print_json
from goalline.cli.keys import AsJson
from goalline.cli.opening import opened
from goalline.store import rollups

app = typer.Typer(
    help="The counts behind the rates: verify, rebuild.\n\nExample: `goalline rollups verify`", no_args_is_help=True
)


@app.command()
def verify(as_json: AsJson = False) -> None:
    """Recount everything; status 1 when a stored count is not what the recount finds.

    Example: `goalline rollups verify`
    """
    with opened(load_settings()) as database, database.snapshot() as session:
        differences = [asdict(difference) for difference in rollups.differences(session)]
    if as_json:
        print_json({"differences": differences})
    elif differences:
        for difference in differences:
            out.print(_sentence(difference), soft_wrap=True, markup=False)
        out.print(f"{len(differences):,} counts differ; goalline rollups rebuild puts them right")
    else:
        out.print("every count is right")
    raise typer.Exit(1 if differences else 0)


@app.command()
def rebuild() -> None:
    """Replace all counts by a recount; safe while Goalline runs.

    Example: `goalline rollups rebuild`
    """
    with opened(load_settings()) as database, database.transaction() as session:
        rows = rollups.rebuild(session)
    out.print(f"recounted into {rows:,} rows")


def _sentence(difference: dict[str, Any]) -> str:
    place = ", ".join(f"{name} {value}" for name, value in difference["place"].items())
    return f"{place}: stored {difference['stored']}, recounted {difference['recounted']}"
