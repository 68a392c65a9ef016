"""The gate: as many calls at once as the model bears, and none while it is down or refuses the key."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from goalline.domain.evaluation import Reason
from goalline.judge.failure import Failure
from goalline.judge.gate import Gate, Pace
from goalline.judge.hearing import Clock
from tests.judge.endpoint import GOALS, TURNS, Endpoint, completion, error, failed, unavailable


def pace(limit: float = 100, calling: int = 100) -> Pace:
    return Pace(100, limit, calling)


def may(asked: Pace, now: float) -> int:
    """Return how many more may ask at a time, by beginning their calls."""
    begun = 0
    while asked.has_room(now):
        asked.begin(now)
        begun += 1
    return begun


def test_a_limited_call_halves_how_many_may_ask_at_once() -> None:
    asked = pace()
    asked.limited(began=1, now=2)
    assert asked.limit == 50


def test_those_that_were_limited_together_halve_it_once() -> None:
    asked = pace()
    for number in range(100):
        asked.limited(began=1, now=2 + number)
    assert asked.limit == 50
    asked.limited(began=3, now=200)
    assert asked.limit == 25


def test_it_is_halved_from_those_that_asked_and_not_from_those_that_might_have() -> None:
    asked = pace(calling=8)
    asked.limited(began=1, now=2)
    assert asked.limit == 4


def test_one_may_always_ask() -> None:
    asked = pace(limit=1, calling=1)
    asked.limited(began=1, now=2)
    assert asked.limit == 1


def test_a_round_of_answers_adds_one() -> None:
    asked = pace(limit=10, calling=10)
    for _ in range(11):
        asked.answered(began=1)
    assert int(asked.limit) == 11


def test_answers_to_fewer_than_may_ask_add_nothing() -> None:
    asked = pace(limit=10, calling=3)
    for _ in range(1_000):
        asked.answered(began=1)
    assert asked.limit == 10


def test_there_are_never_more_than_the_threads() -> None:
    asked = pace(limit=99, calling=100)
    for _ in range(1_000):
        asked.answered(began=1)
    assert asked.limit == 100


def test_as_many_ask_at_once_as_may() -> None:
    assert may(pace(limit=3.9, calling=0), now=0) == 3


def fail(asked: Pace, times: int, began: float = 0, now: float = 0, reason: Reason = Reason.UNAVAILABLE) -> list[bool]:
    return [asked.failed(began, now, reason) for _ in range(times)]


def opened(at: float = 10) -> Pace:
    """A pace whose circuit has opened, with many calls still under way."""
    asked = pace(calling=50)
    assert fail(asked, 8, began=at - 1, now=at) == [False] * 7 + [True]
    return asked


def test_failures_in_a_row_open_the_circuit() -> None:
    asked = pace()
    fail(asked, 7)
    asked.answered(began=0)
    fail(asked, 7)
    assert not asked.broken
    fail(asked, 1, now=10)
    assert (asked.broken, asked.not_before) == (Reason.UNAVAILABLE, 11)


def test_one_refused_key_opens_it() -> None:
    asked = pace()
    assert fail(asked, 1, now=10, reason=Reason.UNAUTHORIZED) == [True]
    assert (asked.broken, asked.not_before) == (Reason.UNAUTHORIZED, 11)


def test_while_it_is_open_one_tries_in_each_pause_whatever_is_still_under_way() -> None:
    asked = opened(at=10)
    assert [may(asked, now) for now in (10, 10.9, 11, 11.5, 12, 12.5)] == [0, 0, 1, 0, 1, 0]


def test_the_pause_doubles_with_each_try_that_fails_up_to_half_a_minute() -> None:
    asked, pauses = opened(), []
    for _ in range(7):
        now = asked.not_before
        asked.begin(now)
        fail(asked, 1, began=now, now=now)
        pauses.append(asked.not_before - now)
    assert pauses == [2, 4, 8, 16, 30, 30, 30]


def test_a_limited_try_prolongs_the_pause_as_well() -> None:
    asked = opened(at=10)
    asked.begin(11)
    asked.limited(began=11, now=11)
    assert (asked.broken, asked.not_before) == (Reason.UNAVAILABLE, 13)


def test_what_was_under_way_when_the_circuit_opened_decides_nothing_any_more() -> None:
    asked = opened(at=10)
    fail(asked, 50, began=5, now=20)
    asked.answered(began=9)
    assert (asked.broken, asked.not_before) == (Reason.UNAVAILABLE, 11)
    asked.answered(began=11)
    assert not fail(asked, 50, began=5, now=20).count(True)
    assert not asked.broken


def test_an_answer_closes_the_circuit_and_forgets_the_pauses() -> None:
    asked = opened()
    fail(asked, 3, began=100, now=100)
    asked.answered(began=110)
    assert (asked.broken, may(asked, now=110)) == (None, 50)
    fail(asked, 8, began=200, now=200)
    assert asked.not_before == 201


def test_another_reason_to_stay_open_is_news() -> None:
    asked = opened()
    assert fail(asked, 2, began=100, now=100, reason=Reason.UNAUTHORIZED) == [True, False]
    assert asked.broken is Reason.UNAUTHORIZED


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.clock = Clock(self.sleep, lambda: self.seconds)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def time() -> Time:
    return Time()


def call(gate: Gate, failure: Failure | None = None, patience: float = 0) -> float | None:
    began, still_to_wait = gate.enter(patience)
    if still_to_wait is None:
        gate.leave(began, failure)
    return still_to_wait


def test_everybody_waits_as_long_as_one_was_told_to(time: Time) -> None:
    gate = Gate(10, time.clock)
    call(gate, Failure(Reason.UNAVAILABLE, waitable=True, limited=True, retry_after=40))
    assert call(gate, patience=39) == 40
    assert time.seconds == 0
    assert call(gate, patience=40) is None
    assert time.seconds == 40


def test_a_delay_of_a_day_is_not_believed_for_everybody(time: Time) -> None:
    gate = Gate(10, time.clock)
    call(gate, Failure(Reason.UNAVAILABLE, waitable=True, limited=True, retry_after=86_400))
    assert call(gate) == 600


def test_no_more_call_at_once_than_may(time: Time) -> None:
    gate = Gate(2, time.clock)
    first, _ = gate.enter(0)
    gate.enter(0)
    assert gate.enter(0) == (0.0, 0.0)
    gate.leave(first, None)
    assert gate.enter(0) == (0.0, None)


def test_whoever_waits_for_a_place_gets_it_when_somebody_leaves() -> None:
    gate = Gate(1)
    began, _ = gate.enter(0)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(gate.enter, 60)
        gate.leave(began, None)
        assert waiting.result(60)[1] is None


def test_while_the_circuit_is_open_nothing_is_begun_and_then_one_tries(time: Time) -> None:
    gate = Gate(10, time.clock)
    call(gate, Failure(Reason.UNAUTHORIZED))
    assert (call(gate), gate.resting) == (1, True)
    time.sleep(1)
    assert not gate.resting
    began, _ = gate.enter(0)
    assert call(gate) == 1
    gate.leave(began, None)
    assert call(gate) is None


def test_a_try_that_hangs_keeps_nobody_out(time: Time) -> None:
    gate = Gate(10, time.clock)
    call(gate, Failure(Reason.UNAUTHORIZED))
    time.sleep(1)
    gate.enter(0)
    time.sleep(1)
    assert call(gate) is None
    assert not gate.broken


def test_a_call_of_which_nothing_is_known_decides_nothing(time: Time) -> None:
    gate = Gate(1, time.clock)
    call(gate, Failure(Reason.UNAUTHORIZED))
    time.sleep(1)
    gate.enter(0)
    gate.give_up()
    assert gate.broken is Reason.UNAUTHORIZED


def test_the_call_that_finds_the_key_refused_fails_and_the_others_come_back_later(time: Time) -> None:
    gate = Gate(10, time.clock)
    calls = [gate.enter(0)[0] for _ in range(3)]
    failures = [Failure(Reason.UNAUTHORIZED) for _ in calls]
    for began, failure in zip(calls, failures, strict=True):
        gate.leave(began, failure)
    assert [failure.later for failure in failures] == [False, True, True]


def test_a_failure_of_one_conversation_alone_closes_the_circuit_as_well(time: Time) -> None:
    gate = Gate(10, time.clock)
    call(gate, Failure(Reason.UNAUTHORIZED))
    time.sleep(1)
    call(gate, Failure(Reason.TOO_LONG))
    assert gate.broken is None


@contextmanager
def begun(gate: Gate, number: int) -> Iterator[Callable[[], int]]:
    """Begin as many evaluations as there are threads; give how many have passed the gate."""
    passed, end = threading.Semaphore(0), threading.Event()
    seen = 0

    def work() -> None:
        with gate.working() as admitted:
            if admitted:
                passed.release()
            end.wait(60)

    def passing() -> int:
        nonlocal seen
        while passed.acquire(timeout=0.2):
            seen += 1
        return seen

    with ThreadPoolExecutor(number) as pool:
        for _ in range(number):
            pool.submit(work)
        try:
            yield passing
        finally:
            end.set()
            gate.close()


def test_no_more_evaluations_are_begun_than_may_ask() -> None:
    with begun(Gate(3), 10) as passing:
        assert passing() == 3


def test_it_tells_how_many_evaluations_more_could_be_begun(time: Time) -> None:
    gate = Gate(10, time.clock)
    with gate.working(), gate.working():
        assert gate.free == 8
        call(gate, Failure(Reason.UNAUTHORIZED))
        assert gate.free == 0
        time.sleep(1)
        assert gate.free == 0
    assert gate.free == 1
    call(gate)
    assert gate.free == 10
    gate.close()
    assert gate.free == 0


def test_no_evaluation_is_begun_while_the_circuit_is_open(time: Time) -> None:
    gate = Gate(10, Clock(monotonic=lambda: time.seconds))
    call(gate, Failure(Reason.UNAVAILABLE, retry_after=3_600))
    with begun(gate, 10) as passing:
        assert passing() == 0


def test_a_closed_gate_sends_everybody_away() -> None:
    gate = Gate(1)
    answers: list[bool] = []

    def work() -> None:
        with gate.working() as admitted:
            answers.append(admitted)

    with gate.working(), ThreadPoolExecutor() as pool:
        waiting = [pool.submit(work) for _ in range(3)]
        gate.close()
        for each in waiting:
            each.result(60)
    assert answers == [False, False, False]


def test_a_model_that_keeps_failing_is_left_alone_and_the_evaluation_waits(endpoint: Endpoint) -> None:
    endpoint.answers(error(500))
    judge = endpoint.judge()
    unavailable(judge)
    asked = len(endpoint.requests)
    assert asked == 8
    unavailable(judge)
    assert len(endpoint.requests) == asked + 1


def test_a_refused_key_fails_one_evaluation_and_makes_the_others_wait(endpoint: Endpoint) -> None:
    endpoint.answers(error(401))
    judge = endpoint.judge()
    assert failed(judge).reason is Reason.UNAUTHORIZED
    for _ in range(3):
        assert unavailable(judge).reason is Reason.UNAUTHORIZED


def test_what_is_not_asked_because_the_key_is_refused_says_so_too(endpoint: Endpoint) -> None:
    endpoint.answers(error(401))
    judge = endpoint.judge(patience=0.5)
    failed(judge)
    asked = len(endpoint.requests)
    assert unavailable(judge).reason is Reason.UNAUTHORIZED
    assert len(endpoint.requests) == asked


def test_a_key_that_is_taken_again_is_used_again(endpoint: Endpoint) -> None:
    endpoint.answers(error(401), error(401), completion())
    judge = endpoint.judge()
    failed(judge)
    unavailable(judge)
    assert len(judge.judge(GOALS, TURNS).verdicts) == 2
