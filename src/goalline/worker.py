"""The bell, the actor that answers it, and the ticker that renews leases and sweeps."""

import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import NoReturn
from uuid import UUID

import dramatiq

from goalline import pipeline
from goalline.bootstrap import Services, services
from goalline.settings import LogFormat, Settings
from goalline.store import evaluations
from goalline.store.evaluations import Claim
from goalline.telemetry import configure_logs, log

_log = log(__name__)


def utc_now() -> datetime:
    """Return the time: the clock that the edges hand to the pipeline."""
    return datetime.now(UTC)


class Bell:
    """Rings for evaluations, and in a worker answers: the row is the job, a message only carries its id."""

    def __init__(self, parts: Services) -> None:
        """Declare the actor on the broker; it runs wherever a Dramatiq worker serves that broker."""
        self._parts = parts
        self._leases = _Leases()
        self.ticker = Ticker(parts, self, self._leases)
        self._actor = dramatiq.Actor(
            self.answer,
            broker=parts.broker,
            actor_name="evaluate",
            queue_name="evaluations",
            priority=0,
            options={},
        )
        parts.broker.add_middleware(_TickWhileWorking(self.ticker))

    def ring(self, evaluation_ids: Iterable[UUID]) -> None:
        """Ask for evaluations to be run; a broker that cannot be reached is left to the sweep."""
        for evaluation_id in evaluation_ids:
            try:
                self._actor.send(str(evaluation_id))
            except Exception as error:
                _log.warning("bell_not_heard", evaluation_id=str(evaluation_id), error=type(error).__name__)
                return

    def answer(self, evaluation_id: str) -> None:
        """Run one evaluation, if it is still there to be run; never raises."""
        settings = self._parts.settings
        try:
            status = pipeline.evaluate(
                self._parts.database,
                self._parts.judge,
                UUID(evaluation_id),
                utc_now,
                lease=timedelta(seconds=settings.lease_seconds),
                give_up_after=timedelta(seconds=settings.give_up_after_seconds),
                holding=self._leases.holding,
            )
        except Exception as error:
            # Raising would store the message with its traceback in the broker. The lease brings the row back.
            _log.error("evaluation_interrupted", evaluation_id=evaluation_id, error=type(error).__name__)
        else:
            # Bells ring more than once: whoever comes second finds nothing to do.
            if status:
                _log.info("evaluated", evaluation_id=evaluation_id, status=status)


class _Leases:
    """The claims that this process works on."""

    def __init__(self) -> None:
        self._claims: set[Claim] = set()
        self._lock = threading.Lock()

    @contextmanager
    def holding(self, claim: Claim) -> Iterator[None]:
        with self._lock:
            self._claims.add(claim)
        try:
            yield
        finally:
            with self._lock:
                self._claims.discard(claim)

    def held(self) -> list[Claim]:
        with self._lock:
            return list(self._claims)


class Ticker(threading.Thread):
    """Every few seconds renews the leases of this process and rings for what was lost."""

    def __init__(self, parts: Services, bell: Bell, leases: "_Leases") -> None:
        super().__init__(name="goalline-ticker", daemon=True)
        self._parts, self._bell, self._leases = parts, bell, leases
        self._stopping = threading.Event()

    def run(self) -> None:
        """Tick until `stop` is called."""
        # The in-process bell forgets with its process: at the start every queued row is rung for.
        forgotten = self._parts.embedded
        while True:
            try:
                self.tick(forgotten=forgotten)
                forgotten = False
            except Exception as error:
                _log.warning("tick_failed", error=type(error).__name__)
            if self._stopping.wait(self._parts.settings.sweep_seconds):
                return

    def stop(self) -> None:
        """End after the present tick."""
        self._stopping.set()

    def tick(self, *, forgotten: bool) -> None:
        """Renew and sweep once; with `forgotten` ring for everything queued."""
        held = self._leases.held()
        if held:
            lease_until = utc_now() + timedelta(seconds=self._parts.settings.lease_seconds)
            with self._parts.database.transaction() as session:
                evaluations.renew(session, held, lease_until)
        self._bell.ring(pipeline.sweep(self._parts.database, utc_now(), forgotten=forgotten))


class _TickWhileWorking(dramatiq.Middleware):
    """Lets the ticker live as long as the worker does."""

    def __init__(self, ticker: Ticker) -> None:
        self._ticker = ticker

    def after_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:  # noqa: ARG002
        self._ticker.start()

    def after_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:  # noqa: ARG002
        self._ticker.stop()


def embedded_worker(parts: Services) -> dramatiq.Worker:
    """Return a worker for this process, to be started and stopped by the caller; its bell must exist already."""
    return dramatiq.Worker(parts.broker, worker_threads=parts.settings.embedded_threads)


def run(processes: int, threads: int) -> NoReturn:
    """Become Dramatiq's own command line, which starts, watches and stops the worker processes."""
    environment = os.environ | {
        "GOALLINE_WORKER_THREADS": str(threads),
        # As many messages as threads: with more, one process would hoard what another could be working on.
        "dramatiq_queue_prefetch": str(threads),
    }
    arguments = ["--processes", str(processes), "--threads", str(threads), "--skip-logging", "--path", ""]
    os.execve(  # noqa: S606
        sys.executable, [sys.executable, "-m", "dramatiq", "goalline.worker:boot", *arguments], environment
    )


def boot() -> None:
    """Set up one worker process; Dramatiq's command line calls this in each."""
    settings = Settings()
    configure_logs(settings.log_level, settings.log_format is LogFormat.JSON)
    parts = services(settings, threads=settings.worker_threads)
    Bell(parts)
    dramatiq.set_broker(parts.broker)
