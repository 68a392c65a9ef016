"""What is asked all the time is read from the index made for it, among many rows, as each database plans it."""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from goalline.domain.evaluation import Status
from goalline.domain.outbound.message import MessageStatus, MessageType
from goalline.domain.outbound.subscription import SubscriptionDraft
from goalline.domain.verdict import Outcome
from goalline.store.conversations import claims, listing, recovery, retention, turns
from goalline.store.conversations.listing import ConversationFilter
from goalline.store.conversations.queue import queue
from goalline.store.outbound import dispatch, subscriptions, telling
from goalline.store.tables import Conversation, Evaluation, Message, Row, Verdict, table
from goalline.store.vault import Vault, new_key
from tests.store.world import BEFORE, HOUR, LEASE, MINUTE, NOW, World, a_project

MANY, OPEN, AGENTS = 4_000, 40, 20
"""How many conversations there are, an hour apart; of how many the work has not ended; how many agents talked."""

WORDS_KEPT = 60 * HOUR
"""For how long conversations keep their words."""


@pytest.fixture
def crowd(world: World) -> World:
    """A world of thousands of conversations, nearly all of them long judged, told of and without words."""
    _empty(world)
    goal = world.goal()
    projects = [world.project, *(a_project(world.database, f"other-{number}") for number in range(2))]
    told = [_subscription(world, f"receiver-{number}") for number in range(3)]
    numbers = range(MANY)
    calls, works = [uuid4() for _ in numbers], [uuid4() for _ in numbers]
    ended = [NOW - (number + 1) * HOUR for number in numbers]
    _insert(
        world,
        Conversation,
        [
            {
                "id": calls[number],
                "project_id": projects[number % 3].id,
                "conversation_id": f"call-{number}",
                "agent_id": f"agent-{number % AGENTS}",
                "contact_tracked": False,
                "ended_at": ended[number],
                "received_at": ended[number],
                "day": ended[number].date(),
                "transcript": [],
                "transcript_digest": "",
                "evaluations": 1,
                "transcript_deleted_at": None if NOW - ended[number] < WORDS_KEPT else NOW,
            }
            for number in numbers
        ],
    )
    _insert(
        world,
        Evaluation,
        [
            {
                "id": works[number],
                "project_id": projects[number % 3].id,
                "conversation_id": calls[number],
                "number": 1,
                "status": (Status.QUEUED if number % 2 else Status.RUNNING) if number < OPEN else Status.SUCCEEDED,
                "created_at": ended[number],
                "tried_since": ended[number],
                "due_at": ended[number],
                "ring_at": ended[number] + MINUTE,
            }
            for number in numbers
        ],
    )
    _insert(
        world,
        Verdict,
        [
            {
                "id": uuid4(),
                "conversation_id": calls[number],
                "evaluation_id": works[number],
                "goal_id": goal.id,
                "revision": 1,
                "kind": goal.kind,
                "outcome": Outcome.ACHIEVED,
                "rationale": "",
                "evidence": [],
                "counted": True,
            }
            for number in numbers[OPEN:]
        ],
    )
    _insert(
        world,
        Message,
        [
            {
                "id": uuid4(),
                "subscription_id": told[number % 3],
                "type": MessageType.EVALUATION_COMPLETED,
                "occurred_at": ended[number],
                "conversation_id": calls[number],
                "evaluation_id": works[number],
                "status": MessageStatus.WAITING if number < 2 * OPEN else MessageStatus.DELIVERED,
                "due_at": ended[number],
                "ended_at": None if number < 2 * OPEN else ended[number],
            }
            for number in numbers[OPEN:]
        ],
    )
    with world.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE" if world.database.is_sqlite else "VACUUM ANALYZE")
    return world


def _empty(world: World) -> None:
    # A server's tables still hold the room of what other tests deleted: rows would land in it in no order, which counts
    # as well when a plan is chosen.
    if not world.database.is_sqlite:
        with world.database.transaction() as session:
            session.execute(sa.text("TRUNCATE conversation, message CASCADE"))


