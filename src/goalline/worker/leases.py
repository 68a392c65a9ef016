"""The leases of this process: which claims it works on, and whose turn that makes it."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from heapq import nsmallest
from uuid import UUID

from goalline.store.conversations import turns
from goalline.store.conversations.claims import Claim
from goalline.store.database import Database
from goalline.worker.clock import utc_now

_LOOK_AGAIN_SECONDS = 1.0
_MOST_TRIED = 3


class Leases:
    """The claims that this process works on."""

    def __init__(self) -> None:
        self._claims: set[Claim] = set()
        self._by_project: Counter[UUID] = Counter()
        self._last_begun: dict[UUID, int] = {}
        self._begun = 0
        self._lock = threading.Lock()

    @contextmanager
    def holding(self, claim: Claim) -> Iterator[None]:
        """Keep a claim for the ticker to renew."""
        with self._lock:
            self._claims.add(claim)
            self._by_project[claim.project_id] += 1
            self._begun += 1
            self._last_begun[claim.project_id] = self._begun
        try:
            yield
        finally:
            with self._lock:
                self._claims.discard(claim)
                self._by_project[claim.project_id] -= 1

    def held(self) -> list[Claim]:
        """Return all claims that are worked on."""
        with self._lock:
            return list(self._claims)

    def fewest(self, projects: Sequence[UUID], number: int) -> list[UUID]:
        """Return those projects that have the fewest claims, of as many the one whose last began the longest ago."""
        with self._lock:
            return nsmallest(number, projects, key=lambda each: (self._by_project[each], self._last_begun.get(each, 0)))


class Turns:
    """Whose turn it is: of the projects that wait, the one with the fewest judgements in this process.

    So a project with ten evaluations does not wait behind another one's ten thousand. Which projects wait is looked up
    once a second at most, and again by whoever finds nothing there: a bell is spent in vain only where nothing waits.
    """

    def __init__(self, database: Database, leases: Leases) -> None:
        self._database, self._leases = database, leases
        self._waiting: Sequence[UUID] = ()
        self._looked_at = -_LOOK_AGAIN_SECONDS
        self._looking = threading.Lock()

    def next(self) -> Sequence[UUID]:
        """Return the projects to look at first, in their order."""
        # Whoever finds somebody else looking makes do with what was seen before.
        if time.monotonic() >= self._looked_at + _LOOK_AGAIN_SECONDS and self._looking.acquire(blocking=False):
            try:
                self._looked_at = time.monotonic()
                self._look()
            finally:
                self._looking.release()
        return self._leases.fewest(self._waiting, _MOST_TRIED)

    def all(self) -> Sequence[UUID]:
        """Look up which projects wait by now, and return all of them in their order."""
        self._look()
        return self._leases.fewest(self._waiting, len(self._waiting))

    def _look(self) -> None:
        with self._database.reading() as session:
            self._waiting = turns.waiting(session, utc_now())
