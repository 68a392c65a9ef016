"""Two projects, one worker: the one with a few conversations does not wait behind the other one's backlog."""

from pathlib import Path
from typing import Any

import httpx2

from goalline.judge.stand_in import StandIn
from tests.e2e.test_restarts import GOAL, rows
from tests.running import Running, conversation, installed, run, serving, wait_until, working

BACKLOG, FEW = 300, 5


def ended(postgres_url: str) -> list[Any]:
    query = """SELECT project.name FROM evaluation JOIN project ON project.id = evaluation.project_id
        WHERE evaluation.status = 'succeeded' ORDER BY evaluation.finished_at"""
    return [name for (name,) in rows(postgres_url, query)]


def test_a_few_conversations_are_judged_before_another_projects_backlog(
    postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    with StandIn() as stand_in:
        settings = installed(tmp_path, stand_in.url, postgres_url, redis_url)
        with serving(settings, tmp_path) as goalline:
            _send(goalline, goalline.key, range(BACKLOG))
            assert run(settings, tmp_path, "projects", "create", "little").returncode == 0
            made = run(settings, tmp_path, "keys", "create", "--scope", "admin", "--project", "little", "--json")
            _send(goalline, made.stdout.rpartition('"key": "')[2].partition('"')[0], range(BACKLOG, BACKLOG + FEW))
            # All bells ring in the order of arrival before anybody answers.
            with working(settings, tmp_path, "--threads", "2"):
                wait_until(lambda: len(ended(postgres_url)) == BACKLOG + FEW, seconds=180)
        order = ended(postgres_url)
        # Two threads, two projects that wait: each has its own thread until the few are done.
        assert "little" not in order[4 * FEW + 10 :]
        assert order.count("little") == FEW


def _send(goalline: Running, key: str, numbers: range) -> None:
    with httpx2.Client(base_url=goalline.url, headers={"Authorization": f"Bearer {key}"}, trust_env=False) as client:
        assert client.post("/v1/goals", json=GOAL).status_code == 201
        for number in numbers:
            assert client.post("/v1/conversations", json=conversation(number)).status_code == 202
