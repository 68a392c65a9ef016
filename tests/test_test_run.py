"""The test run itself: its servers end with it, and where nothing may be skipped nothing is."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SKIPPED = "import pytest\ndef test_skipped():\n    pytest.skip('no reason')\n"


def pytest_run(folder: Path, body: str, required: str, *more: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_inner.py").write_text(body)
    options = ["-p", "no:cacheprovider", "-p", "tests.conftest", f"--rootdir={ROOT}", f"-c{ROOT / 'pyproject.toml'}"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *more, str(folder / "test_inner.py")],
        cwd=ROOT,
        env={**os.environ, "GOALLINE_TEST_REQUIRE_SERVICES": required},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_run_that_must_not_skip_fails_when_it_skips(tmp_path: Path) -> None:
    result = pytest_run(tmp_path, SKIPPED, required="1")
    assert "1 tests were skipped" in result.stdout
    assert result.returncode == pytest.ExitCode.TESTS_FAILED


def test_a_run_that_may_skip_passes_when_it_skips(tmp_path: Path) -> None:
    result = pytest_run(tmp_path, SKIPPED, required="")
    assert result.returncode == pytest.ExitCode.OK


def test_a_run_on_other_servers_leaves_out_what_uses_none(tmp_path: Path) -> None:
    body = (
        "import pytest\n"
        "def test_pure(tmp_path): pass\n"
        "def test_queue(redis_url): pass\n"
        "def test_both(database_url): pass\n"
    )
    result = pytest_run(tmp_path, body, "", "--on-servers", "--collect-only", "-q")
    found = [line.rpartition("::")[2] for line in result.stdout.splitlines() if "::" in line]
    assert found == ["test_queue", "test_both[postgres]"]


def test_the_servers_end_with_a_test_run_that_is_killed(tmp_path: Path) -> None:
    said = tmp_path / "folders"
    body = (
        "import os, re, signal\n"
        "from tests import servers\n"
        "def test_killed():\n"
        "    with servers.postgres() as database, servers.valkey() as queue:\n"
        "        folders = [database.partition('host=')[2], queue.removeprefix('unix://').removesuffix('/socket')]\n"
        f"        open({str(said)!r}, 'w').write('\\n'.join(folders))\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    result = pytest_run(tmp_path, body, required="")
    assert result.returncode == -9, result.stdout
    folders = [Path(line) for line in said.read_text().splitlines()]
    # Each watchdog removes its folder after its server has ended.
    deadline = time.monotonic() + 30
    while any(folder.exists() for folder in folders) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(folders) == 2
    assert not any(folder.exists() for folder in folders)
