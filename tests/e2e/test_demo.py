"""The demonstration: sample calls in, verdicts and rates out, in one command."""

import json
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from goalline.judge.stand_in import MODEL, Fault, StandIn
from tests.cli.terminal import in_background
from tests.running import command, environment, free_port, wait_until


def demo(folder: Path, port: int = 0, **settings: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("demo", "--once", "--port", str(port)),
        env=environment(COLUMNS=160, **settings),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@dataclass(frozen=True, slots=True)
class Ended:
    """What a demo has shown, what it has left in its folder, and why its port cannot be listened on right after it."""

    shown: subprocess.CompletedProcess[str]
    left: list[Path]
    taken: OSError | None


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """A demo that has ended."""
    folder, port = tmp_path_factory.mktemp("demo"), free_port()
    shown, taken = demo(folder, port), None
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        taken = error
    return Ended(shown, list(folder.iterdir()), taken)


def test_the_demo_judges_every_sample_and_shows_the_rates(ended: Ended) -> None:
    assert ended.shown.returncode == 0, ended.shown.stderr
    assert "35 succeeded" in ended.shown.stdout
    assert "Success rate" in ended.shown.stdout


def test_after_the_demo_a_server_can_listen_on_its_port_at_once(ended: Ended) -> None:
    assert ended.taken is None


def test_the_demo_counts_the_cycles_that_the_sample_events_tell_of(ended: Ended) -> None:
    shown = ended.shown.stdout
    track = shown.partition("\nTrack")[2]
    found = re.search(r"^all +(\d+) +(\d+) +(\d+) % +(\S+) +(\S+) +(\S+)", track, re.MULTILINE)
    assert found, shown
    assert found.groups() == ("29", "18", "62", "98.00", "60.00", "01:33:30")
    assert re.search(r"a verdict and a cycle, they agree in \d+ of 2\d \([6-9]\d %\)", track)


def test_the_demo_says_that_its_model_is_no_llm(ended: Ended) -> None:
    assert f"Judging with {MODEL}: word matching, no LLM" in ended.shown.stdout


def test_the_demo_works_behind_a_proxy(tmp_path: Path) -> None:
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:1")
    shown = demo(tmp_path, 0, **proxies, NO_PROXY="", no_proxy="")
    assert shown.returncode == 0, shown.stderr
    assert "35 succeeded" in shown.stdout


def test_the_demo_judges_where_the_settings_leave_that_to_workers(tmp_path: Path) -> None:
    shown = demo(tmp_path, GOALLINE_EMBEDDED_THREADS=0)
    assert "35 succeeded" in shown.stdout


def test_the_demo_leaves_nothing_behind(ended: Ended) -> None:
    assert ended.left == []


def test_with_an_endpoint_set_the_demo_asks_that_one(tmp_path: Path) -> None:
    with StandIn() as stand_in:
        shown = demo(tmp_path, OPENAI_BASE_URL=stand_in.url, GOALLINE_MODEL="a-model")
    assert "Judging with a-model" in shown.stdout
    assert stand_in.calls == 35


def test_the_demo_fails_when_the_model_does(tmp_path: Path) -> None:
    with StandIn() as stand_in:
        stand_in.script([Fault(status=401, repeat=True)])
        shown = demo(tmp_path, OPENAI_BASE_URL=stand_in.url, OPENAI_API_KEY="wrong")
    assert shown.returncode == 1
    # Those that were asked about meanwhile may be on their way back into the queue.
    assert re.search(r"^1 failed, .*\b1 skipped$", shown.stdout, re.MULTILINE)
    assert "succeeded" not in shown.stdout
    assert "Check OPENAI_API_KEY" in shown.stderr


@contextmanager
def staying(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the demo as a script does in the background; give it with what it printed, once its dashboard is there."""
    temporary = folder / "temporary"
    temporary.mkdir()
    log = folder / "demo.log"
    with (
        log.open("w") as lines,
        subprocess.Popen(
            in_background(command("demo", "--port", "0")),
            env=environment(COLUMNS=80, TMPDIR=temporary),
            cwd=folder,
            stdout=lines,
            stderr=lines,
            text=True,
        ) as process,
    ):
        try:
            wait_until(lambda: "Send one more" in log.read_text(), process, log)
            yield process, log.read_text()
        finally:
            if process.poll() is None:
                process.kill()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 0)])
def test_a_demo_in_the_background_tidies_up_when_it_is_ended(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    with staying(tmp_path) as (process, _shown):
        (left,) = (tmp_path / "temporary").iterdir()
        assert left.name.startswith("goalline-demo-")
        process.send_signal(number)
        assert process.wait(60) == status
    assert list((tmp_path / "temporary").iterdir()) == []
    assert "Traceback" not in (tmp_path / "demo.log").read_text()


def test_the_line_that_the_demo_prints_sends_one_more(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with staying(tmp_path) as (_process, shown):
        line = shown.partition("Send one more:")[2].strip().splitlines()[0]
        sent = subprocess.run(
            ["sh", "-c", line], cwd=elsewhere, env=environment(), capture_output=True, text=True, timeout=60, check=True
        )
    answer = json.loads(sent.stdout)
    assert (answer["conversation_id"], answer["duplicate"]) == ("sample-call-0001", False)
    assert answer["evaluation"]["status"] == "queued"


def test_at_80_columns_each_conversation_and_each_goal_is_one_line(tmp_path: Path) -> None:
    with staying(tmp_path) as (_process, shown):
        pass
    dated = [line for line in shown.splitlines() if re.match(r"\d\d-\d\d \d\d:\d\d  sample-\w+-\d{3} ", line)]
    assert len(dated) == 10
    assert "26 more on the dashboard" in shown
    assert all(len(line) <= 80 for line in dated)
    assert "…" not in shown
    assert not re.search(r"\d%", shown.partition("Latest")[2])
    told = " ".join(shown.split())
    assert re.search(r"Success rate \d+ % \(95 % interval \d+ to \d+ %\), coverage 34 of 36 with a primary", told)
    assert "the others: 1 skipped, 1 without a primary goal" in told
