"""Lets one writer at a time go ahead: those in a hurry first, each kind in the order in which it came."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

MOST_IN_A_ROW = 8
"""So many in a hurry go ahead of one that is not; then it is that one's turn."""


class TurnMissed(Exception):
    """Nobody made way in time."""


class Writers:
    """A lock that knows who is in a hurry; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = False
        self._in_a_row = 0
        self._hurried: deque[threading.Lock] = deque()
        self._unhurried: deque[threading.Lock] = deque()

    @contextmanager
    def turn(self, seconds: float, *, hurried: bool) -> Iterator[None]:
        """Wait for a turn, `seconds` at most, and keep it for the block.

        Raises:
            TurnMissed: it did not come in time.
        """
        self._wait(self._hurried if hurried else self._unhurried, seconds)
        try:
            yield
        finally:
            self._pass_on()

    def _wait(self, line: deque[threading.Lock], seconds: float) -> None:
        with self._lock:
            if not self._taken:
                self._taken = True
                return
            mine = threading.Lock()
            mine.acquire()
            line.append(mine)
        if mine.acquire(timeout=seconds):
            return
        with self._lock:
            # Otherwise it came at the last moment.
            if mine in line:
                line.remove(mine)
                raise TurnMissed

    def _pass_on(self) -> None:
        with self._lock:
            unhurried = bool(self._unhurried) and (not self._hurried or self._in_a_row >= MOST_IN_A_ROW)
            self._in_a_row = 0 if unhurried else self._in_a_row + 1
            line = self._unhurried if unhurried else self._hurried
            if line:
                line.popleft().release()
            else:
                self._taken = False
