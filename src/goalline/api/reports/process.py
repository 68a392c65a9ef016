"""Reports over HTTP: how far the cycles of tracked goals came, how long they took, and what they saved."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from fastapi import Query as QueryParameter
from pydantic import BaseModel

from goalline.api import savings
from goalline.api.deps import Parts, Reader
from goalline.api.problems import documented
from goalline.api.reports.periods import SeriesQuery
from goalline.api.reports.rates import GoalLine
from goalline.api.savings import Hours, Money
from goalline.domain import duration
from goalline.domain.calendar import Interval
from goalline.domain.track import percentile
from goalline.store.goals import goals
from goalline.store.reports import process as reports
from goalline.store.reports.process import GoalProgress, Progress, StepCount, TrackFilter
from goalline.store.tables import Project

router = APIRouter(prefix="/v1/reports", tags=["reports"])


class CycleCounts(BaseModel):
    """How far cycles came and what they saved, partial and completed ones alike.

    `started` is incomplete + partial + completed. `completion_rate` is completed / started, null where none was
    started, and `interval` its 95 % Wilson interval.
    """

    started: int
    incomplete: int
    partial: int
    completed: int
    completion_rate: float | None
    interval: tuple[float, float] | None
    cost_savings: Money
    revenue: Money
    time_saved: Hours


class CyclePoint(CycleCounts):
    """One interval of a series of cycles; `start` is its first day."""

    start: date


class TimeToCompletion(BaseModel):
    """How long completed cycles took from their initial step to completion (HH:MM:SS); null where there is none.

    Each is a time that a cycle really took: the shortest that half of all, or nine tenths, did not pass.
    """

    median: str | None
    ninetieth_percentile: str | None


class CycleSummary(CycleCounts):
    """The cycles of a whole period, with how long they took."""

    duration: TimeToCompletion


class FunnelStep(BaseModel):
    """A step of a goal, and how many cycles reached it.

    `share_of_started` is the share of all cycles that did. `share_of_previous` is `reached` by that of the step before:
    more than 1 where cycles left that one out, null for the first step and where none reached that one. A step that
    is not `current` is of an older wording of the goal; it has no step before it.
    """

    key: str
    name: str
    order: int
    initial: bool
    completion: bool
    current: bool
    reached: int
    share_of_started: float | None
    share_of_previous: float | None


class GoalCycles(CycleSummary):
    """The cycles of one goal, whole and as a series."""

    goal: GoalLine
    series: list[CyclePoint]


class GoalProcess(GoalCycles):
    """The cycles of one goal, step by step, whole and as a series."""

    currency: str
    time_zone: str
    steps: list[FunnelStep]
    series_interval: Interval


class ProcessReport(CycleSummary):
    """The cycles of all goals together and of each goal; all series have the same intervals."""

    currency: str
    time_zone: str
    series_interval: Interval
    series: list[CyclePoint]
    goals: list[GoalCycles]


class ProcessQuery(SeriesQuery):
    """Which cycles to report on: those of an agent, and those whose initial step was reached on days of the project.

    In `from` and `to`, a time stands for the local day that it falls on.
    """

    def counts(self, time_zone: str) -> TrackFilter:
        """Return which counts are asked for.

        Raises:
            Invalid: the period is the wrong way round.
        """
        first, last = self.days(time_zone)
        return TrackFilter(agent_id=self.agent, first_day=first, last_day=last)


@router.get("/goals/{goal_id}/process", responses=documented(404))
def goal_process(
    goal_id: UUID, query: Annotated[ProcessQuery, QueryParameter()], parts: Parts, caller: Reader
) -> GoalProcess:
    """Return how far the cycles of a goal came, step by step, how long they took, what they saved, and their course.

    A cycle counts in full on the project's local day of its initial step. The steps are the goal's present ones in
    their order, then those of older wordings that a cycle reached.
    """
    project, wanted = caller.project, query.counts(caller.project.time_zone)
    with parts.database.snapshot() as session:
        goal = goals.get(session, project.id, goal_id)
        found = reports.of_goal(session, project.id, wanted, goal)
        steps = reports.steps(session, project.id, wanted, goal)
    cut = query.cut(wanted.first_day, wanted.last_day, found.days)
    return GoalProcess(
        **_goal(found, project, cut),
        currency=project.currency,
        time_zone=project.time_zone,
        steps=_funnel(steps, found.total.started),
        series_interval=cut[0],
    )


@router.get("/process")
def process(query: Annotated[ProcessQuery, QueryParameter()], parts: Parts, caller: Reader) -> ProcessReport:
    """Return how far the cycles of all goals came, together and for every goal that has or had steps.

    A cycle counts in full on the project's local day of its initial step.
    """
    project, wanted = caller.project, query.counts(caller.project.time_zone)
    with parts.database.snapshot() as session:
        found = reports.of_goals(session, project.id, wanted)
    days = reports.all_days(found)
    cut = query.cut(wanted.first_day, wanted.last_day, days)
    return ProcessReport(
        **_summary(sum(days.values(), Progress()), reports.all_durations(found), project.currency),
        currency=project.currency,
        time_zone=project.time_zone,
        series_interval=cut[0],
        series=_series(days, cut, project.currency),
        goals=[GoalCycles(**_goal(one, project, cut)) for one in found],
    )


def _goal(found: GoalProgress, project: Project, cut: tuple[Interval, date, date]) -> dict[str, Any]:
    return {
        **_summary(found.total, found.durations, project.currency),
        "goal": GoalLine.model_validate(found.goal, from_attributes=True),
        "series": _series(found.days, cut, project.currency),
    }


def _series(days: Mapping[date, Progress], cut: tuple[Interval, date, date], currency: str) -> list[CyclePoint]:
    return [CyclePoint(start=start, **_counts(progress, currency)) for start, progress in reports.series(days, *cut)]


def _summary(total: Progress, durations: Mapping[int, int], currency: str) -> dict[str, Any]:
    median, ninetieth = (percentile(dict(durations), share) for share in (0.5, 0.9))
    taken = TimeToCompletion(median=_written(median), ninetieth_percentile=_written(ninetieth))
    return {**_counts(total, currency), "duration": taken}


def _counts(progress: Progress, currency: str) -> dict[str, Any]:
    return {
        "started": progress.started,
        "incomplete": progress.incomplete,
        "partial": progress.partial,
        "completed": progress.completed,
        "completion_rate": progress.completion_rate,
        "interval": progress.interval,
        **savings.shown(progress.savings, currency),
    }


def _written(seconds: int | None) -> str | None:
    return None if seconds is None else duration.written(timedelta(seconds=seconds))


def _funnel(found: Sequence[StepCount], started: int) -> list[FunnelStep]:
    before = [0] + [step.reached for step in found]
    return [
        FunnelStep(
            key=one.step.key,
            name=one.step.name,
            order=one.step.order,
            initial=one.step.initial,
            completion=one.step.completion,
            current=one.current,
            reached=one.reached,
            share_of_started=_share(one.reached, started),
            share_of_previous=_share(one.reached, previous if one.current else 0),
        )
        for one, previous in zip(found, before, strict=False)
    ]


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
