"""goalline projects: create, list, edit."""

from typing import Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError
from rich.table import Table

from goalline.cli.console import fail, load_settings, open_database, out, print_json, refusals
from goalline.cli.keys import AsJson, ProjectName
from goalline.domain.calendar import TimeZone
from goalline.domain.text import Line
from goalline.store import conversations, projects, rollups
from goalline.worker import utc_now

app = typer.Typer(
    help="Projects (tenants): create, list, edit.\n\nExample: `goalline projects list`", no_args_is_help=True
)

Zone = Annotated[str, typer.Option("--time-zone", help="IANA time zone whose days the rates are counted in.")]


@app.command()
def create(name: Annotated[str, typer.Argument(help="A name of your choice.")], time_zone: Zone = "UTC") -> None:
    """Create a project.

    Example: `goalline projects create clinic --time-zone Europe/Berlin`
    """
    with refusals(), open_database(load_settings()).transaction() as session:
        projects.create(session, _checked(Line, name), _checked(TimeZone, time_zone), utc_now())
    out.print(f"made project {name!r}; goalline keys create --project {name} makes a key for it", soft_wrap=True)


@app.command("list")
def list_projects(as_json: AsJson = False) -> None:
    """List projects.

    Example: `goalline projects list`
    """
    with refusals(), open_database(load_settings()).reading() as session:
        rows = projects.every(session)
    if as_json:
        print_json([{"name": row.name, "time_zone": row.time_zone, "id": str(row.id)} for row in rows])
        return
    table = Table("project", "time zone")
    for row in rows:
        table.add_row(row.name, row.time_zone)
    out.print(table)


@app.command()
def edit(time_zone: Zone, project: ProjectName = None) -> None:
    """Move a project to another time zone; every conversation's day and all counts are worked out anew.

    Example: `goalline projects edit --time-zone America/New_York`
    """
    zone = _checked(TimeZone, time_zone)
    with refusals(), open_database(load_settings()).transaction() as session:
        owner = projects.named(session, project)
        projects.move(session, owner, zone)
        moved = conversations.redate(session, owner.id, zone)
        rollups.rebuild(session)
    out.print(f"project {owner.name!r} counts its days in {zone} now; {moved:,} conversations moved to another day")


def _checked(kind: Any, value: str) -> str:
    try:
        checked: str = TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        fail(error.errors()[0]["msg"].removeprefix("Value error, "))
    return checked
