"""A conversation's track as its page shows it: the cycles beside the verdicts, and where the two disagree."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from uuid import UUID

from goalline.api.pages import wording
from goalline.domain import duration
from goalline.domain.agreement import OUTCOME_OF
from goalline.domain.cycle import CycleState, Savings
from goalline.domain.verdict import Outcome
from goalline.store.tables import Verdict
from goalline.store.track.overview import NamedCycle, NamedGoal, Overview

_FOUND = {
    Outcome.ACHIEVED: "The verdict is achieved",
    Outcome.PARTIAL: "The verdict is partial",
    Outcome.NOT_ACHIEVED: "The verdict is not achieved",
}
_TOLD = {
    CycleState.COMPLETED: "a cycle was completed",
    CycleState.PARTIAL: "no cycle was completed",
    CycleState.INCOMPLETE: "no cycle went on from the initial step",
}


@dataclass(frozen=True, slots=True)
class ShownCycle:
    """A cycle, how long it took to be completed, and what it saved, in words."""

    cycle: NamedCycle
    took: str | None
    saved: str


@dataclass(frozen=True, slots=True)
class GoalTrack:
    """The cycles of one goal, and in words where they and the verdict disagree.

    `goal` is None where there is no cycle, and `stray` tells whether steps were reported that are in none.
    """

    goal: NamedGoal | None
    cycles: Sequence[ShownCycle]
    stray: bool = False
    difference: str | None = None


def by_goal(
    track: Overview, verdicts: Sequence[Verdict], tracked: Iterable[UUID], currency: str
) -> Mapping[UUID, GoalTrack]:
    """Return the track of each goal that has cycles, or a verdict though it is `tracked` as well, in their order."""
    found = {
        goal_id: [ShownCycle(cycle, _took(cycle), saved(cycle.savings, currency)) for cycle in of_goal]
        for goal_id, of_goal in groupby(track.cycles, key=lambda cycle: cycle.goal.id)
    }
    astray = {goal.id for goal, _ in track.untracked}
    tracks = {goal_id: GoalTrack(shown[0].cycle.goal, shown, goal_id in astray) for goal_id, shown in found.items()}
    for verdict in verdicts:
        if verdict.goal_id in {*tracked, *found}:
            known = tracks.get(verdict.goal_id, GoalTrack(None, (), verdict.goal_id in astray))
            told = difference(verdict.outcome, [one.cycle.state for one in known.cycles])
            tracks[verdict.goal_id] = replace(known, difference=told)
    return tracks


def difference(outcome: Outcome, states: Iterable[CycleState]) -> str | None:
    """Say how a verdict and the cycles of its goal disagree, or return None; the cycle that came furthest decides.

    Where there is no cycle, there is nothing to compare: nobody knows whether the process began.
    """
    reached = set(states)
    furthest = next((state for state in OUTCOME_OF if state in reached), None)
    if furthest is None or outcome is OUTCOME_OF[furthest]:
        return None
    if outcome is Outcome.NOT_ACHIEVED and furthest is CycleState.PARTIAL:
        return f"{_FOUND[outcome]}, but a cycle went on from the initial step."
    return f"{_FOUND[outcome]}, but {_TOLD[furthest]}."


def saved(savings: Savings, currency: str) -> str:
    """Write what was saved and earned, leaving out what is nothing; empty where nothing was."""
    costs = wording.amount(savings.cost_savings, currency) if savings.cost_savings else ""
    hours = duration.written(savings.time_saved) if savings.time_saved else ""
    both = " and ".join(filter(None, (costs, hours)))
    earned = f"{wording.amount(savings.revenue, currency)} earned" if savings.revenue else ""
    return ", ".join(filter(None, (f"{both} saved" if both else "", earned)))


def _took(cycle: NamedCycle) -> str | None:
    return wording.length(cycle.started_at, cycle.completed_at) if cycle.completed_at else None
