"""Takes the time of a stretch in the middle of a run."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measured:
    """What a stretch of a run took: evaluations (or calls), seconds, and CPU seconds."""

    number: int
    seconds: float
    cpu: float

    @property
    def cpu_ms(self) -> float:
        """CPU of one evaluation, in milliseconds."""
        return self.cpu / self.number * 1000

    @property
    def rate(self) -> float:
        """Evaluations per second."""
        return self.number / self.seconds


class Stopwatch:
    """Measures from the moment when `lead` are done to the one when `number` more are."""

    def __init__(self, lead: int, number: int, cpu: Callable[[], float]) -> None:
        self._lead, self._number, self._cpu = lead, number, cpu
        self._began: tuple[int, float, float] | None = None
        self.measured: Measured | None = None

    def look(self, done: int) -> None:
        """Take the time where it has to be taken; `done` is how many are done by now."""
        if self._began is None and done >= self._lead:
            self._began = (done, time.perf_counter(), self._cpu())
        elif self._began and self.measured is None and done >= self._lead + self._number:
            number, start, cpu = self._began
            self.measured = Measured(done - number, time.perf_counter() - start, self._cpu() - cpu)
