"""What events cost, in statements: as many for a thousand events as for a few, of however many conversations."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from goalline.domain.event import Event
from goalline.domain.goal import Kind
from tests.store.tracking import flight, passed, step, task, track
from tests.store.world import World

BATCH = 1_000
GOALS = ("Flight", "Hotel")
MOST_STATEMENTS = 18
"""What a batch may take, the beginning and the end of its transaction left out."""


@contextmanager
def statements(world: World) -> Iterator[list[tuple[str, bool]]]:
    """Collect the statements that are sent meanwhile, each with whether it is sent once for each of many rows."""
    seen: list[tuple[str, bool]] = []

    def see(_connection: Any, _cursor: Any, statement: str, _values: Any, _context: Any, executemany: bool) -> None:
        if not statement.startswith("BEGIN"):
            seen.append((statement, executemany))

    event.listen(world.database.engine, "before_cursor_execute", see)
    try:
        yield seen
    finally:
        event.remove(world.database.engine, "before_cursor_execute", see)


def two_goals(world: World) -> None:
    for name in GOALS:
        flight(world, name, kind=Kind.SECONDARY)


def batch(number: int, conversations: int, first: int = 0) -> list[Event]:
    """Return so many events of all types, of two goals, in some conversations: cycles, tasks and paths come of them."""
    events = []
    for nth in range(first, first + number):
        call, second = f"call-{nth % conversations}", nth // conversations + nth / 1_000
        goal = GOALS[nth % 2]
        match nth // conversations % 5:
            case 0 | 1 | 2 as place:
                events.append(step(("start", "details", "confirmed")[place], second, call, goal, agent_id="ann"))
            case 3:
                events.append(task("Ticket sent", second, call, contact_id=f"contact-{nth}"))
            case _:
                events.append(passed("greeting", second, call))
    return events


@pytest.mark.parametrize("conversations", [1, 10, BATCH])
def test_a_thousand_events_take_few_statements_whatever_the_number_of_their_conversations(
    world: World, conversations: int
) -> None:
    two_goals(world)
    with statements(world) as seen:
        assert track(world, *batch(BATCH, conversations)).accepted == BATCH
    assert len(seen) <= MOST_STATEMENTS, seen


def test_more_events_of_known_conversations_take_no_more_statements(world: World) -> None:
    two_goals(world)
    track(world, *batch(BATCH, 100))
    with statements(world) as few:
        assert track(world, *batch(20, 100, first=BATCH)).accepted == 20
    with statements(world) as many:
        assert track(world, *batch(BATCH, 100, first=2 * BATCH)).accepted == BATCH
    assert len(many) <= MOST_STATEMENTS, many
    assert len(many) <= len(few) + 4, (few, many)


def test_events_that_are_known_already_take_fewer_statements_than_new_ones(world: World) -> None:
    two_goals(world)
    with statements(world) as new:
        track(world, *batch(BATCH, 100))
    with statements(world) as known:
        assert track(world, *batch(BATCH, 100)).duplicates == BATCH
    assert len(known) < len(new)


def test_postgres_is_sent_no_insert_once_for_each_row(postgres_world: World) -> None:
    two_goals(postgres_world)
    with statements(postgres_world) as seen:
        track(postgres_world, *batch(BATCH, BATCH // 5))
    assert [statement for statement, executemany in seen if executemany and statement.startswith("INSERT")] == []
