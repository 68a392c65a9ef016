"""goalline demo: sample calls come in over HTTP, are judged, and turn into success rates."""

import json
import shlex
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from typing import Annotated, Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import typer
from pydantic import TypeAdapter
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from goalline.bootstrap import has_model, with_model
from goalline.cli.console import err, fail, load_settings, opened, out
from goalline.cli.serve import application
from goalline.domain.goal import GoalDraft
from goalline.domain.key import Scope
from goalline.resources import folder
from goalline.settings import Settings
from goalline.store import goals, projects
from goalline.telemetry import configure_logs
from goalline.worker import utc_now

_TERMINAL = {"succeeded", "failed", "skipped"}
_COLOURS = {"achieved": "green", "partial": "yellow", "not_achieved": "red", "failed": "bold red"}
_GOALS_AGE = timedelta(days=15)
_THREADS = 32


def demo(
    once: Annotated[bool, typer.Option("--once", help="End when every conversation was judged.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the dashboard; a free one if taken.")] = 8000,
    patience: Annotated[float, typer.Option(min=1, help="Most seconds to wait for the judge.")] = 600,
) -> None:
    """Send sample conversations through the whole of Goalline and leave its dashboard running.

    With OPENAI_API_KEY or OPENAI_BASE_URL set, that endpoint judges (GOALLINE_MODEL names the model); else a local
    stand-in that matches words and is no LLM.

    Example: `goalline demo --once`
    """
    settings = load_settings()
    stand_in = not has_model(settings)
    with (
        tempfile.TemporaryDirectory(prefix="goalline-demo-") as place,
        with_model(settings, stand_in=stand_in) as chosen,
    ):
        own = {
            "database_url": f"sqlite:///{place}/demo.db",
            "redis_url": None,
            # An environment made for Redis and workers may say 0, and nothing would be judged here.
            "embedded_threads": _THREADS,
            "dashboard_open": True,
        }
        demo_settings = chosen.model_copy(update=own)
        configure_logs("WARNING", as_json=False)
        out.print(f"Judging with [bold]{escape(chosen.model)}[/]" + (": word matching, no LLM" if stand_in else ""))
        key = _seed(demo_settings)
        with _serving(demo_settings, port) as address:
            failed = _run(_Client(address, key), patience)
            if not once:
                _stay(address, key)
    raise typer.Exit(1 if failed else 0)


