"""Asking with a time limit: the answer, the error, or a time-out, and never a wait without end."""

import threading

import pytest

from goalline.telemetry.bounded import within


def test_what_is_answered_in_time_is_returned() -> None:
    assert within(60, lambda: 7) == 7


def test_an_answer_of_nothing_is_an_answer() -> None:
    assert within(60, lambda: None) is None


def test_an_error_is_raised_as_it_is() -> None:
    def fail() -> None:
        raise KeyError("sample")

    with pytest.raises(KeyError, match="sample"):
        within(60, fail)


def test_who_does_not_answer_is_left_behind() -> None:
    answer = threading.Event()
    try:
        with pytest.raises(TimeoutError):
            within(0.05, lambda: answer.wait(60))
    finally:
        answer.set()
