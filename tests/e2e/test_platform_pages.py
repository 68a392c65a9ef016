"""The pages of the platforms, and the README on them: what they tell to type works, word for word."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from goalline import resources
from goalline.judge.stand_in import MODEL, StandIn
from tests.e2e.test_demo import staying
from tests.running import answers, environment, free_port, run, wait_until
from tests.signers import RETELL

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "platforms").glob("*.md"))
ENDED = {"succeeded", "skipped", "failed"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The two variables that a running demo gives."""
    with staying(tmp_path_factory.mktemp("demo")) as (_process, shown):
        (url,) = re.findall(r"Dashboard: (http://\S+?)/ ", shown)
        (key,) = set(re.findall(r"gl_[\w-]+", shown))
        yield {"URL": url, "KEY": key}


def typed(page: Path) -> str:
    """Return the last commands of a page, those that are to be tried."""
    blocks: list[str] = re.findall(r"```sh\n(.*?)```", page.read_text(), flags=re.DOTALL)
    return blocks[-1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_of_a_page_make_a_verdict(page: Path, demo: dict[str, str]) -> None:
    done = subprocess.run(
        ["sh", "-eu", "-c", typed(page)],
        cwd=ROOT,
        env=environment() | demo,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    answer = json.loads(done.stdout)
    assert answer["result"] == "stored"
    with httpx2.Client(base_url=demo["URL"], headers={"Authorization": f"Bearer {demo['KEY']}"}) as client:

        def statuses() -> list[str]:
            told = client.get(f"/v1/conversations/{answer['conversation_id']}").json()
            return [evaluation["status"] for evaluation in told["evaluations"]]

        wait_until(lambda: set(statuses()) <= ENDED)
        assert statuses() == ["succeeded"]


def test_the_commands_of_the_readme_make_a_server_that_takes_what_retell_signs(tmp_path: Path) -> None:
    told = (ROOT / "README.md").read_text().partition("## Point a real platform at it")[2].partition("\n## ")[0]
    served, tried = re.findall(r"```sh\n(.*?)```", told, flags=re.DOTALL)
    port = free_port()
    # The usual port may be taken here, and the shell has to become the server that it starts.
    served = served.replace("goalline serve", f"exec goalline serve --port {port}")
    (tmp_path / "fixtures").symlink_to(resources.folder("fixtures"))
    with StandIn() as stand_in, (tmp_path / "log").open("w") as log:
        own = environment(GOALLINE_MODEL=MODEL, OPENAI_BASE_URL=stand_in.url, COLUMNS=200)
        own["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{own['PATH']}"
        # Who reads the README from its top has done this before, and with it made the first project.
        assert run(own, tmp_path, "keys", "create", "--scope", "admin").returncode == 0
        with subprocess.Popen(
            ["sh", "-eu", "-c", served], env=own, cwd=tmp_path, stdout=log, stderr=log, text=True
        ) as server:
            try:
                url = f"http://127.0.0.1:{port}"
                wait_until(lambda: answers(f"{url}/readyz"), server, tmp_path / "log")
                hook = re.findall(r"https://YOUR-SERVER(/v1/hooks/\S+)", (tmp_path / "log").read_text())
                headers = RETELL.sign("key_0123456789abcdef0123456789", RETELL.body, time.time())
                answer = httpx2.post(url + hook[0], content=RETELL.body, headers=headers, trust_env=False)
                assert answer.json()["result"] == "stored"
            finally:
                server.terminate()
        shown = subprocess.run(
            ["sh", "-eu", "-c", tried], env=own, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
        )
    assert json.loads(shown.stdout)["conversation"]["conversation_id"] == answer.json()["conversation_id"]


def test_every_platform_has_a_page() -> None:
    assert len(PAGES) == 7
