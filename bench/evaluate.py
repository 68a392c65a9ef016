"""Evaluations per second and CPU per evaluation, against a bare HTTP loop that makes the same calls.

    python -m bench.evaluate                                    SQLite, in-process queue
    python -m bench.evaluate --database URL --redis URL         PostgreSQL, Redis, one worker process

Goalline receives, queues, judges, stores and counts; the loop only posts the same prompt to the same stand-in model
and parses what comes back. CPU is that of Goalline's own processes or of the loop's, user and system; the model's
and the load generator's are not in it. Both run in turn, round by round, so that the machine's moods hit both; what
counts are the ratios, taken as the median of the rounds.
"""

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2

from goalline.domain.goal import GoalInForce, Kind
from goalline.domain.transcript import Turn
from goalline.judge.llm import LlmJudge
from goalline.judge.stand_in import StandIn
from tests.running import Running, command, descendants, environment, run, serving, wait_until, working

GOALS = [
    ("Appointment booked", "An appointment was booked for the caller and the agent said that it is booked."),
    ("Price told", "The agent told the caller what the appointment costs."),
    ("Reminder offered", "The agent offered to send a reminder before the appointment."),
    ("Address given", "The agent told the caller a street address."),
    ("Further help offered", "The agent asked whether there is anything else to do for the caller."),
]
TURNS = [
    {"role": "agent", "text": "Good morning, this is the sample clinic. How can I help you today?"},
    {"role": "user", "text": "I would like to have an appointment next week, on Monday or on Tuesday if possible."},
    {"role": "agent", "text": "On Monday there is a slot at nine and another one at a quarter past four."},
    {"role": "user", "text": "Nine is too early for me, and what would it cost to come in the afternoon?"},
] * 9 + [
    {"role": "agent", "text": "It costs 40 dollars. I have booked your appointment for Monday at a quarter past four."},
    {"role": "user", "text": "Thank you, that is all that I wanted."},
    {"role": "agent", "text": "Is there anything else I can help you with?"},
    {"role": "user", "text": "No, goodbye."},
]
CLIENTS = 16


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run took: evaluations (or calls), seconds, and CPU seconds."""

    number: int
    seconds: float
    cpu: float

    @property
    def cpu_ms(self) -> float:
        """CPU of one evaluation, in milliseconds."""
        return self.cpu / self.number * 1000

    @property
    def rate(self) -> float:
        """Evaluations per second."""
        return self.number / self.seconds


def main() -> None:
    """Measure, and print a table and the two ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", help="database URL (default: a new SQLite file)")
    parser.add_argument("--redis", help="Redis URL (default: in-process)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--number", type=int, default=600, help="evaluations a round without latency")
    parser.add_argument("--threads", type=int, default=64, help="judgements at once, at 1 s latency")
    parser.add_argument("--waves", type=int, default=20, help="evaluations for each thread, at 1 s latency")
    given = parser.parse_args()

    ratios = []
    print(f"{'':32}{'number':>8}{'per second':>12}{'CPU ms each':>13}")
    for _ in range(given.rounds):
        bare = _bare_loop(given.number, latency=0.0, threads=8)
        ours = _goalline(given, given.number, latency=0.0, threads=8)
        ratios.append(ours.cpu_ms / bare.cpu_ms)
        _row("bare loop, no latency", bare)
        _row("goalline, no latency", ours)
    number = given.threads * given.waves
    bare = _bare_loop(number, latency=1.0, threads=given.threads)
    ours = _goalline(given, number, latency=1.0, threads=given.threads)
    _row(f"bare loop, 1 s, {given.threads} threads", bare)
    _row(f"goalline, 1 s, {given.threads} threads", ours)
    print(
        f"\nCPU of an evaluation / CPU of a bare call: {statistics.median(ratios):.1f}"
        f"  (rounds: {', '.join(f'{ratio:.1f}' for ratio in ratios)})"
    )
    print(
        f"at 1 s latency: {ours.rate:.1f}/s = {ours.rate / given.threads:.1%} of threads / latency, "
        f"the bare loop {bare.rate / given.threads:.1%}"
    )


def _row(name: str, measured: Measured) -> None:
    print(f"{name:32}{measured.number:>8}{measured.rate:>12.1f}{measured.cpu_ms:>13.2f}", flush=True)


@contextmanager
def _model(latency: float) -> Iterator[str]:
    # A process of its own, so that its CPU is nobody else's.
    port = "18431"
    with subprocess.Popen(
        command("stand-in", "--port", port, "--latency", str(latency)), stdout=subprocess.DEVNULL, text=True
    ) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: _answers(f"{url}/v1/models"), process)
            yield f"{url}/v1"
        finally:
            process.terminate()


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=5).is_success
    except httpx2.TransportError:
        return False


def _bare_loop(number: int, latency: float, threads: int) -> Measured:
    with _model(latency) as url, multiprocessing.get_context("spawn").Pool(1) as pool:
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

        list(pool.map(call, range(threads)))
        cpu, start = _own_cpu(), time.perf_counter()
        list(pool.map(call, range(number)))
        return Measured(number, time.perf_counter() - start, _own_cpu() - cpu)


def _own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _goalline(given: argparse.Namespace, number: int, latency: float, threads: int) -> Measured:
    with tempfile.TemporaryDirectory() as name, _model(latency) as model, ExitStack() as stack:
        folder = Path(name)
        settings = environment(
            GOALLINE_DATABASE_URL=given.database or f"sqlite:///{folder}/bench.db",
            GOALLINE_REDIS_URL=given.redis,
            GOALLINE_EMBEDDED_THREADS=threads,
            GOALLINE_LOG_LEVEL="WARNING",
            GOALLINE_MODEL="any",
            OPENAI_BASE_URL=model,
        )
        assert run(settings, folder, "migrate").returncode == 0
        project = f"bench-{uuid4().hex}"
        assert run(settings, folder, "projects", "create", project).returncode == 0
        made = run(settings, folder, "keys", "create", "--scope", "admin", "--project", project, "--json")
        key = json.loads(made.stdout.splitlines()[-1])["key"]
        if given.redis:
            stack.enter_context(working(settings, folder, "--processes", "1", "--threads", str(threads)))
        goalline = stack.enter_context(serving(settings, folder, key))
        for goal, description in GOALS:
            goalline.post("/v1/goals", {"name": goal, "description": description, "kind": "secondary"})
        with ThreadPoolExecutor(CLIENTS) as pool:
            _judge(goalline, pool, threads)
            cpu, start = _cpu_of_children(), time.perf_counter()
            _judge(goalline, pool, number)
            return Measured(number, time.perf_counter() - start, _cpu_of_children() - cpu)


def _judge(goalline: Running, pool: ThreadPoolExecutor, number: int) -> None:
    rate = "/v1/reports/goals"
    before = goalline.get(rate)["goals"][0]["evaluated"]
    batch = uuid4().hex
    for _ in pool.map(lambda n: goalline.post("/v1/conversations", _conversation(batch, n)), range(number)):
        pass
    # Few looks, as each of them costs CPU that is counted.
    while goalline.get(rate)["goals"][0]["evaluated"] - before < number:
        time.sleep(0.2)


def _conversation(batch: str, number: int) -> dict[str, Any]:
    return {
        "conversation_id": f"{batch}-{number}",
        "agent_id": "bench",
        "ended_at": "2999-01-01T00:00:00Z",
        "transcript": TURNS,
    }


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
