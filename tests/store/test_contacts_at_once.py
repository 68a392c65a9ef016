"""Contacts who are erased and deactivated while much is told of them, by several at once."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from goalline import pipeline
from goalline.domain.evaluation import Status
from goalline.domain.goal import Kind
from goalline.domain.refusal import Conflict
from goalline.store.tables import Conversation, Evaluation
from tests.store.contact_lives import MIA, begin, deactivate, erase, judgement, move, residue
from tests.store.test_at_once import when_blocked
from tests.store.tracking import everything, flight, receive, task, track
from tests.store.world import NOW, SECOND, World, at_once

WORDS = "Please book flight XQ17"
ROUNDS = 12


def tell(world: World, start: int) -> None:
    for number in range(ROUNDS):
        calls = [f"call-{(start + number + more) % ROUNDS}" for more in range(3)]
        told = [event for call in calls for event in everything(call, contact_id=MIA)]
        track(world, *told, task("Seen", start, calls[0]))


def deliver(world: World, start: int) -> None:
    said: dict[str, Any] = {"transcript": [{"role": "user", "text": f"{WORDS}, {start}"}], "metadata": {"seat": "XQ17"}}
    for number in range(ROUNDS):
        with suppress(Conflict):
            receive(world, f"call-{(start + number) % ROUNDS}", contact_id=MIA, **said)


def judge(world: World) -> None:
    for _ in range(ROUNDS):
        for row in world.rows(Evaluation):
            if row.status is Status.QUEUED:
                # Somebody else may have taken or skipped it.
                with suppress(AssertionError):
                    work = begin(world, row.id)
                    pipeline.complete(world.database, work, judgement(work), NOW)


def test_nothing_is_left_of_a_contact_who_is_deactivated_while_everybody_tells_of_it(world: World) -> None:
    flight(world)
    tasks: list[Callable[[], object]] = [
        lambda: tell(world, 0),
        lambda: tell(world, 5),
        lambda: deliver(world, 2),
        lambda: deliver(world, 9),
        lambda: judge(world),
        lambda: deactivate(world, MIA),
    ]
    at_once(*tasks)
    assert residue(world, MIA, "XQ17") == []
    assert world.differences() == []
    ended = [row for row in world.rows(Conversation) if row.ended_at]
    assert len(ended) == ROUNDS
    assert all(row.erased_at for row in ended)


def test_erasing_again_and_again_disturbs_nobody(world: World) -> None:
    flight(world)
    flight(world, "Flight, too", kind=Kind.SECONDARY)
    tasks: list[Callable[[], object]] = [
        lambda: tell(world, 0),
        lambda: deliver(world, 3),
        lambda: deliver(world, 7),
        lambda: judge(world),
        lambda: [erase(world, MIA, NOW + number * SECOND) for number in range(ROUNDS)],
        lambda: [erase(world, MIA, NOW + number * SECOND) for number in range(ROUNDS)],
        lambda: move(world, "Pacific/Auckland"),
        lambda: move(world, "America/New_York"),
    ]
    at_once(*tasks)
    assert world.differences() == []
    erase(world, MIA)
    assert residue(world, MIA, "XQ17") == []
    assert world.differences() == []


def test_whoever_deactivates_waits_for_the_webhook_that_is_being_stored(
    postgres_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    when_blocked(
        postgres_world,
        monkeypatch,
        "count_conversations",
        lambda: receive(postgres_world, contact_id=MIA, end_reason="hung-up-XQ17"),
        lambda: deactivate(postgres_world, MIA),
    )
    assert residue(postgres_world, MIA, "XQ17") == []
    assert [row.conversation_id for row in postgres_world.rows(Conversation)] == ["call-1"]
