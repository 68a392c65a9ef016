"""Whatever order events and webhooks come in, what is stored equals what all events amount to at once."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goalline.domain.cycle import StepReached
from goalline.domain.event import Event
from goalline.domain.goal import Kind
from goalline.domain.track import StepExecuted, TaskCompleted, Tracked, tallies
from goalline.domain.track import track as amount
from goalline.store.tables import (
    Conversation,
    ConversationRollup,
    Cycle,
    Evaluation,
    Path,
    PathTaken,
    Row,
    StepEvent,
    TrackRollup,
    table,
)
from tests.domain.tracked import STEPS
from tests.store.tracking import flight, outcome, receive, track
from tests.store.world import World

NIGHT = datetime(2026, 10, 24, 20, 0, tzinfo=UTC)
"""An evening in Berlin, before the day of 25 hours on which clocks go back."""

ZONE = "Europe/Berlin"
STEP = {step.key: step for step in STEPS}
GOALS = ("Flight", "Hotel")
FILLED: list[type[Row]] = [
    Evaluation,
    StepEvent,
    Cycle,
    PathTaken,
    Path,
    TrackRollup,
    ConversationRollup,
    Conversation,
]


@dataclass(frozen=True)
class Webhook:
    """The end of a conversation."""

    call: str
    contact_id: str | None


Act = Webhook | list[Event]


@st.composite
def happenings(draw: st.DrawFn) -> tuple[list[Event], list[Webhook]]:
    """Draw what happens in two conversations, and which of them end."""
    drawn = draw(
        st.lists(
            st.tuples(
                st.sampled_from([*(("goal.step", goal, key) for goal in GOALS for key in STEP)])
                | st.tuples(st.sampled_from(["task.completed", "step.executed"]), st.none(), st.sampled_from("ab")),
                st.integers(0, 64),
                st.sampled_from(["call-1", "call-2"]),
                st.sampled_from([None, "ann", "bob"]),
                st.sampled_from([None, "c-1", "c-2"]),
            ),
            max_size=14,
        )
    )
    events = []
    for number, ((kind, goal, name), half_hours, call, agent_id, contact_id) in enumerate(drawn):
        named = {"goal": goal, "step": name} if goal else {"name": name}
        sent = {"id": f"e-{number}", "type": kind, "conversation_id": call, "agent_id": agent_id}
        at = NIGHT + half_hours * timedelta(minutes=30)
        events.append(Event.model_validate({**sent, **named, "contact_id": contact_id, "occurred_at": at}))
    ends = draw(st.sets(st.sampled_from(["call-1", "call-2"])))
    return events, [Webhook(call, draw(st.sampled_from([None, "c-9"]))) for call in sorted(ends)]


def arrivals(events: Sequence[Event], webhooks: Sequence[Webhook]) -> st.SearchStrategy[list[Act]]:
    """Return the ways in which all that may arrive: in any order, some of it twice, in batches of any size."""

    @st.composite
    def arrange(draw: st.DrawFn) -> list[Act]:
        again = draw(st.lists(st.sampled_from(events), max_size=5)) if events else []
        order = draw(st.permutations([*events, *again]))
        cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=4)))
        acts: list[Act] = [list(order[a:b]) for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)]
        for webhook in [*webhooks, *draw(st.lists(st.sampled_from(webhooks), max_size=1) if webhooks else st.just([]))]:
            acts.insert(draw(st.integers(0, len(acts))), webhook)
        return acts

    return arrange()


def forget_everything(world: World) -> None:
    with world.database.transaction() as session:
        for kind in FILLED:
            session.execute(sa.delete(table(kind)))


def play(world: World, acts: Iterable[Act]) -> None:
    for act in acts:
        if isinstance(act, Webhook):
            receive(world, act.call, "cyd", contact_id=act.contact_id)
        else:
            assert not track(world, *act).rejected


def pinned(event: Event, goals: dict[str, UUID]) -> Tracked:
    if event.goal and event.step:
        return StepReached(event.id, event.occurred_at, goals[event.goal], 1, STEP[event.step])
    kind = TaskCompleted if event.type == "task.completed" else StepExecuted
    return kind(event.id, event.occurred_at, event.label)


def recomputed(events: Sequence[Event], webhooks: Sequence[Webhook], goals: dict[str, UUID]) -> dict[str, Any]:
    """Return what all events amount to, worked out at once by the domain alone."""
    ended = {webhook.call for webhook in webhooks}
    cycles, paths, counted = set(), {}, Counter[Any]()
    saved: dict[Any, tuple[Decimal, Decimal, timedelta]] = {}
    for call in {event.conversation_id for event in events}:
        own = sorted((event for event in events if event.conversation_id == call), key=lambda e: (e.occurred_at, e.id))
        agent = "cyd" if call in ended else next((event.agent_id for event in own if event.agent_id), "")
        found = amount(pinned(event, goals) for event in own)
        for goal_id, cycle in found.cycles:
            worth = (cycle.savings.cost_savings, cycle.savings.revenue, cycle.savings.time_saved)
            cycles.add((call, goal_id, cycle.number, cycle.state, cycle.started_at, cycle.completed_at, *worth))
        if found.steps:
            paths[call] = (found.path, found.steps[0].at)
        for place, tally in tallies(found, agent, ZONE).items():
            where = (place.measure, place.goal_id or UUID(int=0), place.day, place.agent_id, place.key)
            counted[where] += tally.number
            before = saved.get(where, (Decimal(0), Decimal(0), timedelta(0)))
            saved[where] = (
                before[0] + tally.savings.cost_savings,
                before[1] + tally.savings.revenue,
                before[2] + tally.savings.time_saved,
            )
    return {"cycles": cycles, "paths": paths, "counts": {where: (counted[where], *saved[where]) for where in counted}}


def stored(world: World) -> dict[str, Any]:
    """Return what is stored in the form of a recomputation."""
    calls = {row.id: row.conversation_id for row in world.rows(Conversation)}
    steps = {row.digest: tuple(row.steps) for row in world.rows(Path)}
    nothing = (0, Decimal(0), Decimal(0), timedelta(0))
    counts = {
        (row.measure, row.goal_id, row.day, row.agent_id, row.key): (
            row.number,
            row.cost_savings,
            row.revenue,
            row.time_saved,
        )
        for row in world.rows(TrackRollup)
    }
    return {
        "cycles": {
            (
                calls[row.conversation_id],
                row.goal_id,
                row.number,
                row.state,
                row.started_at,
                row.completed_at,
                row.cost_savings,
                row.revenue,
                row.time_saved,
            )
            for row in world.rows(Cycle)
        },
        "paths": {calls[row.conversation_id]: (steps[row.digest], row.began_at) for row in world.rows(PathTaken)},
        "counts": {where: count for where, count in counts.items() if count != nothing},
    }


def try_any_order(world: World, examples: int) -> None:
    goals = {name: flight(world, name, kind=Kind.SECONDARY).id for name in GOALS}

    @settings(max_examples=examples, suppress_health_check=[HealthCheck.too_slow])
    @given(happened=happenings(), data=st.data())
    def any_order(happened: tuple[list[Event], list[Webhook]], data: st.DataObject) -> None:
        events, webhooks = happened
        expected = recomputed(events, webhooks, goals)
        results = []
        for _ in range(2):
            forget_everything(world)
            play(world, data.draw(arrivals(events, webhooks)))
            assert stored(world) == expected
            assert len(world.rows(StepEvent)) == len(events)
            assert world.differences() == []
            results.append(outcome(world))
        assert results[0] == results[1]

    any_order()


def test_any_order_of_arrival_stores_what_a_recomputation_finds_on_sqlite(sqlite_world: World) -> None:
    try_any_order(sqlite_world, 50)


def test_any_order_of_arrival_stores_what_a_recomputation_finds_on_postgresql(postgres_world: World) -> None:
    try_any_order(postgres_world, 10)


def test_the_night_has_three_days_in_berlin() -> None:
    days = {tally.day for tally in _days()}
    assert [str(day) for day in sorted(days)] == ["2026-10-24", "2026-10-25", "2026-10-26"]


def _days() -> Iterable[Any]:
    for half_hours in range(65):
        done = TaskCompleted("t", NIGHT + half_hours * timedelta(minutes=30), "x")
        yield from tallies(amount([done]), "ann", ZONE)
