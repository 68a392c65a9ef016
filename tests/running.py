"""Runs Goalline's own commands as real processes, for tests that use it as its users do."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from goalline.judge.stand_in import MODEL

_START_SECONDS = 60
_END_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Running:
    """A running `goalline serve`: where it listens, and a client that holds an admin key."""

    url: str
    key: str
    client: httpx2.Client
    process: subprocess.Popen[str]

    def get(self, path: str, **query: str) -> Any:
        """Return the JSON at a path that answers 200."""
        answer = self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: object = None) -> Any:
        """Return the JSON that a POST is answered with; anything but 2xx fails the test."""
        answer = self.client.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()


def environment(**settings: object) -> dict[str, str]:
    """Return this test's environment with some settings of Goalline, its own ones left out."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GOALLINE_", "OPENAI_"))}
    return kept | {name: str(value) for name, value in settings.items() if value is not None}


def command(*arguments: str) -> list[str]:
    """Return the command line of `goalline ARGUMENTS`."""
    return [sys.executable, "-m", "goalline", *arguments]


def run(settings: Mapping[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `goalline ARGUMENTS` to its end in a folder."""
    return subprocess.run(
        command(*arguments), env=settings, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


def installed(
    folder: Path, model_url: str, database_url: str, redis_url: str | None = None, **settings: object
) -> dict[str, str]:
    """Migrate a database, and return an environment for everything that runs on it with the stand-in as its model."""
    found = environment(
        **{
            "GOALLINE_DATABASE_URL": database_url,
            # However slow the machine is that runs this.
            "GOALLINE_DATABASE_TIMEOUT_SECONDS": 60,
            "GOALLINE_REDIS_URL": redis_url,
            "GOALLINE_MODEL": MODEL,
            "OPENAI_BASE_URL": model_url,
            **settings,
        }
    )
    migrated = run(found, folder, "migrate")
    assert migrated.returncode == 0, migrated.stderr
    return found


@contextmanager
def serving(
    settings: Mapping[str, str],
    folder: Path,
    key: str | None = None,
    within: Callable[..., list[str]] = lambda *command: list(command),
) -> Iterator[Running]:
    """Run `goalline serve` and end it with SIGTERM; its log stands in `folder`/serve.log.

    On a database that was used before, its `key` has to be given, as it is printed at the first start only. `within`
    may put the command into another one, which has to become it.
    """
    port = free_port()
    log = folder / "serve.log"
    with (
        log.open("a") as lines,
        subprocess.Popen(
            within(*command("serve", "--port", str(port))),
            env=settings,
            cwd=folder,
            stdout=lines,
            stderr=lines,
            text=True,
        ) as process,
        _ended(process),
    ):
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(f"{url}/readyz"), process, log)
        if key is None:
            key = first_key(log.read_text())
        with httpx2.Client(
            base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60, trust_env=False
        ) as client:
            yield Running(url, key, client, process)


@contextmanager
def working(settings: Mapping[str, str], folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run `goalline worker` and end it with SIGTERM; its log stands in `folder`/worker.log."""
    with (
        (folder / "worker.log").open("a") as lines,
        subprocess.Popen(
            command("worker", *options), env=settings, cwd=folder, stdout=lines, stderr=lines, text=True
        ) as process,
        _ended(process),
    ):
        yield process


def descendants(parent: int) -> list[int]:
    """Return the ids of all processes below one (Linux only)."""
    found = []
    for children in Path(f"/proc/{parent}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            found += [child, *descendants(child)]
    return found


def is_running(process: int) -> bool:
    """Tell whether a process is there and no zombie (Linux only)."""
    told = Path(f"/proc/{process}/stat")
    return told.exists() and told.read_text().rpartition(")")[2].split()[0] != "Z"


def first_key(printed: str) -> str:
    """Return the admin key that the first start printed."""
    found = re.search(r"gl_\S+", printed)
    assert found, printed
    return found.group()


def wait_until(
    condition: Callable[[], bool],
    process: subprocess.Popen[str] | None = None,
    log: Path | None = None,
    seconds: float = _START_SECONDS,
) -> None:
    """Wait for a condition; fail, with the log, when the process ends or far too much time passes before."""
    deadline = time.monotonic() + seconds
    while not condition():
        said = log.read_text() if log else ""
        assert process is None or process.poll() is None, f"the process ended with {process.returncode}: {said}"
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {said}"
        time.sleep(0.05)


def conversation(number: int, *, agent_id: str = "sample-line", **fields: Any) -> dict[str, Any]:
    """Return a short sample conversation in the shape of POST /v1/conversations."""
    return {
        "conversation_id": f"sample-{number}",
        "agent_id": agent_id,
        "ended_at": "2999-01-01T00:00:00Z",
        "transcript": [
            {"role": "user", "text": "Can I have an appointment on Monday at nine?"},
            {"role": "agent", "text": "Your appointment is booked for Monday at nine."},
        ],
    } | fields


def fixture(name: str) -> Any:
    """Return the JSON of a file in `fixtures`."""
    return json.loads((Path(__file__).parent.parent / "fixtures" / name).read_text(encoding="utf-8"))


@contextmanager
def _ended(process: subprocess.Popen[str]) -> Iterator[None]:
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def free_port() -> int:
    """Return a port that nobody listens on at present."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def answers(url: str) -> bool:
    """Tell whether a GET of an address is answered 200."""
    try:
        return httpx2.get(url, timeout=5, trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False
