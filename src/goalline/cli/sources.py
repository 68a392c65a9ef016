"""goalline sources: create, list, rotate, enable, disable, delete, try, key."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ConfigDict, ValidationError
from rich.markup import escape

from goalline import bootstrap
from goalline.cli import files
from goalline.cli.console import AS_IS, checked, fail, load_settings, out, print_json
from goalline.cli.keys import AsJson, ProjectName
from goalline.cli.opening import opened
from goalline.cli.tables import folding, table, whole
from goalline.cli.wording import plain
from goalline.domain import platforms
from goalline.domain.platforms import PlatformName
from goalline.domain.platforms.platform import Heard, Options
from goalline.domain.refusal import Refusal
from goalline.domain.source import SourceDraft, SourceEdit, ToolEvent, events_of, options_of
from goalline.domain.text import Line
from goalline.store import projects, sources
from goalline.store.tables import Source
from goalline.store.vault import new_key
from goalline.worker import utc_now

app = typer.Typer(
    help="Sources: the platforms that send webhooks.\n\nExample: `goalline sources create phones --platform retell`",
    no_args_is_help=True,
)

Platform = Annotated[PlatformName, typer.Option(help="Whose webhooks they are.")]
SecretFile = Annotated[
    str | None,
    typer.Option(
        "--secret-file", metavar="FILE", help="Where the platform's secret stands; - is standard input. None: make one."
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(help="A JSON file with `options` of the platform and `tool_events`; see docs/platforms."),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The source's name.")]


class _Config(BaseModel):
    """What a file can set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    options: dict[str, Any] = {}
    tool_events: tuple[ToolEvent, ...] = ()


@app.command()
def create(
    name: Name,
    platform: Platform,
    secret_file: SecretFile = None,
    config: Config = None,
    project: ProjectName = None,
    as_json: AsJson = False,
) -> None:
    """Create a source, and show the address that its platform has to be given.

    Example: `goalline sources create phones --platform retell --secret-file retell.key`
    """
    settings, read = load_settings(), _config(config)
    _options(platform, read)
    draft = SourceDraft(
        name=checked(Line, name, "NAME"),
        platform=platform,
        secret=files.secret(secret_file),
        options=read.options,
        tool_events=read.tool_events,
    )
    with opened(settings) as database, database.transaction() as session:
        owner = projects.named(session, project)
        source, made = sources.create(session, bootstrap.vault(settings), owner.id, draft, utc_now())
    _show_made(source, made, as_json=as_json)


@app.command("list")
def list_sources(project: ProjectName = None, as_json: AsJson = False) -> None:
    """List sources, oldest first.

    Example: `goalline sources list --json`
    """
    with opened(load_settings()) as database, database.reading() as session:
        rows = sources.every(session, projects.named(session, project).id)
    if as_json:
        print_json([_told(row) for row in rows])
        return
    shown = table(folding("source"), folding("platform"), whole("address"))
    for row in rows:
        platform = row.platform if row.enabled else f"{row.platform}, disabled"
        shown.add_row(escape(row.name), platform, _address(row))
    out.print(shown)


@app.command()
def rotate(
    name: Name,
    secret_file: SecretFile = None,
    overlap_hours: Annotated[int, typer.Option(min=0, max=720, help="How long the secrets before stay valid.")] = 24,
    project: ProjectName = None,
    as_json: AsJson = False,
) -> None:
    """Give a source a new secret; the one before stays valid for a while.

    Example: `goalline sources rotate phones --overlap-hours 48`
    """
    settings, secret = load_settings(), files.secret(secret_file)
    with opened(settings) as database, database.transaction() as session:
        source = sources.named(session, projects.named(session, project).id, name)
        overlap = timedelta(hours=overlap_hours)
        vault = bootstrap.vault(settings)
        source, made = sources.rotate(session, vault, source.project_id, source.id, secret, utc_now(), overlap)
    _show_made(source, made, as_json=as_json)


