"""Recording: each event is stored once, and what it amounts to is the same whatever came first."""

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from goalline.domain.event import Event
from goalline.domain.goal import GoalEdit
from goalline.store.goals import goals
from goalline.store.tables import Conversation, Cycle, PathTaken, StepEvent, TrackRollup
from tests.domain.tracked import CONFIRMED, DETAILS, START
from tests.store.tracking import (
    EARLY,
    at,
    counts,
    every_row,
    everything,
    flight,
    outcome,
    passed,
    step,
    task,
    track,
)
from tests.store.world import HOUR, MINUTE, NOW, World, a_project


@pytest.fixture
def tracked(world: World) -> World:
    """A world with a goal of which events tell."""
    flight(world)
    return world


def conversation(world: World) -> Conversation:
    [row] = world.rows(Conversation)
    return row


def test_all_that_a_conversation_reports_is_stored_and_counted(tracked: World) -> None:
    done = track(tracked, *everything())
    assert (done.accepted, done.duplicates, done.rejected) == (6, 0, {})
    assert counts(tracked) == {
        ("cycle", "completed"): 1,
        ("step", "start"): 1,
        ("step", "details"): 1,
        ("step", "confirmed"): 1,
        ("duration", "120"): 1,
        ("task", "Ticket sent"): 1,
        ("path", "greeting>farewell"): 1,
    }
    [cycle] = tracked.rows(Cycle)
    assert (cycle.started_at, cycle.completed_at) == (at(0), at(120))
    assert (cycle.cost_savings, cycle.revenue, cycle.time_saved) == (Decimal(15), Decimal(0), 3 * MINUTE)
    [taken] = tracked.rows(PathTaken)
    assert taken.began_at == at(0)
    assert tracked.differences() == []


def test_an_event_is_stored_as_it_was_told(tracked: World) -> None:
    track(tracked, step("start", 7, agent_id="ann", contact_id="c-1"))
    [row] = tracked.rows(StepEvent)
    assert (row.step, row.revision, row.occurred_at, row.received_at) == ("start", 1, at(7), NOW)
    assert (row.agent_id, row.contact_id, row.name) == ("ann", "c-1", None)


def test_an_event_that_is_sent_again_changes_nothing(tracked: World) -> None:
    track(tracked, *everything())
    before = outcome(tracked)
    again = track(tracked, *everything(), now=NOW + HOUR)
    assert (again.accepted, again.duplicates, again.rejected) == (0, 6, {})
    assert outcome(tracked) == before


def test_an_event_that_stands_twice_in_a_batch_is_stored_once(tracked: World) -> None:
    done = track(tracked, step("start"), step("start"), task("x"), task("x"))
    assert (done.accepted, done.duplicates) == (2, 2)
    assert counts(tracked)["task", "x"] == 1


def test_an_id_that_another_conversation_used_is_a_duplicate(tracked: World) -> None:
    track(tracked, task("x", id="one"), task("y", id="two"))
    before = outcome(tracked)
    again = track(tracked, task("x", call="call-2", id="one"))
    assert (again.accepted, again.duplicates) == (0, 1)
    assert outcome(tracked) == before, "a conversation of which nothing was accepted is not there"


def test_an_id_that_two_conversations_use_in_one_batch_belongs_to_the_first(tracked: World) -> None:
    done = track(tracked, task("x", id="one"), task("y", call="call-2", id="one"))
    assert (done.accepted, done.duplicates) == (1, 1)
    assert conversation(tracked).conversation_id == "call-1"


def test_an_id_that_another_project_used_is_new(tracked: World) -> None:
    other = World(tracked.database, a_project(tracked.database, "other"))
    flight(other)
    track(tracked, *everything())
    assert track(other, *everything()).accepted == 6
    assert len(tracked.rows(Conversation)) == 2
    assert tracked.differences() == []


def test_another_projects_goal_is_unknown_by_id_and_by_name(tracked: World) -> None:
    other = World(tracked.database, a_project(tracked.database, "other"))
    theirs = flight(other, "Theirs")
    done = track(tracked, step("start", goal=str(theirs.id)), step("start", 1, goal="Theirs"))
    assert sorted(done.rejected) == [0, 1]
    assert tracked.rows(StepEvent) == []


def test_a_batch_of_no_events_changes_nothing(tracked: World) -> None:
    done = track(tracked)
    assert (done.accepted, done.duplicates, done.rejected) == (0, 0, {})
    assert tracked.rows(Conversation) == []


def test_a_conversation_of_which_nothing_is_accepted_is_not_there(tracked: World) -> None:
    done = track(tracked, step("start", goal="Nobody's"), step("nowhere", 1))
    assert sorted(done.rejected) == [0, 1]
    assert tracked.rows(Conversation) == []


def test_bad_events_are_named_by_their_place_and_the_good_ones_are_kept(tracked: World) -> None:
    done = track(tracked, step("nowhere"), step("start"), step("start", 1, goal="Nobody's"), task("x"))
    assert (done.accepted, done.duplicates, sorted(done.rejected)) == (2, 0, [0, 2])
    assert "it had start, details, confirmed" in done.rejected[0]
    assert 'no goal was called "Nobody\'s"' in done.rejected[2]


def test_an_id_whose_first_event_is_bad_is_free_for_a_good_one(tracked: World) -> None:
    done = track(tracked, step("nowhere", id="one"), step("start", id="one"))
    assert (done.accepted, done.duplicates, list(done.rejected)) == (1, 0, [0])


