"""Cycles: opened by the initial step, completed by a completion step, whatever order the events arrive in."""

from datetime import timedelta
from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goalline.domain.cycle import Cycle, CycleState, Savings, StepReached, cycles
from goalline.domain.step import Step
from tests.domain.tracked import CONFIRMED, DETAILS, NOON, SECOND, START, STEPS, reached

THREE_MINUTES = timedelta(minutes=3)


def one(*events: StepReached) -> Cycle:
    """Return the only cycle that events make, in whatever order they come."""
    found = {tuple(cycles(order)[0]) for order in permutations(events)}
    [(cycle,)] = found
    return cycle


def test_a_cycle_of_its_initial_step_only_is_incomplete_and_saves_nothing() -> None:
    cycle = one(reached(START))
    assert (cycle.state, cycle.completed_at, cycle.savings) == (CycleState.INCOMPLETE, None, Savings())


def test_a_cycle_with_a_further_step_is_partial_and_saves_what_that_step_saves() -> None:
    cycle = one(reached(START), reached(DETAILS, 60))
    assert (cycle.state, cycle.completed_at) == (CycleState.PARTIAL, None)
    assert cycle.savings == Savings(time_saved=THREE_MINUTES)


def test_a_cycle_with_a_completion_step_is_completed_and_saves_all() -> None:
    cycle = one(reached(START), reached(DETAILS, 60), reached(CONFIRMED, 120))
    assert (cycle.state, cycle.completed_at) == (CycleState.COMPLETED, NOON + 120 * SECOND)
    assert cycle.savings == Savings(Decimal("15.00"), Decimal(0), THREE_MINUTES)


def test_a_completion_step_completes_without_the_steps_between() -> None:
    cycle = one(reached(START), reached(CONFIRMED, 9))
    assert (cycle.state, cycle.savings) == (CycleState.COMPLETED, Savings(Decimal("15.00")))


def test_a_step_after_completion_still_counts() -> None:
    cycle = one(reached(START), reached(CONFIRMED, 1), reached(DETAILS, 2))
    assert cycle.completed_at == NOON + SECOND
    assert cycle.savings == Savings(Decimal("15.00"), Decimal(0), THREE_MINUTES)


def test_the_first_of_several_completion_steps_completes_the_cycle() -> None:
    other = Step(key="waitlisted", name="Put on the waiting list", order=4, completion=True)
    cycle = one(reached(START), reached(CONFIRMED, 9), reached(other, 5))
    assert cycle.completed_at == NOON + 5 * SECOND
    assert [event.step.key for event in cycle.reached] == ["start", "waitlisted", "confirmed"]


def test_a_step_counts_once_in_a_cycle_and_from_its_first_time() -> None:
    cycle = one(reached(START), reached(DETAILS, 3), reached(DETAILS, 1), reached(DETAILS, 2))
    assert [event.at for event in cycle.reached] == [NOON, NOON + SECOND]
    assert cycle.savings.time_saved == THREE_MINUTES


def test_a_second_initial_step_opens_a_second_cycle() -> None:
    events = [reached(START, 0), reached(DETAILS, 1), reached(START, 2), reached(CONFIRMED, 3)]
    for order in permutations(events):
        first, second = cycles(order)[0]
        assert (first.number, first.state, second.number, second.state) == (1, "partial", 2, "completed")
        assert second.savings == Savings(Decimal("15.00"))


def test_what_comes_before_any_initial_step_is_kept_and_counts_nowhere() -> None:
    early = reached(CONFIRMED, 0)
    found, before = cycles([reached(START, 1), early])
    assert [cycle.state for cycle in found] == [CycleState.INCOMPLETE]
    assert before == [early]


def test_at_the_same_instant_the_initial_step_comes_first_and_then_the_goals_order() -> None:
    cycle = one(reached(CONFIRMED), reached(DETAILS), reached(START))
    assert [event.step.key for event in cycle.reached] == ["start", "details", "confirmed"]


def test_a_step_is_worth_what_it_was_worth_when_it_was_reached() -> None:
    dearer = CONFIRMED.model_copy(update={"cost_savings": Decimal("20.00")})
    found, _ = cycles([reached(START, 0), reached(CONFIRMED, 1), reached(START, 2), reached(dearer, 3)])
    assert [cycle.savings.cost_savings for cycle in found] == [Decimal("15.00"), Decimal("20.00")]


def test_no_events_make_no_cycles() -> None:
    assert cycles([]) == ([], [])


REACHED = st.lists(st.builds(reached, st.sampled_from(STEPS), st.integers(0, 6)), max_size=10)


@given(events=REACHED, rest=st.data())
def test_neither_order_nor_repetition_changes_the_cycles(events: list[StepReached], rest: st.DataObject) -> None:
    again = rest.draw(st.lists(st.sampled_from(events), max_size=5)) if events else []
    assert cycles(rest.draw(st.permutations([*events, *again]))) == cycles(events)


@given(events=REACHED)
def test_every_event_is_in_a_cycle_a_repetition_or_untracked(events: list[StepReached]) -> None:
    found, before = cycles(events)
    unique = {event.event_id: event for event in events}
    starts = [event for event in unique.values() if event.step.initial]
    assert len(found) == len(starts)
    assert [cycle.number for cycle in found] == list(range(1, len(starts) + 1))
    for cycle in found:
        keys = [event.step.key for event in cycle.reached]
        assert keys[0] == "start"
        assert len(set(keys)) == len(keys)
        assert [event.at for event in cycle.reached] == sorted(event.at for event in cycle.reached)
    first = min((event.at for event in starts), default=None)
    expected = {e.event_id for e in unique.values() if not e.step.initial and (first is None or e.at < first)}
    assert {event.event_id for event in before} == expected


@given(events=REACHED, event=st.builds(reached, st.sampled_from([DETAILS, CONFIRMED]), st.integers(0, 6)))
def test_a_further_step_never_takes_a_cycle_back(events: list[StepReached], event: StepReached) -> None:
    rank = list(CycleState)
    before, after = cycles(events)[0], cycles([*events, event])[0]
    assert len(before) == len(after)
    assert all(rank.index(one.state) <= rank.index(two.state) for one, two in zip(before, after, strict=True))


@pytest.mark.parametrize("sign", [1, -1])
def test_savings_add_up_and_take_off_like_numbers(sign: int) -> None:
    some = Savings(Decimal("0.10"), Decimal("0.20"), timedelta(seconds=1))
    total = Savings()
    for _ in range(3):
        total = total + (some if sign > 0 else -some)
    assert total == Savings(Decimal("0.30") * sign, Decimal("0.60") * sign, timedelta(seconds=3) * sign)
