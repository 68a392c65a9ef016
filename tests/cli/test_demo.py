"""goalline demo: what it tells when something is in its way, and how to go on with it."""

import json
import shlex
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer

from goalline.cli import demo, demo_samples
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


def test_sample_events_happen_while_their_conversation_runs_and_some_are_sent_again_as_they_were() -> None:
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    runs = {
        sample["conversation_id"]: (sample["started_at"], sample["ended_at"])
        for sample in demo_samples.conversations(now)
    }
    before, after = (demo_samples.events(now)[sent] for sent in (demo_samples.BEFORE, demo_samples.AFTER))
    for event in (*before, *after):
        started_at, ended_at = runs[event["conversation_id"]]
        assert started_at < event["occurred_at"] < ended_at
    known = {event["id"]: event for event in before}
    again = [event for event in after if event["id"] in known]
    assert 0 < len(again) < len(after) < len(before)
    assert all(known[event["id"]] == event for event in again)
    assert max(event["occurred_at"] for event in before) > (now - timedelta(days=1)).isoformat()


@pytest.mark.usefixtures("terminal")
def test_an_event_that_is_refused_ends_the_demo_with_the_reason(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_client: demo._Client, _path: str, _body: object = None) -> Any:
        return {"accepted": 0, "duplicates": 0, "rejected": [{"index": 1, "detail": "no such goal"}]}

    monkeypatch.setattr(demo._Client, "call", refuse)
    with pytest.raises(typer.Exit):
        demo._Client("http://127.0.0.1:1", "a-key").report([{"id": "first"}, {"id": "second"}])
    assert "/v1/events: second: no such goal" in capsys.readouterr().err
