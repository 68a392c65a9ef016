"""Cycles: attempts at a goal's process, worked out from the steps that a conversation reached."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import reduce
from operator import add
from uuid import UUID

from goalline.domain.step import Step


class CycleState(StrEnum):
    """How far a cycle came: its initial step only, some further step, or a completion step."""

    INCOMPLETE = "incomplete"
    PARTIAL = "partial"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class Savings:
    """What was saved and earned, in the project's currency, and the time that was saved; they add up like numbers."""

    cost_savings: Decimal = Decimal(0)
    revenue: Decimal = Decimal(0)
    time_saved: timedelta = timedelta(0)

    @classmethod
    def of(cls, step: Step) -> "Savings":
        """Return what reaching a step is worth."""
        return cls(step.cost_savings or Decimal(0), step.revenue or Decimal(0), step.time_saved or timedelta(0))

    def __add__(self, other: "Savings") -> "Savings":
        return Savings(
            self.cost_savings + other.cost_savings, self.revenue + other.revenue, self.time_saved + other.time_saved
        )

    def __neg__(self) -> "Savings":
        return Savings(-self.cost_savings, -self.revenue, -self.time_saved)


@dataclass(frozen=True, slots=True)
class StepReached:
    """The event that a conversation reached a goal's step, with the step as it was defined at that time."""

    event_id: str
    at: datetime
    goal_id: UUID
    revision: int
    step: Step


@dataclass(frozen=True, slots=True)
class Cycle:
    """One attempt: the steps it reached, each once, in the order in which they were first reached."""

    number: int
    reached: tuple[StepReached, ...]

    @property
    def started_at(self) -> datetime:
        """When its initial step was reached."""
        return self.reached[0].at

    @property
    def completed_at(self) -> datetime | None:
        """When the first completion step was reached; None where none was."""
        return next((event.at for event in self.reached if event.step.completion), None)

    @property
    def state(self) -> CycleState:
        """How far it came."""
        if self.completed_at is not None:
            return CycleState.COMPLETED
        return CycleState.PARTIAL if len(self.reached) > 1 else CycleState.INCOMPLETE

    @property
    def savings(self) -> Savings:
        """The sum over its steps; nothing while it is incomplete."""
        if self.state is CycleState.INCOMPLETE:
            return Savings()
        return reduce(add, (Savings.of(event.step) for event in self.reached))


def cycles(reached: Iterable[StepReached]) -> tuple[list[Cycle], list[StepReached]]:
    """Return a goal's cycles in one conversation, and the events that came before the first of them.

    The order of the events and events given twice make no difference. Each initial step opens a cycle; whatever
    follows belongs to the cycle opened last, in which a step counts once. Of events of the same instant the initial
    step comes first, then the goal's own order decides.
    """
    opened: list[dict[str, StepReached]] = []
    before: list[StepReached] = []
    for event in sorted({event.event_id: event for event in reached}.values(), key=_chronology):
        if event.step.initial:
            opened.append({event.step.key: event})
        elif opened:
            opened[-1].setdefault(event.step.key, event)
        else:
            before.append(event)
    return [Cycle(number, tuple(steps.values())) for number, steps in enumerate(opened, start=1)], before


def _chronology(event: StepReached) -> tuple[datetime, bool, int, int, str]:
    # Of ids that are counted up, a shorter one is the lower number.
    return event.at, not event.step.initial, event.step.order, len(event.event_id), event.event_id
