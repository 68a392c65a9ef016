"""What it costs to take a platform's signed webhook, compared with a server that does nothing but parse its JSON.

    python -m bench.receive                      SQLite
    python -m bench.receive --database URL       PostgreSQL

Both servers are processes of their own on one and the same core, uvicorn with the same loop and parser, and get the
same bodies: a conversation of 40 turns, signed as Standard Webhooks. Goalline checks the signature, reads the source,
stores the conversation and queues its evaluation; nobody judges meanwhile. Round by round, first one server is asked
and then the other, by as many clients on the other cores. What counts is the ratio of their webhooks per second.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2

from bench.sample import conversation
from goalline.domain.platforms import standard_webhooks
from goalline.store.vault import new_key
from tests.running import answers, environment, free_port, run, serving, wait_until

_BARE = """
import json, os, sys
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
import uvicorn

async def parse(request):
    json.loads(await request.body())
    return Response(status_code=200)

app = Starlette(routes=[Route("/", parse, methods=["POST"]), Route("/readyz", lambda _: Response())])
uvicorn.run(app, port=int(sys.argv[1]), http="httptools", access_log=False, log_config=None)
"""

Post = Callable[[int], None]


def main() -> None:
    """Measure, and print webhooks per second, percentiles and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", help="database URL (default: a new SQLite file)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--number", type=int, default=1_000, help="webhooks of each server in a round")
    parser.add_argument("--clients", type=int, default=4)
    given = parser.parse_args()
    # Everything is on this machine; a proxy does not lead there.
    for name in [name for name in os.environ if name.lower() in ("http_proxy", "https_proxy", "all_proxy")]:
        del os.environ[name]
    core, others = min(os.sched_getaffinity(0)), os.sched_getaffinity(0)
    if len(others) > 1:
        os.sched_setaffinity(0, others - {core})
    sent = 0
    rates: dict[str, list[float]] = {"bare": [], "goalline": []}
    took: dict[str, list[float]] = {"bare": [], "goalline": []}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = {
            "bare": stack.enter_context(_bare(core)),
            "goalline": stack.enter_context(_goalline(folder, given.database, core)),
        }
        for place in range(-1, given.rounds):
            for name, post in servers.items():
                seconds, each = _timed(post, range(sent, sent + given.number), given.clients)
                sent += given.number
                if place >= 0:  # the first round pays for imports and connections
                    rates[name].append(given.number / seconds)
                    took[name] += each
    for name, values in rates.items():
        p50, p99 = (1000 * _percentile(took[name], share) for share in (0.5, 0.99))
        rounds = ", ".join(f"{value:.0f}" for value in values)
        print(f"{name:9} {statistics.median(values):7.0f} a second ({rounds}); p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    ratios = [ours / bare for ours, bare in zip(rates["goalline"], rates["bare"], strict=True)]
    told = ", ".join(f"{ratio:.3f}" for ratio in ratios)
    print(f"goalline takes {statistics.median(ratios):.3f} as many webhooks a second as the bare server ({told})")


@contextmanager
def _bare(core: int) -> Iterator[Post]:
    port = free_port()
    with subprocess.Popen([sys.executable, "-c", _BARE, str(port)]) as process:
        try:
            os.sched_setaffinity(process.pid, {core})
            wait_until(lambda: answers(f"http://127.0.0.1:{port}/readyz"))
            with httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:

                def post(number: int) -> None:
                    client.post("/", content=_body(number)).raise_for_status()

                yield post
        finally:
            process.terminate()


@contextmanager
def _goalline(folder: Path, database: str | None, core: int) -> Iterator[Post]:
    settings = environment(
        GOALLINE_DATABASE_URL=database or f"sqlite:///{folder}/bench.db",
        GOALLINE_EMBEDDED_THREADS=0,
        GOALLINE_ENCRYPTION_KEYS=new_key(),
        GOALLINE_LOG_LEVEL="WARNING",
    )
    assert run(settings, folder, "migrate").returncode == 0
    with serving(settings, folder) as goalline:
        os.sched_setaffinity(goalline.process.pid, {core})
        source = goalline.post("/v1/sources", {"name": "bench", "platform": "standard_webhooks"})

        def post(number: int) -> None:
            body, now = _body(number), int(time.time())
            headers = {
                "webhook-id": f"msg_{number}",
                "webhook-timestamp": str(now),
                "webhook-signature": standard_webhooks.sign(source["secret"], f"msg_{number}", now, body),
            }
            goalline.client.post(source["url"], content=body, headers=headers).raise_for_status()

        yield post


def _body(number: int) -> bytes:
    return json.dumps({"type": standard_webhooks.ENDED, "data": conversation(number)}).encode()


def _timed(post: Post, numbers: range, clients: int) -> tuple[float, list[float]]:
    def timed(number: int) -> float:
        began = time.perf_counter()
        post(number)
        return time.perf_counter() - began

    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        each = list(pool.map(timed, numbers))
    return time.perf_counter() - began, each


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[math.ceil(share * len(values)) - 1]


if __name__ == "__main__":
    main()
