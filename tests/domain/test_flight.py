"""A flight that is booked ahead, with every state that an attempt can be in."""

from datetime import timedelta
from decimal import Decimal

from goalline.domain.cycle import CycleState, Savings, StepReached, cycles
from tests.domain.steps import STEPS, begin, complete, pass_by
from tests.domain.tracked import reached

START, DETAILS, CONFIRMED = STEPS.validate_python(
    [
        begin("start"),
        pass_by("details", time_saved="00:03:00"),
        complete("confirmed", cost_savings="15.00"),
    ]
)
THREE_MINUTES = timedelta(minutes=3)


def attempts(*events: StepReached) -> list[tuple[CycleState, Savings]]:
    return [(cycle.state, cycle.savings) for cycle in cycles(events)[0]]


def test_nobody_who_does_not_begin_has_an_attempt() -> None:
    assert attempts() == []


def test_who_only_begins_is_incomplete_and_saves_nothing() -> None:
    assert attempts(reached(START)) == [(CycleState.INCOMPLETE, Savings())]


def test_who_gives_the_details_is_partial_and_saves_three_minutes() -> None:
    assert attempts(reached(START), reached(DETAILS, 60)) == [(CycleState.PARTIAL, Savings(time_saved=THREE_MINUTES))]


def test_who_confirms_is_completed_and_saves_three_minutes_and_fifteen() -> None:
    assert attempts(reached(START), reached(DETAILS, 60), reached(CONFIRMED, 90)) == [
        (CycleState.COMPLETED, Savings(Decimal("15.00"), time_saved=THREE_MINUTES))
    ]


def test_who_confirms_without_details_is_completed_and_saves_fifteen() -> None:
    assert attempts(reached(START), reached(CONFIRMED, 90)) == [(CycleState.COMPLETED, Savings(Decimal("15.00")))]


def test_who_begins_again_has_two_attempts() -> None:
    found = attempts(
        reached(START), reached(DETAILS, 60), reached(CONFIRMED, 90), reached(START, 100), reached(DETAILS, 110)
    )
    assert found == [
        (CycleState.COMPLETED, Savings(Decimal("15.00"), time_saved=THREE_MINUTES)),
        (CycleState.PARTIAL, Savings(time_saved=THREE_MINUTES)),
    ]


def test_what_comes_before_the_beginning_is_in_no_attempt() -> None:
    assert attempts(reached(DETAILS), reached(START, 60)) == [(CycleState.INCOMPLETE, Savings())]


def test_details_that_are_given_twice_save_once() -> None:
    assert attempts(reached(START), reached(DETAILS, 60), reached(DETAILS, 70)) == [
        (CycleState.PARTIAL, Savings(time_saved=THREE_MINUTES))
    ]
