"""The bell, and who answers it."""

import threading
from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import partial
from uuid import UUID

import dramatiq
from structlog.contextvars import bound_contextvars

from goalline import pipeline, upkeep
from goalline.bootstrap import Services
from goalline.domain.evaluation import Status
from goalline.store.conversations.claims import Claim
from goalline.store.conversations.work import Work
from goalline.store.database import DatabaseUnavailable
from goalline.telemetry import log, place_of
from goalline.worker.clock import utc_now
from goalline.worker.leases import Leases, Turns
from goalline.worker.post import Post
from goalline.worker.ringer import Ringer
from goalline.worker.ticker import Ticker

_log = log(__name__)
_FLUSH_SECONDS = 2.0
_CLAIM_AGAIN_SECONDS = (0.5, 1.0, 2.0, *[5.0] * 12)
"""Pauses between the attempts to claim where the database is away: a minute of them, then the sweep takes over."""


class Bell:
    """Rings for evaluations, and in a worker answers: the row is the job, a message only carries its id."""

    def __init__(self, parts: Services, parent: int | None = None) -> None:
        """Declare the actor on the broker; it runs wherever a Dramatiq worker serves that broker.

        With `parent`, a process by whose end this one ends as well, in its orderly way.
        """
        self._parts = parts
        # Webhooks go first: somebody waits for their answer.
        self._database = parts.database.unhurried()
        self._leases = Leases()
        self._turns = Turns(parts.database, self._leases)
        self._suspects = threading.Lock()
        self._ending, self._left = threading.Event(), threading.Event()
        # A queue in this process never keeps anybody waiting; one that is reached over a network may.
        self._ringer = None if parts.embedded else Ringer()
        self.post = Post(parts, self._ringer)
        self.ticker = Ticker(parts, self.ring, self.post.ring, self._leases, parent)
        self._actor = dramatiq.Actor(
            self.answer,
            broker=parts.broker,
            actor_name="evaluate",
            queue_name="evaluations",
            priority=0,
            options={},
        )
        parts.broker.add_middleware(_WhileWorking(self))

    def ring(self, evaluation_ids: Iterable[UUID]) -> None:
        """Ask for evaluations to be run, without waiting for it; what the broker does not take is left to the sweep."""
        for evaluation_id in evaluation_ids:
            if self._ringer:
                self._ringer.ring(partial(self._send, evaluation_id), evaluation_id=str(evaluation_id))
            elif self._parts.threads:
                self._send(evaluation_id)

    def close(self, timeout: float) -> None:
        """Wait for what was rung to be sent, for `timeout` seconds at most."""
        if self._ringer:
            self._ringer.close(timeout)

    def answer(self, evaluation_id: str) -> None:
        """Run an evaluation, if there is one to be run; never raises.

        A bell tells that there is work, and names some. Which is done first is for the turns of the projects to say.
        """
        rung = UUID(evaluation_id)
        if self._run(rung, suspects=False) or not self._suspects.acquire(blocking=False):
            return
        # A suspect may be what kills workers. They are judged one at a time, so that none is blamed for another one.
        try:
            while self._run(rung, suspects=True):
                pass
        finally:
            self._suspects.release()

    def begin(self) -> None:
        """Sweep and deliver in this process from now on."""
        self.ticker.start()
        self.post.start()

    def end(self) -> None:
        """Sweep and deliver no more in this process."""
        self.ticker.stop()
        self.post.stop()

    def drain(self) -> None:
        """Begin nothing more; what is under way goes on."""
        self._ending.set()
        self.post.drain()
        self._parts.gate.close()
        _log.info("ending", judging=len(self._leases.held()))

    def hand_back(self) -> None:
        """Let others have what was begun here and has not ended by now."""
        self._left.set()
        self._hand_back(self._leases.held())
        self.close(_FLUSH_SECONDS)

    def _hand_back(self, held: Sequence[Claim]) -> None:
        try:
            queued = upkeep.hand_back(self._parts.database, held, utc_now())
            self.ring(queued)
            _log.info("handed_back", evaluations=len(queued))
        except Exception as error:
            _log.warning("not_handed_back", error=place_of(error))

    def _send(self, evaluation_id: UUID) -> None:
        self._actor.send(str(evaluation_id))

    def _run(self, rung: UUID, *, suspects: bool) -> bool:
        """Run one evaluation when the gate lets it through; return whether there was one."""
        with self._parts.gate.working() as admitted, bound_contextvars(evaluation_id=str(rung)):
            if not admitted:
                # This worker is about to end: let another one answer.
                if not suspects:
                    self.ring([rung])
                return not suspects
            try:
                # Bells ring more than once: whoever comes second may find nothing to do.
                work = self._claim(rung, suspects)
                if work:
                    self._evaluate(work)
            except Exception as error:
                # Raising would store the message with its traceback in the broker. The lease brings the row back.
                _log.error("evaluation_interrupted", error=place_of(error))
                return not suspects
            return work is not None

    def _claim(self, rung: UUID, suspects: bool) -> Work | None:
        lease = timedelta(seconds=self._parts.settings.lease_seconds)
        for pause in _CLAIM_AGAIN_SECONDS:
            try:
                for turns in (self._turns.next, self._turns.all):
                    work = pipeline.claim(self._database, rung, utc_now(), lease, turns=turns(), suspects=suspects)
                    if work:
                        return work
            except DatabaseUnavailable as error:
                # The bell has rung, and would ring again only when the sweep has found that nobody came.
                _log.warning("claim_waits_for_database", cause=str(error))
                if self._ending.wait(pause):
                    break
            else:
                break
        return None

    def _evaluate(self, work: Work) -> None:
        give_up_after = timedelta(seconds=self._parts.settings.give_up_after_seconds)
        with self._leases.holding(work.claim), bound_contextvars(evaluation_id=str(work.claim.evaluation_id)):
            if self._left.is_set():
                # Claimed a moment after all the others were handed back.
                self._hand_back([work.claim])
                return
            status = pipeline.evaluate(self._database, self._parts.judge, work, utc_now, give_up_after=give_up_after)
            _log.info("evaluated", status=status)
            if status is not Status.QUEUED and self.ticker.somebody_listens:
                self.post.ring()


class _WhileWorking(dramatiq.Middleware):
    """Lets the ticker live as long as the worker does, and what the worker leaves unfinished be finished by others."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell

    def after_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:  # noqa: ARG002
        self._bell.begin()

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:  # noqa: ARG002
        self._bell.drain()

    def after_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:  # noqa: ARG002
        self._bell.end()
        self._bell.hand_back()
