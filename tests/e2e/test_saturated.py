"""Webhooks while the workers have more to do than they can: each is taken, whatever the backlog."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from goalline.judge.stand_in import MODEL, StandIn
from tests.running import Running, conversation, environment, run, serving, working

BACKLOG, JUDGED, CLIENTS, THREADS = 300, 200, 4, 16


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with StandIn() as model:
        yield model


def _statuses_until_so_many_are_judged(goalline: Running, stand_in: StandIn) -> Counter[int]:
    """Post a backlog, then more until a part of it is judged; return how often each status was answered."""
    statuses: Counter[int] = Counter()
    numbers, lock = count(), threading.Lock()

    def send() -> None:
        with lock:
            number = next(numbers)
        answer = goalline.client.post("/v1/conversations", json=conversation(number))
        with lock:
            statuses[answer.status_code] += 1

    def send_on() -> None:
        while stand_in.calls < judged_before + JUDGED:
            send()

    with ThreadPoolExecutor(CLIENTS) as pool:
        for sent in [pool.submit(send) for _ in range(BACKLOG)]:
            sent.result()
        judged_before = stand_in.calls
        for sent in [pool.submit(send_on) for _ in range(CLIENTS)]:
            sent.result()
    return statuses


def test_no_webhook_is_refused_while_the_workers_are_saturated(
    database_url: str, stand_in: StandIn, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    embedded = database_url.startswith("sqlite")
    settings = environment(
        GOALLINE_DATABASE_URL=database_url,
        GOALLINE_REDIS_URL=None if embedded else request.getfixturevalue("redis_url"),
        # However slow the machine is that runs this.
        GOALLINE_DATABASE_TIMEOUT_SECONDS=60,
        GOALLINE_EMBEDDED_THREADS=THREADS,
        GOALLINE_LOG_LEVEL="WARNING",
        GOALLINE_MODEL=MODEL,
        OPENAI_BASE_URL=stand_in.url,
    )
    with ExitStack() as stack:
        if not embedded:
            assert run(settings, tmp_path, "migrate").returncode == 0
            stack.enter_context(working(settings, tmp_path, "--processes", "2", "--threads", str(THREADS)))
        goalline = stack.enter_context(serving(settings, tmp_path))
        goal = {"name": "Appointment booked", "description": "The agent booked an appointment.", "kind": "primary"}
        goalline.post("/v1/goals", goal)
        statuses = _statuses_until_so_many_are_judged(goalline, stand_in)
    assert set(statuses) == {202}
    assert statuses[202] > BACKLOG
