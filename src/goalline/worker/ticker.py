"""The ticker: it renews the leases of this process and sweeps, for as long as a worker runs."""

import os
import signal
import threading
from collections.abc import Callable, Iterable
from datetime import timedelta
from uuid import UUID

from goalline import pipeline, upkeep
from goalline.bootstrap import Services
from goalline.store.conversations import claims
from goalline.telemetry import log
from goalline.worker.clock import utc_now
from goalline.worker.leases import Leases

_log = log(__name__)


class Ticker(threading.Thread):
    """Every few seconds renews the leases of this process and rings for what was lost."""

    def __init__(
        self,
        parts: Services,
        ring: Callable[[Iterable[UUID]], None],
        ring_post: Callable[[int], None],
        leases: Leases,
        parent: int | None = None,
    ) -> None:
        super().__init__(name="goalline-ticker", daemon=True)
        self._parts, self._ring, self._leases, self._parent = parts, ring, leases, parent
        self._ring_post = ring_post
        self.somebody_listens = True
        self._stopping = threading.Event()
        self._retained = upkeep.Retained()
        # The in-process bell forgets with its process: at the start every queued row is rung for.
        self._forgotten = parts.embedded
        self._failed = False

    def run(self) -> None:
        """Tick until `stop` is called."""
        while True:
            try:
                self.tick()
            except Exception as error:
                self._failed = True
                _log.warning("tick_failed", error=type(error).__name__)
            if self._parent is not None and os.getppid() != self._parent:
                # Whoever watches a worker watches the process that it started: what outlived that one would run
                # unseen, beside whatever is started in its place.
                _log.warning("parent_gone")
                self._parent = None
                os.kill(os.getpid(), signal.SIGTERM)
            if self._stopping.wait(self._parts.settings.sweep_seconds):
                return

    def stop(self) -> None:
        """End after the present tick."""
        self._stopping.set()

    def tick(self) -> None:
        """Renew, sweep, look for messages that are due, and let some old words go, once each."""
        self._renew()
        if self._failed:
            # The database was away, perhaps for longer than leases last. All who are alive renew theirs first.
            self._failed = False
        elif not self._parts.gate.resting:
            # While nobody may ask the model, nobody here would answer.
            idle = self._parts.gate.free
            self._ring(pipeline.sweep(self._parts.database, utc_now(), forgotten=self._forgotten, idle=idle))
            self._forgotten = False
        self._look_for_messages()
        self._retain()

    def _look_for_messages(self) -> None:
        due = pipeline.sweep_messages(self._parts.database, utc_now())
        self.somebody_listens = due.listening > 0
        self._ring_post(due.ready)

    def _renew(self) -> None:
        held = self._leases.held()
        if held:
            lease_until = utc_now() + timedelta(seconds=self._parts.settings.lease_seconds)
            with self._parts.database.transaction() as session:
                claims.renew(session, held, lease_until)

    def _retain(self) -> None:
        days, place = self._parts.settings.transcript_days, self._retained.then
        self._retained = upkeep.retain(self._parts.database, days, utc_now(), place)
        if self._retained.deleted:
            _log.info("words_deleted", conversations=self._retained.deleted)
