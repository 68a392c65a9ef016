"""goalline evaluations: list, retry."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from datetime import date, datetime, time
from enum import StrEnum
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.markup import escape
from rich.progress import Progress

from goalline import pipeline
from goalline.bootstrap import services
from goalline.cli.console import err, fail, load_settings, out, print_json
from goalline.cli.keys import AsJson, ProjectName
from goalline.cli.opening import opened
from goalline.cli.tables import folding, ids, minute, table, whole
from goalline.domain.evaluation import Reason, Status
from goalline.domain.refusal import Conflict, NotFound
from goalline.settings import Settings
from goalline.store import projects
from goalline.store.conversations import backlog
from goalline.store.conversations.backlog import Failed
from goalline.store.database import Database, DatabaseUnavailable
from goalline.store.tables import Project
from goalline.worker import Bell, utc_now

_PAGE = 1_000
_FIRST_YEAR, _LAST_YEAR = 2000, 9000
_WANTED = "must be a day such as 2026-11-21, or an RFC 3339 time with zone, from the year 2000 on"

app = typer.Typer(
    help="Evaluations that failed: list, retry.\n\nExample: `goalline evaluations list`", no_args_is_help=True
)


class State(StrEnum):
    """The state of a conversation's newest evaluation that these commands look for."""

    FAILED = Status.FAILED.value


OfState = Annotated[State, typer.Option("--state", help="State of the newest evaluation; only failed so far.")]
OfReason = Annotated[Reason | None, typer.Option("--reason", help="Only those that failed for this reason.")]
Since = Annotated[
    str | None,
    typer.Option(
        "--since", help="Only conversations that ended since: a day of the project (2026-11-21), or a time with zone."
    ),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Only so many, those that ended last.")]


@app.command("list")
def list_evaluations(
    _state: OfState = State.FAILED,
    reason: OfReason = None,
    since: Since = None,
    limit: Limit = None,
    project: ProjectName = None,
    as_json: AsJson = False,
) -> None:
    """List conversations whose newest evaluation has failed, the one that ended last first.

    Example: `goalline evaluations list --state failed --reason unauthorized --since 2026-11-21`
    """
    began = _parsed(since)
    with opened(load_settings()) as database:
        found = _found(database, _named(database, project), reason, began, limit)
    if as_json:
        print_json([_written(failed) for failed in found])
        return
    # What does not fit into 80 columns beside a long id (model, attempts, time of failure) --json has.
    shown = table(
        whole("ended, UTC"),
        ids("conversation", [failed.conversation_id for failed in found]),
        folding("agent"),
        whole("reason"),
    )
    for failed in found:
        cells = (failed.conversation_id, failed.agent_id, failed.reason)
        shown.add_row(minute(failed.ended_at), *(escape(str(cell or "")) for cell in cells))
    if found:
        out.print(shown)
    out.print(f"{len(found):,} failed")
    for met in sorted({failed.reason for failed in found}):
        out.print(f"{met}: {met.explanation}", soft_wrap=True, markup=False)


@app.command()
def retry(
    _state: OfState = State.FAILED,
    reason: OfReason = None,
    since: Since = None,
    limit: Limit = None,
    project: ProjectName = None,
    as_json: AsJson = False,
) -> None:
    """Judge again every conversation whose newest evaluation has failed. What fails again is paid again.

    Example: `goalline evaluations retry --state failed --reason unavailable --since 2026-11-21T08:00:00Z`
    """
    began, settings = _parsed(since), load_settings()
    with opened(settings) as database:
        owner = _named(database, project)
        queued = _judge_again(database, settings, owner, _found(database, owner, reason, began, limit))
    if as_json:
        print_json({"queued": queued})
        return
    out.print(f"{queued:,} conversations are queued to be judged again")
    if queued and settings.redis_url is None:
        out.print("a running goalline serve finds them within about a minute, another one when it starts")


def _judge_again(database: Database, settings: Settings, owner: Project, found: list[Failed]) -> int:
    queued, bell = 0, Bell(services(settings))
    try:
        with Progress(console=err) as progress:
            for failed in progress.track(found, description="queued"):
                # By the platform's id: Goalline's own might be another conversation's name at the platform.
                with suppress(NotFound, Conflict):  # deleted meanwhile, or its words were
                    receipt = pipeline.judge_again(database, owner.id, failed.conversation_id, utc_now())
                    bell.ring([receipt.evaluation_id])
                    queued += 1
    except DatabaseUnavailable as error:
        fail(
            f"the database is not available ({error}); {queued:,} of {len(found):,} conversations were queued,"
            " run the command again for the others"
        )
    finally:
        bell.close(settings.shutdown_seconds)
    return queued


def _found(
    database: Database, owner: Project, reason: Reason | None, since: date | None, limit: int | None
) -> list[Failed]:
    began = _moment(since, owner.time_zone) if since else None
    found: list[Failed] = []
    while limit is None or len(found) < limit:
        after = (found[-1].ended_at, found[-1].id) if found else None
        size = _PAGE if limit is None else min(_PAGE, limit - len(found))
        with database.reading() as session:
            page = backlog.failed(session, owner.id, reason=reason, since=began, after=after, limit=size)
        found += page
        if len(page) < size:
            break
    return found


def _named(database: Database, project: str | None) -> Project:
    with database.reading() as session:
        return projects.named(session, project)


def _parsed(since: str | None) -> date | None:
    """Return a day, or a time with zone (a datetime is a date too)."""
    readers: tuple[Callable[[str], date], ...] = (date.fromisoformat, datetime.fromisoformat)
    for read in readers if since else ():
        with suppress(ValueError):
            moment = read(since or "")
            if _FIRST_YEAR <= moment.year < _LAST_YEAR and getattr(moment, "tzinfo", True):
                return moment
    return None if since is None else fail(f"--since: {_WANTED}")


def _moment(since: date, time_zone: str) -> datetime:
    return since if isinstance(since, datetime) else datetime.combine(since, time(), ZoneInfo(time_zone))


def _written(failed: Failed) -> dict[str, Any]:
    row = asdict(failed)
    times = {name: row[name].isoformat(timespec="seconds") for name in ("ended_at", "finished_at")}
    return row | times
