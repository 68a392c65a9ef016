"""The track: what a conversation's events amount to, where that is counted, and how counts change with events."""

import math
from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from goalline.domain.cycle import CycleState, Savings
from goalline.domain.track import (
    Measure,
    Place,
    StepExecuted,
    Tally,
    TaskCompleted,
    Tracked,
    changes,
    path_digest,
    percentile,
    tallies,
    track,
)
from tests.domain.tracked import CONFIRMED, DETAILS, FLIGHT, HOTEL, NOON, SECOND, START, events, reached

DAY = date(2026, 3, 4)


def passed(name: str, second: int) -> StepExecuted:
    return StepExecuted(f"step-{name}-{second}", NOON + second * SECOND, name)


def test_the_goals_of_a_conversation_do_not_get_in_each_others_way() -> None:
    found = track([reached(START, 0), reached(START, 1, goal_id=HOTEL), reached(CONFIRMED, 2, goal_id=HOTEL)])
    assert {(goal_id, cycle.number, cycle.state) for goal_id, cycle in found.cycles} == {
        (FLIGHT, 1, CycleState.INCOMPLETE),
        (HOTEL, 1, CycleState.COMPLETED),
    }


def test_the_path_is_in_the_order_in_which_the_steps_were_passed() -> None:
    assert track([passed("b", 2), passed("a", 1), passed("b", 3)]).path == ("a", "b", "b")


def test_what_a_conversation_adds_to_the_counts() -> None:
    task = TaskCompleted("task-1", NOON, "order")
    found = tallies(
        track([reached(START), reached(DETAILS, 30), reached(CONFIRMED, 95), task, passed("hello", 1)]), "ann", "UTC"
    )
    path = path_digest(("hello",))
    saved = Savings(Decimal("15.00"), Decimal(0), timedelta(minutes=3))
    assert found == {
        Place(DAY, "ann", Measure.CYCLE, FLIGHT, "completed"): Tally(1, saved),
        Place(DAY, "ann", Measure.STEP, FLIGHT, "start"): Tally(1),
        Place(DAY, "ann", Measure.STEP, FLIGHT, "details"): Tally(1),
        Place(DAY, "ann", Measure.STEP, FLIGHT, "confirmed"): Tally(1),
        Place(DAY, "ann", Measure.DURATION, FLIGHT, "95"): Tally(1),
        Place(DAY, "ann", Measure.TASK, None, "order"): Tally(1),
        Place(DAY, "ann", Measure.PATH, None, path): Tally(1),
    }


def test_a_cycle_counts_on_the_local_day_of_its_initial_step() -> None:
    late = track([reached(START, 11 * 3_600 + 1_800), reached(CONFIRMED, 12 * 3_600 + 1_800)])
    assert {place.day for place in tallies(late, "ann", "UTC")} == {DAY}
    assert {place.day for place in tallies(late, "ann", "Europe/Berlin")} == {DAY + timedelta(days=1)}


def test_what_comes_before_any_initial_step_is_counted_nowhere() -> None:
    assert tallies(track([reached(DETAILS), reached(CONFIRMED, 1)]), "ann", "UTC") == {}


@given(some=events(), rest=st.data())
def test_neither_order_nor_repetition_changes_what_is_counted(some: list[Tracked], rest: st.DataObject) -> None:
    again = rest.draw(st.lists(st.sampled_from(some), max_size=4)) if some else []
    shuffled = rest.draw(st.permutations([*some, *again]))
    assert track(shuffled) == track(some)
    assert tallies(track(shuffled), "ann", "UTC") == tallies(track(some), "ann", "UTC")


@given(batches=st.lists(events(max_size=5), max_size=5))
def test_counts_that_follow_batch_by_batch_equal_a_count_from_scratch(batches: list[list[Tracked]]) -> None:
    counted: dict[Place, Tally] = {}
    seen: list[Tracked] = []
    for batch in batches:
        before = tallies(track(seen), "ann", "UTC")
        seen += batch
        for place, change in changes(before, tallies(track(seen), "ann", "UTC")).items():
            counted[place] = counted.get(place, Tally()) + change
    left = {place: tally for place, tally in counted.items() if tally != Tally()}
    assert left == tallies(track(seen), "ann", "UTC")


@given(some=events(), more=events())
def test_a_change_taken_back_leaves_nothing(some: list[Tracked], more: list[Tracked]) -> None:
    one, two = tallies(track(some), "ann", "UTC"), tallies(track(more), "bob", "UTC")
    back = changes(two, one)
    assert {place: -tally for place, tally in changes(one, two).items()} == back
    assert changes(one, one) == {}


def test_the_path_of_one_name_with_a_comma_is_not_the_path_of_two() -> None:
    assert len({path_digest(path) for path in [("a", "b"), ("a,b",), ('a","b',), ()]}) == 4


def test_half_of_the_durations_are_not_longer_than_the_median() -> None:
    assert percentile({10: 1, 20: 1, 30: 1}, 0.5) == 20
    assert percentile({10: 1, 20: 1}, 0.5) == 10
    assert percentile({10: 9, 500: 1}, 0.9) == 10
    assert percentile({}, 0.5) is None


def test_a_duration_that_was_counted_and_taken_off_again_is_none() -> None:
    assert percentile({5: 0, 10: 1}, 0.0) == 10


@given(st.lists(st.integers(0, 9), min_size=1), st.sampled_from([0.5, 0.9]))
def test_a_percentile_is_the_nearest_rank(durations: list[int], share: float) -> None:
    histogram = {second: durations.count(second) for second in durations}
    assert percentile(histogram, share) == sorted(durations)[math.ceil(share * len(durations)) - 1]


def test_of_events_of_one_instant_whose_ids_count_up_the_lower_number_comes_first() -> None:
    told = [StepExecuted(f"e-{number}", NOON, f"step {number}") for number in (11, 9, 100, 10)]
    assert track(told).path == ("step 9", "step 10", "step 11", "step 100")
