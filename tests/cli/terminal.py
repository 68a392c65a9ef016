"""A terminal in which commands are typed, without a process of their own."""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from goalline.cli import app


@dataclass
class Terminal:
    """Runs `goalline` in a folder of its own, with the variables in `environment` set."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def database_file(self) -> Path:
        return self.folder / "goalline.db"

    def run(self, *arguments: str, **environment: str) -> Result:
        """Run a command to its end, whatever comes of it."""
        return CliRunner().invoke(app, arguments, env=self.environment | environment)

    def prints(self, *arguments: str, **environment: str) -> str:
        """Return what a command prints that has to succeed."""
        result = self.run(*arguments, **environment)
        assert result.exit_code == 0, result.output
        return str(result.stdout)

    def says(self, *arguments: str, **environment: str) -> Any:
        """Return the JSON in the last line of what a command prints that has to succeed."""
        return json.loads(self.prints(*arguments, **environment).splitlines()[-1])

    def refuses(self, *arguments: str, status: int = 1, **environment: str) -> str:
        """Return what a command complains of that has to give up with a message and without a traceback."""
        result = self.run(*arguments, **environment)
        assert result.exit_code == status, result.output
        assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
        assert "Traceback" not in result.output
        return str(result.stderr)

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a statement on the SQLite file, behind the commands' back."""
        with closing(sqlite3.connect(self.database_file)) as connection, connection:
            return connection.execute(statement, values).fetchall()


def in_background(command: Sequence[str]) -> list[str]:
    """Return a command line that starts a command as `command &` in a script does: SIGINT is ignored."""
    return ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *command]