def _subscription(world: World, name: str) -> UUID:
    draft = SubscriptionDraft.model_validate(
        {"name": name, "url": f"https://{name}.example.com/", "types": [MessageType.EVALUATION_COMPLETED]}
    )
    with world.database.transaction() as session:
        return subscriptions.create(session, Vault([new_key()]), world.project.id, draft, BEFORE)[0].id


def _insert(world: World, kind: type[Row], rows: list[dict[str, Any]]) -> None:
    with world.database.transaction() as session:
        session.execute(sa.insert(table(kind)), rows)


def plans(world: World, action: Callable[[Session], object]) -> list[str]:
    """Return how the database goes about each statement of an action."""
    found: list[str] = []
    explain = "EXPLAIN QUERY PLAN" if world.database.is_sqlite else "EXPLAIN"
    with world.database.reading() as session:
        connection = session.connection()

        def keep(_connection: object, cursor: Any, statement: str, parameters: Any, _: object, many: bool) -> None:
            plan = cursor.connection.execute(f"{explain} {statement}", parameters[0] if many else parameters)
            found.append("\n".join(str(row[-1]) for row in plan))

        sa.event.listen(connection, "before_cursor_execute", keep)
        action(session)
    return found


def test_a_stretch_of_time_is_read_from_the_index_in_the_order_of_the_list(crowd: World) -> None:
    wanted = ConversationFilter(ended_from=NOW - 500 * HOUR, ended_before=NOW - HOUR)
    plan = "\n".join(plans(crowd, lambda session: listing.page(session, crowd.project.id, wanted, limit=10)))
    assert "ix_conversation_newest" in plan
    assert re.search(r"ended_at ?>(.|\n)*ended_at ?<", plan)
    assert not re.search("sort|b-tree|filter", plan, flags=re.IGNORECASE)


def test_the_last_conversations_of_an_agent_are_read_from_its_index(crowd: World) -> None:
    (plan,) = plans(crowd, lambda session: telling._window(session, crowd.project.id, "agent-3", 50))
    assert "ix_conversation_agent" in plan


def test_a_sweep_reads_what_is_open_from_its_index(crowd: World) -> None:
    recovering, *_ = plans(crowd, lambda session: recovery.recover(session, NOW, 100))
    (forgetting,) = plans(crowd, lambda session: recovery.forget_bells(session, NOW))
    (looking,) = plans(crowd, lambda session: recovery.overdue(session, NOW, 10))
    assert "ix_evaluation_open" in recovering
    assert "ix_evaluation_" in forgetting
    assert "ix_evaluation_" in looking


def test_looking_at_the_queue_reads_what_is_open_and_not_what_has_ended(crowd: World) -> None:
    (plan,) = plans(crowd, lambda session: queue(session, NOW))
    assert "ix_evaluation_open" in plan


def test_a_project_that_waits_and_its_oldest_evaluation_are_found_through_the_index(crowd: World) -> None:
    (looking,) = plans(crowd, lambda session: turns.waiting(session, NOW))
    (claiming,) = plans(crowd, lambda session: claims.claim_oldest(session, crowd.project.id, NOW, NOW + LEASE))
    assert "ix_evaluation_waiting" in looking
    assert "ix_evaluation_waiting" in claiming


def test_words_that_are_to_go_are_found_by_their_own_index(crowd: World) -> None:
    before = NOW - WORDS_KEPT + 20 * HOUR
    first, *_ = plans(crowd, lambda session: retention.due(session, before, None))
    behind = (before - HOUR, crowd.project.id)
    following, *_ = plans(crowd, lambda session: retention.due(session, before, behind))
    (counting,) = plans(crowd, lambda session: retention.count(session, before))
    for plan in (first, following, counting):
        assert "ix_conversation_words" in plan
    assert re.search(r"ended_at ?>(.|\n)*ended_at ?<|ended_at ?<(.|\n)*ended_at ?>", following)


def test_what_a_receiver_is_to_be_told_next_is_found_through_the_indexes(crowd: World) -> None:
    (counting,) = plans(crowd, lambda session: dispatch.due(session, NOW))
    claiming = "\n".join(plans(crowd, lambda session: dispatch.claim(session, NOW)))
    for plan in (counting, claiming):
        assert re.search("ix_message_due|ix_message_untold", plan)
        assert not re.search(r"Seq Scan on message|SCAN message", plan)
