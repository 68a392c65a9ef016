"""goalline evaluations: list, retry."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from goalline import upkeep
from goalline.cli.batches import ringing, saying_how_far
from goalline.cli.console import err, fail, load_settings, out, print_json
from goalline.cli.keys import AsJson, ProjectName
from goalline.cli.opening import opened
from goalline.cli.tables import folding, ids, minute, short_minute, table, whole
from goalline.domain.calendar import day_or_time
from goalline.domain.evaluation import Reason, Status
from goalline.settings import Settings
from goalline.store import projects
from goalline.store.conversations import backlog
from goalline.store.conversations.backlog import BacklogFilter, Listed
from goalline.store.database import Database
from goalline.store.tables import Project
from goalline.worker import utc_now

_PAGE = 1_000
_BATCH = 250
"""How many conversations are queued in one transaction, for which other writers wait on SQLite."""


app = typer.Typer(
    help="Evaluations that wait, run, failed or were skipped: list them, retry what failed.\n\n"
    "Example: `goalline evaluations list`",
    no_args_is_help=True,
)


class State(StrEnum):
    """The state of a conversation's newest evaluation that these commands look for."""

    QUEUED = Status.QUEUED.value
    RUNNING = Status.RUNNING.value
    FAILED = Status.FAILED.value
    SKIPPED = Status.SKIPPED.value


_NOT_RETRIED = {
    State.QUEUED: "what is queued is going to be judged already",
    State.RUNNING: "what is running is being judged already",
    State.SKIPPED: "what was skipped is not judged again: it has no words, or no goal was in force when it ended, and"
    " judging it again would not change that",
}

