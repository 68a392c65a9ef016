"""goalline serve, worker, migrate, stand-in: what runs Goalline."""

import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Any, NoReturn

import typer

from goalline.bootstrap import has_model, services
from goalline.cli.console import fail, load_settings, out
from goalline.cli.opening import open_database, opened, opening
from goalline.cli.signals import ended_by_signals, held_signals
from goalline.cli.startup import ADVICE, WITHOUT_MODEL, announce_server, announce_worker
from goalline.domain.key import Scope
from goalline.settings import Settings
from goalline.store import projects, schema
from goalline.store.database import Database

Host = Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")]


def serve(host: Host = "127.0.0.1", port: Port = 8000) -> None:
    """Run the API and the pages; without GOALLINE_REDIS_URL, the worker too.

    Example: `GOALLINE_MODEL=gpt-5-mini OPENAI_API_KEY=... goalline serve --port 8000`
    """
    from goalline.cli import server
    from goalline.cli.connections import bounded

    settings = load_settings()
    _require_free(host, port)
    with opened(settings) as database:
        greet(database, settings)
    announce_server(settings, host, port)
    # uvicorn hands SIGTERM on when it has shut down; the default would end us before the worker is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with application(settings) as (app, stop_judging):
        _allow_many_connections()
        options = {"host": host, "port": port, "http": bounded(settings.request_seconds), "ws": "none"}
        server.run(app, settings.shutdown_seconds, stop_judging, **options, log_config=None, access_log=False)


def _allow_many_connections() -> None:
    # Many systems stop at 1,024 open files unless a program asks for more.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (65_536 if most < 0 else min(most, 65_536), most))


def _require_free(host: str, port: int, option: str = "--port") -> None:
    # uvicorn would find out only after the first admin key was made and the worker had begun to judge.
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
    except OSError as error:
        _fail_to_listen(host, port, error, option)


def _fail_to_listen(host: str, port: int, error: OSError, option: str = "--port") -> NoReturn:
    fail(f"cannot listen on {host} port {port}: {(error.strerror or 'not possible').lower()}; try another {option}")


@contextmanager
def application(settings: Settings) -> Iterator[tuple[Any, Callable[[], None]]]:
    """Give the API and the pages, and what ends the judging beside them, which returns at once.

    While they are in use, an embedded worker judges, unless Redis takes its place. Its end takes no longer than
    `GOALLINE_SHUTDOWN_SECONDS`, also where connections are still being waited for.
    """
    from goalline.api.app import create_app
    from goalline.worker import Bell, embedded_worker

    parts = services(settings, threads=settings.embedded_threads)
    bell = Bell(parts)
    worker = embedded_worker(parts) if parts.threads else None
    ending: list[threading.Thread] = []

    def end() -> None:
        if worker:
            # The worker's own way to end, and not only the bell's: what still rings would go round and round in its
            # queue.
            worker.stop(settings.shutdown_seconds * 1000)
        else:
            bell.drain()
            bell.end()

    def stop_judging() -> None:
        if parts.embedded and not ending:
            ending.append(threading.Thread(target=end, name="judging-ends", daemon=True))
            ending[0].start()

    if worker:
        worker.start()
    elif parts.embedded:
        # Nobody judges here, and no other process is there to tell those who have subscribed.
        bell.begin()
    try:
        yield create_app(parts, bell), stop_judging
    finally:
        stop_judging()
        for thread in ending:
            thread.join()
        bell.close(timeout=settings.shutdown_seconds)
        parts.database.close()


def greet(database: Database, settings: Settings) -> None:
    """Make the first project and the first admin key where there is none yet, and show that key this once."""
    from goalline.worker import utc_now

    with database.transaction() as session:
        project = projects.first(session, settings.time_zone, settings.currency, utc_now())
        if projects.has_keys(session):
            return
        key = projects.create_key(session, project.id, "first start", Scope.ADMIN, utc_now())
    out.print(f"First start: made project {project.name!r} and an admin key. It is shown this once, keep it safe:\n")
    out.print(f"    {key}\n", highlight=False, soft_wrap=True)


def worker(
    processes: Annotated[int, typer.Option("--processes", "-p", min=1, help="Worker processes.")] = 1,
    threads: Annotated[
        int | None,
        typer.Option("--threads", "-t", min=1, help="Judgements at once in each process [GOALLINE_WORKER_THREADS]."),
    ] = None,
) -> None:
    """Run worker processes that judge what is queued in Redis.

    Example: `GOALLINE_REDIS_URL=redis://localhost:6379/0 goalline worker --processes 2 --threads 128`
    """
    from goalline.worker import run

    settings = load_settings()
    if settings.redis_url is None:
        fail("GOALLINE_REDIS_URL is not set: without Redis the worker runs inside goalline serve")
    if not has_model(settings):
        fail(f"{WITHOUT_MODEL}: {ADVICE}")
    open_database(settings).close()
    metrics_at = (settings.metrics_host, settings.metrics_port) if settings.metrics_port else None
    if metrics_at:
        _require_free(*metrics_at, "GOALLINE_METRICS_PORT")
    with held_signals():
        announce_worker(settings, processes, threads or settings.worker_threads)
        run(processes, threads or settings.worker_threads, settings.shutdown_seconds, metrics_at)


def migrate() -> None:
    """Bring the database's schema up to date.

    Example: `GOALLINE_DATABASE_URL=postgresql://... goalline migrate`
    """
    settings = load_settings()
    with opening(settings) as database:
        applied = schema.migrate(database)
        schema.require_current(database)
    database.close()
    out.print(f"applied {', '.join(applied)}" if applied else "the schema is up to date")


def stand_in(
    host: Host = "127.0.0.1",
    port: Port = 8001,
    latency: Annotated[float, typer.Option(min=0, help="Seconds that each answer takes.")] = 0.0,
) -> None:
    """Run the stand-in model: an OpenAI-compatible server that matches words and is no LLM.

    Example: `goalline stand-in --port 8001 & OPENAI_BASE_URL=http://127.0.0.1:8001/v1 goalline serve`
    """
    from goalline.judge.stand_in import serve_forever

    def announce(address: str) -> None:
        out.print(f"stand-in model at {address} (word matching, no LLM); Ctrl-C ends it", soft_wrap=True)

    try:
        with ended_by_signals():
            serve_forever(host, port, latency, announce)
    except OSError as error:
        _fail_to_listen(host, port, error)