class _Client:
    """Speaks to the API over HTTP as any platform would."""

    def __init__(self, address: str, key: str) -> None:
        self._address, self._key = address, key
        # A proxy that the environment names does not lead back to this machine.
        self._direct = build_opener(ProxyHandler({}))

    def call(self, path: str, body: object = None) -> Any:
        request = Request(  # noqa: S310
            self._address + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"},
        )
        try:
            with self._direct.open(request, timeout=30) as response:
                return json.load(response)
        except HTTPError as error:
            with error:
                fail(f"{path}: {error.code} {error.read().decode()}")
        except (OSError, HTTPException) as error:
            cause = getattr(error, "reason", error)
            fail(f"{path}: the demo's own server at {self._address} does not answer ({type(cause).__name__})")

    def conversations(self) -> list[dict[str, Any]]:
        """Return all conversations, newest first."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = self.call(f"/v1/conversations?limit=200{cursor}")
            found += page["items"]
            if not page["next_cursor"]:
                return found
            cursor = f"&cursor={page['next_cursor']}"


def _seed(settings: Settings) -> str:
    # The goals are written straight into the database, as of two weeks ago: over HTTP they would apply to
    # conversations that end from now on, and there would be no history to show.
    drafts = TypeAdapter(list[GoalDraft]).validate_json((folder("fixtures") / "demo/goals.json").read_bytes())
    with opened(settings) as database, database.transaction() as session:
        project = projects.first(session, settings.time_zone, utc_now())
        key = projects.create_key(session, project.id, "demo", Scope.ADMIN, utc_now())
        for draft in drafts:
            goals.create(session, project.id, draft, utc_now() - _GOALS_AGE)
    return key


def _samples(now: datetime) -> list[dict[str, Any]]:
    samples = []
    for line in (folder("fixtures") / "demo/conversations.jsonl").read_text(encoding="utf-8").splitlines():
        sample = json.loads(line)
        ended_at = now - timedelta(minutes=sample.pop("ended_minutes_ago"))
        sample["started_at"] = (ended_at - timedelta(seconds=sample.pop("duration_seconds"))).isoformat()
        sample["ended_at"] = ended_at.isoformat()
        del sample["expected"]
        samples.append(sample)
    return samples


@contextmanager
def _serving(settings: Settings, port: int) -> Iterator[str]:
    import uvicorn

    with application(settings) as app, socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, args=([listener],), name="demo-server")
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def _run(client: _Client, patience: float) -> int:
    samples = _samples(datetime.now(UTC))
    deadline = time.monotonic() + patience
    with Progress(console=err) as progress:
        sent = progress.add_task("sent", total=len(samples))
        judged = progress.add_task("judged", total=len(samples))
        for sample in samples:
            client.call("/v1/conversations", sample)
            progress.advance(sent)
        rows = client.conversations()
        while (ended := sum(_status(row) in _TERMINAL for row in rows)) < len(samples):
            progress.update(judged, completed=ended)
            if time.monotonic() > deadline:
                break
            time.sleep(0.2)
            rows = client.conversations()
        progress.update(judged, completed=ended)
    _show_conversations(rows)
    _show_rates(client)
    statuses = Counter(_status(row) for row in rows)
    out.print(", ".join(f"{number} {status}" for status, number in sorted(statuses.items())))
    return len(rows) - statuses["succeeded"] - statuses["skipped"]


def _status(row: dict[str, Any]) -> str:
    status: str = row["evaluation"]["status"]
    return status


def _show_conversations(rows: list[dict[str, Any]]) -> None:
    table = Table("ended", "conversation", "primary goal", "outcome", "other goals", title="Conversations")
    for row in rows:
        primary = [verdict for verdict in row["verdicts"] if verdict["goal"]["kind"] == "primary"]
        others = Counter(verdict["outcome"] for verdict in row["verdicts"] if verdict["goal"]["kind"] != "primary")
        outcome = primary[0]["outcome"] if primary else _status(row)
        table.add_row(
            row["ended_at"][:16].replace("T", " "),
            row["conversation_id"],
            primary[0]["goal"]["name"] if primary else "",
            f"[{_COLOURS.get(outcome, 'dim')}]{outcome.replace('_', ' ')}[/]",
            f"{others['achieved']} of {others.total()}" if others else "",
        )
    out.print(table)


def _show_rates(client: _Client) -> None:
    total = client.call("/v1/reports/success-rate")
    table = Table("goal", "kind", "achieved", "partial", "not achieved", "rate", "95 % interval", title="Rates")
    lines = [
        (line["goal"]["name"], line["goal"]["kind"], line, line["completion_rate"])
        for line in client.call("/v1/reports/goals")["goals"]
    ]
    for name, kind, line, rate in [*lines, ("[bold]Success rate[/]", "primary", total, total["success_rate"])]:
        interval = line["interval"]
        table.add_row(
            name,
            kind,
            *(str(line[outcome]) for outcome in ("achieved", "partial", "not_achieved")),
            "" if rate is None else f"{rate:.0%}",
            "" if interval is None else f"{interval[0]:.0%} to {interval[1]:.0%}",
        )
    out.print(table)


def _stay(address: str, key: str) -> None:
    sample = shlex.quote(str(folder("fixtures") / "webhooks/conversation.json"))
    # The sample ended some time ago, maybe before the demo's goals applied; an end in the future counts as now.
    ends_now = """s/"ended_at": ".*"/"ended_at": "2999-01-01T00:00:00Z"/"""
    out.print(f"\nDashboard: [bold]{address}/[/]   API: {address}/docs   Ctrl-C ends it", soft_wrap=True)
    out.print(
        f"Send one more:\n  sed '{ends_now}' {sample} |"
        f" curl -H 'Authorization: Bearer {key}' --json @- {address}/v1/conversations",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        out.print("ended; the sample data is gone with it")
