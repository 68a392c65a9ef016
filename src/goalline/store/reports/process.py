"""Reports on goals' processes: how far cycles came, which steps they reached, how long they took, what they saved."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Session

from goalline.domain import rates
from goalline.domain.calendar import Interval, summed
from goalline.domain.cycle import CycleState, Savings
from goalline.domain.step import Step
from goalline.domain.track import Measure
from goalline.store.goals import goals
from goalline.store.goals.goals import CurrentGoal
from goalline.store.reports.places import PlaceFilter
from goalline.store.tables import Goal, GoalRevision, TrackRollup, table

_rollup = table(TrackRollup).c
_NOTHING = Savings()
NUMBER = sa.func.sum(_rollup.number)
"""How many there are; what was counted and taken off again leaves rows of zeros behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackFilter(PlaceFilter):
    """Which counts of the track are asked for; None means everything."""

    def counts(self, rollup: sa.Table, project_id: UUID, measure: Measure) -> list[sa.ColumnElement[bool]]:
        """Return what the rows of a measure have to meet, in either of the track's two tables of counts."""
        return [*self.conditions(rollup, project_id), rollup.c.measure == measure]


@dataclass(frozen=True, slots=True)
class Progress:
    """Cycles by how far they came, with what all of them saved; they add up like numbers."""

    incomplete: int = 0
    partial: int = 0
    completed: int = 0
    savings: Savings = _NOTHING

    def __add__(self, other: "Progress") -> "Progress":
        return Progress(
            self.incomplete + other.incomplete,
            self.partial + other.partial,
            self.completed + other.completed,
            self.savings + other.savings,
        )

    @property
    def started(self) -> int:
        """How many cycles there are in all."""
        return self.incomplete + self.partial + self.completed

    @property
    def completion_rate(self) -> float | None:
        """Cycles completed / cycles started; None, not 0, where none was started."""
        return self.completed / self.started if self.started else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % Wilson interval of the rate; None where no cycle was started."""
        return rates.wilson(self.completed, self.started)


@dataclass(frozen=True, slots=True)
class GoalProgress:
    """The cycles of one goal: by the local day of their initial step, and the completed ones by their duration.

    `durations` says how often each number of seconds from the initial step to completion occurred.
    """

    goal: CurrentGoal
    days: Mapping[date, Progress]
    durations: Mapping[int, int]

    @property
    def total(self) -> Progress:
        """All days together."""
        return sum(self.days.values(), Progress())


@dataclass(frozen=True, slots=True)
class StepCount:
    """A step and how many cycles reached it; `current` is false where only an older wording of the goal has it."""

    step: Step
    current: bool
    reached: int


def of_goal(session: Session, project_id: UUID, wanted: TrackFilter, goal: CurrentGoal) -> GoalProgress:
    """Return how far the cycles of one goal came."""
    only = _rollup.goal_id == goal.id
    days, durations = _days(session, project_id, wanted, only), _durations(session, project_id, wanted, only)
    return GoalProgress(goal, days[goal.id], durations[goal.id])


def of_goals(session: Session, project_id: UUID, wanted: TrackFilter) -> list[GoalProgress]:
    """Return how far the cycles of every goal came that has or had steps, oldest goal first.

    Those of other agents than the wanted one are left out, unless it has cycles of theirs.
    """
    days, durations = _days(session, project_id, wanted), _durations(session, project_id, wanted)
    tracked, everyone = _ever_tracked(session, project_id), wanted.agent_id is None
    return [
        GoalProgress(goal, days[goal.id], durations[goal.id])
        for goal in goals.listed(session, project_id)
        if goal.id in days or (goal.id in tracked and (everyone or goal.agent_id in (None, wanted.agent_id)))
    ]


def all_days(found: Iterable[GoalProgress]) -> dict[date, Progress]:
    """Return how far the cycles of several goals came, together."""
    together: dict[date, Progress] = {}
    for one in found:
        for day, progress in one.days.items():
            together[day] = together.get(day, Progress()) + progress
    return together


def all_durations(found: Iterable[GoalProgress]) -> Mapping[int, int]:
    """Return how often each number of seconds occurred over several goals."""
    return sum((Counter(one.durations) for one in found), Counter[int]())


def steps(session: Session, project_id: UUID, wanted: TrackFilter, goal: CurrentGoal) -> list[StepCount]:
    """Return how many cycles reached each step of a goal: its present steps in order, then those it once had.

    A step of the past is there only where a cycle reached it, in the wording that had it last.
    """
    found = session.execute(
        sa.select(_rollup.key, NUMBER)
        .where(*wanted.counts(table(TrackRollup), project_id, Measure.STEP), _rollup.goal_id == goal.id)
        .group_by(_rollup.key)
        .having(NUMBER > 0)
    )
    reached = {key: int(number) for key, number in found}
    present = [StepCount(step, True, reached.pop(step.key, 0)) for step in goal.steps]
    if not reached:
        return present
    newest_first = goals.revisions(session, project_id, goal.id)
    once = {step.key: step for wording in reversed(newest_first) for step in wording.steps}
    past = sorted((once[key] for key in reached), key=lambda step: (step.order, step.key))
    return present + [StepCount(step, False, reached[step.key]) for step in past]


def series(days: Mapping[date, Progress], interval: Interval, first: date, last: date) -> list[tuple[date, Progress]]:
    """Sum days by interval, from the one of `first` to the one of `last`, empty ones included."""
    return summed(days, interval, first, last, Progress())


def _days(
    session: Session, project_id: UUID, wanted: TrackFilter, *more: sa.ColumnElement[bool]
) -> defaultdict[UUID, dict[date, Progress]]:
    saved = [sa.func.sum(_rollup[name]) for name in ("cost_savings", "revenue", "time_saved")]
    found = defaultdict[UUID, dict[date, Progress]](dict)
    for goal_id, day, state, number, *savings in session.execute(
        sa.select(_rollup.goal_id, _rollup.day, _rollup.key, NUMBER, *saved)
        .where(*wanted.counts(table(TrackRollup), project_id, Measure.CYCLE), *more)
        .group_by(_rollup.goal_id, _rollup.day, _rollup.key)
        .having(NUMBER > 0)
        .order_by(_rollup.day)
    ):
        counted: dict[str, Any] = {CycleState(state).value: int(number), "savings": Savings(*savings)}
        found[goal_id][day] = found[goal_id].get(day, Progress()) + Progress(**counted)
    return found


def _durations(
    session: Session, project_id: UUID, wanted: TrackFilter, *more: sa.ColumnElement[bool]
) -> defaultdict[UUID, dict[int, int]]:
    found = defaultdict[UUID, dict[int, int]](dict)
    for goal_id, seconds, number in session.execute(
        sa.select(_rollup.goal_id, _rollup.key, NUMBER)
        .where(*wanted.counts(table(TrackRollup), project_id, Measure.DURATION), *more)
        .group_by(_rollup.goal_id, _rollup.key)
        .having(NUMBER > 0)
    ):
        found[goal_id][int(seconds)] = int(number)
    return found


def _ever_tracked(session: Session, project_id: UUID) -> set[UUID]:
    goal, revision = table(Goal).c, table(GoalRevision).c
    return set(
        session.execute(
            sa.select(revision.goal_id)
            .distinct()
            .join_from(table(Goal), table(GoalRevision))
            # As text: PostgreSQL compares no JSON.
            .where(goal.project_id == project_id, sa.cast(revision.steps, sa.Text) != "[]")
        ).scalars()
    )
