"""What it costs to take a platform's signed webhook, compared with a server that does nothing but parse its JSON.

    python -m bench.receive                      SQLite
    python -m bench.receive --database URL       PostgreSQL

Both servers are processes of their own on one and the same core, uvicorn with the same loop and parser, and get the
same bodies: a conversation of 40 turns. Goalline gets it signed as Standard Webhooks, checks the signature, reads the
source, stores the conversation and queues its evaluation; nobody judges meanwhile. In the same rounds it gets as many
by `POST /v1/conversations`, which does the same but for the signature: what a hook costs more is what signing costs.
Round by round one after the other is asked, by as many clients on the other cores. What counts is the ratio of their
webhooks per second, and of the CPU that a webhook takes, which other work on the machine changes less.
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
from dataclasses import dataclass, field
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


@dataclass
class Asked:
    """One of those that are compared: how it is asked, its process, and what came of it."""

    post: Post
    process: int
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    took: list[float] = field(default_factory=list)

    def ask(self, numbers: range, clients: int, *, counts: bool) -> None:
        """Ask once for each number."""
        cpu, began = _cpu_of(self.process), time.perf_counter()
        with ThreadPoolExecutor(clients) as pool:
            each = list(pool.map(self._timed, numbers))
        if counts:
            self.rates.append(len(numbers) / (time.perf_counter() - began))
            self.cpu.append((_cpu_of(self.process) - cpu) / len(numbers) * 1000)
            self.took += each

    def _timed(self, number: int) -> float:
        began = time.perf_counter()
        self.post(number)
        return time.perf_counter() - began

    def told(self) -> str:
        """Return a line of figures."""
        p50, p99 = (1000 * _percentile(self.took, share) for share in (0.5, 0.99))
        rounds = ", ".join(f"{value:.0f}" for value in self.rates)
        rate, cpu = statistics.median(self.rates), statistics.median(self.cpu)
        return f"{rate:7.0f} a second ({rounds}); {cpu:.2f} ms of CPU; p50 {p50:.1f} ms, p99 {p99:.1f} ms"


def main() -> None:
    """Measure, and print webhooks per second, their CPU, percentiles and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", help="database URL (default: a new SQLite file)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--number", type=int, default=1_000, help="webhooks of each kind in a round")
    parser.add_argument("--clients", type=int, default=4)
    given = parser.parse_args()
    # Everything is on this machine; a proxy does not lead there.
    for name in [name for name in os.environ if name.lower() in ("http_proxy", "https_proxy", "all_proxy")]:
        del os.environ[name]
    core, others = min(os.sched_getaffinity(0)), os.sched_getaffinity(0)
    if len(others) > 1:
        os.sched_setaffinity(0, others - {core})
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        asked = {"bare": stack.enter_context(_bare(core))}
        asked |= stack.enter_context(_goalline(folder, given.database, core))
        sent = 0
        for place in range(-1, given.rounds):
            for one in asked.values():
                # The first round pays for imports and connections.
                one.ask(range(sent, sent + given.number), given.clients, counts=place >= 0)
                sent += given.number
    for name, one in asked.items():
        print(f"{name:14} {one.told()}")
    for other in ("bare", "conversations"):
        hook, base = asked["hook"], asked[other]
        rates, cpu = _ratios(hook.rates, base.rates), _ratios(hook.cpu, base.cpu)
        print(f"hook / {other}: {rates} as many a second, {cpu} times the CPU")


def _ratios(ours: list[float], theirs: list[float]) -> str:
    found = sorted(one / other for one, other in zip(ours, theirs, strict=True))
    return f"{statistics.median(found):.2f} ({found[0]:.2f} to {found[-1]:.2f})"


def _cpu_of(process: int) -> float:
    told = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _bare(core: int) -> Iterator[Asked]:
    port = free_port()
    with subprocess.Popen([sys.executable, "-c", _BARE, str(port)]) as process:
        try:
            os.sched_setaffinity(process.pid, {core})
            wait_until(lambda: answers(f"http://127.0.0.1:{port}/readyz"))
            with httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:

                def post(number: int) -> None:
                    client.post("/", content=_body(number)).raise_for_status()

                yield Asked(post, process.pid)
        finally:
            process.terminate()


@contextmanager
def _goalline(folder: Path, database: str | None, core: int) -> Iterator[dict[str, Asked]]:
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

        def hook(number: int) -> None:
            body, now = _body(number), int(time.time())
            headers = {
                "webhook-id": f"msg_{number}",
                "webhook-timestamp": str(now),
                "webhook-signature": standard_webhooks.sign(source["secret"], f"msg_{number}", now, body),
            }
            goalline.client.post(source["url"], content=body, headers=headers).raise_for_status()

        def direct(number: int) -> None:
            body = json.dumps(conversation(number)).encode()
            headers = {"content-type": "application/json"}
            goalline.client.post("/v1/conversations", content=body, headers=headers).raise_for_status()

        pid = goalline.process.pid
        yield {"hook": Asked(hook, pid), "conversations": Asked(direct, pid)}


def _body(number: int) -> bytes:
    return json.dumps({"type": standard_webhooks.ENDED, "data": conversation(number)}).encode()


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[math.ceil(share * len(values)) - 1]


if __name__ == "__main__":
    main()
