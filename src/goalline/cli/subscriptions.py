"""goalline subscriptions: create, list, messages, redeliver, rotate, enable, disable, delete, test."""

from datetime import timedelta
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.markup import escape

from goalline import bootstrap
from goalline.cli import files, messages
from goalline.cli.batches import ringing
from goalline.cli.console import AS_IS, fail, load_settings, out, print_json
from goalline.cli.keys import AsJson, ProjectName
from goalline.cli.messages import Name, written
from goalline.cli.opening import opened
from goalline.cli.tables import figures, folding, minute, table
from goalline.cli.wording import plain
from goalline.domain.outbound.message import MessageType
from goalline.domain.outbound.subscription import SubscriptionDraft, SubscriptionEdit
from goalline.store import projects
from goalline.store.database import Database
from goalline.store.outbound import log, subscriptions
from goalline.store.tables import Subscription
from goalline.worker import utc_now

_OPTIONS = {
    "name": "NAME",
    "url": "--url",
    "types": "--type",
    "agent_id": "--agent",
    "threshold": "--rate-threshold",
    "conversations": "--rate-conversations",
    "recovery": "--rate-recovery",
}

app = typer.Typer(
    help="Subscriptions: who is told what happens, by signed webhooks.\n\n"
    "Example: `goalline subscriptions messages crm --status failed`",
    no_args_is_help=True,
)

SecretFile = Annotated[
    str | None,
    typer.Option(
        "--secret-file", metavar="FILE", help="Where the new secret stands; - is standard input. None: make one."
    ),
]


@app.command()
def create(
    name: Name,
    url: Annotated[str, typer.Option(help="Where messages are posted to.")],
    types: Annotated[list[MessageType], typer.Option("--type", help="What to tell; repeat it for several.")],
    agent: Annotated[str | None, typer.Option(help="Tell of this agent alone.")] = None,
    thin: Annotated[bool, typer.Option("--thin", help="Send no words of anybody, and no contact.")] = False,
    rate_threshold: Annotated[
        float | None, typer.Option(help="rate.dropped: told when the success rate falls below it, 0 to 1.")
    ] = None,
    rate_conversations: Annotated[
        int | None, typer.Option(help="rate.dropped: over so many conversations; 50 unless said otherwise.")
    ] = None,
    rate_recovery: Annotated[
        float | None, typer.Option(help="rate.dropped: recovered from here on; 0.05 above unless said otherwise.")
    ] = None,
    secret_file: SecretFile = None,
    project: ProjectName = None,
    as_json: AsJson = False,
) -> None:
    """Subscribe an address to what happens, and show the secret that its messages are signed with, this once.

    Example: `goalline subscriptions create crm --url https://crm.example.com/hooks --type goal.achieved`
    """
    settings = load_settings()
    rule = {"threshold": rate_threshold, "conversations": rate_conversations, "recovery": rate_recovery}
    described = {"name": name, "url": url, "types": types, "agent_id": agent, "thin": thin}
    draft = _draft(described, {field: value for field, value in rule.items() if value is not None})
    draft = draft.model_copy(update={"secret": files.secret(secret_file)})
    with opened(settings) as database, database.transaction() as session:
        owner = projects.named(session, project)
        subscription, made = subscriptions.create(session, bootstrap.vault(settings), owner.id, draft, utc_now())
    _show_made(subscription, made, as_json=as_json)


@app.command("list")
def list_subscriptions(project: ProjectName = None, as_json: AsJson = False) -> None:
    """List subscriptions, oldest first, with how many messages wait and how their receivers are.

    Example: `goalline subscriptions list --json`
    """
    with opened(load_settings()) as database, database.reading() as session:
        rows = subscriptions.every(session, projects.named(session, project).id)
        waiting = log.waiting(session, [row.id for row in rows])
    if as_json:
        print_json([_told(row) | {"waiting": waiting.get(row.id, 0)} for row in rows])
        return
    shown = table(folding("subscription"), folding("told of"), folding("address"), figures("waiting"), folding("state"))
    for row in rows:
        cells = (row.name, ", ".join(row.types), row.url, f"{waiting.get(row.id, 0):,}", _state(row))
        shown.add_row(*map(escape, cells))
    out.print(shown)


