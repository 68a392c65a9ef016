"""The drill's eyes: each promise that is broken on purpose is reported as broken, with whose id."""

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bench.drill import load, model, plant, promises
from bench.drill.__main__ import create_goals
from bench.drill.ledger import Ledger, Pace, Post
from bench.drill.model import Asked
from bench.drill.plant import Plant
from bench.drill.promises import Watch
from tests.running import is_running, wait_until

ROOT = Path(__file__).parents[2]
ONE = "(SELECT id FROM conversation WHERE conversation_id = 'call-00001')"
EVALUATION = f"(SELECT id FROM evaluation WHERE conversation_id = {ONE})"


@dataclass(frozen=True, slots=True)
class Drilled:
    """What is left of a drill without faults."""

    plant: Plant
    posts: Sequence[Post]
    ledger: Ledger
    asked: Sequence[Asked]
    watch: Watch


@pytest.fixture(scope="module")
def drilled(tmp_path_factory: pytest.TempPathFactory) -> Drilled:
    folder = tmp_path_factory.mktemp("drilled")
    with plant.running(folder, embedded=True, database=None, redis=None) as running:
        create_goals(running)
        posts = load.plan(random.Random(3), conversations=20, events=40, faults=0)
        pace = Pace()
        pace.next_fault()
        ledger = load.send(posts, running.urls, running.key, 3, pace)
        promises.await_quiet(running, 120, lambda _: None)
        asked = list(model.read(running.journal))
        watch = Watch(running.settings["GOALLINE_DATABASE_URL"])
        watch.look()
    return Drilled(running, posts, ledger, asked, watch)


def broken(drilled: Drilled) -> dict[str, list[str]]:
    found = promises.check(drilled.plant, drilled.posts, drilled.ledger, drilled.asked, drilled.watch)
    return {promise: ids for promise, ids in found.broken.items() if ids}


def with_changes(drilled: Drilled, folder: Path, statements: str) -> Drilled:
    shutil.copy(drilled.plant.folder / "goalline.db", folder)
    with sqlite3.connect(folder / "goalline.db") as connection:
        connection.executescript(statements)
    connection.close()
    settings = {**drilled.plant.settings, "GOALLINE_DATABASE_URL": f"sqlite:///{folder}/goalline.db"}
    return replace(drilled, plant=replace(drilled.plant, settings=settings))


def test_without_faults_every_promise_is_kept(drilled: Drilled) -> None:
    found = promises.check(drilled.plant, drilled.posts, drilled.ledger, drilled.asked, drilled.watch)
    assert {promise: ids for promise, ids in found.broken.items() if ids} == {}
    assert len(found.broken) >= 15
    assert found.statuses.total() == 20
    assert found.asked == found.needed > 0


def test_a_wrong_count_is_seen(drilled: Drilled, tmp_path: Path) -> None:
    changed = with_changes(drilled, tmp_path, "UPDATE verdict_rollup SET achieved = achieved + 1")
    assert list(broken(changed)) == ["counts equal a recount"]


@pytest.mark.parametrize(
    ("statements", "promise"),
    [
        (
            f"DELETE FROM verdict WHERE conversation_id = {ONE}; DELETE FROM step_event WHERE conversation_id = {ONE};"
            f"DELETE FROM evaluation WHERE conversation_id = {ONE}; DELETE FROM conversation WHERE id = {ONE}",
            "no accepted conversation is lost",
        ),
        (f"DELETE FROM evaluation WHERE conversation_id = {ONE}", "each accepted conversation has an evaluation"),
        ("DELETE FROM step_event WHERE event_id = 'event-000001'", "no accepted event is lost"),
        (f"UPDATE conversation SET transcript_digest = 'x' WHERE id = {ONE}", "the newest words are stored"),
        (
            "INSERT INTO verdict SELECT lower(hex(randomblob(16))), conversation_id, evaluation_id, goal_id, revision,"
            f" kind, outcome, rationale, evidence, counted FROM verdict WHERE conversation_id = {ONE}",
            "no verdict is counted twice",
        ),
        (
            f"UPDATE verdict SET counted = 0 WHERE conversation_id = {ONE}",
            "each goal has the one verdict of the newest judgement in the counts",
        ),
        (f"UPDATE evaluation SET status = 'running' WHERE id = {EVALUATION}", "nothing is left queued or running"),
        (
            f"UPDATE evaluation SET status = 'failed', reason = 'internal_error' WHERE id = {EVALUATION}",
            "what was not judged says why, and a fault explains it",
        ),
        (
            f"UPDATE evaluation SET finished_at = datetime(finished_at, '+3 seconds') WHERE id = {EVALUATION}",
            "what has ended never runs again",
        ),
        (f"UPDATE evaluation SET attempts = 0 WHERE id = {EVALUATION}", "attempts and lost leases are plausible"),
        (
            f"UPDATE conversation SET conversation_id = 'another' WHERE id = {ONE}",
            "nothing is stored that was not sent",
        ),
    ],
)
def test_what_is_wrong_in_the_database_is_seen(
    drilled: Drilled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statements: str, promise: str
) -> None:
    # The recount, which is a process of its own, has its own test.
    monkeypatch.setattr(Plant, "verify", lambda _: [])
    assert promise in broken(with_changes(drilled, tmp_path, statements))


def test_what_was_judged_once_more_after_its_end_is_seen(drilled: Drilled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Plant, "verify", lambda _: [])
    again = replace(drilled, asked=[*drilled.asked, drilled.asked[0]._replace(at=drilled.asked[0].at + 3600)])
    name = drilled.asked[0].mark.partition("/")[0]
    assert broken(again) == {"nothing is judged after its result was stored": [name]}


def test_a_verdict_without_an_answer_is_seen(drilled: Drilled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Plant, "verify", lambda _: [])
    silenced = replace(drilled, asked=[one._replace(badly_answered=True) for one in drilled.asked])
    assert "no verdict without an answer of the model" in broken(silenced)


def test_what_a_drill_has_started_ends_with_it_even_when_it_is_killed(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, signal, sys\n"
        "from bench.drill.plant import Program\n"
        f"program = Program('one', ['sleep', '600'], os.environ, pathlib.Path({str(tmp_path)!r}), lambda _: True)\n"
        "program.start()\n"
        "print(program.process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    started = int(killed.stdout)
    wait_until(lambda: not is_running(started))