def test_a_rejected_event_may_be_sent_again_when_its_goal_is_there(world: World) -> None:
    assert list(track(world, step("start")).rejected) == [0]
    flight(world)
    assert track(world, step("start")).accepted == 1


def test_a_conversation_has_no_more_events_than_the_limit(tracked: World) -> None:
    done = track(tracked, *(task("x", second) for second in range(3)), task("x", call="call-2"), most=2)
    assert (done.accepted, list(done.rejected)) == (3, [2])
    assert "2 events, and that is the limit (GOALLINE_MAX_EVENTS_PER_CONVERSATION)" in done.rejected[2]
    later = track(tracked, task("x", 0), task("x", 9), most=2)
    assert (later.accepted, later.duplicates, list(later.rejected)) == (0, 1, [1])


def test_a_clock_that_is_ahead_keeps_the_order_of_its_events_whatever_that_of_their_arrival(tracked: World) -> None:
    track(tracked, step("confirmed", 4 * 3_600), now=NOW)
    track(tracked, step("start", 3 * 3_600), now=NOW)
    [cycle] = tracked.rows(Cycle)
    assert (cycle.state, cycle.started_at) == ("completed", at(3 * 3_600))


def test_what_lies_more_than_a_day_in_the_future_happened_now(tracked: World) -> None:
    ahead = round((NOW - at(0)).total_seconds()) + 24 * 3_600
    track(tracked, step("start", ahead), step("details", ahead + 1), now=NOW)
    assert sorted((row.step, row.occurred_at) for row in tracked.rows(StepEvent)) == [
        ("details", NOW),
        ("start", at(ahead)),
    ]


def test_an_event_is_pinned_to_the_revision_of_the_time_it_happened(world: World) -> None:
    goal = flight(world)
    dearer = CONFIRMED.model_copy(update={"cost_savings": Decimal("20.00")})
    with world.database.transaction() as session:
        change = GoalEdit.model_validate({"name": "Fly", "steps": (START, DETAILS, dearer)})
        goals.edit(session, world.project.id, goal.id, change, EARLY + HOUR)
    late = track(world, step("start"), step("confirmed", 10))
    new = track(world, step("start", 0, "call-2", goal="Fly", occurred_at=EARLY + HOUR))
    track(world, step("confirmed", 4_000, "call-2", goal=str(goal.id)))
    assert (late.rejected, new.rejected) == ({}, {})
    assert sorted(row.revision or 0 for row in world.rows(StepEvent)) == [1, 1, 2, 2]
    assert sorted(row.cost_savings for row in world.rows(Cycle)) == [Decimal(15), Decimal(20)]
    assert world.differences() == []


def test_what_was_saved_stays_when_the_steps_are_edited(world: World) -> None:
    goal = flight(world)
    track(world, *everything())
    before = every_row(world, Cycle, TrackRollup)
    with world.database.transaction() as session:
        goals.edit(session, world.project.id, goal.id, GoalEdit(steps=()), NOW)
    assert every_row(world, Cycle, TrackRollup) == before
    track(world, task("y", 200))
    assert every_row(world, Cycle) == [row for row in before if row[0] == "Cycle"]
    assert world.differences() == []


def test_a_step_before_any_initial_step_is_kept_and_counts_nowhere(tracked: World) -> None:
    assert track(tracked, step("details", 10), step("confirmed", 20)).accepted == 2
    assert (tracked.rows(Cycle), tracked.rows(TrackRollup)) == ([], [])
    assert tracked.differences() == []


def test_an_earlier_initial_step_that_arrives_late_rescues_what_waited_for_it(tracked: World) -> None:
    track(tracked, step("details", 10), step("confirmed", 20))
    track(tracked, step("start", 0))
    [cycle] = tracked.rows(Cycle)
    assert (cycle.state, cycle.started_at, cycle.cost_savings) == ("completed", at(0), Decimal(15))
    assert tracked.differences() == []


def test_an_initial_step_that_arrives_late_divides_a_cycle_in_two(tracked: World) -> None:
    track(tracked, step("start", 0), step("details", 10), step("confirmed", 30))
    track(tracked, step("start", 20))
    assert [(row.number, row.state) for row in sorted(tracked.rows(Cycle), key=lambda row: row.number)] == [
        (1, "partial"),
        (2, "completed"),
    ]
    assert counts(tracked)["duration", "10"] == 1
    assert ("duration", "30") not in counts(tracked)
    assert tracked.differences() == []


def test_a_step_that_is_told_late_takes_its_place_in_the_path(tracked: World) -> None:
    track(tracked, passed("a", 0), passed("c", 20))
    track(tracked, passed("b", 10))
    assert counts(tracked) == {("path", "a>b>c"): 1}
    track(tracked, passed("z", -timedelta(days=1).total_seconds()))
    [taken] = tracked.rows(PathTaken)
    assert taken.began_at == EARLY - timedelta(days=1)
    assert tracked.differences() == []


def test_events_of_many_conversations_come_in_one_batch(tracked: World) -> None:
    events: list[Event] = [event for call in "abc" for event in everything(call)]
    assert track(tracked, *events[::-1]).accepted == 18
    assert counts(tracked)["cycle", "completed"] == 3


def test_an_id_may_have_any_form(tracked: World) -> None:
    track(tracked, step("start"))
    [goal_id] = {row.goal_id for row in tracked.rows(StepEvent)}
    unknown = uuid4()
    done = track(
        tracked,
        step("details", 1, goal=str(goal_id).upper()),
        step("details", 2, goal=f"{{{goal_id}}}"),
        step("details", 3, goal=str(unknown)),
    )
    assert (done.accepted, sorted(done.rejected)) == (1, [1, 2])
