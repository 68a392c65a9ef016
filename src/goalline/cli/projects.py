"""goalline projects: create, list, edit."""

from shlex import quote
from typing import Annotated

import typer
from rich.markup import escape

from goalline.cli.console import checked, load_settings, out, print_json
from goalline.cli.keys import AsJson, ProjectName
from goalline.cli.opening import opened
from goalline.cli.tables import folding, table, whole
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
    name, zone = checked(Line, name, "NAME"), checked(TimeZone, time_zone, "--time-zone")
    with opened(load_settings()) as database, database.transaction() as session:
        projects.create(session, name, zone, utc_now())
    advice = f"goalline keys create --project {quote(name)} --scope ingest makes a key for it"
    out.print(f"made project {name!r}; {advice}", soft_wrap=True, markup=False)


@app.command("list")
def list_projects(as_json: AsJson = False) -> None:
    """List projects.

    Example: `goalline projects list`
    """
    with opened(load_settings()) as database, database.reading() as session:
        rows = projects.every(session)
    if as_json:
        print_json([{"name": row.name, "time_zone": row.time_zone, "id": str(row.id)} for row in rows])
        return
    shown = table(folding("project"), whole("time zone"))
    for row in rows:
        shown.add_row(escape(row.name), row.time_zone)
    out.print(shown)


@app.command()
def edit(time_zone: Zone, project: ProjectName = None) -> None:
    """Move a project to another time zone; every conversation's day and all counts are worked out anew.

    Example: `goalline projects edit --time-zone America/New_York`
    """
    zone = checked(TimeZone, time_zone, "--time-zone")
    with opened(load_settings()) as database, database.transaction() as session:
        owner = projects.named(session, project)
        projects.move(session, owner, zone)
        moved = conversations.redate(session, owner.id, zone)
        rollups.rebuild(session)
    out.print(
        f"project {owner.name!r} counts its days in {zone} now; {moved:,} conversations moved to another day",
        soft_wrap=True,
        markup=False,
    )
