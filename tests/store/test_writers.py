"""Writers: one at a time, webhooks before judgements, and nobody waits for ever."""

import threading
from collections.abc import Callable

import pytest

from goalline.store.writers import MOST_IN_A_ROW, TurnMissed, Writers
from tests.running import wait_until

LONG = 60.0


@pytest.fixture
def writers() -> Writers:
    return Writers()


def waiting(writers: Writers) -> int:
    return len(writers._hurried) + len(writers._unhurried)


def order_of(writers: Writers, line: list[tuple[str, bool]]) -> list[str]:
    """Let writers come one after the other while somebody else writes; return the order in which they got a turn."""
    written: list[str] = []

    def write(name: str, hurried: bool) -> None:
        with writers.turn(LONG, hurried=hurried):
            written.append(name)

    def come(name: str, hurried: bool) -> threading.Thread:
        before = waiting(writers)
        thread = threading.Thread(target=write, args=(name, hurried), daemon=True)
        thread.start()
        wait_until(lambda: waiting(writers) > before)
        return thread

    with writers.turn(LONG, hurried=True):
        threads = [come(*each) for each in line]
        assert written == []
    for thread in threads:
        thread.join(LONG)
    return written


def test_those_in_a_hurry_go_first_and_each_kind_in_the_order_in_which_it_came(writers: Writers) -> None:
    line = [("slow 1", False), ("slow 2", False), ("fast 1", True), ("fast 2", True)]
    assert order_of(writers, line) == ["fast 1", "fast 2", "slow 1", "slow 2"]


def test_a_crowd_in_a_hurry_does_not_keep_the_others_waiting_for_ever(writers: Writers) -> None:
    crowd = [(f"fast {number}", True) for number in range(2 * MOST_IN_A_ROW)]
    assert order_of(writers, [("slow", False), *crowd]).index("slow") == MOST_IN_A_ROW


@pytest.mark.parametrize("hurried", [True, False])
def test_who_waited_in_vain_is_not_waited_for(writers: Writers, hurried: bool) -> None:
    def miss_it() -> None:
        with writers.turn(0.01, hurried=hurried):
            pass

    with writers.turn(LONG, hurried=True), pytest.raises(TurnMissed):
        miss_it()
    assert waiting(writers) == 0
    assert order_of(writers, [("next", hurried)]) == ["next"]


def test_a_writer_that_fails_lets_the_next_one_write(writers: Writers) -> None:
    def fail() -> None:
        with writers.turn(LONG, hurried=True):
            raise ZeroDivisionError

    attempts: list[Callable[[], None]] = [fail, fail]
    for attempt in attempts:
        with pytest.raises(ZeroDivisionError):
            attempt()
