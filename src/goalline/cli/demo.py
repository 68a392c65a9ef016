"""goalline demo: sample calls and their events come in over HTTP, are judged and counted, and turn into rates."""

import json
import shlex
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from typing import Annotated, Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import typer
from pydantic import SecretStr
from rich.markup import escape
from rich.progress import Progress

from goalline.bootstrap import has_model, with_model
from goalline.cli import demo_samples
from goalline.cli.console import err, fail, load_settings, out
from goalline.cli.demo_report import show_conversations, show_rates, show_track, status
from goalline.cli.opening import opened
from goalline.cli.serve import application
from goalline.cli.signals import ended_by_signals
from goalline.domain.key import Scope
from goalline.resources import folder
from goalline.settings import Settings
from goalline.store import projects
from goalline.store.goals import goals
from goalline.store.vault import new_key
from goalline.telemetry import configure_logs
from goalline.worker import utc_now

_TERMINAL = {"succeeded", "failed", "skipped"}
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

    Ctrl-C ends the dashboard with status 0, or 1 if a conversation was not judged; before that, with status 130.
    SIGTERM ends the demo with status 143. The sample data is removed in any case.

    Example: `goalline demo --once`
    """
    settings = load_settings()
    stand_in = not has_model(settings)
    with (
        # First, so that a signal puts away what the others hold: the folder, the stand-in, the server.
        ended_by_signals(),
        tempfile.TemporaryDirectory(prefix="goalline-demo-") as place,
        with_model(settings, stand_in=stand_in) as chosen,
    ):
        own = {
            "database_url": f"sqlite:///{place}/demo.db",
            "redis_url": None,
            # An environment made for Redis and workers may say 0, and nothing would be judged here.
            "embedded_threads": _THREADS,
            "dashboard_open": True,
            # Sources can be tried without a key of one's own.
            "encryption_keys": settings.encryption_keys or SecretStr(new_key()),
        }
        demo_settings = chosen.model_copy(update=own)
        configure_logs("WARNING", as_json=False)
        out.print(f"Judging with [bold]{escape(chosen.model)}[/]" + (": word matching, no LLM" if stand_in else ""))
        key = _seed(demo_settings)
        with _serving(demo_settings, port) as address:
            failed = _run(_Client(address, key), patience, settings.time_zone, dashboard=not once)
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

    def report(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Send events in one batch; each of them must be welcome."""
        for rejected in self.call("/v1/events", {"events": events})["rejected"]:
            fail(f"/v1/events: {events[rejected['index']]['id']}: {rejected['detail']}")

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
    # conversations that end, and to events that happen, from now on, and there would be no history to show.
    with opened(settings) as database, database.transaction() as session:
        project = projects.first(session, settings.time_zone, settings.currency, utc_now())
        key = projects.create_key(session, project.id, "demo", Scope.ADMIN, utc_now())
        for draft in demo_samples.goals():
            goals.create(session, project.id, draft, utc_now() - _GOALS_AGE)
    return key


def _listening(port: int) -> socket.socket:
    # One that does not let its address be used again would keep it from everybody for a minute after the demo.
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError:
        return socket.create_server(("127.0.0.1", 0))


@contextmanager
def _serving(settings: Settings, port: int) -> Iterator[str]:
    import uvicorn

    with application(settings) as (app, _), _listening(port) as listener:
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


def _run(client: _Client, patience: float, time_zone: str, *, dashboard: bool) -> int:
    now = datetime.now(UTC)
    samples, events = demo_samples.conversations(now), demo_samples.events(now)
    deadline = time.monotonic() + patience
    with Progress(console=err) as progress:
        sent = progress.add_task("sent", total=len(samples))
        judged = progress.add_task("judged", total=len(samples))
        # As in life: some events are here before the webhook, some come late, and some come twice.
        client.report(events[demo_samples.BEFORE])
        for sample in samples:
            client.call("/v1/conversations", sample)
            progress.advance(sent)
        client.report(events[demo_samples.AFTER])
        rows = client.conversations()
        while (ended := sum(status(row) in _TERMINAL for row in rows)) < len(samples):
            progress.update(judged, completed=ended)
            refused = client.call("/v1/evaluations?state=failed&reason=unauthorized&limit=1")["items"]
            if refused:
                # The others would wait until the key is taken.
                err.print(refused[0]["explanation"], soft_wrap=True)
            over = refused or time.monotonic() > deadline
            if not over:
                time.sleep(0.2)
            rows = client.conversations()
            if over:
                break
        progress.update(judged, completed=ended)
    show_conversations(rows, time_zone, dashboard=dashboard)
    show_rates(client.call("/v1/reports/goals")["goals"], client.call("/v1/reports/success-rate"), rows)
    show_track(client.call("/v1/reports/process"), client.call("/v1/reports/agreement")["goals"])
    statuses = Counter(status(row) for row in rows)
    out.print(", ".join(f"{number} {status}" for status, number in sorted(statuses.items())))
    return len(rows) - statuses["succeeded"] - statuses["skipped"]


def _stay(address: str, key: str) -> None:
    sample = shlex.quote(str(folder("fixtures") / "webhooks/conversation.json"))
    # The sample ended some time ago, maybe before the demo's goals applied; an end in the future counts as now.
    ends_now = """s/"ended_at": ".*"/"ended_at": "2999-01-01T00:00:00Z"/"""
    out.print(f"\nDashboard: [bold]{address}/[/]   API: {address}/docs   Ctrl-C ends it", soft_wrap=True)
    out.print(
        f"Send one more:\n  sed '{ends_now}' {sample} |"
        f" curl -sS -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' -d @-"
        f" {address}/v1/conversations | python3 -m json.tool",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        out.print("ended; the sample data is gone with it")