OfState = Annotated[State, typer.Option("--state", help="State of the newest evaluation.")]
OfReason = Annotated[Reason | None, typer.Option("--reason", help="Only those with this reason.")]
Since = Annotated[
    str | None,
    typer.Option(
        "--since", help="Only conversations that ended since: a day of the project (2026-11-21), or a time with zone."
    ),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Only so many, those that ended last.")]


@app.command("list")
def list_evaluations(
    state: OfState = State.FAILED,
    reason: OfReason = None,
    since: Since = None,
    limit: Limit = None,
    project: ProjectName = None,
    as_json: AsJson = False,
) -> None:
    """List conversations by the state of their newest evaluation, the one that ended last first.

    Example: `goalline evaluations list --state failed --reason unauthorized --since 2026-11-21`
    """
    began = _parsed(since)
    with opened(load_settings()) as database:
        owner = _named(database, project)
        found = _found(database, owner, _wanted(owner, state, reason, began), limit)
    if as_json:
        print_json([_written(row) for row in found])
        return
    if found:
        out.print(_WAITING[state](found) if state in _WAITING else _ended(found))
    oldest = min((row.evaluation.created_at for row in found), default=None)
    waiting = f", the oldest since {minute(oldest)} UTC" if oldest and state in _WAITING else ""
    out.print(f"{len(found):,} {state}{waiting}")
    for met in sorted({row.evaluation.reason for row in found if row.evaluation.reason}):
        out.print(f"{met}: {met.explanation}", soft_wrap=True, markup=False)


@app.command()
def retry(
    state: OfState = State.FAILED,
    reason: OfReason = None,
    since: Since = None,
    limit: Limit = None,
    project: ProjectName = None,
    as_json: AsJson = False,
) -> None:
    """Judge again every conversation whose newest evaluation has failed. What fails again is paid again.

    Example: `goalline evaluations retry --state failed --reason unavailable --since 2026-11-21T08:00:00Z`
    """
    if state is not State.FAILED:
        fail(f"--state: {_NOT_RETRIED[state]}; only failed ones are")
    began, settings = _parsed(since), load_settings()
    with opened(settings) as database:
        owner = _named(database, project)
        wanted = _wanted(owner, state, reason, began)
        queued, passed_over = _judge_again(database, settings, owner, wanted, limit)
    if as_json:
        print_json({"queued": queued, "passed_over": passed_over})
        return
    out.print(f"{queued:,} conversations are queued to be judged again")
    if passed_over:
        out.print(
            f"{passed_over:,} were passed over: queued or deleted by somebody else meanwhile, or of contacts that are"
            " deactivated",
            soft_wrap=True,
        )
    if queued and settings.redis_url is None:
        out.print("a running goalline serve finds them within about a minute, another one when it starts")


def _judge_again(
    database: Database, settings: Settings, owner: Project, wanted: BacklogFilter, limit: int | None
) -> tuple[int, int]:
    with database.reading() as session:
        found = backlog.left(session, owner.id, wanted)
    total = found if limit is None else min(found, limit)
    queued = passed_over = 0
    after = None
    with (
        ringing(settings) as bell,
        saying_how_far(lambda: f"{queued:,} of {total:,} conversations were queued"),
        Progress(console=err, disable=not err.is_terminal) as progress,
    ):
        shown = progress.add_task("queued", total=total)
        while looked_at := min(_BATCH, total - queued - passed_over):
            done = upkeep.retry(database, owner.id, wanted, utc_now(), after=after, limit=looked_at)
            bell.ring(done.evaluation_ids)
            queued += len(done.evaluation_ids)
            passed_over += done.passed_over
            progress.update(shown, completed=queued + passed_over)
            after = done.after
            if after is None:
                break
    return queued, passed_over


def _wanted(owner: Project, state: State, reason: Reason | None, since: date | None) -> BacklogFilter:
    began = _moment(since, owner.time_zone) if since else None
    return BacklogFilter(Status(state), reason, ended_from=began)


def _found(database: Database, owner: Project, wanted: BacklogFilter, limit: int | None) -> list[Listed]:
    found: list[Listed] = []
    while limit is None or len(found) < limit:
        size = _PAGE if limit is None else min(_PAGE, limit - len(found))
        with database.reading() as session:
            page = backlog.page(session, owner.id, wanted, after=found[-1].place if found else None, limit=size)
        found += page
        if len(page) < size:
            break
    return found


def _named(database: Database, project: str | None) -> Project:
    with database.reading() as session:
        return projects.named(session, project)


def _parsed(since: str | None) -> date | None:
    try:
        return None if since is None else day_or_time(since)
    except ValueError as error:
        fail(f"--since: {error}")


def _moment(since: date, time_zone: str) -> datetime:
    return since if isinstance(since, datetime) else datetime.combine(since, time(), ZoneInfo(time_zone))


# Each fits into 80 columns beside an id as long as a UUID; what does not (model, attempts) --json has.
def _ended(found: Sequence[Listed]) -> Table:
    shown = table(whole("ended, UTC"), _conversations(found), folding("agent"), whole("reason"))
    for row in found:
        cells = (row.conversation_id, row.agent_id, row.evaluation.reason)
        shown.add_row(minute(row.ended_at), *(escape(str(cell or "")) for cell in cells))
    return shown


def _queued(found: Sequence[Listed]) -> Table:
    shown = table(whole("since, UTC"), _conversations(found), whole("reason"), whole("next, UTC"))
    for row in found:
        reason, due_at = row.evaluation.reason, row.evaluation.due_at
        # One that was not tried yet is next as soon as somebody has time for it.
        cells = (reason, short_minute(due_at, UTC)) if reason else ("", "")
        shown.add_row(short_minute(row.evaluation.created_at, UTC), escape(row.conversation_id), *cells)
    return shown


def _running(found: Sequence[Listed]) -> Table:
    shown = table(whole("queued, UTC"), _conversations(found), whole("attempt"), whole("lease, UTC"))
    for row in found:
        cells = (str(row.evaluation.attempts), short_minute(row.evaluation.ring_at, UTC))
        shown.add_row(short_minute(row.evaluation.created_at, UTC), escape(row.conversation_id), *cells)
    return shown


_WAITING: dict[State, Callable[[Sequence[Listed]], Table]] = {State.QUEUED: _queued, State.RUNNING: _running}


def _conversations(found: Sequence[Listed]) -> Any:
    return ids("conversation", [row.conversation_id for row in found])


def _written(row: Listed) -> dict[str, Any]:
    run = row.evaluation
    waits = run.status is Status.QUEUED and run.reason
    times = {
        "ended_at": row.ended_at,
        "created_at": run.created_at,
        "next_attempt_at": run.due_at if waits else None,
        "finished_at": run.finished_at,
    }
    return {
        "id": row.id,
        "conversation_id": row.conversation_id,
        "agent_id": row.agent_id,
        "evaluation_id": run.id,
        "status": run.status,
        "reason": run.reason,
        "model": run.model,
        "attempts": run.attempts,
        **{name: at and at.isoformat(timespec="seconds") for name, at in times.items()},
    }
