"""goalline keys: create, list, revoke."""

from datetime import timedelta
from typing import Annotated

import typer
from rich.markup import escape

from goalline.cli.console import checked, fail, load_settings, out, print_json
from goalline.cli.opening import opened
from goalline.cli.tables import folding, minute, table, whole
from goalline.domain.key import Scope
from goalline.domain.refusal import NotFound
from goalline.domain.text import Line
from goalline.store import projects
from goalline.worker import utc_now

app = typer.Typer(
    help="API keys: create, list, revoke.\n\nExample: `goalline keys create --scope ingest`", no_args_is_help=True
)

ProjectName = Annotated[str | None, typer.Option("--project", help="The project; needed where there are several.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


@app.command()
def create(
    scope: Annotated[Scope, typer.Option(help="What the key may do; admin includes the other two.")],
    name: Annotated[str, typer.Option(help="What the key is for.")] = "unnamed",
    expires_in_days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="Days until it ends; without this it never does.")
    ] = None,
    project: ProjectName = None,
    as_json: AsJson = False,
) -> None:
    """Create a key and show it, this once.

    Example: `goalline keys create --scope ingest --name "phone platform"`
    """
    settings = load_settings()
    lifetime = timedelta(days=expires_in_days) if expires_in_days else None
    name = checked(Line, name, "--name")
    with opened(settings) as database, database.transaction() as session:
        if project is None:
            projects.first(session, settings.time_zone, settings.currency, utc_now())
        owner = projects.named(session, project)
        key = projects.create_key(session, owner.id, name, scope, utc_now(), lifetime=lifetime)
    if as_json:
        print_json({"key": key})
    else:
        out.print(f"{scope} key of project {owner.name!r}; it is shown this once:\n", markup=False)
        out.print(f"    {key}\n", highlight=False, soft_wrap=True)


@app.command("list")
def list_keys(project: ProjectName = None, as_json: AsJson = False) -> None:
    """List keys by the part that is not secret.

    Example: `goalline keys list --json`
    """
    with opened(load_settings()) as database, database.reading() as session:
        rows = projects.keys_of(session, projects.named(session, project).id)
    now = utc_now()
    listed = [
        {
            "key": f"gl_{row.prefix}_...",
            "name": row.name,
            "scope": row.scope.value,
            "created_at": row.created_at.isoformat(timespec="seconds"),
            "expires_at": row.expires_at.isoformat(timespec="seconds") if row.expires_at else None,
            "state": "revoked"
            if row.revoked_at
            else "expired"
            if row.expires_at and row.expires_at <= now
            else "valid",
        }
        for row in rows
    ]
    if as_json:
        print_json(listed)
        return
    shown = table(
        *(whole("key"), folding("name"), whole("scope"), whole("created, UTC"), whole("expires, UTC"), whole("state"))
    )
    for row, stored in zip(listed, rows, strict=True):
        expires = minute(stored.expires_at) if stored.expires_at else "never"
        name, scope, state = (escape(str(row[cell])) for cell in ("name", "scope", "state"))
        shown.add_row(f"gl_{stored.prefix}", name, scope, minute(stored.created_at), expires, state)
    out.print(shown)


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(help="The key, or the beginning of it that goalline keys list shows.")],
    project: ProjectName = None,
) -> None:
    """Revoke a key, and the browser sign-ins made with it, at once and for good.

    Example: `goalline keys revoke gl_Ab3dEf6hIj9k`
    """
    prefix = key.removeprefix("gl_").split("_")[0]
    with opened(load_settings()) as database, database.transaction() as session:
        owner = projects.named(session, project)
        try:
            projects.revoke_key(session, owner.id, prefix, utc_now())
        except NotFound:
            # As it was typed; but what may be the secret part of a key is not repeated.
            typed = f"gl_{prefix}_..." if "_" in key.removeprefix("gl_") else key
            fail(f"project {owner.name!r} has no key {typed}; goalline keys list shows those it has")
    out.print(f"gl_{prefix}_... is revoked", markup=False)
