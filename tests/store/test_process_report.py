"""The report on goals' processes, read from the counts of the track: on both databases, exact to the cent."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from goalline import pipeline
from goalline.domain.calendar import Interval
from goalline.domain.cycle import Savings
from goalline.domain.goal import GoalEdit, Kind
from goalline.domain.step import Step
from goalline.store.conversations import conversations
from goalline.store.goals import goals, steps
from goalline.store.goals.goals import CurrentGoal
from goalline.store.reports import process
from goalline.store.reports.process import GoalProgress, Progress, TrackFilter
from goalline.store.tables import TrackRollup
from tests.domain.tracked import CONFIRMED, DETAILS, START, STEPS
from tests.store.attempts import MORNING, attempt, flight
from tests.store.world import BEFORE, NOW, SECOND, World, a_project, delivery

DAY = date(2026, 11, 20)
LATER = BEFORE + SECOND
EVERYTHING = TrackFilter()


def of_goal(world: World, goal: CurrentGoal, wanted: TrackFilter = EVERYTHING) -> GoalProgress:
    with world.database.snapshot() as session:
        return process.of_goal(session, world.project.id, wanted, goals.get(session, world.project.id, goal.id))


def of_goals(world: World, wanted: TrackFilter = EVERYTHING) -> list[GoalProgress]:
    with world.database.snapshot() as session:
        return process.of_goals(session, world.project.id, wanted)


def funnel(world: World, goal: CurrentGoal, wanted: TrackFilter = EVERYTHING) -> list[tuple[str, bool, int]]:
    with world.database.snapshot() as session:
        now = goals.get(session, world.project.id, goal.id)
        found = process.steps(session, world.project.id, wanted, now)
    return [(one.step.key, one.current, one.reached) for one in found]


def reword(world: World, goal: CurrentGoal, new: Sequence[Step]) -> None:
    with world.database.transaction() as session:
        goals.edit(session, world.project.id, goal.id, GoalEdit(steps=tuple(new)), NOW - 60 * SECOND)


def test_a_flight_is_counted_in_every_state_with_the_exact_sums(world: World) -> None:
    found = of_goal(world, flight(world))
    saved = Savings(Decimal("30.00"), Decimal(0), timedelta(minutes=6))
    assert found.total == Progress(incomplete=1, partial=1, completed=2, savings=saved)
    assert found.days == {DAY: found.total}


def test_the_funnel_counts_the_cycles_that_reached_each_step(world: World) -> None:
    goal = flight(world)
    assert funnel(world, goal) == [("start", True, 4), ("details", True, 2), ("confirmed", True, 2)]


def test_a_step_that_nobody_reached_stands_in_the_funnel(world: World) -> None:
    goal = world.goal(steps=STEPS)
    assert funnel(world, goal) == [("start", True, 0), ("details", True, 0), ("confirmed", True, 0)]


def test_a_completed_cycle_is_timed_from_its_initial_step_to_its_completion(world: World) -> None:
    assert of_goal(world, flight(world)).durations == {90: 1, 200: 1}


def test_a_second_cycle_of_one_conversation_counts_as_another(world: World) -> None:
    goal = world.goal(steps=STEPS)
    attempt(world, goal, "call", ("start", 0), ("confirmed", 10), ("start", 20), ("details", 30))
    assert of_goal(world, goal).total == Progress(0, 1, 1, Savings(Decimal(15), time_saved=timedelta(minutes=3)))


def test_amounts_add_up_to_the_last_digit(world: World) -> None:
    tenth = START, CONFIRMED.model_copy(update={"cost_savings": Decimal("0.1"), "revenue": Decimal("0.01")})
    fifth = START, CONFIRMED.model_copy(update={"cost_savings": Decimal("0.2")})
    one, other = world.goal("One", steps=tenth), world.goal("Other", Kind.SECONDARY, steps=fifth)
    for number in range(3):
        attempt(world, one, f"one {number}", ("start", 0), ("confirmed", 1), agent_id=f"agent {number}")
    attempt(world, other, "other", ("start", 0), ("confirmed", 1))
    assert of_goal(world, one).total.savings == Savings(Decimal("0.3"), Decimal("0.03"))
    days = process.all_days(of_goals(world))
    assert days[DAY].savings == Savings(Decimal("0.5"), Decimal("0.03"))


def test_a_cycle_counts_in_full_on_the_local_day_of_its_initial_step(world: World) -> None:
    # Berlin goes back an hour on 25 October 2026: that day begins at 22:00 and ends at 23:00 in UTC.
    goal = world.goal(steps=STEPS, at=datetime(2026, 10, 1, tzinfo=UTC))
    late, early = datetime(2026, 10, 25, 22, 59, 59, tzinfo=UTC), datetime(2026, 10, 24, 22, 0, tzinfo=UTC)
    attempt(world, goal, "before", ("start", 0), at=early - SECOND)
    attempt(world, goal, "first", ("start", 0), at=early)
    attempt(world, goal, "last", ("start", 0), ("confirmed", 5), at=late)
    attempt(world, goal, "after", ("start", 1), at=late)
    started = {day: progress.started for day, progress in of_goal(world, goal).days.items()}
    assert started == {date(2026, 10, 24): 1, date(2026, 10, 25): 2, date(2026, 10, 26): 1}
    one_day = TrackFilter(first_day=date(2026, 10, 25), last_day=date(2026, 10, 25))
    found = of_goal(world, goal, one_day)
    assert (found.total.incomplete, found.total.completed, found.durations) == (1, 1, {5: 1})
    assert funnel(world, goal, one_day) == [("start", True, 2), ("details", True, 0), ("confirmed", True, 1)]


def test_an_agent_has_its_own_cycles_only(world: World) -> None:
    goal = world.goal(steps=STEPS)
    attempt(world, goal, "of ann", ("start", 0), ("confirmed", 10))
    attempt(world, goal, "of bob", ("start", 0), ("details", 10), agent_id="bob")
    bob = TrackFilter(agent_id="bob")
    found = of_goal(world, goal, bob)
    assert (found.total.partial, found.total.completed, found.durations) == (1, 0, {})
    assert funnel(world, goal, bob) == [("start", True, 1), ("details", True, 1), ("confirmed", True, 0)]


def test_what_was_counted_and_taken_off_leaves_no_lines(world: World) -> None:
    goal = flight(world)
    for call in ("begun", "detailed", "booked", "straight"):
        with world.database.transaction() as session:
            conversations.remove(session, world.project.id, call)
    assert world.rows(TrackRollup)
    found = of_goal(world, goal)
    assert (found.days, found.durations) == ({}, {})
    reword(world, goal, [START, CONFIRMED])
    assert funnel(world, goal) == [("start", True, 0), ("confirmed", True, 0)]


def test_a_conversation_that_turns_out_to_be_of_another_agent_leaves_no_line_behind(world: World) -> None:
    goal = world.goal(steps=STEPS, agent_id="bob")
    attempt(world, goal, "call", ("start", 0), agent_id="bob")
    pipeline.receive(world.database, world.project, delivery("call", agent_id="ann", ended_at=NOW), NOW)
    assert [one.total.started for one in of_goals(world, TrackFilter(agent_id="bob"))] == [0]
    assert [one.total.started for one in of_goals(world, TrackFilter(agent_id="ann"))] == [1]


def test_a_step_of_the_past_stands_behind_the_present_ones(world: World) -> None:
    goal = flight(world)
    paid = Step(key="paid", name="Paid", order=5, completion=True)
    reword(world, goal, [START, paid, CONFIRMED.model_copy(update={"order": 9})])
    assert funnel(world, goal) == [
        ("start", True, 4),
        ("paid", True, 0),
        ("confirmed", True, 2),
        ("details", False, 2),
    ]


def test_a_step_of_the_past_has_the_name_that_it_had_last(world: World) -> None:
    goal = flight(world)
    reword(world, goal, [START, DETAILS.model_copy(update={"name": "Passengers named"}), CONFIRMED])
    reword(world, goal, [START, CONFIRMED])
    with world.database.snapshot() as session:
        now = goals.get(session, world.project.id, goal.id)
        found = process.steps(session, world.project.id, EVERYTHING, now)
    assert [one.step.name for one in found if not one.current] == ["Passengers named"]


def test_a_step_that_was_deleted_with_its_events_is_not_of_the_past(world: World) -> None:
    goal = flight(world)
    with world.database.transaction() as session:
        steps.remove(session, world.project.id, goal.id, "details", NOW)
    assert funnel(world, goal) == [("start", True, 4), ("confirmed", True, 2)]
    assert of_goal(world, goal).total == Progress(2, 0, 2, Savings(Decimal("30.00")))


def test_all_goals_together_are_the_sum_of_the_goals(world: World) -> None:
    first, second = flight(world), world.goal("Rebook", Kind.SECONDARY, steps=STEPS, at=LATER)
    attempt(world, second, "again", ("start", 0), ("details", 5), ("confirmed", 90), at=MORNING - timedelta(days=2))
    found = of_goals(world)
    assert [one.goal.id for one in found] == [first.id, second.id]
    assert [one.total for one in found] == [of_goal(world, first).total, of_goal(world, second).total]
    assert [one.durations for one in found] == [{90: 1, 200: 1}, {90: 1}]
    days = process.all_days(found)
    assert days == {date(2026, 11, 18): of_goal(world, second).total, DAY: of_goal(world, first).total}
    assert sum(days.values(), Progress()) == Progress(1, 1, 3, Savings(Decimal(45), time_saved=timedelta(minutes=9)))
    assert process.all_durations(found) == {90: 2, 200: 1}
    counted = sum(row.number for row in world.rows(TrackRollup) if row.measure == "cycle")
    assert counted == sum(one.total.started for one in found) == 5


def test_every_goal_that_has_or_had_steps_is_listed(world: World) -> None:
    world.goal("Never tracked")
    tracked = world.goal("Tracked", Kind.SECONDARY, steps=STEPS)
    once = world.goal("Tracked once", Kind.SECONDARY, steps=STEPS, at=LATER)
    reword(world, once, [])
    assert [one.goal.id for one in of_goals(world)] == [tracked.id, once.id]
    assert [one.total for one in of_goals(world)] == [Progress(), Progress()]


def test_goals_of_other_agents_are_left_out(world: World) -> None:
    world.goal("Of ann", agent_id="ann", steps=STEPS)
    mine = world.goal("Of bob", agent_id="bob", steps=STEPS)
    everybody = world.goal("Of all", steps=STEPS, at=LATER)
    assert [one.goal.id for one in of_goals(world, TrackFilter(agent_id="bob"))] == [mine.id, everybody.id]


def test_another_project_sees_nothing_of_it(world: World) -> None:
    goal = flight(world)
    other = World(world.database, a_project(world.database, "other"))
    attempt(other, other.goal("Elsewhere", steps=STEPS), "begun", ("start", 0))
    assert of_goal(world, goal).total.started == 4
    assert [(one.goal.name, one.total.started) for one in of_goals(other)] == [("Elsewhere", 1)]
    assert [one.goal.id for one in of_goals(world)] == [goal.id]
    with world.database.snapshot() as session:
        assert process.of_goal(session, other.project.id, EVERYTHING, goal).total == Progress()
        reached = [one.reached for one in process.steps(session, other.project.id, EVERYTHING, goal)]
    assert reached == [0, 0, 0]


def test_a_goal_that_was_deleted_is_gone_from_the_totals(world: World) -> None:
    goal = flight(world)
    with world.database.transaction() as session:
        goals.remove(session, world.project.id, goal.id, goal.name)
    assert of_goals(world) == []


def test_a_series_keeps_what_the_days_hold(world: World) -> None:
    days = of_goal(world, flight(world)).days
    week = process.series(days, Interval.WEEK, date(2026, 11, 9), DAY)
    assert week == [(date(2026, 11, 9), Progress()), (date(2026, 11, 16), days[DAY])]


def test_no_cycle_has_no_rate_and_no_interval() -> None:
    assert (Progress().completion_rate, Progress().interval) == (None, None)


def test_the_rate_is_of_all_cycles_that_were_started() -> None:
    progress = Progress(incomplete=2, partial=1, completed=1)
    assert (progress.started, progress.completion_rate) == (4, 0.25)
    # 1 of 4.
    assert progress.interval == pytest.approx((0.0456, 0.6994), abs=1e-4)
