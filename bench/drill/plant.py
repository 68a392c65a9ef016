"""What is broken: Goalline's processes, the model, and the servers behind them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from goalline.domain.key import Scope
from goalline.store import projects, schema
from goalline.store.database import Database
from tests.running import answers, command, environment, free_port, run
from tests.servers import Server, fresh_database, private_postgres, private_valkey

LEASE_SECONDS, SWEEP_SECONDS, LLM_TIMEOUT_SECONDS = 5, 1, 3
"""Shorter than the defaults, so that a drill need not last an hour; any installation could set them so."""
LATENCY_SECONDS = 0.2
THREADS = 8

# Beside the command, in its group of processes, a shell reads a pipe that only the drill holds open. However the drill
# ends, kill -9 included, the pipe closes, and the group is killed.
_GUARDED = 'exec 3<&0 0</dev/null; (read -r _ <&3; kill -s KILL 0) & exec 3<&- "$@"'
_ROOT = Path(__file__).parents[2]
_START_SECONDS, _END_SECONDS = 180, 60


class DrillError(Exception):
    """The drill itself cannot go on; the text says why."""


@dataclass
class Program:
    """A command that runs as a group of processes of its own, and may be killed and started again."""

    name: str
    command: Sequence[str]
    settings: Mapping[str, str]
    folder: Path
    is_ready: Callable[["Program"], bool]
    process: "subprocess.Popen[bytes] | None" = None
    _log_from: int = 0

    @property
    def log(self) -> Path:
        """The file that all its lives write to."""
        return self.folder / f"{self.name}.log"

    @property
    def printed(self) -> str:
        """What it has printed since its last start."""
        with self.log.open("rb") as log:
            log.seek(self._log_from)
            return log.read().decode(errors="replace")

    def start(self) -> None:
        """Start it, and do not wait."""
        self._log_from = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["/bin/sh", "-c", _GUARDED, "guarded", *self.command],
                env=self.settings,
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def await_ready(self) -> None:
        """Wait until it can be used.

        Raises:
            DrillError: it ended instead, or took far too long.
        """
        deadline = time.monotonic() + _START_SECONDS
        while not self.is_ready(self):
            if not self.running or time.monotonic() > deadline:
                raise DrillError(f"{self.name} did not start: {self.printed[-2000:]}")
            time.sleep(0.05)

    @property
    def running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """Kill it and everything that it has started, in one blow."""
        if self.process:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.communicate()
            self.process = None

    def end(self) -> int:
        """Ask it to end, wait, and return its exit status.

        Raises:
            DrillError: it does not end.
        """
        assert self.process
        self.process.terminate()
        try:
            status = self.process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            raise DrillError(f"{self.name} was still there {_END_SECONDS} s after SIGTERM") from None
        finally:
            self.kill()
        return status


@dataclass
class Plant:
    """Everything that runs during a drill."""

    folder: Path
    settings: Mapping[str, str]
    key: str
    model: Program
    model_url: str
    apis: Sequence[Program]
    urls: Sequence[str]
    workers: Sequence[Program] = ()
    postgres: Server | None = None
    valkey: Server | None = None
    redis_url: str | None = None
    statuses: list[tuple[str, int]] = field(default_factory=list)
    """What ended after SIGTERM, and with which status."""

    @property
    def programs(self) -> list[Program]:
        """All of Goalline's processes, and the model."""
        return [self.model, *self.apis, *self.workers]

    @property
    def journal(self) -> Path:
        """The model's journal."""
        return self.folder / "journal"

    def verify(self) -> list[object]:
        """Return the differences that `goalline rollups verify` finds."""
        told = run(self.settings, self.folder, "rollups", "verify", "--json")
        if not told.stdout:
            raise DrillError(f"goalline rollups verify: {told.stderr}")
        differences: list[object] = json.loads(told.stdout)["differences"]
        return differences

    def dead(self) -> list[str]:
        """Return the names of programs that have ended though nobody made them."""
        return [program.name for program in self.programs if not program.running]


