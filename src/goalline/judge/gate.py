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
    one tries in each pause, and what becomes of that decides. The pause doubles from failed try to failed try. Calls
    that began before the circuit opened decide nothing any more.

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
    _opened_at: float = -inf

    def has_room(self, now: float) -> bool:
        """Tell whether one more may ask now."""
        return now >= self.not_before and (self.broken is not None or self.calling < int(self.limit))

    def begin(self, now: float) -> None:
        """Count a call that begins; while the circuit is open, it is the try of this pause."""
        self.calling += 1
        if self.broken:
            # Whether or not it is answered in time: one that hangs must not keep out the next.
            self.not_before = now + self._pause

    def answered(self, began: float) -> None:
        """Take note of an answer, good or bad, from a model that works."""
        if began < self._opened_at:
            return
        if self.calling >= int(self.limit):  # Where fewer ask than may, an answer says nothing about more.
            self.limit = min(self.most, self.limit + 1 / self.limit)
        if self.broken:
            self.not_before = -inf
        self.broken, self._failures, self._pause = None, 0, _FIRST_PAUSE

    def limited(self, began: float, now: float) -> None:
        """Take note that a call, which began at `began`, was one too many."""
        if began > self._cut_at:  # Those that were under way together were told about the same crowd.
            self.limit = max(1.0, min(self.limit, self.calling) / 2)
            self._cut_at = now
        self._try_failed(began, now)

    def failed(self, began: float, now: float, reason: Reason) -> bool:
        """Take note that a call failed for a reason that is likely to meet the next one as well.

        Returns whether that is news: it opened the circuit, or keeps it open for another reason than so far.
        """
        if began < self._opened_at:
            return False
        if self.broken:
            was, self.broken = self.broken, reason
            self._try_failed(began, now)
            return was is not reason
        self._failures += 1
        if self._failures < _FAILURES_IN_A_ROW and reason is not Reason.UNAUTHORIZED:
            return False
        self.broken, self._opened_at = reason, now
        self.not_before = max(self.not_before, now + self._pause)
        return True

    def hold(self, until: float) -> None:
        """Let nobody ask before a time."""
        self.not_before = max(self.not_before, until)

    def _try_failed(self, began: float, now: float) -> None:
        if self.broken and began >= self._opened_at:
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            self.not_before = max(self.not_before, now + self._pause)


class Gate:
    """Holds the threads of a process to one pace.

    An evaluation passes before it is claimed, so that nothing is claimed, and no attempt counts, while nobody may ask;
    each call of the model passes once more, so that a judgement which waits for its second try holds up no call.
    """

    def __init__(self, most: int, clock: Clock | None = None) -> None:
        """Let up to `most` calls through at once, until answers tell otherwise."""
        self._clock = clock or Clock()
        self._pace = Pace(most, float(most))
        self._working = 0
        self._trying_since = -inf
        self._closed = False
        self._changed = threading.Condition()

    @property
    def broken(self) -> Reason | None:
        """Why the model is left alone at present, or None."""
        return self._pace.broken

    @property
    def resting(self) -> bool:
        """Whether nobody may ask at all, not even one to try."""
        return self._pause() > 0

    @property
    def free(self) -> int:
        """How many evaluations more could be begun now."""
        with self._changed:
            if self._closed or self._pause():
                return 0
            return max(0, (1 if self._pace.broken else int(self._pace.limit)) - self._working)

    @contextmanager
    def working(self) -> Iterator[bool]:
        """Wait until another evaluation can be begun, and count it meanwhile; False once the gate is closed."""
        with self._changed:
            while not (self._closed or self._admits()):
                self._changed.wait(self._pause() or (_FIRST_PAUSE if self._pace.broken else None))
            begun = not self._closed
            self._working += begun
        try:
            yield begun
        finally:
            with self._changed:
                self._working -= begun
                self._trying_since = -inf
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
                if self._pace.has_room(now):
                    self._pace.begin(now)
                    return now, None
                pause = self._pause()
                if now + pause > deadline or (now >= deadline and not pause):
                    return now, pause
                if not pause:
                    self._changed.wait(deadline - now)
            if pause:
                self._clock.sleep(pause)

    def leave(self, began: float, failure: Failure | None) -> None:
        """End a call by what came of it.

        Where the circuit is open by now, another judgement has the next try: the failure is not waited out but left
        for later. Only the call that brings the news of a refused key fails for good, so that somebody is told.
        """
        now = self._clock.monotonic()
        with self._changed:
            before, news = self._pace.broken, False
            if failure is None or failure.reason not in (Reason.UNAVAILABLE, Reason.UNAUTHORIZED):
                self._pace.answered(began)
            elif failure.limited:
                self._pace.limited(began, now)
            else:
                news = self._pace.failed(began, now, failure.reason)
            if failure and failure.retry_after:
                self._pace.hold(now + min(failure.retry_after, _LONGEST_BELIEVED))
            after = self._pace.broken
            self._end()
        if failure:
            failure.waitable = failure.waitable and not after
            failure.later = failure.later or (failure.reason is Reason.UNAUTHORIZED and not news)
        if news:
            _log.warning("circuit_opened", reason=after)
        elif before and not after:
            _log.info("circuit_closed", reason=before)

    def give_up(self) -> None:
        """End a call of which nothing is known, not even whether the model has answered."""
        with self._changed:
            self._end()

    def close(self) -> None:
        """Let no further evaluation begin, and wake those that wait for it."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _admits(self) -> bool:
        now = self._clock.monotonic()
        if now < self._pace.not_before:
            return False
        if not self._pace.broken:
            return self._working < int(self._pace.limit)
        # One tries at a time; but one that hangs must not keep out the next.
        if now < self._trying_since + _LONGEST_PAUSE:
            return False
        self._trying_since = now
        return True

    def _end(self) -> None:
        self._pace.calling -= 1
        metrics.llm_pace(int(self._pace.limit), is_open=self._pace.broken is not None)
        self._changed.notify_all()

    def _pause(self) -> float:
        return max(0.0, self._pace.not_before - self._clock.monotonic())
