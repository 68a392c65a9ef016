"""A crowd: two thousand conversations from sixteen clients, each sent twice, on PostgreSQL, Redis and two workers."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url

from goalline.judge.stand_in import StandIn
from tests.running import Running, conversation, installed, run, serving, wait_until, working

CONVERSATIONS = 2_000
CLIENTS = 16
GOALS = [("Appointment booked", "primary"), ("Further help offered", "secondary")]


def test_each_of_two_thousand_conversations_sent_twice_is_judged_and_counted_once(
    postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    with StandIn() as stand_in:
        settings = installed(tmp_path, stand_in.url, postgres_url, redis_url, GOALLINE_LOG_LEVEL="WARNING")
        with (
            serving(settings, tmp_path) as goalline,
            working(settings, tmp_path, "--processes", "2", "--threads", "16"),
        ):
            for name, kind in GOALS:
                goalline.post("/v1/goals", {"name": name, "description": f"The agent said so: {name}.", "kind": kind})
            answers = _send_twice(goalline)
            assert Counter(answers) == {(202, False): CONVERSATIONS, (202, True): CONVERSATIONS}
            wait_until(lambda: _count(postgres_url, "status = 'succeeded'") == CONVERSATIONS, seconds=300)
            report = goalline.get("/v1/reports/success-rate")

    assert _count(postgres_url, "true") == CONVERSATIONS
    assert (report["conversations"], report["evaluated"], report["coverage"]) == (CONVERSATIONS, CONVERSATIONS, 1.0)
    assert stand_in.calls == CONVERSATIONS
    verified = run(settings, tmp_path, "rollups", "verify", "--json")
    assert (verified.returncode, json.loads(verified.stdout)) == (0, {"differences": []})


def _send_twice(goalline: Running) -> list[tuple[int, bool]]:
    def send(number: int) -> tuple[int, bool]:
        answer = goalline.client.post("/v1/conversations", json=_conversation(number % CONVERSATIONS))
        return answer.status_code, answer.json().get("duplicate")

    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(send, range(2 * CONVERSATIONS)))


def _conversation(number: int) -> dict[str, Any]:
    return conversation(number, agent_id=f"line-{number % 7}")


def _count(postgres_url: str, condition: str) -> int:
    plain = make_url(postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection:
        row = connection.execute(f"SELECT count(*) FROM evaluation WHERE {condition}").fetchone()  # type: ignore[call-overload,unused-ignore]
    assert row
    number: int = row[0]
    return number