@app.command()
def disable(name: Name, project: ProjectName = None) -> None:
    """Take no more webhooks from a source.

    Example: `goalline sources disable phones`
    """
    _edit(name, project, SourceEdit(enabled=False), "is disabled")


@app.command()
def enable(name: Name, project: ProjectName = None) -> None:
    """Take webhooks from a source again.

    Example: `goalline sources enable phones`
    """
    _edit(name, project, SourceEdit(enabled=True), "is enabled")


@app.command()
def delete(name: Name, project: ProjectName = None) -> None:
    """Delete a source; what it has sent stays.

    Example: `goalline sources delete phones`
    """
    with opened(load_settings()) as database, database.transaction() as session:
        source = sources.named(session, projects.named(session, project).id, name)
        sources.delete(session, source.project_id, source.id)
    out.print(f"source {name!r} is deleted; what it has sent stays", **AS_IS)


@app.command("try")
def try_file(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A webhook's body; - is standard input.")],
    platform: Platform,
    config: Config = None,
) -> None:
    """Show what a webhook's body would become, as JSON, without storing anything and without looking at a signature.

    Example: `goalline sources try fixtures/webhooks/retell/call_ended.json --platform retell`
    """
    read = _config(config)
    options = _options(platform, read)
    try:
        body = json.loads(files.content(file, "FILE"))
        heard = platforms.BY_NAME[platform].parse(body, utc_now(), options)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        fail(": ".join([file, ".".join(map(str, first["loc"])), plain(first)]))
    except (ValueError, RecursionError):
        fail(f"{file} is no JSON")
    typer.echo(json.dumps(_seen(heard, read.tool_events), indent=2, ensure_ascii=False))


@app.command()
def key() -> None:
    """Print a new key for GOALLINE_ENCRYPTION_KEYS, under which the secrets of sources are encrypted.

    Example: `export GOALLINE_ENCRYPTION_KEYS=$(goalline sources key)`
    """
    typer.echo(new_key())


def _seen(heard: Heard, tool_events: tuple[ToolEvent, ...]) -> dict[str, Any]:
    told = heard.delivery or heard.underway
    if told is None:
        return {"ignored": heard.needless}
    return {
        "conversation" if heard.delivery else "underway": told.model_dump(mode="json", exclude_none=True),
        "tool_calls": [
            {"id": call.id, "name": call.name, "at": call.at and call.at.isoformat()} for call in heard.calls
        ],
        "events": [event.model_dump(mode="json", exclude_none=True) for event in events_of(heard, tool_events)],
    }


def _edit(name: str, project: str | None, change: SourceEdit, done: str) -> None:
    with opened(load_settings()) as database, database.transaction() as session:
        source = sources.named(session, projects.named(session, project).id, name)
        sources.edit(session, source.project_id, source.id, change)
    out.print(f"source {name!r} {done}", **AS_IS)


def _show_made(source: Source, made: str | None, *, as_json: bool) -> None:
    if as_json:
        print_json(_told(source) | {"secret": made})
        return
    out.print(f"source {source.name!r} of platform {source.platform}; its webhooks go to\n", **AS_IS)
    out.print(f"    https://YOUR-SERVER{_address(source)}\n", **AS_IS)
    if made:
        out.print(f"Its secret, shown this once:\n\n    {made}\n", **AS_IS)


def _told(source: Source) -> dict[str, Any]:
    fields = ("id", "name", "platform", "enabled", "options", "tool_events", "created_at")
    return {field: getattr(source, field) for field in fields} | {"url": _address(source)}


def _address(source: Source) -> str:
    return f"/v1/hooks/{source.id}"


def _config(file: Path | None) -> _Config:
    if file is None:
        return _Config()
    try:
        return _Config.model_validate_json(files.content(str(file), "--config"))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        fail(": ".join(["--config", str(file), *filter(None, [".".join(map(str, first["loc"]))]), plain(first)]))


def _options(platform: PlatformName, config: _Config) -> Options:
    try:
        return options_of(platform, config.options)
    except Refusal as refusal:
        fail(f"{refusal.field}: {refusal.detail}")
