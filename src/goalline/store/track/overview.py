"""What people read of one conversation's track: its cycles with the names of their goals, its tasks and its steps."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Session

from goalline.domain.cycle import CycleState, Savings, StepReached
from goalline.domain.goal import Kind
from goalline.domain.track import StepExecuted, TaskCompleted
from goalline.store.tables import Conversation, Cycle, GoalRevision, table
from goalline.store.track import recording

_revision, _cycle = table(GoalRevision).c, table(Cycle).c


@dataclass(frozen=True, slots=True)
class NamedGoal:
    """A goal as one of its revisions calls it."""

    id: UUID
    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class NamedCycle:
    """A cycle with its goal, as that was called when the cycle began, and the steps it reached, in order.

    Of an erased conversation the steps are gone, and the goal is called what it is called now.
    """

    goal: NamedGoal
    number: int
    state: CycleState
    started_at: datetime
    completed_at: datetime | None
    savings: Savings
    steps: Sequence[StepReached]


@dataclass(frozen=True, slots=True)
class Overview:
    """What the events of one conversation amount to, those of primary goals first, then by goal name.

    `untracked` are steps that came before any initial step of their goal, in order, with that goal.
    """

    cycles: Sequence[NamedCycle]
    untracked: Sequence[tuple[NamedGoal, StepReached]]
    tasks: Sequence[TaskCompleted]
    steps: Sequence[StepExecuted]


def of_conversation(session: Session, row: Conversation) -> Overview:
    """Return what the events of a conversation amount to; of one that was erased, the cycles that are counted."""
    if row.erased_at is not None:
        return Overview(_arranged(_kept(session, row.id)), (), (), ())
    track = recording.load(session, row.id)
    called = _names(session, {goal_id for goal_id, _ in track.cycles} | {step.goal_id for step in track.untracked})
    cycles = [
        NamedCycle(
            called[goal_id, cycle.reached[0].revision],
            cycle.number,
            cycle.state,
            cycle.started_at,
            cycle.completed_at,
            cycle.savings,
            cycle.reached,
        )
        for goal_id, cycle in track.cycles
    ]
    untracked = [(called[step.goal_id, step.revision], step) for step in track.untracked]
    return Overview(_arranged(cycles), untracked, track.tasks, track.steps)


def tracked_goals(session: Session, revisions: Mapping[UUID, int]) -> set[UUID]:
    """Return those goals that have steps in the revision that each is given with."""
    query = sa.select(_revision.goal_id, _revision.number, _revision.steps)
    rows = session.execute(query.where(_revision.goal_id.in_(list(revisions))))
    return {goal_id for goal_id, number, steps in rows if steps and number == revisions[goal_id]}


def _kept(session: Session, row_id: UUID) -> list[NamedCycle]:
    rows = session.execute(sa.select(table(Cycle)).where(_cycle.conversation_id == row_id)).all()
    # By number: the newest one stands last, and stays.
    newest = {goal_id: goal for (goal_id, _), goal in sorted(_names(session, {row.goal_id for row in rows}).items())}
    return [
        NamedCycle(
            newest[row.goal_id],
            row.number,
            CycleState(row.state),
            row.started_at,
            row.completed_at,
            Savings(row.cost_savings, row.revenue, row.time_saved),
            (),
        )
        for row in rows
    ]


def _names(session: Session, goal_ids: set[UUID]) -> dict[tuple[UUID, int], NamedGoal]:
    query = sa.select(_revision.goal_id, _revision.number, _revision.name, _revision.kind)
    return {
        (goal_id, number): NamedGoal(goal_id, name, kind)
        for goal_id, number, name, kind in session.execute(query.where(_revision.goal_id.in_(goal_ids)))
    }


def _arranged(cycles: Iterable[NamedCycle]) -> list[NamedCycle]:
    # Cycles of one goal stay together, whatever it was called when each of them began.
    arranged = sorted(cycles, key=lambda cycle: (cycle.goal.id, cycle.number))
    first = {cycle.goal.id: cycle.goal for cycle in reversed(arranged)}
    return sorted(
        arranged,
        key=lambda cycle: (first[cycle.goal.id].kind is not Kind.PRIMARY, first[cycle.goal.id].name, cycle.goal.id),
    )
