"""What SIGTERM and Ctrl-C do to a command that has something to put away."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

TERMINATED = 143
"""The exit status after SIGTERM, as shells count it."""


@contextmanager
def held_signals() -> Iterator[None]:
    """Let SIGTERM and SIGINT wait until the program that this process becomes in the block can handle them.

    What is blocked stays so through exec. Dramatiq unblocks both when its own handlers are in place; sent before that,
    they would kill it as if there were no orderly end. Where it comes to no exec, they are let through in the end.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM (status 143) and SIGINT (KeyboardInterrupt) end the block, so that its `finally` clauses run.

    Both are set explicitly: a script that starts a command with `&` makes it inherit that SIGINT is ignored.
    """

    def terminate(_number: int, _frame: FrameType | None) -> None:
        # Sent to a whole group, SIGTERM comes twice: directly, and from `make`. The second must not stop the tidying.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.exit(TERMINATED)

    before = {
        signal.SIGTERM: signal.signal(signal.SIGTERM, terminate),
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
    }
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
