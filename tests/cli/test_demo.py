"""goalline demo: what it tells when something is in its way, and how to go on with it."""

import json
import shlex
import subprocess
import threading
from pathlib import Path

import pytest
import typer

from goalline.cli import demo
from goalline.judge.stand_in import StandIn

PROXIES = ("http_proxy", "https_proxy", "all_proxy")


@pytest.fixture
def _behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    for name in PROXIES:
        monkeypatch.setenv(name, "http://127.0.0.1:1")


@pytest.fixture
def _interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody presses Ctrl-C as soon as the demo waits for it."""

    def interrupt(_event: threading.Event) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Event, "wait", interrupt)


@pytest.mark.usefixtures("_behind_a_proxy")
def test_the_demo_reaches_its_own_server_without_the_proxy() -> None:
    with StandIn() as server:
        assert demo._Client(server.url, "a-key").call("/models")


@pytest.mark.usefixtures("terminal")
def test_a_server_that_does_not_answer_is_a_message_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        demo._Client("http://127.0.0.1:1", "a-key").call("/v1/goals")
    told = capsys.readouterr().err
    assert "/v1/goals: the demo's own server at http://127.0.0.1:1 does not answer (ConnectionRefusedError)" in told


@pytest.mark.usefixtures("terminal", "_interrupted")
def test_the_line_that_sends_one_more_works_from_any_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    demo._stay("http://127.0.0.1:1", "gl_a_key")
    line = next(line for line in capsys.readouterr().out.splitlines() if "curl" in line)
    changed, sent, _shown = line.split("|")
    body = json.loads(subprocess.run(shlex.split(changed), cwd=tmp_path, capture_output=True, check=True).stdout)
    assert (body["conversation_id"], body["ended_at"]) == ("sample-call-0001", "2999-01-01T00:00:00Z")
    assert shlex.split(sent) == [
        *("curl", "-sS", "-H", "Authorization: Bearer gl_a_key", "-H", "Content-Type: application/json"),
        *("-d", "@-", "http://127.0.0.1:1/v1/conversations"),
    ]
