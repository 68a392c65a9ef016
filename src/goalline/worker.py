"""The bell, the actor that answers it, and the ticker that renews leases and sweeps."""

import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import NoReturn
from uuid import UUID

import dramatiq
from structlog.contextvars import bound_contextvars

from goalline import pipeline
from goalline.bootstrap import Services, services
from goalline.settings import LogFormat, Settings
from goalline.store.conversations import evaluations
from goalline.store.conversations.evaluations import Claim
from goalline.telemetry import configure_logs, log, place_of

_MOST_BELLS = 10_000
_SILENCE_SECONDS = 5.0

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
        # A queue in this process never keeps anybody waiting; one that is reached over a network may.
        self._ringer = None if parts.embedded else _Ringer(self._send)
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
        """Ask for evaluations to be run, without waiting for it; what the broker does not take is left to the sweep."""
        for evaluation_id in evaluation_ids:
            if self._ringer:
                self._ringer.ring(evaluation_id)
            elif self._parts.threads:
                self._send(evaluation_id)

    def close(self, timeout: float) -> None:
        """Wait for what was rung to be sent, for `timeout` seconds at most."""
        if self._ringer:
            self._ringer.close(timeout)

    def _send(self, evaluation_id: UUID) -> None:
        self._actor.send(str(evaluation_id))

    def answer(self, evaluation_id: str) -> None:
        """Run one evaluation, if it is still there to be run; never raises."""
        settings = self._parts.settings
        with bound_contextvars(evaluation_id=evaluation_id):
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
                _log.error("evaluation_interrupted", error=place_of(error))
            else:
                # Bells ring more than once: whoever comes second finds nothing to do.
                if status:
                    _log.info("evaluated", status=status)


class _Ringer:
    """Sends bells to the broker from a thread of its own: a broker that has gone silent must not hold up a webhook."""

    def __init__(self, send: Callable[[UUID], None]) -> None:
        self._send = send
        self._waiting: queue.Queue[UUID | None] = queue.Queue(_MOST_BELLS)
        self._thread = threading.Thread(target=self._run, name="goalline-ringer", daemon=True)
        self._first = threading.Lock()

    def ring(self, evaluation_id: UUID) -> None:
        """Send soon; drop it where too many wait already."""
        with suppress(queue.Full):
            self._waiting.put_nowait(evaluation_id)
        # Started with the first bell, as most processes never ring one.
        if self._thread.ident is None and self._first.acquire(blocking=False):
            self._thread.start()

    def close(self, timeout: float) -> None:
        """Send what waits, for `timeout` seconds at most."""
        if self._thread.ident is not None:
            with suppress(queue.Full):
                self._waiting.put(None, timeout=timeout)
            self._thread.join(timeout)

    def _run(self) -> None:
        silent_until = 0.0
        while (evaluation_id := self._waiting.get()) is not None:
            # A broker that failed is left alone for a while: what waits for it is dropped, and found by the sweep.
            if time.monotonic() < silent_until:
                continue
            try:
                self._send(evaluation_id)
            except Exception as error:
                _log.warning("bell_not_heard", evaluation_id=str(evaluation_id), error=place_of(error))
                silent_until = time.monotonic() + _SILENCE_SECONDS


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
    return dramatiq.Worker(parts.broker, worker_threads=parts.threads)


def run(processes: int, threads: int) -> NoReturn:
    """Become Dramatiq's own command line, which starts, watches and stops the worker processes."""
    environment = os.environ | {
        "GOALLINE_WORKER_THREADS": str(threads),
        # A few messages more than threads, so that a thread that has ended finds the next one; with many more, one
        # process would hoard what another could be working on.
        "dramatiq_queue_prefetch": str(threads + max(1, threads // 4)),
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
