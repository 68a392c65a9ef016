"""What a test sees of the stand-in and may change while it runs: calls, latency, faults."""

import time
from collections.abc import Iterable
from threading import Event, Lock
from typing import Any

from pydantic import BaseModel, ConfigDict, NonNegativeFloat

from goalline.judge.stand_in.faults import Fault, Script
from goalline.judge.stand_in.matching import MODEL


class _Orders(BaseModel):
    """The body of a POST to /control."""

    model_config = ConfigDict(extra="forbid")

    faults: list[Fault] | None = None
    latency: NonNegativeFloat | None = None


class Control:
    """Counts the requests, hands out the faults and keeps the time; safe to use from many threads.

    `latency` is in seconds and may be set at any time. `requests` holds the bodies of all requests if they are
    recorded.
    """

    def __init__(self, latency: float = 0.0, *, record: bool = False) -> None:
        self.latency = latency
        self.requests: list[dict[str, Any]] = []
        self._record = record
        self._calls = 0
        self._script = Script()
        self._lock = Lock()
        self._stopping = Event()

    @property
    def calls(self) -> int:
        """How many completions were asked for so far, whatever became of them."""
        return self._calls

    def script(self, faults: Iterable[Fault]) -> None:
        """Order the faults of the next requests, one each; replaces what is left of an earlier script."""
        self._script.replace(faults)

    def state(self) -> dict[str, Any]:
        """Return what GET /control shows."""
        return {"model": MODEL, "calls": self.calls, "latency": self.latency, "faults": len(self._script)}

    def change(self, body: bytes) -> dict[str, Any]:
        """Do what a POST to /control asks, and return the new state.

        Raises:
            ValidationError: the body is not a JSON object with `faults`, `latency` or both.
        """
        wanted = _Orders.model_validate_json(body)
        if wanted.faults is not None:
            self.script(wanted.faults)
        if wanted.latency is not None:
            self.latency = wanted.latency
        return self.state()

    def begin(self, request: dict[str, Any]) -> tuple[int, Fault]:
        """Count a request; return its number and the fault that it meets."""
        with self._lock:
            self._calls += 1
            if self._record:
                self.requests.append(request)
            return self._calls, self._script.next()

    def wait_until(self, moment: float) -> bool:
        """Sleep until `moment` on the monotonic clock; return False at once when the server stops."""
        return not self._stopping.wait(max(0.0, moment - time.monotonic()))

    def release(self) -> None:
        """Wake everybody who waits, for good."""
        self._stopping.set()
