"""Serving the metrics of several processes: from a private folder that goes with the last of them."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx2
import pytest

from goalline import worker
from goalline.telemetry import exposition
from goalline.telemetry.exposition import _somebody_writes
from tests.running import environment, free_port, wait_until


class Became(Exception):
    """This process would have become another one."""


def test_the_worker_command_serves_metrics_where_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def become(*arguments: object) -> None:
        raise Became(*arguments)

    monkeypatch.setattr(os, "execve", become)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(Became) as became:
        worker.run(2, 8, 10, ("0.0.0.0", 9100))
    _, command, variables = became.value.args
    assert command[command.index("--fork-function") + 1] == "goalline.telemetry.exposition:serve"
    assert (variables["GOALLINE_METRICS_HOST"], variables["GOALLINE_METRICS_PORT"]) == ("0.0.0.0", "9100")
    folder = Path(variables["PROMETHEUS_MULTIPROC_DIR"])
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o777 == 0o700


def test_without_a_port_there_is_no_folder_and_nothing_is_forked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def become(*arguments: object) -> None:
        raise Became(*arguments)

    monkeypatch.setattr(os, "execve", become)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(Became) as became:
        worker.run(2, 8, 10)
    _, command, variables = became.value.args
    assert "--fork-function" not in command
    assert "PROMETHEUS_MULTIPROC_DIR" not in variables
    assert not list(tmp_path.iterdir())


def test_a_process_that_has_ended_writes_no_more(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / f"counter_{ended.pid}.db").touch()
    assert not _somebody_writes(tmp_path)
    (tmp_path / f"gauge_livesum_{os.getpid()}.db").touch()
    assert _somebody_writes(tmp_path)


def test_when_its_parent_was_killed_it_ends_and_removes_the_folder() -> None:
    port = free_port()
    variables, _ = exposition.prepared("127.0.0.1", port)
    folder = Path(variables["PROMETHEUS_MULTIPROC_DIR"])
    try:
        (folder / f"counter_{os.getpid()}.db").write_bytes(bytes(1 << 16))
        serve = "from goalline.telemetry.exposition import serve; serve()"
        # The shell is the parent: it waits for its child, and is killed.
        with subprocess.Popen(
            ["/bin/sh", "-c", '"$@" & wait', "sh", sys.executable, "-c", serve],
            env=environment(**variables),
            text=True,
        ) as parent:
            try:
                wait_until(lambda: _answers(port), parent, seconds=250)
            finally:
                parent.kill()
        wait_until(lambda: not folder.exists(), seconds=250)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _answers(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/metrics", timeout=5, trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False
