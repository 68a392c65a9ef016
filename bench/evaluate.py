"""Evaluations per second and CPU per evaluation, against a bare HTTP loop that makes the same calls.

    python -m bench.evaluate                                    SQLite, in-process queue
    python -m bench.evaluate --database URL --redis URL         PostgreSQL, Redis, one worker process

Goalline receives, queues, judges, stores and counts; the loop only posts the same prompt to the same stand-in model
and parses what comes back. Both run in turn, round by round, so that the machine's moods hit both; what counts are the
ratios, taken as the median of the rounds.

Without latency, where CPU is what counts, all conversations are posted as fast as they are taken, and everything is
counted from the first post to the last verdict.

With latency, where the rate counts, it is a stretch in the middle of the run. It begins when twice as many as there are
threads have been evaluated and ends when the wanted number has been evaluated since; more is in the queue then than
the threads can hold. So neither the start of a run nor its end, where threads have nothing to do, is in a rate.
Conversations are posted as they are evaluated, so that never more than three times as many as there are threads wait
or run.

CPU is that of Goalline's own processes or of the loop's, user and system. Not in it: the stand-in model, the load
generator, which also looks into the database for how many were evaluated, PostgreSQL and Redis.
"""

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2

from bench.installation import installed, model
from bench.sample import GOALS, TURNS, conversation
from bench.stopwatch import Measured, Stopwatch
from goalline.domain.goal import GoalInForce, Kind
from goalline.domain.transcript import Turn
from goalline.judge.llm import LlmJudge
from goalline.judge.stand_in import StandIn
from tests.running import Running, descendants

CLIENTS = 16
LEAD, BACKLOG = 2, 3
"""How many times the threads are evaluated before the counting begins, and wait or run at most."""


def main() -> None:
    """Measure, and print a table and the two ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", help="database URL (default: a new SQLite file)")
    parser.add_argument("--redis", help="Redis URL (default: in-process)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds without latency")
    parser.add_argument("--number", type=int, default=600, help="evaluations a round without latency")
    parser.add_argument("--latency-rounds", type=int, default=3, help="rounds at 1 s latency")
    parser.add_argument("--threads", type=int, default=32, help="judgements at once, at 1 s latency")
    parser.add_argument("--waves", type=int, default=20, help="evaluations for each thread, at 1 s latency")
    given = parser.parse_args()
    # Everything is on this machine; a proxy does not lead there.
    for name in [name for name in os.environ if name.lower() in ("http_proxy", "https_proxy", "all_proxy")]:
        del os.environ[name]

    print(f"{'':32}{'number':>8}{'per second':>12}{'CPU ms each':>13}")
    ratios = []
    for _ in range(given.rounds):
        bare, ours = _round(given, given.number, latency=0.0, threads=8)
        ratios.append(ours.cpu_ms / bare.cpu_ms)
    shares = []
    for _ in range(given.latency_rounds):
        bare, ours = _round(given, given.threads * given.waves, latency=1.0, threads=given.threads)
        shares.append((ours.rate / given.threads, bare.rate / given.threads))
    if ratios:
        print(f"\nCPU of an evaluation / CPU of a bare call: {_median(ratios, '.1f')}")
    if shares:
        ours_all, bare_all = (_median(list(each), ".1%") for each in zip(*shares, strict=True))
        print(f"at 1 s latency, of threads / latency: {ours_all}; the bare loop: {bare_all}")


def _round(given: argparse.Namespace, number: int, latency: float, threads: int) -> tuple[Measured, Measured]:
    bare = _bare_loop(number, latency, threads)
    _row(f"bare loop, {latency:.0f} s, {threads} threads", bare)
    ours = _goalline(given, number, latency, threads)
    _row(f"goalline, {latency:.0f} s, {threads} threads", ours)
    return bare, ours


def _row(name: str, measured: Measured) -> None:
    print(f"{name:32}{measured.number:>8}{measured.rate:>12.1f}{measured.cpu_ms:>13.2f}", flush=True)


def _median(rounds: list[float], form: str) -> str:
    return f"{statistics.median(rounds):{form}} (rounds: {', '.join(f'{each:{form}}' for each in rounds)})"


def _bare_loop(number: int, latency: float, threads: int) -> Measured:
    with model(latency) as url, multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_loop, (url, _request(), number, threads))


def _request() -> Any:
    """Return the request that Goalline's judge sends for the conversation of this benchmark."""
    goals = [GoalInForce(uuid4(), 1, name, text, Kind.SECONDARY) for name, text in GOALS]
    with StandIn(record=True) as stand_in:
        LlmJudge(model="any", base_url=stand_in.url).judge(goals, [Turn.model_validate(turn) for turn in TURNS])
        return stand_in.requests[0]


