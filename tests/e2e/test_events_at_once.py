"""Events from a crowd: shuffled, sent twice by eight processes, or through a kill -9; each counts once and exactly."""

import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from goalline.store.database import Database
from goalline.store.goals.goals import CurrentGoal
from tests.e2e.reported import Reported, create_goals, is_stored, report, should_be, stored_events, time_zone
from tests.running import Running, environment, run, serving

SENDERS = 8
MOST_OF_BATCH = 1_000
EACH = 10
"""Events of one conversation."""

Goals = Mapping[str, CurrentGoal]
Sent = tuple[str, Any]
"""A path and the body that is posted there."""


@pytest.mark.parametrize(("kind", "conversations"), [("sqlite", 1_000), ("postgres", 10_000)])
def test_events_that_eight_processes_send_twice_in_no_order_count_once_and_to_the_cent(
    kind: str, conversations: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/goalline.db" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    settings = _settings(url, tmp_path)
    with serving(settings, tmp_path) as goalline:
        goals = _goals(url)
        reported = report(goals, conversations, EACH, seed=conversations)
        sent = _everything_twice(reported)
        answers = _post_at_once(goalline, sent, tmp_path)

    unique = len(reported.events)
    assert unique == conversations * EACH
    assert answers["statuses"] == {"202": len(sent)}, (tmp_path / "serve.log").read_text()[-2_000:]
    assert answers["events"] == {"accepted": unique, "duplicates": unique, "rejected": 0}
    _all_is_counted_once(url, reported, goals, settings, tmp_path)


def test_what_a_killed_server_was_told_is_there_once_when_all_is_sent_again(postgres_url: str, tmp_path: Path) -> None:
    settings = _settings(postgres_url, tmp_path)
    with serving(settings, tmp_path) as goalline:
        goals = _goals(postgres_url)
        reported = report(goals, 600, EACH, seed=2)
        sent = [*_batches(reported.events, 200), *(("/v1/conversations", webhook) for webhook in reported.webhooks)]
        accepted = _post_until_killed(goalline, sent)
    with serving(settings, tmp_path, goalline.key) as goalline:
        again = [goalline.post(path, body) for path, body in sent]

    anew = sum(answer.get("accepted", 0) for answer in again)
    # What was answered for is stored; what was not answered for may be, but then all of its batch.
    assert 0 < accepted <= len(reported.events) - anew
    assert anew > 0
    assert sum(answer.get("duplicates", 0) for answer in again if "accepted" in answer) == len(reported.events) - anew
    _all_is_counted_once(postgres_url, reported, goals, settings, tmp_path)


def _settings(url: str, folder: Path) -> dict[str, str]:
    settings = environment(
        GOALLINE_DATABASE_URL=url,
        # However slow the machine is that runs this.
        GOALLINE_DATABASE_TIMEOUT_SECONDS=60,
        GOALLINE_LOG_LEVEL="WARNING",
        # No goal is judged, so no model is asked.
        GOALLINE_MODEL="none-is-asked",
    )
    assert run(settings, folder, "migrate").returncode == 0
    return settings


def _goals(url: str) -> Goals:
    with closing(Database(url)) as database:
        return create_goals(database)


def _batches(events: Sequence[dict[str, Any]], *sizes: int) -> Iterator[Sent]:
    dice = random.Random(3)
    start = 0
    while start < len(events):
        size = dice.choice(sizes)
        yield "/v1/events", {"events": events[start : start + size]}
        start += size


def _everything_twice(reported: Reported) -> list[Sent]:
    """Return all events and webhooks, each twice and in no order, as they are sent."""
    dice = random.Random(1)
    events = [*reported.events, *reported.events]
    dice.shuffle(events)
    sent = [*_batches(events, MOST_OF_BATCH, MOST_OF_BATCH, 300)]
    sent += [("/v1/conversations", webhook) for webhook in [*reported.webhooks, *reported.webhooks]]
    dice.shuffle(sent)
    return sent


def _post_at_once(goalline: Running, sent: Sequence[Sent], folder: Path) -> dict[str, Counter[str]]:
    """Post from several processes; return how often each status came, and what became of the events."""
    senders = []
    for nth in range(SENDERS):
        file = folder / f"sent-{nth}"
        file.write_text("".join(f"{path} {json.dumps(body)}\n" for path, body in sent[nth::SENDERS]))
        line = [sys.executable, "-m", "tests.e2e.sender", goalline.url, goalline.key, str(file)]
        senders.append(subprocess.Popen(line, stdout=subprocess.PIPE, text=True))
    found: dict[str, Counter[str]] = {"statuses": Counter(), "events": Counter()}
    try:
        for sender in senders:
            for name, counts in json.loads(sender.communicate(timeout=600)[0]).items():
                found[name].update(counts)
    finally:
        for sender in senders:
            sender.kill()
            sender.wait()
    return found


def _post_until_killed(goalline: Running, sent: Sequence[Sent]) -> int:
    """Post from several threads, kill the server while it is at it, and return how many events it accepted."""

    def post(one: Sent) -> int:
        told: dict[str, Any] = goalline.post(*one)
        return int(told.get("accepted", 0))

    accepted = 0
    with ThreadPoolExecutor(4) as pool:
        posts = [pool.submit(post, one) for one in sent]
        for nth, posted in enumerate(as_completed(posts)):
            # What was under way when it was killed, and what came later, has no answer.
            with suppress(httpx2.TransportError):
                accepted += posted.result()
            if nth == len(posts) // 4:
                goalline.process.kill()
    goalline.process.wait()
    return accepted


def _all_is_counted_once(url: str, reported: Reported, goals: Goals, settings: dict[str, str], folder: Path) -> None:
    with closing(Database(url)) as database:
        counts, cycles = should_be(reported, goals, time_zone(database))
        stored_counts, stored_cycles = is_stored(database)
        assert stored_events(database) == len(reported.events)
    assert stored_cycles == cycles
    assert stored_counts == counts
    verified = run(settings, folder, "rollups", "verify", "--json")
    assert (verified.returncode, json.loads(verified.stdout)) == (0, {"differences": []})
