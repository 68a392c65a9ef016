"""How long webhooks wait while the workers are saturated, and what becomes of the memory.

    python -m bench.load                                        SQLite, in-process queue
    python -m bench.load --database URL --redis URL             PostgreSQL, Redis, worker processes
    python -m bench.load --memory 100000                        resident memory over that many conversations

Round by round, first without a backlog and then with one, the same number of webhooks is sent at the same pace. Their
time runs from the moment when each was due to be sent, so that one that waits for another to be answered counts its
wait. Before the second half of a round a backlog is posted, more than can be judged meanwhile; after it the backlog is
judged to its end. What counts is the ratio of the 99th percentile with a backlog to the median without, over all
rounds.

For the memory, conversations are posted as they are judged by a stand-in that answers at once.
"""

import argparse
import math
import os
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2

from bench.installation import Installation, installed
from bench.sample import conversation
from tests.running import conversation as short_conversation
from tests.running import descendants

CLIENTS = 16
REPORTS = 10
SETTLED_AFTER = 2
"""Of how many reports on the memory there are, the first from which on nothing should grow."""


def main() -> None:
    """Measure, and print the percentiles with their ratio, or the memory with its growth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", help="database URL (default: a new SQLite file)")
    parser.add_argument("--redis", help="Redis URL (default: in-process)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--number", type=int, default=300, help="webhooks of each half of a round")
    parser.add_argument("--pace", type=float, default=10.0, help="webhooks per second")
    parser.add_argument("--backlog", type=int, default=3_000, help="conversations that wait in the second half")
    parser.add_argument("--latency", type=float, default=0.5, help="seconds that the model takes for an answer")
    parser.add_argument("--threads", type=int, default=32, help="judgements at once, in each process")
    parser.add_argument("--processes", type=int, default=2, help="worker processes, with --redis")
    parser.add_argument("--memory", type=int, metavar="NUMBER", help="measure memory over so many conversations")
    given = parser.parse_args()
    # Everything is on this machine; a proxy does not lead there.
    for name in [name for name in os.environ if name.lower() in ("http_proxy", "https_proxy", "all_proxy")]:
        del os.environ[name]
    latency = 0.0 if given.memory else given.latency
    with installed(given.database, given.redis, latency, given.threads, given.processes) as running:
        if given.memory:
            _measure_memory(running, given.memory, backlog=3 * given.threads)
        else:
            _measure_answers(running, given)


def _measure_answers(running: Installation, given: argparse.Namespace) -> None:
    posted = _Posted(running, conversation)
    posted.at_pace(50, given.pace)  # the first ones pay for imports and connections
    posted.judged()
    print(f"{'':18}{'webhooks':>9}{'p50 ms':>9}{'p99 ms':>9}{'most ms':>9}{'judged':>8}", flush=True)
    without: list[float] = []
    with_backlog: list[float] = []
    for _ in range(given.rounds):
        without += _half("no backlog", running, posted, given)
        posted.at_once(given.backlog)
        with_backlog += _half("with a backlog", running, posted, given)
        left = posted.number - running.evaluated()
        assert left > given.threads, "the backlog was judged too soon; take a larger one"
        posted.judged()
    median, worst = statistics.median(without), _percentile(with_backlog, 0.99)
    ratios = f"{statistics.median(with_backlog) / median:.1f} (median), {worst / median:.1f} (99th percentile)"
    print(f"\nwith a backlog, to the median without: {ratios}; aim: below 10")
    print(f"statuses: {dict(posted.statuses)}")


def _half(name: str, running: Installation, posted: "_Posted", given: argparse.Namespace) -> list[float]:
    before = running.evaluated()
    took = posted.at_pace(given.number, given.pace)
    p50, p99, most = (1000 * each for each in (statistics.median(took), _percentile(took, 0.99), max(took)))
    print(f"{name:18}{len(took):>9}{p50:>9.1f}{p99:>9.1f}{most:>9.1f}{running.evaluated() - before:>8}", flush=True)
    return took


def _percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[math.ceil(share * len(values)) - 1]


def _measure_memory(running: Installation, number: int, backlog: int) -> None:
    posted = _Posted(running, short_conversation)
    sizes: dict[int, list[float]] = {}
    start = time.perf_counter()
    print(f"{'conversations':>13}{'seconds':>9}  MB resident: goalline serve, then each worker process", flush=True)
    for done in range(number // REPORTS, number + 1, number // REPORTS):
        posted.as_judged(done, backlog)
        posted.judged()
        processes = [running.goalline.process.pid]
        if running.worker:
            processes += [running.worker.pid, *descendants(running.worker.pid)]
        sizes[done] = [_resident_mb(process) for process in processes]
        told = "".join(f"{size:>8.1f}" for size in sizes[done])
        print(f"{done:>13,}{time.perf_counter() - start:>9.0f}{told}", flush=True)
    first, last = sorted(sizes)[SETTLED_AFTER - 1], max(sizes)
    grown = ", ".join(f"{after - before:+.1f} MB" for before, after in zip(sizes[first], sizes[last], strict=True))
    print(f"\nfrom the {first:,}th to the {last:,}th conversation: {grown}")
    print(f"statuses: {dict(posted.statuses)}")


def _resident_mb(process: int) -> float:
    line = next(each for each in Path(f"/proc/{process}/status").read_text().splitlines() if each.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


class _Posted:
    """The conversations that were posted, and how they were answered."""

    def __init__(self, running: Installation, body: Callable[[int], dict[str, Any]]) -> None:
        self._running, self._body = running, body
        self.number = 0
        self.statuses: Counter[str] = Counter()

    def at_pace(self, number: int, pace: float) -> list[float]:
        """Post so many per second, and return how many seconds after its due time each was answered."""
        start = time.perf_counter() + 0.1

        def post(place: int) -> float:
            due = start + place / pace
            time.sleep(max(0.0, due - time.perf_counter()))
            self._post(self.number + place)
            return time.perf_counter() - due

        with ThreadPoolExecutor(CLIENTS) as pool:
            took = list(pool.map(post, range(number)))
        self.number += number
        return took

    def at_once(self, number: int) -> None:
        """Post as fast as is answered."""
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(self._post, range(self.number, self.number + number)))
        self.number += number

    def as_judged(self, up_to: int, backlog: int) -> None:
        """Post up to a number, with `backlog` of them waiting at most."""
        while self.number < up_to:
            room = self._running.evaluated() + backlog - self.number
            self.at_once(min(max(room, 0), up_to - self.number))
            if room < backlog // 2:
                time.sleep(0.05)

    def judged(self) -> None:
        """Wait until everything is judged."""
        while self._running.evaluated() < self.number:
            time.sleep(0.1)

    def _post(self, number: int) -> None:
        body = self._body(number)
        try:
            answer = self._running.goalline.client.post("/v1/conversations", json=body)
        except httpx2.TransportError:
            # A connection that the server closes for being idle, in the very moment in which it is used again.
            self.statuses["sent again"] += 1
            answer = self._running.goalline.client.post("/v1/conversations", json=body)
        self.statuses[str(answer.status_code)] += 1


if __name__ == "__main__":
    main()
