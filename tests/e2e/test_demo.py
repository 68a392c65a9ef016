"""The demonstration: sample calls in, verdicts and rates out, in one command."""

import subprocess
from pathlib import Path

from goalline.judge.stand_in import MODEL, Fault, StandIn
from tests.running import command, environment


def demo(folder: Path, **settings: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("demo", "--once", "--port", "0"),
        env=environment(COLUMNS=160, **settings),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_demo_judges_every_sample_and_shows_the_rates(tmp_path: Path) -> None:
    shown = demo(tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "35 succeeded" in shown.stdout
    assert "Success rate" in shown.stdout


def test_the_demo_says_that_its_model_is_no_llm(tmp_path: Path) -> None:
    assert f"Judging with {MODEL}: word matching, no LLM" in demo(tmp_path).stdout


def test_the_demo_works_behind_a_proxy(tmp_path: Path) -> None:
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:1")
    shown = demo(tmp_path, **proxies, NO_PROXY="", no_proxy="")
    assert shown.returncode == 0, shown.stderr
    assert "35 succeeded" in shown.stdout


def test_the_demo_judges_where_the_settings_leave_that_to_workers(tmp_path: Path) -> None:
    shown = demo(tmp_path, GOALLINE_EMBEDDED_THREADS=0)
    assert "35 succeeded" in shown.stdout


def test_the_demo_leaves_nothing_behind(tmp_path: Path) -> None:
    demo(tmp_path)
    assert list(tmp_path.iterdir()) == []


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
    assert "35 failed" in shown.stdout
