"""The bell and the ticker: messages carry ids only, leases are renewed, what was lost is rung for again."""

import json
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from dramatiq import Broker, Worker
from dramatiq.brokers.stub import StubBroker
from pydantic import SecretStr

from goalline import bootstrap, pipeline, worker
from goalline.bootstrap import Services
from goalline.domain.evaluation import RING_AGAIN_AFTER, Status
from goalline.judge.gate import Gate
from goalline.settings import Settings
from goalline.store.conversations import retention
from goalline.store.database import Database, DatabaseUnavailable
from goalline.store.tables import Project
from goalline.worker import Bell, embedded_worker, utc_now
from goalline.worker.ringer import Ringer
from tests.worker.workshop import NOW, SECRET, SETTINGS, QuotingJudge, evaluation, made_project, received, rung


@pytest.fixture
def project(parts: Services) -> Project:
    return made_project(parts)


def tick(bell: Bell, *, first: bool = False) -> None:
    bell.ticker._forgotten = first
    bell.ticker.tick()


def test_a_message_carries_the_id_and_nothing_of_the_conversation(parts: Services, project: Project) -> None:
    evaluation_id = received(parts, project)
    Bell(parts).ring([evaluation_id])
    (message,) = rung(parts.broker)
    assert message.args == (str(evaluation_id),)
    assert SECRET not in json.dumps(message.asdict())


def test_a_worker_answers_the_bell(parts: Services, project: Project) -> None:
    bell = Bell(parts)
    evaluation_id = received(parts, project, datetime.now(UTC))
    working = embedded_worker(parts)
    working.start()
    try:
        bell.ring([evaluation_id])
        join(parts.broker, working)
    finally:
        working.stop()
    assert evaluation(parts, evaluation_id).status is Status.SUCCEEDED


def join(broker: Broker, working: Worker) -> None:
    broker.join("evaluations", timeout=30_000)
    working.join()


def test_at_its_start_the_in_process_bell_rings_for_all_that_is_queued(parts: Services, project: Project) -> None:
    ids = {received(parts, project) for _ in range(3)}
    bell = Bell(parts)
    with time_machine.travel(NOW + timedelta(seconds=1), tick=False):
        tick(bell, first=True)
    assert {UUID(message.args[0]) for message in rung(parts.broker)} == ids


def test_later_it_leaves_alone_what_was_just_rung_for(parts: Services, project: Project) -> None:
    received(parts, project)
    bell = Bell(parts)
    with time_machine.travel(NOW + timedelta(seconds=1), tick=False):
        tick(bell)
    assert rung(parts.broker) == []


def test_what_nobody_heard_is_rung_for_again(parts: Services, project: Project) -> None:
    evaluation_id = received(parts, project)
    bell = Bell(parts)
    with time_machine.travel(NOW + RING_AGAIN_AFTER, tick=False):
        tick(bell)
    assert [message.args for message in rung(parts.broker)] == [(str(evaluation_id),)]


def test_a_worker_with_nothing_to_do_rings_for_what_is_overdue(parts: Services, project: Project) -> None:
    evaluation_id = received(parts, project)
    idle = Bell(replace(parts, gate=Gate(1)))
    busy = replace(parts, gate=Gate(1), broker=StubBroker(middleware=[]))
    with time_machine.travel(NOW + timedelta(seconds=30), tick=False):
        with busy.gate.working():
            tick(Bell(busy))
        tick(idle)
    assert rung(busy.broker) == []
    assert [message.args for message in rung(parts.broker)] == [(str(evaluation_id),)]


def test_the_lease_of_a_long_judgement_is_renewed(parts: Services, project: Project) -> None:
    lease = timedelta(seconds=parts.settings.lease_seconds)
    with time_machine.travel(NOW, tick=False) as clock:
        evaluation_id = received(parts, project)
        seen: list[datetime] = []

        def think_long() -> None:
            for _ in range(5):
                clock.shift(lease * 0.7)
                tick(bell)
                seen.append(evaluation(parts, evaluation_id).ring_at)

        long = replace(parts, judge=QuotingJudge(think_long), broker=StubBroker(middleware=[]))
        bell = Bell(long)
        bell.answer(str(evaluation_id))
        assert seen == [NOW + lease * 0.7 * n + lease for n in range(1, 6)]
    row = evaluation(parts, evaluation_id)
    assert (row.status, row.attempts) == (Status.SUCCEEDED, 1)
    assert rung(long.broker) == []


def test_when_a_judgement_has_ended_its_lease_is_not_renewed_any_more(parts: Services, project: Project) -> None:
    bell = Bell(parts)
    with time_machine.travel(NOW, tick=False):
        evaluation_id = received(parts, project)
        bell.answer(str(evaluation_id))
        before = evaluation(parts, evaluation_id)
        tick(bell)
    assert evaluation(parts, evaluation_id).ring_at == before.ring_at


def test_a_queue_out_of_reach_fails_nobody(parts: Services, project: Project) -> None:
    # Nobody listens on port 1.
    settings = Settings(redis_url="redis://127.0.0.1:1/0")
    bell = Bell(replace(parts, settings=settings, broker=bootstrap.services(settings).broker))
    evaluation_id = received(parts, project)
    bell.ring([evaluation_id])
    assert evaluation(parts, evaluation_id).status is Status.QUEUED