def _loop(url: str, body: Any, number: int, threads: int) -> Measured:
    limits = httpx2.Limits(max_connections=threads, max_keepalive_connections=threads)
    with httpx2.Client(timeout=60, limits=limits) as client, ThreadPoolExecutor(threads) as pool:

        def call(_: int) -> Any:
            answer = client.post(f"{url}/chat/completions", json=body).json()
            return json.loads(answer["choices"][0]["message"]["content"])

        watch = Stopwatch(LEAD * threads, number, _own_cpu)
        calls = [pool.submit(call, n) for n in range(LEAD * threads + number + BACKLOG * threads)]
        for done, answered in enumerate(as_completed(calls), start=1):
            answered.result()
            watch.look(done)
    assert watch.measured
    return watch.measured


def _own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _goalline(given: argparse.Namespace, number: int, latency: float, threads: int) -> Measured:
    with installed(given.database, given.redis, latency, threads) as running:
        goalline, evaluated = running.goalline, running.evaluated
        if latency:
            return _sustained(goalline, evaluated, number, threads)
        _burst(goalline, evaluated, LEAD * threads)
        return _burst(goalline, evaluated, number)


def _burst(goalline: Running, evaluated: Callable[[], int], number: int) -> Measured:
    """Post all at once, and measure until the last one is evaluated."""
    before = evaluated()
    cpu, start = _cpu_of_children(), time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        for _ in pool.map(
            lambda n: goalline.post("/v1/conversations", conversation(n)), range(before, before + number)
        ):
            pass
    while evaluated() - before < number:
        time.sleep(0.1)
    return Measured(number, time.perf_counter() - start, _cpu_of_children() - cpu)


def _sustained(goalline: Running, evaluated: Callable[[], int], number: int, threads: int) -> Measured:
    """Post as fast as is evaluated, and measure in the middle."""
    watch = Stopwatch(LEAD * threads, number, _cpu_of_children)
    posted = done = 0
    answering: list[Future[Any]] = []
    with ThreadPoolExecutor(CLIENTS) as pool:
        while watch.measured is None or done < posted:
            wanted = posted if watch.measured else done + BACKLOG * threads
            answering += [
                pool.submit(goalline.post, "/v1/conversations", conversation(n)) for n in range(posted, wanted)
            ]
            posted = max(posted, wanted)
            time.sleep(0.02)
            done = evaluated()
            watch.look(done)
            for answered in [post for post in answering if post.done()]:
                answered.result()  # one that was refused would be waited for in vain
                answering.remove(answered)
    return watch.measured


def _cpu_of_children() -> float:
    """Return the CPU seconds of all processes below this one that run Goalline, the stand-in left out."""
    ticks = os.sysconf("SC_CLK_TCK")
    total = 0.0
    for process in descendants(os.getpid()):
        try:
            line = Path(f"/proc/{process}/cmdline").read_bytes()
            fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if b"stand-in" not in line and b"resource_tracker" not in line:
            total += (int(fields[11]) + int(fields[12])) / ticks
    return total


if __name__ == "__main__":
    main()