@app.command()
def rotate(
    name: Name,
    secret_file: SecretFile = None,
    overlap_hours: Annotated[
        int, typer.Option(min=0, max=720, help="How long messages are signed with those before as well.")
    ] = 24,
    project: ProjectName = None,
    as_json: AsJson = False,
) -> None:
    """Give a subscription a new secret; messages are signed with both for a while.

    Example: `goalline subscriptions rotate crm --overlap-hours 48`
    """
    settings, secret = load_settings(), files.secret(secret_file)
    with opened(settings) as database, database.transaction() as session:
        row = subscriptions.named(session, projects.named(session, project).id, name)
        vault, overlap = bootstrap.vault(settings), timedelta(hours=overlap_hours)
        row, made = subscriptions.rotate(session, vault, row.project_id, row.id, secret, utc_now(), overlap)
    _show_made(row, made, as_json=as_json)


@app.command()
def disable(name: Name, project: ProjectName = None) -> None:
    """Tell a subscription nothing more; what waits for it waits until it is enabled.

    Example: `goalline subscriptions disable crm`
    """
    settings = load_settings()
    with opened(settings) as database:
        _edit(database, name, project, SubscriptionEdit(enabled=False))
    out.print(f"subscription {name!r} is disabled", **AS_IS)


@app.command()
def enable(name: Name, project: ProjectName = None) -> None:
    """Tell a subscription what happens again, and at once what has been waiting for it.

    Example: `goalline subscriptions enable crm`
    """
    settings = load_settings()
    with opened(settings) as database, ringing(settings) as bell:
        _edit(database, name, project, SubscriptionEdit(enabled=True))
        bell.post.ring()
    out.print(f"subscription {name!r} is enabled", **AS_IS)


@app.command()
def delete(name: Name, project: ProjectName = None) -> None:
    """Delete a subscription, with all that it was told and would have been told.

    Example: `goalline subscriptions delete crm`
    """
    with opened(load_settings()) as database, database.transaction() as session:
        row = subscriptions.named(session, projects.named(session, project).id, name)
        subscriptions.delete(session, row.project_id, row.id)
    out.print(f"subscription {name!r} is deleted, with its messages", **AS_IS)


app.command("messages")(messages.messages)
app.command("redeliver")(messages.redeliver)
app.command("test")(messages.try_out)


def _edit(database: Database, name: str, project: str | None, change: SubscriptionEdit) -> None:
    with database.transaction() as session:
        row = subscriptions.named(session, projects.named(session, project).id, name)
        subscriptions.edit(session, row.project_id, row.id, change, utc_now())


def _draft(described: dict[str, Any], rule: dict[str, Any]) -> SubscriptionDraft:
    watches = MessageType.RATE_DROPPED in described["types"]
    if watches and "threshold" not in rule:
        fail("--type rate.dropped needs --rate-threshold, such as 0.6")
    if rule and not watches:
        fail("--rate-threshold and what goes with it need --type rate.dropped")
    try:
        return SubscriptionDraft.model_validate(described | {"rate": rule or None})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        named = [_OPTIONS[str(part)] for part in first["loc"] if part in _OPTIONS]
        fail(": ".join([*named[-1:], plain(first)]))


def _show_made(subscription: Subscription, made: str | None, *, as_json: bool) -> None:
    if as_json:
        print_json(_told(subscription) | {"secret": made})
        return
    out.print(f"subscription {subscription.name!r} is told of {', '.join(subscription.types)}\n", **AS_IS)
    if made:
        out.print(f"Its secret, shown this once:\n\n    {made}\n", **AS_IS)


def _state(row: Subscription) -> str:
    if not row.enabled:
        return f"disabled: {row.disabled_because}" if row.disabled_because else "disabled"
    if row.failing_since:
        return f"failing since {minute(row.failing_since)} UTC, {row.failures:,} attempts"
    return "enabled"


def _told(row: Subscription) -> dict[str, Any]:
    fields = ("id", "name", "url", "types", "agent_id", "thin", "rate", "enabled", "disabled_because", "failures")
    times = ("created_at", "failing_since", "resting_until")
    return {field: getattr(row, field) for field in fields} | {field: written(getattr(row, field)) for field in times}
