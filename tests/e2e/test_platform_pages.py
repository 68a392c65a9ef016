"""The pages of the platforms: what they tell to type works against the demo, word for word."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.e2e.test_demo import staying
from tests.running import environment, wait_until

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


def test_every_platform_has_a_page() -> None:
    assert len(PAGES) == 7
