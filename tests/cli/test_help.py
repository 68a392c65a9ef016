"""Every command explains itself, at once and with an example; what is mistyped is answered with advice."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from goalline import __version__
from goalline.cli import app
from tests.cli.terminal import Terminal
from tests.running import environment

LIBRARIES = ("alembic", "dramatiq", "fastapi", "instructor", "openai", "psycopg", "redis", "sqlalchemy", "sqlmodel")


def commands(group: Any, *path: str) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command below a group of commands, the group's own included."""
    yield path
    context = typer.Context(group)
    for name in group.list_commands(context):
        _, command, _ = group.resolve_command(context, [name])
        if hasattr(command, "list_commands"):
            yield from commands(command, *path, name)
        else:
            yield *path, name


COMMANDS = list(commands(typer.main.get_command(app)))


def test_the_promised_commands_are_there() -> None:
    promised = {"serve", "worker", "demo", "migrate", "judge", "keys create", "rollups verify", "rollups rebuild"}
    assert promised <= {" ".join(command) for command in COMMANDS}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(terminal: Terminal, command: tuple[str, ...]) -> None:
    shown = " ".join(terminal.prints(*command, "--help").split())
    assert f"Usage: {' '.join(['goalline', *command])} " in shown
    example = shown.partition("Example:")[2]
    assert " ".join(["goalline", *command]) in example


def test_an_option_that_needs_a_value_says_what_it_is_for(terminal: Terminal) -> None:
    assert "What the key may do" in terminal.prints("keys", "create", "--help")


def test_the_list_of_commands_loads_no_heavy_library(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from goalline.cli import app\n"
        "try:\n    app(['--help'])\n"
        "except SystemExit:\n    pass\n"
        f"sys.exit(', '.join(name for name in {LIBRARIES!r} if name in sys.modules))\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Usage" in shown.stdout
    assert shown.stderr.strip() == ""


def test_no_command_at_all_shows_the_list(terminal: Terminal) -> None:
    result = terminal.run()
    assert result.exit_code == 2
    assert "rollups" in result.output


def test_an_unknown_command_is_named(terminal: Terminal) -> None:
    assert "No such command 'jugde'" in terminal.refuses("jugde", status=2)


def test_an_unknown_command_of_a_group_is_named(terminal: Terminal) -> None:
    assert "No such command 'make'" in terminal.refuses("keys", "make", status=2)


def test_an_unknown_option_is_named(terminal: Terminal) -> None:
    complaint = terminal.refuses("serve", "--prot", "8000", status=2)
    assert "No such option: --prot" in complaint
    assert "goalline serve --help" in complaint


def test_the_version_is_printed(terminal: Terminal) -> None:
    assert terminal.prints("--version") == f"goalline {__version__}\n"
