"""Faults that a test can order from the stand-in: one for each request, in the order of the script."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock

from pydantic import ConfigDict, NonNegativeFloat
from pydantic.dataclasses import dataclass as checked_dataclass


@checked_dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Fault:
    """One way to answer badly; the fields combine, and a fault with none of them set is a normal answer.

    Attributes:
        status: HTTP status; from 400 on, the answer is an error object instead of a completion.
        headers: added to the answer's headers, or in their place.
        delay: seconds to wait on top of the latency.
        body: the whole HTTP body, in place of the completion.
        drop: close the connection without an answer.
        content: the message's text (or the tool call's arguments) in place of the verdicts.
        finish_reason: such as `length`, which also cuts the text in half, or `content_filter`, which empties it.
        refusal: the message refuses with these words and has no text.
        ungrounded: each verdict quotes words that nobody said.
        repeat: False for one request, a number for that many, True for every request from then on.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: NonNegativeFloat = 0
    body: str | None = None
    drop: bool = False
    content: str | None = None
    finish_reason: str = "stop"
    refusal: str | None = None
    ungrounded: bool = False
    repeat: bool | int = False


@dataclass(slots=True)
class Script:
    """The faults still to come, safe to use from many threads."""

    _faults: list[Fault] = field(default_factory=list)
    _used: int = 0
    _lock: Lock = field(default_factory=Lock)

    def replace(self, faults: Iterable[Fault]) -> None:
        """Forget what is left of the script and begin this one."""
        with self._lock:
            self._faults, self._used = list(faults), 0

    def next(self) -> Fault:
        """Return the fault for the next request; a plain `Fault()` when the script is at its end."""
        with self._lock:
            if not self._faults:
                return Fault()
            fault = self._faults[0]
            self._used += 1
            if fault.repeat is not True and self._used >= int(fault.repeat):
                self._faults.pop(0)
                self._used = 0
            return fault

    def __len__(self) -> int:
        """Return how many faults of the script are not used up."""
        with self._lock:
            return len(self._faults)
