"""What goalline demo prints: the latest conversations, the rate of each goal, the success rate, and the track."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.markup import escape

from goalline.cli.console import out
from goalline.cli.tables import figures, folding, interval, percent, short_minute, table, whole

LATEST = 10
"""So many conversations are listed; the dashboard has all of them."""

_COLOURS = {"achieved": "green", "partial": "yellow", "not_achieved": "red", "failed": "bold red"}
_OUTCOMES = ("achieved", "partial", "not_achieved")
_WAITING = {"queued", "running"}

Row = dict[str, Any]


def status(row: Row) -> str:
    """Return the status of a conversation's newest evaluation."""
    found: str = row["evaluation"]["status"]
    return found


def show_conversations(rows: Sequence[Row], time_zone: str, *, dashboard: bool) -> None:
    """Print the latest conversations, one a line.

    Args:
        rows: all of them as the API lists them, newest first.
        time_zone: the project's.
        dashboard: whether there will be one to show the others.
    """
    shown = table(
        *(whole("ended"), whole("conversation"), folding("primary goal"), whole("outcome"), figures("others")),
        title="Latest conversations",
    )
    for row in rows[:LATEST]:
        primary = _primary(row)
        others = Counter(verdict["outcome"] for verdict in row["verdicts"] if verdict["goal"]["kind"] != "primary")
        outcome = primary["outcome"] if primary else status(row)
        shown.add_row(
            short_minute(datetime.fromisoformat(row["ended_at"]), ZoneInfo(time_zone)),
            escape(row["conversation_id"]),
            escape(primary["goal"]["name"]) if primary else "",
            f"[{_COLOURS.get(outcome, 'dim')}]{_spaced(outcome)}[/]",
            f"{others['achieved']} of {others.total()}" if others else "",
        )
    out.print(shown)
    if len(rows) > LATEST:
        out.print(f"[dim]{len(rows) - LATEST} more {'on the dashboard' if dashboard else 'not listed'}[/]")


def show_rates(goals: Sequence[Row], total: Row, rows: Sequence[Row]) -> None:
    """Print the rate of each goal, then the success rate and what is not in it."""
    shown = table(
        whole("goal"),
        *(figures(_spaced(outcome)) for outcome in _OUTCOMES),
        *(figures("rate"), figures("95 % interval")),
        title="\nRates",
    )
    for kind in ("primary", "secondary"):
        shown.add_row(f"[bold]{kind}[/]")
        for line in goals:
            if line["goal"]["kind"] == kind:
                shown.add_row(f"  {escape(line['goal']['name'])}", *_figures(line))
    out.print(shown)
    out.print(f"\n[bold]{summary(total, rows)}[/]", highlight=False)


def show_track(report: Row, agreement: Sequence[Row]) -> None:
    """Print how many cycles of each tracked goal were started and completed, without the judge, and what they saved.

    Args:
        report: the cycles of all goals, as the API reports them.
        agreement: how verdicts and cycles of each goal agree, as the API reports it.
    """
    shown = table(
        folding("goal"),
        *(figures(name) for name in ("started", "completed", "rate", "saved", "earned", "time saved")),
        title=f"\nTrack: cycles, and what they saved and earned in {report['currency']}",
    )
    for line in report["goals"]:
        shown.add_row(escape(line["goal"]["name"]), *_track_figures(line))
    shown.add_section()
    shown.add_row("[bold]all[/]", *_track_figures(report))
    out.print(shown)
    out.print("[dim]counted from events, without the judge[/]")
    compared, agreeing = (sum(line[name] for line in agreement) for name in ("compared", "agreeing"))
    if compared:
        share = f"{agreeing:,} of {compared:,} ({percent(agreeing / compared)})"
        out.print(f"\n[bold]Where there are a verdict and a cycle, they agree in {share}[/]", highlight=False)


def summary(total: Row, rows: Sequence[Row]) -> str:
    """Return the success rate in one line, with its interval, its coverage, and why the others have no verdict."""
    if total["success_rate"] is None:
        rate = "Success rate unknown"
    else:
        rate = f"Success rate {percent(total['success_rate'])} (95 % interval {interval(total['interval'])})"
    coverage = f"coverage {total['evaluated']} of {total['conversations']} with a primary verdict"
    missing = [f"{number} {why}" for why, number in sorted(Counter(_why_not(rows)).items())]
    return f"{rate}, {coverage}" + (f"; the others: {', '.join(missing)}" if missing else "")


def _why_not(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        if not _primary(row):
            ended = status(row)
            waits = ended in _WAITING
            yield "waiting" if waits else "without a primary goal" if ended == "succeeded" else ended


def _figures(line: Row) -> list[str]:
    rate = line["completion_rate"]
    return [
        *(f"{line[outcome]:,}" for outcome in _OUTCOMES),
        "" if rate is None else percent(rate),
        "" if line["interval"] is None else interval(line["interval"]),
    ]


def _track_figures(line: Row) -> list[str]:
    rate = line["completion_rate"]
    counts = (f"{line[name]:,}" for name in ("started", "completed"))
    return [*counts, "" if rate is None else percent(rate), line["cost_savings"], line["revenue"], line["time_saved"]]


def _primary(row: Row) -> Row | None:
    return next((verdict for verdict in row["verdicts"] if verdict["goal"]["kind"] == "primary"), None)


def _spaced(outcome: str) -> str:
    return outcome.replace("_", " ")
