"""Goalline as a benchmark runs it: its own commands as processes, beside a stand-in model that is one as well."""

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from sqlalchemy import func, select

from bench.sample import GOALS
from goalline.domain.evaluation import Status
from goalline.store import projects
from goalline.store.database import Database
from goalline.store.tables import Conversation, Evaluation, table
from tests.running import Running, command, environment, run, serving, working


@dataclass(frozen=True, slots=True)
class Installation:
    """A running Goalline with the goals of the sample; `evaluated` counts what it has judged so far."""

    goalline: Running
    worker: subprocess.Popen[str] | None
    evaluated: Callable[[], int]


@contextmanager
def model(latency: float) -> Iterator[str]:
    """Run a stand-in whose answers take `latency` seconds, and yield its address."""
    # A process of its own, so that its CPU is nobody else's.
    with subprocess.Popen(
        command("stand-in", "--port", "0", "--latency", str(latency)), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield next(word for word in process.stdout.readline().split() if word.startswith("http://"))
        finally:
            process.terminate()


@contextmanager
def installed(
    database_url: str | None, redis_url: str | None, latency: float, threads: int, processes: int = 1
) -> Iterator[Installation]:
    """Run Goalline with a project of its own; on a new SQLite file and in one process where no URL is given."""
    with tempfile.TemporaryDirectory() as name, model(latency) as model_url, ExitStack() as stack:
        folder = Path(name)
        settings = environment(
            GOALLINE_DATABASE_URL=database_url or f"sqlite:///{folder}/bench.db",
            GOALLINE_REDIS_URL=redis_url,
            GOALLINE_EMBEDDED_THREADS=threads,
            GOALLINE_LOG_LEVEL="WARNING",
            GOALLINE_MODEL="any",
            OPENAI_BASE_URL=model_url,
        )
        assert run(settings, folder, "migrate").returncode == 0
        project = f"bench-{uuid4().hex}"
        assert run(settings, folder, "projects", "create", project).returncode == 0
        made = run(settings, folder, "keys", "create", "--scope", "admin", "--project", project, "--json")
        key = json.loads(made.stdout.splitlines()[-1])["key"]
        worker = None
        if redis_url:
            options = ("--processes", str(processes), "--threads", str(threads))
            worker = stack.enter_context(working(settings, folder, *options))
        goalline = stack.enter_context(serving(settings, folder, key))
        for goal, description in GOALS:
            goalline.post("/v1/goals", {"name": goal, "description": description, "kind": "secondary"})
        with closing(Database(settings["GOALLINE_DATABASE_URL"])) as database:
            yield Installation(goalline, worker, _counter(database, project))


def _counter(database: Database, project: str) -> Callable[[], int]:
    # A look of our own into the database: asking Goalline would cost CPU that is counted.
    conversations, evaluations = table(Conversation), table(Evaluation)
    with database.reading() as session:
        owner = projects.named(session, project).id
    succeeded = (
        select(func.count())
        .select_from(evaluations.join(conversations))
        .where(conversations.c.project_id == owner, evaluations.c.status == Status.SUCCEEDED)
    )

    def evaluated() -> int:
        with database.reading() as session:
            return int(session.execute(succeeded).scalar_one())

    return evaluated
