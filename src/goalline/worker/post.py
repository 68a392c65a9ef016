"""The post: it delivers messages to those who have subscribed, on threads of its own."""

import random
import threading
import time

import dramatiq

from goalline import pipeline
from goalline.bootstrap import Services
from goalline.telemetry import log, place_of
from goalline.worker.clock import utc_now
from goalline.worker.ringer import Ringer

_log = log(__name__)
# How far apart messages are tried again is no secret.
_chance = random.SystemRandom().random


class Post:
    """Rings for messages, and where it works delivers them: the row is the job, a bell only tells that there is one.

    Its threads are not those that judge: a model that is out of reach, for which they wait, must not keep anybody from
    being told, and a receiver that is slow must not keep them from judging.
    """

    def __init__(self, parts: Services, ringer: Ringer | None) -> None:
        """Declare the actor on the broker; it runs in each process in which a post works."""
        self._parts, self._ringer = parts, ringer
        self._database = parts.database.unhurried()
        # Dramatiq means a broker to have one worker in a process.
        self._broker = parts.another_broker()
        self._ending = threading.Event()
        self._until = 0.0
        self.worker: dramatiq.Worker | None = None
        self._actor = dramatiq.Actor(
            self.answer, broker=self._broker, actor_name="deliver", queue_name="messages", priority=0, options={}
        )

    def ring(self, bells: int = 1) -> None:
        """Ask for messages to be delivered, without waiting for it; what is not heard is left to the sweep."""
        for _ in range(min(bells, self._parts.settings.delivery_threads)):
            if self._ringer:
                self._ringer.ring(self._send)
            elif self.worker:
                self._send()

    def answer(self) -> None:
        """Deliver one message after the other until none is due; never raises."""
        try:
            while not self._ending.is_set():
                parts = self._parts
                if not pipeline.deliver(self._database, parts.vault, parts.sender, utc_now, _chance()):
                    break
        except Exception as error:
            # Raising would store the message with its traceback in the broker. The sweep rings again.
            _log.error("delivery_interrupted", error=place_of(error))

    def start(self) -> None:
        """Begin to deliver in this process."""
        threads = self._parts.settings.delivery_threads
        self.worker = dramatiq.Worker(self._broker, worker_threads=threads)
        self.worker.start()

    def drain(self) -> None:
        """Begin nothing more; what is under way may go on for `GOALLINE_SHUTDOWN_SECONDS`."""
        self._until = time.monotonic() + self._parts.settings.shutdown_seconds
        self._ending.set()

    def stop(self) -> None:
        """Wait for what is under way; what has not ended in time is delivered again by somebody else."""
        if self.worker:
            left = max(self._until - time.monotonic(), 0.0)
            self.worker.stop(timeout=int(left * 1000))

    def _send(self) -> None:
        self._actor.send()