def test_an_evaluation_that_the_database_cannot_give_fails_nobody_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("goalline.worker.bell._CLAIM_AGAIN_SECONDS", (0.0, 0.0))
    without_tables = Database(f"sqlite:///{tmp_path}/empty.db")
    Bell(Services(Settings(), without_tables, QuotingJudge(), StubBroker(middleware=[]))).answer(str(uuid4()))
    without_tables.close()


def test_a_defect_of_the_judge_says_its_kind_and_not_its_words(
    parts: Services, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise RuntimeError(SECRET)

    evaluation_id = received(parts, project)
    Bell(replace(parts, judge=QuotingJudge(fail), broker=StubBroker(middleware=[]))).answer(str(evaluation_id))
    assert evaluation(parts, evaluation_id).status is Status.FAILED
    logged = capsys.readouterr().out
    assert "RuntimeError" in logged
    assert SECRET not in logged


class Became(Exception):
    """This process would have become another one."""


def test_the_worker_command_becomes_dramatiqs_own_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def become(*arguments: Any) -> None:
        raise Became(*arguments)

    monkeypatch.setattr(os, "execve", become)
    with pytest.raises(Became) as became:
        worker.run(3, 200, 25)
    _, command, environment = became.value.args
    assert command[1:4] == ["-m", "dramatiq", "goalline.worker:boot"]
    assert command[command.index("--processes") + 1] == "3"
    assert command[command.index("--threads") + 1] == "200"
    assert command[command.index("--worker-shutdown-timeout") + 1] == "25000"
    assert environment["GOALLINE_WORKER_THREADS"] == "200"
    # Some messages wait in the process for a thread that ends, and not so many that another process goes without.
    assert 200 < int(environment["dramatiq_queue_prefetch"]) <= 250


@pytest.fixture
def silent_broker() -> Iterator[str]:
    """The URL of a Redis that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


def test_a_broker_that_has_gone_silent_keeps_nobody_waiting(parts: Services, silent_broker: str) -> None:
    settings = Settings(redis_url=SecretStr(silent_broker))
    broker = bootstrap.services(settings).broker
    sent = threading.Event()
    enqueue = broker.enqueue

    def enqueue_and_tell(*given: Any, **more: Any) -> Any:
        try:
            return enqueue(*given, **more)
        finally:
            sent.set()

    broker.enqueue = enqueue_and_tell  # type: ignore[method-assign]
    bell = Bell(replace(parts, settings=settings, broker=broker))
    bell.ring(uuid4() for _ in range(100))
    # All of them are rung for, and not even the first one has been sent or given up by now.
    assert not sent.is_set()


def test_after_a_failure_the_broker_is_left_alone_for_a_while() -> None:
    sent: list[int] = []

    def fail(number: int) -> None:
        sent.append(number)
        raise ConnectionError

    ringer = Ringer()
    for number in range(100):
        ringer.ring(partial(fail, number))
    ringer.close(timeout=60)
    assert sent == [0]


def test_what_was_rung_is_sent_before_the_end() -> None:
    sent: list[int] = []
    ringer = Ringer()
    for number in range(100):
        ringer.ring(partial(sent.append, number))
    ringer.close(timeout=60)
    assert sent == list(range(100))


@pytest.mark.parametrize("none", [{"embedded_threads": 0}, {"openai_base_url": None}], ids=["no threads", "no model"])
def test_where_nobody_judges_in_this_process_nothing_waits_in_its_memory(parts: Services, none: dict[str, Any]) -> None:
    bell = Bell(replace(parts, settings=SETTINGS.model_copy(update=none)))
    bell.ring([uuid4()])
    assert rung(parts.broker) == []


def test_each_tick_deletes_the_words_of_some_old_conversations(
    parts: Services, project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    settings = parts.settings.model_copy(update={"transcript_days": 30})
    bell = Bell(replace(parts, settings=settings, broker=StubBroker(middleware=[])))
    with time_machine.travel(NOW, tick=False):
        for _ in range(3):
            bell.answer(str(received(parts, project)))
        tick(bell)
    left = []
    with time_machine.travel(NOW + timedelta(days=31), tick=False):
        for _ in range(3):
            with parts.database.reading() as session:
                left.append(retention.count(session, utc_now()))
            tick(bell)
    assert left == [3, 1, 0]
    logged = capsys.readouterr().out
    assert "words_deleted" in logged
    assert SECRET not in logged


def test_without_the_setting_no_tick_deletes_anything(parts: Services, project: Project) -> None:
    bell = Bell(parts)
    with time_machine.travel(NOW, tick=False):
        bell.answer(str(received(parts, project)))
    with time_machine.travel(NOW + timedelta(days=10_000), tick=False):
        tick(bell)
        with parts.database.reading() as session:
            assert retention.count(session, utc_now()) == 1


def test_a_bell_that_rings_while_the_database_is_away_is_not_spent(
    parts: Services, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluation_id, away = received(parts, project), [DatabaseUnavailable("away")] * 2
    claim = pipeline.claim

    def claim_later(*given: Any, **more: Any) -> Any:
        if away:
            raise away.pop()
        return claim(*given, **more)

    monkeypatch.setattr(pipeline, "claim", claim_later)
    monkeypatch.setattr("goalline.worker.bell._CLAIM_AGAIN_SECONDS", (0.0, 0.0, 0.0))
    Bell(parts).answer(str(evaluation_id))
    assert evaluation(parts, evaluation_id).status is Status.SUCCEEDED
