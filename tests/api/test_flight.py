"""A flight that is booked ahead, told over HTTP: every state an attempt can be in, and what it saves."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from goalline.store.tables import Conversation, Cycle, StepEvent, TrackRollup
from goalline.worker import utc_now
from tests.api.test_events import rows, send, step
from tests.api.world import World
from tests.domain.steps import begin, complete, pass_by

STEPS = [begin("start"), pass_by("details", time_saved="00:03:00"), complete("confirmed", cost_savings="15.00")]
NOTHING, FIFTEEN, THREE_MINUTES = Decimal(0), Decimal(15), timedelta(minutes=3)

CALLS: dict[str, tuple[list[str], list[tuple[str, Decimal, timedelta]]]] = {
    "nothing begun": (["details", "confirmed"], []),
    "begun": (["start"], [("incomplete", NOTHING, timedelta(0))]),
    "details given": (["start", "details"], [("partial", NOTHING, THREE_MINUTES)]),
    "confirmed": (["start", "details", "confirmed"], [("completed", FIFTEEN, THREE_MINUTES)]),
    "confirmed at once": (["start", "confirmed"], [("completed", FIFTEEN, timedelta(0))]),
    "details after confirmation": (["start", "confirmed", "details"], [("completed", FIFTEEN, THREE_MINUTES)]),
    "details before the beginning": (["details", "start"], [("incomplete", NOTHING, timedelta(0))]),
    "details given twice": (["start", "details", "details"], [("partial", NOTHING, THREE_MINUTES)]),
    "begun again": (
        ["start", "details", "confirmed", "start", "details"],
        [("completed", FIFTEEN, THREE_MINUTES), ("partial", NOTHING, THREE_MINUTES)],
    ),
}
"""The steps that a call reached, and its attempts with what they saved."""


@pytest.fixture
def booking(world: World) -> World:
    """A world with the goal of booking a flight ahead."""
    body = {"name": "Pre-book a flight", "description": "A flight was booked.", "kind": "primary", "steps": STEPS}
    assert world.client().post("/v1/goals", json=body).status_code == 201
    return world


def events(name: str) -> list[dict[str, Any]]:
    # Later than the goal was made and not later than they are received: a millionth of a second apart.
    began = utc_now()
    return [
        step(0, key=key, id=f"{name} {place}", conversation_id=name, occurred_at=at.isoformat())
        for place, key in enumerate(CALLS[name][0])
        for at in [began - timedelta(microseconds=100 - place)]
    ]


def attempts(world: World) -> dict[str, list[tuple[str, Decimal, timedelta]]]:
    names = {row.id: row.conversation_id for row in rows(world, Conversation)}
    found: dict[str, list[tuple[str, Decimal, timedelta]]] = {name: [] for name in names.values()}
    for row in sorted(rows(world, Cycle), key=lambda row: row.number):
        found[names[row.conversation_id]].append((row.state, row.cost_savings, row.time_saved))
    return found


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("backwards", [False, True], ids=["in order", "backwards, one by one"])
def test_a_call_has_the_attempts_that_its_steps_make(booking: World, name: str, backwards: bool) -> None:
    sent = events(name)
    for batch in [[one] for one in sent[::-1]] if backwards else [sent]:
        assert send(booking.client(), *batch)["accepted"] == len(batch)
    assert attempts(booking) == {name: CALLS[name][1]}
    assert len(rows(booking, StepEvent)) == len(sent), "what counts nowhere is kept as well"


def test_all_calls_together_are_counted_by_state_with_what_they_saved(booking: World) -> None:
    for name in CALLS:
        send(booking.client(), *events(name))
    counted: dict[tuple[str, str], tuple[int, Decimal, timedelta]] = {}
    for row in rows(booking, TrackRollup):
        if row.number and row.measure != "duration":
            before = counted.get((row.measure, row.key), (0, NOTHING, timedelta(0)))
            counted[row.measure, row.key] = (
                before[0] + row.number,
                before[1] + row.cost_savings,
                before[2] + row.time_saved,
            )
    assert counted == {
        ("cycle", "incomplete"): (2, NOTHING, timedelta(0)),
        ("cycle", "partial"): (3, NOTHING, 3 * THREE_MINUTES),
        ("cycle", "completed"): (4, 4 * FIFTEEN, 3 * THREE_MINUTES),
        ("step", "start"): (9, NOTHING, timedelta(0)),
        ("step", "details"): (6, NOTHING, timedelta(0)),
        ("step", "confirmed"): (4, NOTHING, timedelta(0)),
    }
