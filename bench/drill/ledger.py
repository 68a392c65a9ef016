"""What a client has to send, when it may, and the ledger of what was accepted."""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

_TYPICAL_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Post:
    """One body that has to arrive: when the pace has come to `at`, and after the earlier wording if this is another."""

    at: float
    path: str
    body: bytes
    names: Sequence[str]
    wording: int = 1
    words: str = ""
    """The digest of a conversation's transcript, as Goalline stores it."""


class Pace:
    """How far the drill has come, in faults: what is sent is spread over them, however long each takes."""

    def __init__(self) -> None:
        self._faults, self._since = 0, time.monotonic()
        self._over = threading.Event()

    def next_fault(self) -> None:
        """Go on with what is to be sent from the beginning of the next fault on, or at the end of all of them."""
        self._faults, self._since = self._faults + 1, time.monotonic()

    def stop(self) -> None:
        """Send nothing more."""
        self._over.set()

    @property
    def stopped(self) -> bool:
        """Whether nothing more is to be sent."""
        return self._over.is_set()

    def wait(self, at: float) -> None:
        """Wait until the drill has come that far, or is stopped."""
        while self._now() < at and not self._over.wait(0.02):
            pass

    def _now(self) -> float:
        # Ever more slowly while a fault lasts long, so that something comes during all of it.
        seconds = time.monotonic() - self._since
        return self._faults + seconds / (seconds + _TYPICAL_SECONDS)


@dataclass
class Ledger:
    """What the clients were answered; conversations and events by name, with the Unix time of their first 2xx."""

    conversations: dict[str, float] = field(default_factory=dict)
    words: dict[str, dict[str, int]] = field(default_factory=dict)
    """Of each conversation the digests of the words that were accepted, with the number of the wording."""
    events: dict[str, float] = field(default_factory=dict)
    moments: list[tuple[float, int]] = field(default_factory=list)
    """When something was accepted, and by which API."""
    answers: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    """What was answered that no fault excuses."""
    abandoned: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def accept(self, post: Post, api: int) -> None:
        """Note that a post was answered 2xx."""
        now = time.time()
        with self._lock:
            self.moments.append((now, api))
            book = self.conversations if post.words else self.events
            for name in post.names:
                book.setdefault(name, now)
                if post.words:
                    self.words.setdefault(name, {})[post.words] = post.wording

    def answer(self, told: str) -> None:
        """Count an answer, or that there was none."""
        with self._lock:
            self.answers[told] += 1

    def has(self, post: Post) -> bool:
        """Tell whether the earlier wording was accepted that this post changes; True where there is none."""
        return post.wording == 1 or post.names[0] in self.conversations
