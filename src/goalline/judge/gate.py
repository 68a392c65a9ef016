"""The gate before the model: how many ask it at once, and whether anybody may, for all threads of a process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf

from goalline.domain.evaluation import Reason
from goalline.judge.failure import Failure
from goalline.judge.hearing import Clock
from goalline.telemetry import log, metrics

_FAILURES_IN_A_ROW = 8
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0
_LONGEST_BELIEVED = 600.0

_log = log(__name__)


@dataclass(slots=True)
class Pace:
    """How fast to ask, by what the model answered so far; it knows no clock, and times are seconds of any one.

    A limited call (429) halves how many may ask at once, once for all calls that were under way; each answer adds its
    share of one, so that a whole round of answers adds one (additive increase, multiplicative decrease: Chiu and Jain,
    1989). Calls that fail in a row, or one refused key, open the circuit: nobody asks until a pause has passed, then
    one does, and what becomes of that decides. The pause doubles from failure to failure.

    Attributes:
        most: How many may ever ask at once.
        limit: How many may now, at least 1; its fraction is what answers have added since.
        calling: How many do now.
        not_before: Nobody asks before this time.
        broken: Why the circuit is open; None while it is closed.
    """

    most: int
    limit: float
    calling: int = 0
    not_before: float = -inf
    broken: Reason | None = None
    _failures: int = 0
    _pause: float = _FIRST_PAUSE
    _cut_at: float = -inf

    @property
    def allowed(self) -> int:
        """How many may ask at once: while the circuit is open, the one that tries."""
        return 1 if self.broken else int(self.limit)

    def answered(self) -> None:
        """Take note of an answer, good or bad, from a model that works."""
        if self.calling >= self.allowed:  # Where fewer ask than may, an answer says nothing about more.
            self.limit = min(self.most, self.limit + 1 / self.limit)
        self.broken, self._failures, self._pause = None, 0, _FIRST_PAUSE

    def limited(self, began: float, now: float) -> None:
        """Take note that a call, which began at `began`, was one too many."""
        if began > self._cut_at:  # Those that were under way together were told about the same crowd.
            self.limit = max(1.0, min(self.limit, self.calling) / 2)
            self._cut_at = now

    def failed(self, began: float, now: float, reason: Reason) -> None:
        """Take note that a call failed for a reason that is likely to meet the next one as well."""
        self._failures += 1
        if self.broken:
            # What was under way when the circuit opened says nothing new.
            if began >= self.not_before:
                self._pause = min(2 * self._pause, _LONGEST_PAUSE)
                self.not_before = now + self._pause
        elif self._failures >= _FAILURES_IN_A_ROW or reason is Reason.UNAUTHORIZED:
            self.broken, self.not_before = reason, max(self.not_before, now + self._pause)

    def hold(self, until: float) -> None:
        """Let nobody ask before a time."""
        self.not_before = max(self.not_before, until)


class Gate:
    """Holds the threads of a process to one pace.

    An evaluation passes before it is claimed, so that nothing is claimed, and no attempt counts, while nobody may ask;
    each call of the model passes once more. Whoever waits for a second try holds no place.
    """

    def __init__(self, most: int, clock: Clock | None = None) -> None:
        """Let up to `most` calls through at once, until answers tell otherwise."""
        self._clock = clock or Clock()
        self._pace = Pace(most, float(most))
        self._working = 0
        self._closed = False
        self._changed = threading.Condition()

    @property
    def broken(self) -> Reason | None:
        """Why nobody asks at present, or None."""
        return self._pace.broken

    @property
    def limit(self) -> int:
        """How many calls run at once at most."""
        return self._pace.allowed

    @contextmanager
    def working(self) -> Iterator[bool]:
        """Wait until another evaluation can be begun, and count it meanwhile; False once the gate is closed."""
        with self._changed:
            while not self._closed:
                pause = self._pause()
                if not pause and self._working < self._pace.allowed:
                    break
                self._changed.wait(pause or None)
            begun = not self._closed
            self._working += begun
        try:
            yield begun
        finally:
            with self._changed:
                self._working -= begun
                self._changed.notify_all()

    def enter(self, patience: float) -> tuple[float, float | None]:
        """Wait until one more call may be made, which `leave` ends.

        Returns the time at which it begins, and None; or, where that would take more than `patience` seconds, the
        time of giving up and the seconds that are still to wait, 0 where nobody knows.
        """
        deadline = self._clock.monotonic() + patience
        while True:
            now = self._clock.monotonic()
            with self._changed:
                pause = self._pause()
                if not pause and self._pace.calling < self._pace.allowed:
                    self._pace.calling += 1
                    return now, None
                if now + pause > deadline or (now >= deadline and not pause):
                    return now, pause
                if not pause:
                    self._changed.wait(deadline - now)
            if pause:
                self._clock.sleep(pause)

    def leave(self, began: float, failure: Failure | None) -> None:
        """End a call by what came of it.

        Where the circuit is open by now, another judgement has the next try: the failure is not waited out but left
        for later. Only the call that opened it for a refused key fails for good, so that somebody is told.
        """
        now = self._clock.monotonic()
        with self._changed:
            before = self._pace.broken
            if failure is None or failure.reason not in (Reason.UNAVAILABLE, Reason.UNAUTHORIZED):
                self._pace.answered()
            elif failure.limited:
                self._pace.limited(began, now)
            else:
                self._pace.failed(began, now, failure.reason)
            if failure and failure.retry_after:
                self._pace.hold(now + min(failure.retry_after, _LONGEST_BELIEVED))
            self._pace.calling -= 1
            after = self._pace.broken
            metrics.llm_pace(self._pace.allowed, is_open=after is not None)
            self._changed.notify_all()
        if failure and after:
            failure.waitable = False
            failure.later = failure.later or (before is not None and failure.reason is Reason.UNAUTHORIZED)
        if after and not before:
            _log.warning("circuit_opened", reason=after)
        elif before and not after:
            _log.info("circuit_closed", reason=before)

    def close(self) -> None:
        """Let no further evaluation begin, and wake those that wait for it."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _pause(self) -> float:
        return max(0.0, self._pace.not_before - self._clock.monotonic())
