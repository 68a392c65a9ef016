"""Puts the parts together: the only place that chooses between the real thing and its stand-in."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from dramatiq import Broker, Consumer
from dramatiq.brokers.stub import StubBroker

from goalline.domain.evaluation import Judge
from goalline.domain.outbound.message import Sender
from goalline.judge.gate import Gate
from goalline.judge.llm import LlmJudge
from goalline.judge.stand_in import MODEL, StandIn
from goalline.sender.sender import HttpSender
from goalline.settings import Settings
from goalline.store.conversations.queue import Queue, queue
from goalline.store.database import Database
from goalline.store.vault import Vault
from goalline.telemetry.bounded import within

_IDLE_PICKUP_MS = 100
"""Longest sleep of an idle worker between two looks at Redis."""


@dataclass(frozen=True, slots=True)
class Services:
    """What Goalline runs on, chosen by the settings."""

    settings: Settings
    database: Database
    judge: Judge
    broker: Broker
    another_broker: Callable[[], Broker] = lambda: StubBroker(middleware=[])
    gate: Gate = field(default_factory=lambda: Gate(sys.maxsize))
    vault: Vault = field(default_factory=lambda: Vault(()))
    sender: Sender = field(default_factory=lambda: HttpSender(()))

    @property
    def embedded(self) -> bool:
        """Whether the queue lives inside `goalline serve` and not in Redis."""
        return self.settings.redis_url is None

    @property
    def threads(self) -> int:
        """How many judgements run at once inside `goalline serve`: none with Redis, and none without a model to ask.

        Without a model nothing is sent anywhere; what comes in waits until there is one.
        """
        return self.settings.embedded_threads if self.embedded and has_model(self.settings) else 0


def services(settings: Settings, *, threads: int = 1) -> Services:
    """Build the services; nothing is connected and no LLM library is loaded before its first use.

    Args:
        settings: what to build.
        threads: how many evaluations this process may run at once.
    """
    gate = Gate(threads)
    return Services(
        settings=settings,
        database=Database(settings.database_url, settings.database_pool_size, settings.database_timeout_seconds),
        judge=LlmJudge.from_settings(settings, threads, gate),
        broker=_broker(settings),
        another_broker=partial(_broker, settings),
        gate=gate,
        vault=vault(settings),
        sender=HttpSender(settings.outbound_networks),
    )


def vault(settings: Settings) -> Vault:
    """Build what keeps secrets."""
    keys = settings.encryption_keys.get_secret_value() if settings.encryption_keys else ""
    return Vault([key.strip() for key in keys.split(",") if key.strip()])


def judge(settings: Settings, threads: int) -> LlmJudge:
    """Build the judge alone, for up to `threads` judgements at once."""
    return LlmJudge.from_settings(settings, threads)


def has_model(settings: Settings) -> bool:
    """Tell whether the settings name an LLM that can be asked."""
    return bool(settings.openai_api_key or settings.openai_base_url)


def open_work(parts: Services, now: datetime) -> Queue:
    """Look at what the database has queued and what runs."""
    with parts.database.reading() as session:
        return queue(session, now)


def queue_answers(parts: Services, seconds: float) -> bool:
    """Ask the queue for a sign of life, for `seconds` at most; one in this process always gives it."""
    if parts.embedded:
        return True
    try:
        return bool(within(seconds, redis_client(parts).ping))
    except Exception:  # whatever the reason, it cannot be used now
        return False


def polling(parts: Services, seconds: float) -> bool:
    """Watch Redis for `seconds` and tell whether somebody speaks to the queue: an idle worker does all the time.

    A busy worker may be silent, and `goalline serve` speaks to it whenever it rings.
    """
    namespace = parts.broker.namespace  # type: ignore[attr-defined]
    heartbeats = f"{namespace}:__heartbeats__"
    before = redis_client(parts).zrange(heartbeats, 0, -1, withscores=True)
    time.sleep(seconds)
    return bool(before != redis_client(parts).zrange(heartbeats, 0, -1, withscores=True))


def eviction_policy(parts: Services) -> str | None:
    """Return what Redis does when its memory is full (`maxmemory-policy`), None where it does not say."""
    try:
        policy = redis_client(parts).config_get("maxmemory-policy").get("maxmemory-policy")
    except Exception:  # hosted ones often forbid the question
        return None
    return policy.decode() if isinstance(policy, bytes) else policy


def redis_client(parts: Services) -> Any:
    """Return the broker's own client of Redis: with its time-outs, and with the password that must not be printed."""
    return parts.broker.client  # type: ignore[attr-defined]


@contextmanager
def with_model(settings: Settings, *, stand_in: bool) -> Iterator[Settings]:
    """Give settings with a model to ask: the one they name or, with `stand_in`, the stand-in, which runs meanwhile."""
    if not stand_in:
        yield settings
        return
    with StandIn() as server:
        yield settings.model_copy(update={"model": MODEL, "openai_base_url": server.url})


def _broker(settings: Settings) -> Broker:
    # No middleware: the row, its lease and the sweep do what Dramatiq's retries and time limits are for, and
    # an actor that never raises leaves no traceback in the broker.
    if settings.redis_url is None:
        return StubBroker(middleware=[])
    from dramatiq.brokers.redis import RedisBroker
    from redis import Redis

    # Time-outs, so that a Redis that has gone silent delays a webhook by seconds and not for ever.
    client = Redis.from_url(settings.redis_url.get_secret_value(), socket_connect_timeout=2, socket_timeout=5)

    class PromptBroker(RedisBroker):
        """A broker whose idle consumers look again soon; the worker's own threads, woken by them, may sleep long."""

        def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5_000) -> Consumer:
            return super().consume(queue_name, prefetch, min(timeout, _IDLE_PICKUP_MS))

    return PromptBroker(  # type: ignore[no-untyped-call]
        client=client,
        middleware=[],
        namespace="goalline",
        # By default a dead worker's messages come back after a minute or much more, as maintenance is a dice roll.
        heartbeat_timeout=10_000,
        maintenance_chance=100_000,
    )
