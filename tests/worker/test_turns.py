"""Who is served next: each project in its turn, suspects one at a time, and nobody once the worker is to end."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from dramatiq.brokers.stub import StubBroker
from sqlmodel import col, update

from goalline import pipeline
from goalline.bootstrap import Services
from goalline.domain.evaluation import SUSPECT_AFTER, Reason, Status
from goalline.judge.failure import Failure
from goalline.judge.gate import Gate
from goalline.judge.hearing import Clock
from goalline.store.conversations.claims import Claim
from goalline.store.tables import Conversation, Evaluation
from goalline.worker import Bell, embedded_worker
from goalline.worker.leases import Leases, Turns
from tests.judge.test_gate import Time
from tests.worker.workshop import NOW, QuotingJudge, evaluation, made_project, received, rung

SMALL, LARGE = UUID(int=1), UUID(int=2)


def claim(project_id: UUID) -> Claim:
    return Claim(uuid4(), project_id, uuid4(), 1, 1, 0, NOW)


def states(parts: Services, ids: list[UUID]) -> list[Status]:
    return [evaluation(parts, each).status for each in ids]


def test_the_project_with_the_fewest_judgements_comes_first() -> None:
    leases = Leases()
    with ExitStack() as stack:
        for whose in (SMALL, SMALL, LARGE):
            stack.enter_context(leases.holding(claim(whose)))
        assert leases.fewest([SMALL, LARGE], 2) == [LARGE, SMALL]
    with leases.holding(claim(LARGE)):
        assert leases.fewest([SMALL, LARGE], 2) == [SMALL, LARGE]


def test_of_projects_with_as_many_it_is_each_in_its_turn() -> None:
    leases, served = Leases(), []
    for _ in range(6):
        whose = leases.fewest([SMALL, LARGE], 1)[0]
        with leases.holding(claim(whose)):
            served.append(whose)
    assert served == [SMALL, LARGE] * 3


def test_which_projects_wait_is_not_looked_up_for_each_bell(parts: Services) -> None:
    turns = Turns(parts.database, Leases())
    assert turns.next() == []
    received(parts, made_project(parts, "late"))
    assert turns.next() == []


def test_a_project_with_little_to_do_does_not_wait_behind_one_with_much(parts: Services) -> None:
    much, little = made_project(parts, "much"), made_project(parts, "little")
    backlog = [received(parts, much) for _ in range(20)]
    few = [received(parts, little, NOW + timedelta(seconds=1)) for _ in range(3)]
    bell = Bell(replace(parts, broker=StubBroker(middleware=[])))
    for evaluation_id in backlog[:6]:
        bell.answer(str(evaluation_id))
    assert states(parts, few) == [Status.SUCCEEDED] * 3
    # What they took from the others they give back: each bell is good for one evaluation, whoever it names.
    for evaluation_id in [*backlog[6:], *few]:
        bell.answer(str(evaluation_id))
    assert states(parts, backlog) == [Status.SUCCEEDED] * 20


@pytest.fixture
def suspects(parts: Services) -> list[UUID]:
    """Three evaluations that were interrupted so often that one of them may be what kills workers."""
    whose = made_project(parts, "default")
    ids = [received(parts, whose) for _ in range(3)]
    with parts.database.transaction() as session:
        session.execute(update(Evaluation).where(col(Evaluation.id).in_(ids)).values(interruptions=SUSPECT_AFTER))
    return ids


def thinking(parts: Services, meanwhile: Callable[[], object]) -> Bell:
    return Bell(replace(parts, judge=QuotingJudge(meanwhile), broker=StubBroker(middleware=[])))


def test_suspects_are_judged_one_at_a_time_and_others_beside_them(parts: Services, suspects: list[UUID]) -> None:
    first, thinks, go_on = threading.Lock(), threading.Event(), threading.Event()

    def meanwhile() -> None:
        if first.acquire(blocking=False):
            thinks.set()
            assert go_on.wait(60)

    bell = thinking(parts, meanwhile)
    with ThreadPoolExecutor() as pool:
        judged = pool.submit(bell.answer, str(suspects[0]))
        assert thinks.wait(60)
        other = received(parts, made_project(parts, "other"))
        for evaluation_id in [*suspects, other]:
            bell.answer(str(evaluation_id))
        assert states(parts, [*suspects, other]).count(Status.SUCCEEDED) == 1
        assert evaluation(parts, other).status is Status.SUCCEEDED
        go_on.set()
        judged.result(60)
    assert states(parts, suspects) == [Status.SUCCEEDED] * 3


def test_whoever_judged_a_suspect_takes_the_next_one(parts: Services, suspects: list[UUID]) -> None:
    thinking(parts, lambda: None).answer(str(suspects[0]))
    assert states(parts, suspects) == [Status.SUCCEEDED] * 3


def test_while_the_model_is_down_nothing_is_claimed_and_nothing_rung(parts: Services) -> None:
    evaluation_id = received(parts, made_project(parts, "default"))
    began, _ = parts.gate.enter(0)
    parts.gate.leave(began, Failure(Reason.UNAUTHORIZED))
    bell = Bell(parts)
    bell.ticker.tick()
    assert rung(parts.broker) == []
    assert evaluation(parts, evaluation_id).attempts == 0


def test_when_the_model_may_be_tried_again_what_waits_is_rung_for(parts: Services) -> None:
    evaluation_id = received(parts, made_project(parts, "default"))
    time = Time()
    tried = replace(parts, gate=Gate(4, Clock(time.sleep, lambda: time.seconds)))
    began, _ = tried.gate.enter(0)
    tried.gate.leave(began, Failure(Reason.UNAUTHORIZED))
    bell = Bell(tried)
    bell.ticker.tick()
    time.sleep(1)
    bell.ticker.tick()
    assert [message.args for message in rung(parts.broker)] == [(str(evaluation_id),)]


def test_a_worker_that_is_to_end_leaves_its_bells_to_others(parts: Services) -> None:
    evaluation_id = received(parts, made_project(parts, "default"))
    bell = Bell(parts)
    bell.drain()
    bell.answer(str(evaluation_id))
    assert [message.args for message in rung(parts.broker)] == [(str(evaluation_id),)]
    assert evaluation(parts, evaluation_id).status is Status.QUEUED


def test_a_worker_that_ends_hands_back_what_it_cannot_finish(parts: Services) -> None:
    evaluation_id = received(parts, made_project(parts, "default"))
    thinks, end = threading.Event(), threading.Event()

    def think() -> None:
        thinks.set()
        assert end.wait(60)

    slow = replace(parts, judge=QuotingJudge(think), broker=StubBroker(middleware=[]))
    bell = Bell(slow)
    working = embedded_worker(slow)
    working.start()
    bell.ring([evaluation_id])
    assert thinks.wait(60)
    working.stop(timeout=2_000)
    row = evaluation(parts, evaluation_id)
    assert (row.status, row.interruptions) == (Status.QUEUED, 0)
    # Whoever judges it next has it alone: what the first one found is stored by nobody.
    work = pipeline.claim(parts.database, evaluation_id, NOW, timedelta(seconds=30))
    assert work
    end.set()
    for thread in working.workers:
        thread.join(60)
    assert evaluation(parts, evaluation_id).status is Status.RUNNING


def test_every_bell_of_many_projects_is_good_for_one_evaluation(parts: Services) -> None:
    ids = [received(parts, made_project(parts, f"project-{number}")) for number in range(12)]
    bell = Bell(replace(parts, broker=StubBroker(middleware=[])))
    with ThreadPoolExecutor(12) as pool:
        for answered in [pool.submit(bell.answer, str(evaluation_id)) for evaluation_id in ids]:
            answered.result(60)
    assert states(parts, ids) == [Status.SUCCEEDED] * 12


def test_a_bell_that_was_spent_on_another_project_is_made_good_by_that_ones_bell(parts: Services) -> None:
    first = received(parts, made_project(parts, "first"))
    bell = Bell(replace(parts, broker=StubBroker(middleware=[])))
    bell._turns.next()
    # It came after the look: its bell is spent on the first project's.
    second = received(parts, made_project(parts, "second"))
    for evaluation_id in (second, first):
        bell.answer(str(evaluation_id))
    assert states(parts, [first, second]) == [Status.SUCCEEDED] * 2


def test_a_row_that_cannot_be_read_fails_alone(parts: Services) -> None:
    broken = received(parts, made_project(parts, "broken"))
    good = [received(parts, made_project(parts, f"good-{number}")) for number in range(3)]
    row = evaluation(parts, broken)
    with parts.database.transaction() as session:
        spoilt = update(Conversation).where(col(Conversation.id) == row.conversation_id)
        session.execute(spoilt.values(transcript=[{"role": "nobody", "text": "?"}]))
    bell = Bell(replace(parts, broker=StubBroker(middleware=[])))
    for evaluation_id in [broken, *good]:
        bell.answer(str(evaluation_id))
    assert states(parts, good) == [Status.SUCCEEDED] * 3
    row = evaluation(parts, broken)
    assert (row.status, row.reason) == (Status.FAILED, Reason.INTERNAL_ERROR)
    assert row.last_error


def test_after_a_tick_that_failed_all_renew_before_anybody_sweeps(parts: Services) -> None:
    evaluation_id = received(parts, made_project(parts, "default"))
    bell = Bell(parts)
    bell.ticker._failed = True
    for expected in ([], [(str(evaluation_id),)]):
        bell.ticker.tick()
        assert [message.args for message in rung(parts.broker)] == expected