@contextmanager
def running(
    folder: Path, *, embedded: bool, database: str | None, redis: str | None, **settings: object
) -> Iterator[Plant]:
    """Start everything in a folder, and end all of it afterwards.

    Args:
        folder: where logs, the journal and SQLite's file go.
        embedded: SQLite and one `goalline serve`, instead of PostgreSQL, Redis, two of them and two workers.
        database: a PostgreSQL server to make a database on; by default a private one is started.
        redis: a Redis that may be emptied; by default a private one is started.
        settings: more settings of Goalline.
    """
    with ExitStack() as stack:
        postgres = valkey = None
        if embedded:
            database_url = f"sqlite:///{folder}/goalline.db"
        else:
            if not database:
                # The server is killed: what it has committed must be with the system by then.
                options = {"synchronous_commit": "on", "full_page_writes": "on"}
                postgres = stack.enter_context(private_postgres(**options))
            if not redis:
                valkey = stack.enter_context(private_valkey())
                redis = valkey.url
            database_url = stack.enter_context(fresh_database(postgres.url if postgres else str(database)))
        model_port = free_port()
        environ = environment(
            **{
                "GOALLINE_DATABASE_URL": database_url,
                "GOALLINE_REDIS_URL": None if embedded else redis,
                "GOALLINE_EMBEDDED_THREADS": THREADS,
                "GOALLINE_MODEL": "drill",
                "GOALLINE_LEASE_SECONDS": LEASE_SECONDS,
                "GOALLINE_SWEEP_SECONDS": SWEEP_SECONDS,
                "GOALLINE_LLM_TIMEOUT_SECONDS": LLM_TIMEOUT_SECONDS,
                "GOALLINE_LLM_PATIENCE_SECONDS": LLM_TIMEOUT_SECONDS,
                "OPENAI_BASE_URL": f"http://127.0.0.1:{model_port}/v1",
                "PYTHONPATH": os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")])),
            }
            | settings
        )
        key = _prepared(database_url)
        model = _model(model_port, environ, folder)
        ports = [free_port() for _ in range(1 if embedded else 2)]
        apis = [
            Program(f"api-{n}", command("serve", "--port", str(port)), environ, folder, _api_ready(port))
            for n, port in enumerate(ports, 1)
        ]
        worker = command("worker", "--processes", "1", "--threads", str(THREADS))
        workers = [
            Program(f"worker-{n}", worker, environ, folder, lambda program: "worker ready" in program.printed)
            for n in (() if embedded else (1, 2))
        ]
        plant = Plant(
            folder=folder,
            settings=environ,
            key=key,
            model=model,
            model_url=f"http://127.0.0.1:{model_port}",
            apis=apis,
            urls=[f"http://127.0.0.1:{port}" for port in ports],
            workers=workers,
            postgres=postgres,
            valkey=valkey,
            redis_url=None if embedded else redis,
        )
        for program in plant.programs:
            stack.callback(program.kill)
            program.start()
        for program in plant.programs:
            program.await_ready()
        yield plant


def _prepared(database_url: str) -> str:
    """Make the schema, a project and an admin key; return the key."""
    with closing(Database(database_url, pool_size=1)) as database:
        schema.migrate(database)
        now = datetime.now(UTC)
        with database.transaction() as session:
            project = projects.create(session, "drill", "Europe/Berlin", now)
            return projects.create_key(session, project.id, "drill", Scope.ADMIN, now)


def _api_ready(port: int) -> Callable[[Program], bool]:
    return lambda _: answers(f"http://127.0.0.1:{port}/readyz")


def _model(port: int, settings: Mapping[str, str], folder: Path) -> Program:
    arguments = [str(port), str(LATENCY_SECONDS), str(folder / "journal")]

    def ready(_: Program) -> bool:
        return answers(f"http://127.0.0.1:{port}/control")

    return Program("model", [sys.executable, "-m", "bench.drill.model", *arguments], settings, folder, ready)
