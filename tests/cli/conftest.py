"""What the tests of the commands are given: a terminal in an empty folder, and a database with a few verdicts."""

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from goalline.cli import console, demo
from tests.cli.terminal import Terminal
from tests.store.world import World, a_world
from tests.store.worlds import migrated_file

__all__ = ["migrated_file"]


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """A terminal that is wide enough for every line."""
    monkeypatch.chdir(tmp_path)
    for window in (console.out, console.err):
        monkeypatch.setattr(window, "_width", 200)
    # The commands end with their process, these do not: they must leave the tests' own logging as it is.
    for module in (console, demo):
        monkeypatch.setattr(module, "configure_logs", lambda *_args, **_more: None)
    before: Any = signal.getsignal(signal.SIGTERM)
    with structlog.testing.capture_logs():
        yield Terminal(tmp_path)
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def narrow(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal of 80 columns."""
    for window in (console.out, console.err):
        monkeypatch.setattr(window, "_width", 80)
    return terminal


@pytest.fixture
def judged(terminal: Terminal, migrated_file: Path) -> Iterator[World]:
    """The terminal's database, with one project in Berlin and one achieved verdict, of 11:30 p.m. UTC."""
    shutil.copy(migrated_file, terminal.database_file)
    with a_world(f"sqlite:///{terminal.database_file}") as world:
        yield world
