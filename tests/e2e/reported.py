"""What a busy platform reports: sample events of many conversations, and what they should amount to."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from goalline.domain.cycle import Savings, StepReached
from goalline.domain.goal import GoalDraft, Kind
from goalline.domain.step import Step
from goalline.domain.track import Place, StepExecuted, Tally, TaskCompleted, Tracked, tallies, track
from goalline.store.database import Database
from goalline.store.goals import goals
from goalline.store.goals.goals import CurrentGoal
from goalline.store.tables import Conversation, Cycle, Project, StepEvent, TrackRollup, table

BEGAN = datetime(2026, 10, 3, 20, 0, tzinfo=UTC)
GOALS = ("Flight", "Hotel", "Transfer")
STEPS = (
    Step(key="asked", name="Asked", order=1, initial=True, time_saved=timedelta(seconds=7)),
    Step(key="named", name="Named", order=2, cost_savings=Decimal("0.10"), time_saved=timedelta(minutes=3)),
    Step(key="offered", name="Offered", order=3, revenue=Decimal("0.01")),
    Step(key="booked", name="Booked", order=4, completion=True, cost_savings=Decimal("19.99"), revenue=Decimal("7.07")),
)


@dataclass(frozen=True, slots=True)
class Reported:
    """All events of some conversations, and the webhooks of those that end, as they are sent."""

    events: Sequence[dict[str, Any]]
    webhooks: Sequence[dict[str, Any]]


def create_goals(database: Database) -> dict[str, CurrentGoal]:
    """Create the goals as though it had been long ago; through the API they would begin now."""
    with database.transaction() as session:
        project_id = session.execute(sa.select(table(Project).c.id)).scalar_one()
        drafts = [
            GoalDraft(name=name, description=f"{name}.", kind=Kind.SECONDARY, judged=False, steps=STEPS)
            for name in GOALS
        ]
        return {draft.name: goals.create(session, project_id, draft, BEGAN - timedelta(days=9)) for draft in drafts}


def report(goals: Mapping[str, CurrentGoal], conversations: int, each: int, seed: int) -> Reported:
    """Make up conversations with `each` events, some at the same instant; every twentieth conversation ends."""
    dice = random.Random(seed)
    events, webhooks = [], []
    for number in range(conversations):
        call, line = f"call-{number}", f"line-{number % 5}"
        begun = BEGAN + timedelta(minutes=dice.randrange(3 * 24 * 60))
        named = [goals[name] for name in dice.sample(GOALS, 2)]
        for nth in range(each):
            at = begun + timedelta(seconds=dice.randrange(600), microseconds=dice.choice([0, 0, 999_999]))
            told = {"id": f"{call}-{nth}", "conversation_id": call, "occurred_at": at.isoformat()} | _fact(dice, named)
            events.append(told | dice.choice([{}, {"agent_id": line}]))
        if number % 20 == 0:
            # Its own words decide whose it was.
            webhooks.append(_webhook(call, dice.choice([line, "another-line"]), begun + timedelta(minutes=10)))
    return Reported(events, webhooks)


def _fact(dice: random.Random, named: Sequence[CurrentGoal]) -> dict[str, str]:
    kind = dice.choices(["goal.step", "task.completed", "step.executed"], [6, 1, 3])[0]
    if kind == "goal.step":
        goal = dice.choice(named)
        step = dice.choices(STEPS, [2, 3, 3, 2])[0]
        return {"type": kind, "goal": dice.choice([goal.name, str(goal.id)]), "step": step.key}
    return {"type": kind, "name": f"{kind} {dice.choice('ABCD')}"}


def _webhook(call: str, agent_id: str, ended_at: datetime) -> dict[str, Any]:
    return {
        "conversation_id": call,
        "agent_id": agent_id,
        "ended_at": ended_at.isoformat(),
        "transcript": [{"role": "user", "text": "Hello, I would like to book a journey."}],
    }


def should_be(reported: Reported, goals: Mapping[str, CurrentGoal], time_zone: str) -> tuple[dict[Any, Any], set[Any]]:
    """Return the counts by place, and the cycles, that all events together amount to, in no hurry and one by one."""
    by_name = {name: goal.id for name, goal in goals.items()} | {str(goal.id): goal.id for goal in goals.values()}
    of_call: dict[str, list[tuple[Tracked, str]]] = {}
    for event in reported.events:
        of_call.setdefault(event["conversation_id"], []).append((_tracked(event, by_name), event.get("agent_id", "")))
    ended = {webhook["conversation_id"]: webhook["agent_id"] for webhook in reported.webhooks}
    counts: dict[Place, Tally] = {}
    cycles = set()
    for call, told in of_call.items():
        first = sorted(told, key=lambda one: (one[0].at, one[0].event_id))
        agent_id = ended.get(call) or next((agent_id for _, agent_id in first if agent_id), "")
        tracked = track(one for one, _ in told)
        for place, tally in tallies(tracked, agent_id, time_zone).items():
            counts[place] = counts.get(place, Tally()) + tally
        for goal_id, cycle in tracked.cycles:
            one = (call, goal_id, cycle.number, cycle.state, cycle.started_at, cycle.completed_at)
            cycles.add((*one, *_saved(cycle.savings)))
    return {place: (tally.number, *_saved(tally.savings)) for place, tally in counts.items()}, cycles


def _tracked(event: Mapping[str, Any], goals: Mapping[str, UUID]) -> Tracked:
    event_id, at = event["id"], datetime.fromisoformat(event["occurred_at"])
    if event["type"] == "goal.step":
        step = next(step for step in STEPS if step.key == event["step"])
        return StepReached(event_id, at, goals[event["goal"]], 1, step)
    kind = TaskCompleted if event["type"] == "task.completed" else StepExecuted
    return kind(event_id, at, event["name"])


def _saved(savings: Savings) -> tuple[Any, ...]:
    return savings.cost_savings, savings.revenue, savings.time_saved


def is_stored(database: Database) -> tuple[dict[Any, Any], set[Any]]:
    """Return the counts by place, and the cycles, that are stored; counts of nothing left out."""
    rollup, cycle, conversation = table(TrackRollup), table(Cycle), table(Conversation)
    with database.snapshot() as session:
        counts = {
            Place(row.day, row.agent_id, row.measure, row.goal_id if row.goal_id.int else None, row.key): (
                (row.number, row.cost_savings, row.revenue, row.time_saved)
            )
            for row in session.execute(sa.select(rollup).where(rollup.c.number != 0))
        }
        columns = [column for column in cycle.c if column.name != "conversation_id"]
        rows = session.execute(sa.select(conversation.c.conversation_id, *columns).join(cycle))
        return counts, {tuple(row) for row in rows}


def stored_events(database: Database) -> int:
    """Return how many events are stored."""
    with database.reading() as session:
        return int(session.execute(sa.select(sa.func.count()).select_from(table(StepEvent))).scalar_one())


def time_zone(database: Database) -> str:
    """Return the time zone of the one project that there is."""
    with database.reading() as session:
        zone: str = session.execute(sa.select(table(Project).c.time_zone)).scalar_one()
        return zone
