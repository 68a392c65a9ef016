"""The drill, small: each kind of fault once, and every promise kept; `make drill` is the same at full size."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.running import environment

ROOT = Path(__file__).parents[2]
SERVERS_MISSING = 2
SMALL = ["--seed", "2466", "--conversations", "200", "--events", "400", "--rounds", "1", "--scale", "0.4"]


def drill(folder: Path, *options: str) -> dict[str, Any]:
    """Run a small drill that keeps what it leaves in a folder, and return its result; a broken promise fails."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.drill", "--json", *SMALL, *options],
        env=environment(TMPDIR=folder),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=290,
        check=False,
    )
    if done.returncode == SERVERS_MISSING:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def all_is_told(result: dict[str, Any]) -> None:
    assert (result["broken"], result["lost"], result["double_counted"]) == ({}, 0, 0)
    assert result["accepted"] == {"conversations": 200, "events": 400}
    assert sum(result["states"].values()) == 200
    assert {told["times"] for told in result["faults"].values()} == {1}


def test_nothing_is_lost_or_counted_twice_whatever_breaks(tmp_path: Path) -> None:
    result = drill(tmp_path)
    all_is_told(result)
    assert len(result["faults"]) == 17


def test_nothing_is_lost_or_counted_twice_on_sqlite_whatever_breaks(tmp_path: Path) -> None:
    result = drill(tmp_path, "--embedded")
    all_is_told(result)
    assert len(result["faults"]) == 10
    assert not list(tmp_path.iterdir())
