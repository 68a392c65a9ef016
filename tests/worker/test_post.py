"""The post: it delivers on threads of its own, wherever a worker runs, and leaves nothing behind in the broker."""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from queue import Queue

import pytest
from dramatiq.brokers.stub import StubBroker
from sqlmodel import select

from goalline.bootstrap import Services
from goalline.domain.outbound.message import Answer, MessageStatus
from goalline.domain.outbound.subscription import SubscriptionDraft
from goalline.store.database import DatabaseUnavailable
from goalline.store.outbound import subscriptions, telling
from goalline.store.tables import Message, Project, Subscription
from goalline.store.vault import Vault, new_key
from goalline.worker import Bell, embedded_worker, utc_now
from tests.worker.workshop import SETTINGS, QuotingJudge, evaluation, made_project, received


@dataclass(slots=True)
class Receiver:
    """Accepts everything, once it may."""

    free: threading.Event = field(default_factory=threading.Event)
    reached: threading.Event = field(default_factory=threading.Event)
    got: list[str] = field(default_factory=list)

    def send(self, url: str, secrets: Sequence[str], message_id: str, at: datetime, body: bytes) -> Answer:
        self.reached.set()
        assert self.free.wait(60)
        self.got.append(f"{url} {len(secrets)} {at:%Y} {body[:8]!r} {message_id}")
        return Answer(0.1, 200)


@pytest.fixture
def receiver() -> Receiver:
    made = Receiver()
    made.free.set()
    return made


@pytest.fixture
def site(parts: Services, receiver: Receiver) -> Services:
    return replace(parts, vault=Vault([new_key()]), sender=receiver)


@pytest.fixture
def project(site: Services) -> Project:
    return made_project(site)


def subscribe(site: Services, project: Project) -> Subscription:
    wanted = {"name": "crm", "url": "https://example.com/", "types": ["evaluation.completed"]}
    with site.database.transaction() as session:
        draft = SubscriptionDraft.model_validate(wanted)
        return subscriptions.create(session, site.vault, project.id, draft, utc_now())[0]


def told(site: Services, subscription: Subscription, many: int = 1) -> None:
    with site.database.transaction() as session:
        for _ in range(many):
            telling.test(session, subscription, utc_now())


def statuses(site: Services) -> set[MessageStatus]:
    with site.database.reading() as session:
        return {row.status for row in session.exec(select(Message)).all()}


def until(condition: object) -> None:
    """Wait for something that happens on another thread."""
    assert callable(condition)
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def waiting(bell: Bell) -> Queue[bytes]:
    """Return the bells for messages that nobody has heard."""
    broker = bell.post._broker
    assert isinstance(broker, StubBroker)
    queue: Queue[bytes] = broker.queues["messages"]
    return queue


def rung(bell: Bell) -> int:
    return waiting(bell).qsize()


@pytest.fixture
def working(site: Services) -> Iterator[Bell]:
    bell = Bell(site)
    worker = embedded_worker(site)
    worker.start()
    yield bell
    worker.stop()


def test_a_verdict_is_delivered_as_soon_as_it_is_stored(
    site: Services, project: Project, receiver: Receiver, working: Bell
) -> None:
    subscribe(site, project)
    evaluation_id = received(site, project, utc_now())
    working.ring([evaluation_id])
    until(lambda: receiver.got)
    assert evaluation(site, evaluation_id).status == "succeeded"
    until(lambda: statuses(site) == {MessageStatus.DELIVERED})


def test_what_nobody_rang_for_is_found_by_the_ticker(
    site: Services, project: Project, receiver: Receiver, working: Bell
) -> None:
    told(site, subscribe(site, project), 3)
    working.ticker.tick()
    until(lambda: len(receiver.got) == 3)


def test_a_receiver_that_is_slow_keeps_nobody_from_judging(
    site: Services, project: Project, receiver: Receiver, working: Bell
) -> None:
    receiver.free.clear()
    told(site, subscribe(site, project), 20)
    working.post.ring(20)
    until(receiver.reached.is_set)
    ids = [received(site, project, utc_now()) for _ in range(5)]
    working.ring(ids)
    until(lambda: all(evaluation(site, each).status == "succeeded" for each in ids))
    receiver.free.set()


def test_a_judge_that_is_slow_keeps_nobody_from_being_told(
    site: Services, project: Project, receiver: Receiver
) -> None:
    judging = threading.Event()
    slow = replace(site, judge=QuotingJudge(lambda: bool(judging.wait(60)) and None))
    bell = Bell(slow)
    worker = embedded_worker(slow)
    worker.start()
    try:
        bell.ring(received(slow, project, utc_now()) for _ in range(slow.threads + 1))
        told(slow, subscribe(slow, project))
        bell.post.ring()
        until(lambda: receiver.got)
    finally:
        judging.set()
        worker.stop()


def test_where_nobody_judges_messages_are_still_delivered(site: Services, project: Project, receiver: Receiver) -> None:
    alone = replace(site, settings=SETTINGS.model_copy(update={"embedded_threads": 0}))
    bell = Bell(alone)
    bell.begin()
    try:
        told(alone, subscribe(alone, project))
        bell.post.ring()
        until(lambda: receiver.got)
    finally:
        bell.drain()
        bell.end()


def test_where_no_post_works_nothing_waits_in_memory(site: Services) -> None:
    bell = Bell(site)
    bell.post.ring(5)
    assert rung(bell) == 0


def test_a_bell_carries_nothing(site: Services, project: Project) -> None:
    bell = Bell(site)
    bell.post.worker = object()  # type: ignore[assignment]
    told(site, subscribe(site, project))
    bell.post.ring()
    assert b'"args":[],"kwargs":{}' in waiting(bell).get_nowait()


def test_a_database_that_is_away_leaves_no_traceback_in_the_broker(
    site: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise DatabaseUnavailable("gone")

    monkeypatch.setattr("goalline.pipeline.deliver", fail)
    Bell(site).post.answer()


def test_told_to_stop_it_begins_nothing_more(site: Services, project: Project, receiver: Receiver) -> None:
    told(site, subscribe(site, project), 3)
    bell = Bell(site)
    bell.drain()
    bell.post.answer()
    assert receiver.got == []
    assert statuses(site) == {MessageStatus.WAITING}


def test_where_nobody_has_subscribed_no_bell_is_rung_for_messages(site: Services, project: Project) -> None:
    bell = Bell(site)
    bell.post.worker = object()  # type: ignore[assignment]
    bell.ticker.tick()
    bell.answer(str(received(site, project, utc_now())))
    assert rung(bell) == 0
    subscribe(site, project)
    bell.ticker.tick()
    bell.answer(str(received(site, project, utc_now())))
    assert rung(bell) == 1
