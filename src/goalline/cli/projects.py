"""goalline projects: create, list, edit."""

from shlex import quote
from typing import Annotated

import typer
from rich.markup import escape

from goalline.cli.console import checked, fail, load_settings, out, print_json
from goalline.cli.keys import AsJson, ProjectName
from goalline.cli.opening import opened
from goalline.cli.tables import folding, table, whole
from goalline.domain.calendar import TimeZone
from goalline.domain.money import DEFAULT_CURRENCY, Currency
from goalline.domain.text import Line
from goalline.store import projects, rollups
from goalline.store.conversations import conversations
from goalline.worker import utc_now

app = typer.Typer(
    help="Projects (tenants): create, list, edit.\n\nExample: `goalline projects list`", no_args_is_help=True
)

_ZONE = typer.Option("--time-zone", help="IANA time zone whose days the rates are counted in.")
_CURRENCY = typer.Option("--currency", help="Currency (ISO 4217) of the amounts that steps carry.")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="A name of your choice.")],
    time_zone: Annotated[str, _ZONE] = "UTC",
    currency: Annotated[str, _CURRENCY] = DEFAULT_CURRENCY,
) -> None:
    """Create a project.

    Example: `goalline projects create clinic --time-zone Europe/Berlin --currency EUR`
    """
    name, zone = checked(Line, name, "NAME"), checked(TimeZone, time_zone, "--time-zone")
    coin = checked(Currency, currency, "--currency")
    with opened(load_settings()) as database, database.transaction() as session:
        projects.create(session, name, zone, utc_now(), currency=coin)
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
        fields = ("name", "time_zone", "currency", "id")
        print_json([{field: getattr(row, field) for field in fields} for row in rows])
        return
    shown = table(folding("project"), whole("time zone"), whole("currency"))
    for row in rows:
        shown.add_row(escape(row.name), row.time_zone, row.currency)
    out.print(shown)


@app.command()
def edit(
    time_zone: Annotated[str | None, _ZONE] = None,
    currency: Annotated[str | None, _CURRENCY] = None,
    project: ProjectName = None,
) -> None:
    """Give a project another time zone, for which all its days and counts are worked out anew, or another currency.

    Amounts are not converted: where steps have or had any, the currency stays.

    Example: `goalline projects edit --time-zone America/New_York`
    """
    zone = checked(TimeZone, time_zone, "--time-zone") if time_zone is not None else None
    coin = checked(Currency, currency, "--currency") if currency is not None else None
    if zone is None and coin is None:
        fail("nothing to change; name --time-zone, --currency or both")
    done = []
    with opened(load_settings()) as database, database.transaction() as session:
        owner = projects.named(session, project)
        if coin is not None:
            projects.change_currency(session, owner.id, coin)
            done.append(f"project {owner.name!r} has its amounts in {coin} now")
        if zone is not None:
            projects.move(session, owner, zone)
            moved = conversations.redate(session, owner.id, zone)
            rollups.rebuild(session)
            done.append(
                f"project {owner.name!r} counts its days in {zone} now; {moved:,} conversations moved to another day, "
                "and all that events count was counted anew"
            )
    for line in done:
        out.print(line, soft_wrap=True, markup=False)
