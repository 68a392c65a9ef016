"""goalline subscriptions: messages, redeliver, test."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.markup import escape
from rich.progress import Progress

from goalline import upkeep
from goalline.cli.batches import ringing, saying_how_far
from goalline.cli.console import AS_IS, err, load_settings, out, print_json
from goalline.cli.keys import AsJson, ProjectName
from goalline.cli.opening import opened
from goalline.cli.tables import folding, short_minute, table, whole
from goalline.domain.outbound.message import MessageStatus
from goalline.settings import Settings
from goalline.store import projects
from goalline.store.database import Database
from goalline.store.outbound import log, subscriptions, telling
from goalline.store.outbound.log import Told
from goalline.store.tables import Attempt, Subscription
from goalline.worker import Bell, utc_now

Name = Annotated[str, typer.Argument(metavar="NAME", help="The subscription's name.")]


def messages(
    name: Name,
    status: Annotated[MessageStatus | None, typer.Option(help="Only those of this status.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Only so many, the newest.")] = 50,
    project: ProjectName = None,
    as_json: AsJson = False,
) -> None:
    """List what a subscription was told and will be told, the newest first.

    Example: `goalline subscriptions messages crm --status failed --json`
    """
    with opened(load_settings()) as database, database.snapshot() as session:
        row = subscriptions.named(session, projects.named(session, project).id, name)
        found = log.listed(session, row.id, status=status, limit=limit)
    if as_json:
        print_json([_message(told) for told in found])
        return
    shown = table(whole("happened, UTC"), whole("message"), whole("status"), folding("last attempt"))
    for told in found:
        message = told.message
        happened = short_minute(message.occurred_at, UTC)
        shown.add_row(happened, f"{message.type}\n{message.id}", message.status, escape(_last(told.attempts)))
    out.print(shown)


def redeliver(
    name: Name,
    message_id: Annotated[
        UUID | None, typer.Argument(metavar="[MESSAGE_ID]", help="The message; without it, all that failed.")
    ] = None,
    project: ProjectName = None,
    as_json: AsJson = False,
) -> None:
    """Deliver a message again, or all that failed. Each keeps its id and says what is true by now.

    Example: `goalline subscriptions redeliver crm`
    """
    settings = load_settings()
    with opened(settings) as database, ringing(settings) as bell:
        with database.reading() as session:
            row = subscriptions.named(session, projects.named(session, project).id, name)
            failed = log.failed(session, row.id)
        if message_id is None:
            many = _redeliver_failed(database, bell, row, failed)
        else:
            with database.transaction() as session:
                log.redeliver(session, row.project_id, row.id, message_id, utc_now())
            many = 1
            bell.post.ring()
    if as_json:
        print_json({"messages": many})
        return
    out.print(f"{many:,} messages are delivered again")
    if many:
        _say_when(settings)


def try_out(name: Name, project: ProjectName = None, as_json: AsJson = False) -> None:
    """Send a message of type subscription.tested, to see whether it arrives.

    Example: `goalline subscriptions test crm`
    """
    settings = load_settings()
    with opened(settings) as database, ringing(settings) as bell:
        with database.transaction() as session:
            row = subscriptions.named(session, projects.named(session, project).id, name)
            row = subscriptions.awake(session, row.project_id, row.id)
            message_id = telling.test(session, row, utc_now())
            message = _message(log.get(session, row.project_id, row.id, message_id))
        bell.post.ring()
    if as_json:
        print_json(message)
        return
    out.print(f"message {message_id} waits to be sent; goalline subscriptions messages tells what came of it", **AS_IS)
    _say_when(settings)


def _say_when(settings: Settings) -> None:
    if settings.redis_url is None:
        found = f"a running goalline serve finds them within about {settings.sweep_seconds:g} seconds"
        out.print(f"{found}, another one when it starts", **AS_IS)


def _redeliver_failed(database: Database, bell: Bell, row: Subscription, failed: int) -> int:
    many = 0
    with (
        saying_how_far(lambda: f"{many:,} of {failed:,} messages are delivered again"),
        Progress(console=err, disable=not err.is_terminal) as progress,
    ):
        shown = progress.add_task("delivered again", total=failed)
        for some in upkeep.redeliver_failed(database, row.project_id, row.id, utc_now()):
            many += some
            bell.post.ring()
            progress.update(shown, completed=many)
    return many


def _message(told: Told) -> dict[str, Any]:
    message = told.message
    fields = ("id", "type", "conversation_id", "status")
    return {field: getattr(message, field) for field in fields} | {
        "occurred_at": written(message.occurred_at),
        "attempts": [_attempt(attempt) for attempt in told.attempts],
        "next_attempt_at": written(message.due_at if message.status is MessageStatus.WAITING else None),
        "ended_at": written(message.ended_at),
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    fields = ("number", "status", "milliseconds", "answer", "error")
    return {field: getattr(attempt, field) for field in fields} | {"at": written(attempt.at)}


def written(at: datetime | None) -> str | None:
    """Write a time for scripts."""
    return at.isoformat(timespec="seconds") if at else None


def _last(attempts: Sequence[Attempt]) -> str:
    if not attempts:
        return "none yet"
    last = attempts[-1]
    return f"{last.number}: {last.error or f'{last.status} in {last.milliseconds:,} ms'}"
