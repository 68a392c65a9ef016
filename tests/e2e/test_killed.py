"""Kill -9 in the middle: what was accepted is judged after the restart, once, and nothing is counted twice."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from goalline.judge.stand_in import Fault, StandIn
from tests import servers
from tests.running import (
    Running,
    conversation,
    descendants,
    installed,
    is_running,
    run,
    serving,
    wait_until,
    working,
)

NUMBER = 12
FAST = {"GOALLINE_LEASE_SECONDS": 3, "GOALLINE_SWEEP_SECONDS": 0.5}
GOAL = {"name": "Appointment booked", "description": "The agent booked an appointment.", "kind": "primary"}


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with StandIn() as model:
        yield model


def _send(goalline: Running) -> None:
    goalline.post("/v1/goals", GOAL)
    for number in range(NUMBER):
        goalline.post("/v1/conversations", conversation(number))


def _statuses(goalline: Running) -> list[str]:
    return [row["evaluation"]["status"] for row in goalline.get("/v1/conversations")["items"]]


def _all_counted_once(goalline: Running, settings: dict[str, str], folder: Path, seconds: float = 60) -> None:
    done = ["succeeded"] * NUMBER
    wait_until(lambda: _statuses(goalline) == done, goalline.process, folder / "serve.log", seconds)
    assert goalline.get("/v1/reports/success-rate")["evaluated"] == NUMBER
    verified = run(settings, folder, "rollups", "verify", "--json")
    assert json.loads(verified.stdout) == {"differences": []}


def test_a_server_killed_while_it_judges_goes_on_after_its_restart(stand_in: StandIn, tmp_path: Path) -> None:
    settings = installed(
        tmp_path, stand_in.url, f"sqlite:///{tmp_path}/goalline.db", None, GOALLINE_EMBEDDED_THREADS=4, **FAST
    )
    # Two answers come, then the model falls silent: four threads are left hanging, the rest waits in the queue.
    stand_in.script([Fault(), Fault(), Fault(delay=600, repeat=True)])
    with serving(settings, tmp_path) as goalline:
        _send(goalline)
        wait_until(lambda: stand_in.calls == 6, goalline.process, tmp_path / "serve.log")
        goalline.process.kill()
        goalline.process.wait()
    stand_in.script([])
    with serving(settings, tmp_path, goalline.key) as goalline:
        _all_counted_once(goalline, settings, tmp_path)


def test_a_worker_process_does_not_outlive_the_one_that_started_it(
    stand_in: StandIn, postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    settings = installed(tmp_path, stand_in.url, postgres_url, redis_url, **FAST)
    with serving(settings, tmp_path) as goalline, working(settings, tmp_path, "--processes", "1") as worker:
        _send(goalline)
        wait_until(lambda: stand_in.calls > 0, worker, tmp_path / "worker.log")
        children = descendants(worker.pid)
        worker.kill()
        worker.wait()
        assert children
        wait_until(lambda: not any(is_running(child) for child in children))


def test_what_a_killed_worker_was_judging_is_judged_by_the_next_one(
    stand_in: StandIn, postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    settings = installed(tmp_path, stand_in.url, postgres_url, redis_url, **FAST)
    stand_in.script([Fault(), Fault(), Fault(delay=600, repeat=True)])
    with serving(settings, tmp_path) as goalline:
        with working(settings, tmp_path, "--processes", "1", "--threads", "4") as worker:
            _send(goalline)
            wait_until(lambda: stand_in.calls == 6, worker, tmp_path / "worker.log")
            children = descendants(worker.pid)
            assert children
            for process in [worker.pid, *children]:
                os.kill(process, signal.SIGKILL)
            worker.wait()
        stand_in.script([])
        # And with it goes everything that Redis knew.
        servers.flush(redis_url)
        with working(settings, tmp_path, "--processes", "1", "--threads", "4"):
            # What Redis forgot is rung for again a minute after it was received.
            _all_counted_once(goalline, settings, tmp_path, seconds=180)
