"""Events for tests: a flight that is booked ahead, and strategies for events in any order."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from hypothesis import strategies as st

from goalline.domain.cycle import StepReached
from goalline.domain.step import Step
from goalline.domain.track import StepExecuted, TaskCompleted, Tracked

FLIGHT = UUID(int=1)
HOTEL = UUID(int=2)
NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)

START = Step(key="start", name="Wants to pre-book a flight", order=1, initial=True)
DETAILS = Step(key="details", name="Passenger details given", order=2, time_saved=timedelta(minutes=3))
CONFIRMED = Step(key="confirmed", name="Booking confirmed", order=3, completion=True, cost_savings=Decimal("15.00"))
STEPS = (START, DETAILS, CONFIRMED)


def reached(step: Step, second: int = 0, event_id: str | None = None, goal_id: UUID = FLIGHT) -> StepReached:
    """Return the event that a step was reached so many seconds after noon."""
    at = NOON + second * SECOND
    return StepReached(event_id or f"{goal_id.int}-{step.key}-{second}", at, goal_id, 1, step)


def events(*, max_size: int = 12) -> st.SearchStrategy[list[Tracked]]:
    """Events of two goals, of tasks and of analytics steps, of which some happen at the same instant."""
    seconds = st.integers(0, 8)
    steps = st.builds(reached, st.sampled_from(STEPS), seconds, goal_id=st.sampled_from([FLIGHT, HOTEL]))
    tasks = st.builds(
        lambda second, name: TaskCompleted(f"task-{name}-{second}", NOON + second * SECOND, name),
        seconds,
        st.sampled_from(["order", "return"]),
    )
    passed = st.builds(
        lambda second, name: StepExecuted(f"step-{name}-{second}", NOON + second * SECOND, name),
        seconds,
        st.sampled_from("abc"),
    )
    return st.lists(steps | tasks | passed, max_size=max_size)
