"""goalline retention: run."""

from datetime import datetime, timedelta
from typing import Annotated

import typer
from rich.progress import Progress

from goalline import upkeep
from goalline.cli.console import err, fail, load_settings, out, print_json
from goalline.cli.keys import AsJson
from goalline.cli.opening import opened
from goalline.cli.tables import minute
from goalline.settings import MOST_DAYS
from goalline.store.conversations import retention
from goalline.store.database import Database, DatabaseUnavailable
from goalline.worker import utc_now

app = typer.Typer(
    help="Words of conversations that ended long ago: delete them.\n\nExample: `goalline retention run --dry-run`",
    no_args_is_help=True,
)

Days = Annotated[
    int | None,
    typer.Option(min=1, max=MOST_DAYS, help="Days that words are kept; else GOALLINE_TRANSCRIPT_DAYS says it."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say how many conversations would lose their words.")]


# Workers delete by themselves; without this, Typer would make the only command the group itself.
@app.callback()
def _retention() -> None:
    pass


@app.command("run")
def run_now(days: Days = None, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Delete the words of conversations that ended longer ago than words are kept; safe while Goalline runs.

    Workers do it by themselves when GOALLINE_TRANSCRIPT_DAYS is set. This does all that is due at once, a few
    conversations at a time; cut off in the middle, it can be run again.

    Example: `goalline retention run --days 90`
    """
    settings = load_settings()
    kept = days or settings.transcript_days
    if kept is None:
        fail("how long are words kept? Set GOALLINE_TRANSCRIPT_DAYS, or say --days")
    now = utc_now()
    before = now - timedelta(days=kept)
    with opened(settings) as database:
        due = _due(database, before)
        deleted, left = (0, due) if dry_run else _delete_all_due(database, kept, now, due)
    if as_json:
        print_json({"before": before.isoformat(timespec="seconds"), "deleted": deleted, "left": left})
    elif dry_run:
        out.print(f"{left:,} conversations that ended before {minute(before)} UTC still have their words")
    else:
        out.print(f"{deleted:,} conversations that ended before {minute(before)} UTC have lost their words")
        if left:
            out.print(f"{left:,} keep theirs for now: they are being judged, or somebody is changing them")


def _delete_all_due(database: Database, days: int, now: datetime, due: int) -> tuple[int, int]:
    """Return how many have lost their words, and how many still have them."""
    retained, deleted = upkeep.Retained(), 0
    try:
        with Progress(console=err, disable=not err.is_terminal) as progress:
            shown = progress.add_task("deleted", total=due)
            while True:
                retained = upkeep.retain(database, days, now, retained.then)
                deleted += retained.deleted
                progress.update(shown, completed=deleted)
                if retained.then is None:
                    break
        return deleted, _due(database, now - timedelta(days=days))
    except DatabaseUnavailable as error:
        fail(
            f"the database is not available ({error}); {deleted:,} of {due:,} conversations have lost their words,"
            " run the command again for the others"
        )


def _due(database: Database, before: datetime) -> int:
    with database.reading() as session:
        return retention.count(session, before)
