"""Metrics of real processes: two workers on PostgreSQL and Redis are scraped as one, and what they count is right."""

from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from sqlalchemy import make_url

from goalline.judge.stand_in import Fault, StandIn
from tests.running import conversation, free_port, installed, serving, wait_until, working
from tests.telemetry.counts import samples

CONVERSATIONS = 60
REFUSED, GROUNDLESS = 3, 5
GOALS = [("Appointment booked", "primary"), ("Further help offered", "secondary")]

ENDED = "SELECT status, coalesce(reason, ''), count(*) FROM evaluation GROUP BY 1, 2"
VERDICTS = "SELECT outcome, kind, count(*) FROM verdict GROUP BY 1, 2"
SPENT = "SELECT sum(prompt_tokens), sum(completion_tokens), sum(cost) / 1e9 FROM evaluation"


def test_the_port_of_two_worker_processes_tells_what_was_judged(
    postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    port, temporary = free_port(), tmp_path / "temporary"
    temporary.mkdir()
    with StandIn() as model:
        settings = installed(
            tmp_path,
            model.url,
            postgres_url,
            redis_url,
            GOALLINE_PRICE_PER_MILLION="1,1",
            GOALLINE_METRICS_PORT=port,
            TMPDIR=temporary,
        )
        with serving(settings, tmp_path) as goalline:
            for name, kind in GOALS:
                goalline.post("/v1/goals", {"name": name, "description": f"The agent said so: {name}.", "kind": kind})
            for number in range(CONVERSATIONS):
                goalline.post("/v1/conversations", conversation(number))
            waiting = samples(goalline.client.get("/metrics").text)
            model.script([Fault(status=400)] * REFUSED + [Fault(ungrounded=True)] * GROUNDLESS)
            with working(settings, tmp_path, "--processes", "2", "--threads", "4") as process:
                wait_until(lambda: _ended(port) == CONVERSATIONS, process, tmp_path / "worker.log", 300)
                counted = _scraped(port)
                (folder,) = temporary.glob("goalline-metrics-*")
                assert folder.stat().st_mode & 0o777 == 0o700
                assert len(list(folder.glob("counter_*.db"))) == 2
            judged = samples(goalline.client.get("/metrics").text)
        calls = model.calls

    received = 'goalline_conversations_received_total{duplicate="false"}'
    depth = 'goalline_queue_depth{due="now"}'
    assert (waiting[received], waiting[depth], judged[depth]) == (CONVERSATIONS, CONVERSATIONS, 0)

    ended = "goalline_evaluations_ended_total"
    for status, reason, many in _rows(postgres_url, ENDED):
        assert counted.pop(f'{ended}{{reason="{reason}",status="{status}"}}') == many
    assert not [name for name, value in counted.items() if name.startswith(ended) and value]
    for outcome, kind, many in _rows(postgres_url, VERDICTS):
        assert counted[f'goalline_verdicts_judged_total{{kind="{kind}",outcome="{outcome}"}}'] == many
    assert counted['goalline_llm_calls_total{result="ok"}'] == calls - REFUSED
    assert counted['goalline_llm_calls_total{result="bad_request"}'] == REFUSED
    assert counted["goalline_llm_call_duration_seconds_count"] == calls
    assert counted["goalline_llm_reasks_total"] == calls - CONVERSATIONS
    assert counted["goalline_groundless_answers_total"] == GROUNDLESS
    assert counted["goalline_judgement_duration_seconds_count"] == CONVERSATIONS
    ((tokens_in, tokens_out, cost),) = _rows(postgres_url, SPENT)
    assert counted['goalline_llm_tokens_total{direction="input"}'] == tokens_in
    assert counted['goalline_llm_tokens_total{direction="output"}'] == tokens_out
    assert counted["goalline_llm_cost_dollars_total"] == pytest.approx(float(cost))

    assert not list(temporary.glob("goalline-metrics-*"))
    assert _scraped(port) == {}


def _scraped(port: int) -> dict[str, float]:
    try:
        return samples(httpx2.get(f"http://127.0.0.1:{port}/metrics", timeout=5, trust_env=False).text)
    except httpx2.TransportError:
        return {}


def _ended(port: int) -> float:
    return sum(value for name, value in _scraped(port).items() if name.startswith("goalline_evaluations_ended_total"))


def _rows(postgres_url: str, statement: Any) -> list[Any]:
    plain = make_url(postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection:
        return connection.execute(statement).fetchall()
