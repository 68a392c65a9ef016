"""What `goalline serve` and `goalline worker` say of themselves when they start."""

import socket
import time
from collections.abc import Iterator

import pytest

from goalline import __version__, worker
from goalline.cli import server, startup
from tests.cli.terminal import Terminal

SECRET = "xyzzyplugh"
NO_MODEL = "no model is set"
ADVICE = "set OPENAI_API_KEY or OPENAI_BASE_URL and start again"
OUT_OF_REACH = f"redis://somebody:{SECRET}@127.0.0.1:1/3"


@pytest.fixture(autouse=True)
def _nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "run", lambda *_, **_options: None)
    monkeypatch.setattr(worker, "run", lambda *_: None)


@pytest.fixture
def port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


def test_serve_says_in_one_line_what_it_runs_on(terminal: Terminal, port: str) -> None:
    key = f"sk-{SECRET}"
    shown = terminal.prints("serve", "--port", port, OPENAI_API_KEY=key, GOALLINE_EMBEDDED_THREADS="3")
    assert shown.splitlines()[-1] == (
        f"Goalline {__version__} at http://127.0.0.1:{port}/ | SQLite goalline.db"
        " | queue in this process, 3 threads | judge gpt-5-mini"
    )
    assert SECRET not in shown


def test_serve_without_a_model_says_that_conversations_wait(terminal: Terminal) -> None:
    result = terminal.run("serve", "--port", "0")
    assert f"{NO_MODEL}: conversations are stored and wait; {ADVICE}\n" in result.stderr
    assert result.stdout.rstrip().endswith("| judge none")


@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "OPENAI_BASE_URL"])
def test_serve_with_a_model_says_nothing_of_waiting(terminal: Terminal, variable: str) -> None:
    result = terminal.run("serve", "--port", "0", **{variable: "http://127.0.0.1:1/v1"}, GOALLINE_EMBEDDED_THREADS="1")
    assert NO_MODEL not in result.output


def test_serve_beside_redis_leaves_the_judging_to_workers(terminal: Terminal) -> None:
    result = terminal.run("serve", "--port", "0", GOALLINE_REDIS_URL=OUT_OF_REACH)
    assert result.stdout.splitlines()[-1].endswith("| queue redis://127.0.0.1:1/3 | judged by goalline worker")
    assert NO_MODEL not in result.output


def test_serve_warns_of_a_redis_that_does_not_answer_and_goes_on(terminal: Terminal) -> None:
    result = terminal.run("serve", "--port", "0", GOALLINE_REDIS_URL=OUT_OF_REACH)
    assert result.exit_code == 0
    assert result.stderr == (
        "warning: redis://127.0.0.1:1/3 does not answer; conversations are stored, and judged when it is back\n"
    )


def test_a_worker_says_in_one_line_what_it_runs_on(terminal: Terminal) -> None:
    options = ("--processes", "2", "--threads", "128")
    result = terminal.run("worker", *options, GOALLINE_REDIS_URL=OUT_OF_REACH, OPENAI_API_KEY=f"sk-{SECRET}")
    assert result.exit_code == 0
    assert result.stdout == (
        "worker ready: 2 processes x 128 threads | redis://127.0.0.1:1/3 | SQLite goalline.db | judge gpt-5-mini\n"
    )
    assert result.stderr == "warning: redis://127.0.0.1:1/3 does not answer; the worker goes on trying\n"


def test_a_redis_that_says_nothing_is_waited_for_no_longer_than_allowed(
    terminal: Terminal, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The client's own time limit would be five seconds.
    monkeypatch.setattr(startup, "_REDIS_SECONDS", 0.1)
    began = time.monotonic()
    result = terminal.run("worker", GOALLINE_REDIS_URL=silent, OPENAI_API_KEY="sk-sample")
    assert time.monotonic() - began < 4
    assert f"warning: {silent} does not answer" in result.stderr


def test_a_redis_that_answers_is_not_warned_of(terminal: Terminal, redis_url: str) -> None:
    result = terminal.run("worker", GOALLINE_REDIS_URL=redis_url, OPENAI_API_KEY="sk-sample")
    assert "worker ready: 1 process x 128 threads" in result.stdout
    assert "warning" not in result.output


def test_a_worker_without_a_model_refuses_to_start(terminal: Terminal) -> None:
    complaint = terminal.refuses("worker", GOALLINE_REDIS_URL=OUT_OF_REACH)
    assert complaint == f"goalline: {NO_MODEL}: {ADVICE}\n"
    assert not terminal.database_file.exists()
