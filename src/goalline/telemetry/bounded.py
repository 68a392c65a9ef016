"""Asks what may never answer: whoever looks in must not wait for what is broken."""

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, ask: Callable[[], T]) -> T:
    """Return what `ask` returns, which runs in a thread of its own.

    Drivers have time limits, if any, for single steps only: name look-up, connecting, each answer, repetitions. A
    thread that is late is left behind, and ends when its driver gives up.

    Raises:
        TimeoutError: there was no answer in time.
        Exception: whatever `ask` raises.
    """
    answers: list[T] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            answers.append(ask())
        except Exception as error:
            errors.append(error)

    asking = threading.Thread(target=run, name="goalline-look", daemon=True)
    asking.start()
    asking.join(seconds)
    if errors:
        raise errors[0]
    if not answers:
        raise TimeoutError
    return answers[0]
