"""The metrics: each stage counts what it did, once, under names and labels that are few and say nothing of anybody."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client.core import Metric

from goalline.domain.evaluation import JudgementFailed, JudgeUnavailable, Reason, Status
from goalline.domain.goal import Kind
from goalline.domain.verdict import Outcome
from goalline.judge.prices import Prices
from goalline.telemetry import metrics
from goalline.worker.ringer import Ringer
from tests.judge.endpoint import GOALS, INVALID, TURNS, UNGROUNDED, Endpoint, completion, error, failed, scripted
from tests.pipeline.conftest import (
    ScriptedJudge,
    Stage,
    migrated_file,
    migrated_server,
    postgres_world,
    sqlite_world,
    stage,
    world,
)
from tests.store.world import EFFORT, HOUR, LEASE, NOW, SECOND
from tests.telemetry.counts import Since

__all__ = ["migrated_file", "migrated_server", "postgres_world", "sqlite_world", "stage", "world"]


class Lines:
    """A queue of sample numbers."""

    due, later, running, oldest = 3, 2, 1, 7.5


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with scripted() as endpoint:
        yield endpoint


def everything() -> list[Metric]:
    return [*metrics._OWN.collect(), *metrics.queue_metrics(Lines())]


def ended(status: Status, reason: Reason | str = "") -> str:
    return f'goalline_evaluations_ended_total{{reason="{reason}",status="{status}"}}'


def test_every_metric_is_ours_and_says_what_it_is() -> None:
    for metric in everything():
        assert metric.name.startswith("goalline_")
        assert metric.documentation.endswith(".")


def test_no_label_can_have_more_values_than_the_code_has_names_for() -> None:
    assert {name for metric in everything() for sample in metric.samples for name in sample.labels} <= {
        "duplicate", "result", "status", "reason", "outcome", "kind", "direction", "due", "le", "type", "platform",
    }  # fmt: skip


def test_a_conversation_is_counted_when_it_comes_and_told_from_its_repetition(stage: Stage) -> None:
    since = Since()
    stage.receive()
    stage.receive()
    stage.receive(words="Other words")
    assert since.counted() == {
        'goalline_conversations_received_total{duplicate="false"}': 1,
        'goalline_conversations_received_total{duplicate="true"}': 2,
    }


def test_a_success_counts_once_with_each_verdict_by_outcome_and_kind(stage: Stage) -> None:
    stage.world.goal("Book")
    for name in ("Greet", "Thank"):
        stage.world.goal(name, Kind.SECONDARY)
    receipt, since = stage.receive(), Since()
    assert stage.evaluate(ScriptedJudge(Outcome.PARTIAL), receipt.evaluation_id) is Status.SUCCEEDED
    assert stage.evaluate(ScriptedJudge(), receipt.evaluation_id) is None
    assert since.counted() == {
        ended(Status.SUCCEEDED): 1,
        'goalline_verdicts_judged_total{kind="primary",outcome="partial"}': 1,
        'goalline_verdicts_judged_total{kind="secondary",outcome="partial"}': 2,
    }


def test_a_failure_and_a_skip_count_by_their_reason(stage: Stage) -> None:
    skipped, since = stage.receive("call-1"), Since()
    stage.evaluate(ScriptedJudge(), skipped.evaluation_id)
    assert since.counted() == {ended(Status.SKIPPED, Reason.NO_GOAL_IN_FORCE): 1}
    stage.world.goal()
    refused, since = stage.receive("call-2").evaluation_id, Since()
    stage.evaluate(ScriptedJudge(error=JudgementFailed(Reason.REFUSED, EFFORT)), refused)
    assert since.counted() == {ended(Status.FAILED, Reason.REFUSED): 1}


def test_what_is_handed_back_has_not_ended(stage: Stage) -> None:
    stage.world.goal()
    receipt, since = stage.receive(), Since()
    unavailable = ScriptedJudge(error=JudgeUnavailable(EFFORT))
    assert stage.evaluate(unavailable, receipt.evaluation_id) is Status.QUEUED
    assert since.counted() == {}
    assert stage.evaluate(unavailable, receipt.evaluation_id, NOW + 7 * HOUR) is Status.FAILED
    assert since.counted() == {ended(Status.FAILED, Reason.UNAVAILABLE): 1}


def test_a_result_that_came_too_late_counts_nothing(stage: Stage) -> None:
    stage.world.goal()
    receipt = stage.receive()
    late = ScriptedJudge(meanwhile=lambda: stage.sweep(NOW + SECOND + LEASE))
    since = Since()
    assert stage.evaluate(late, receipt.evaluation_id) is None
    assert since.counted() == {"goalline_leases_lost_total": 1, "goalline_sweep_rings_total": 1}


def test_an_evaluation_that_kills_its_workers_counts_its_leases_and_its_end(stage: Stage) -> None:
    stage.world.goal()
    evaluation_id, since = stage.receive().evaluation_id, Since()
    at = NOW
    for _ in range(5):
        stage.world.claim(evaluation_id, at)
        at += LEASE
        stage.sweep(at)
    assert since.counted() == {
        ended(Status.FAILED, Reason.POISON): 1,
        "goalline_leases_lost_total": 5,
        "goalline_sweep_rings_total": 4,
    }


def test_each_call_of_the_model_is_counted_and_what_it_took_is_added(endpoint: Endpoint) -> None:
    endpoint.answers(completion(UNGROUNDED), completion(INVALID), completion())
    since = Since()
    endpoint.judge(prices=Prices.parse("2.00,30.00")).judge(GOALS, TURNS)
    cost = since.counted().pop("goalline_llm_cost_dollars_total")
    assert cost == pytest.approx(float(3 * (100 * 2 + 10 * 30) / Decimal(1_000_000)))
    assert since.counted("goalline_llm_calls") == {'goalline_llm_calls_total{result="ok"}': 3}
    assert since.counted("goalline_llm_call_duration") == {"goalline_llm_call_duration_seconds_count": 3}
    assert since.counted("goalline_llm_tokens") == {
        'goalline_llm_tokens_total{direction="input"}': 300,
        'goalline_llm_tokens_total{direction="output"}': 30,
    }
    assert since.counted("goalline_judgement") == {"goalline_judgement_duration_seconds_count": 1}


@pytest.mark.parametrize(
    ("answers", "reasks", "groundless"),
    [
        ([completion()], 0, 0),
        ([completion(INVALID), completion()], 1, 0),
        ([completion("no JSON at all"), completion()], 1, 0),
        ([completion(choices=[], usage=None), completion()], 1, 0),
        ([completion(UNGROUNDED), completion()], 1, 1),
        ([completion(UNGROUNDED), completion(UNGROUNDED), completion(UNGROUNDED)], 2, 3),
        ([error(503), error(429), completion()], 0, 0),
    ],
)
def test_an_answer_that_was_turned_down_is_counted_apart_from_a_call_that_failed(
    endpoint: Endpoint, answers: list[Any], reasks: int, groundless: int
) -> None:
    endpoint.answers(*answers)
    since, judge = Since(), endpoint.judge()
    if groundless > 2:
        assert failed(judge).reason is Reason.UNGROUNDED
    else:
        judge.judge(GOALS, TURNS)
    counted = since.counted()
    assert counted.get("goalline_llm_reasks_total", 0) == reasks
    assert counted.get("goalline_groundless_answers_total", 0) == groundless


def test_a_call_without_an_answer_is_counted_by_its_reason_and_timed(endpoint: Endpoint) -> None:
    endpoint.answers(error(503), error(401))
    since = Since()
    assert failed(endpoint.judge()).reason is Reason.UNAUTHORIZED
    assert since.counted("goalline_llm_call") == {
        'goalline_llm_calls_total{result="unavailable"}': 1,
        'goalline_llm_calls_total{result="unauthorized"}': 1,
        "goalline_llm_call_duration_seconds_count": 2,
    }


def test_every_bell_that_the_queue_did_not_take_is_counted() -> None:
    def fail() -> None:
        raise ConnectionError

    since, ringer = Since(), Ringer()
    for _ in range(100):
        ringer.ring(fail)
    ringer.close(timeout=60)
    assert since.counted() == {"goalline_bells_not_heard_total": 100}


def test_a_bell_that_was_taken_is_not_counted_as_lost() -> None:
    since, ringer = Since(), Ringer()
    ringer.ring(lambda: None)
    ringer.close(timeout=60)
    assert since.counted() == {}


def test_a_gauge_takes_one_line() -> None:
    depth = metrics.gauge(f"sample_{uuid4().hex}", "A sample gauge.")
    depth.set(3)
    try:
        assert f"{depth._name} 3.0" in metrics.text(None).decode()
    finally:
        metrics._OWN.unregister(depth)
