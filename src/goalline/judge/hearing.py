"""One run of the judge over one conversation: what it must answer, and what it has taken so far."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal

from goalline.domain.evaluation import Reason, Usage
from goalline.domain.transcript import Turn

_IN_SESSION: ContextVar["Hearing"] = ContextVar("hearing")


@dataclass(frozen=True, slots=True)
class Clock:
    """What a judge sleeps and tells the time by; tests pass their own. `now` returns Unix time."""

    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time


@dataclass(slots=True)
class Hearing:
    """The state of one call of the judge, shared by the layers that instructor runs in between.

    `patience` is the time in seconds that may still be lost to failing calls and to waiting after them.
    `fault` is why the last answer was turned down, if it was; `asked` is true once the model was asked.
    """

    keys: Sequence[str]
    turns: Sequence[Turn]
    patience: float
    model: str
    usage: Usage = field(default_factory=Usage)
    cost: Decimal | None = None
    fault: Reason = Reason.INVALID_ANSWER
    asked: bool = False

    def record(self, model: str, usage: Usage, cost: Decimal | None) -> None:
        """Count one answer; the cost of all is known only if the cost of each is."""
        if self.usage.calls:
            cost = None if cost is None or self.cost is None else self.cost + cost
        self.model, self.usage, self.cost = model, self.usage + usage, cost

    @contextmanager
    def in_session(self) -> Iterator[None]:
        """Make this the hearing that `current` returns in this thread."""
        token = _IN_SESSION.set(self)
        try:
            yield
        finally:
            _IN_SESSION.reset(token)


def current() -> Hearing:
    """Return the hearing in session in this thread."""
    return _IN_SESSION.get()
