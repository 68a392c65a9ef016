"""Reports over HTTP: success rates, and completion rates goal by goal, whole and as a series."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from fastapi import Query as QueryParameter
from pydantic import BaseModel

from goalline.api.deps import Parts, Reader
from goalline.api.problems import documented
from goalline.api.reports.periods import SeriesQuery
from goalline.domain.calendar import Interval
from goalline.domain.goal import Kind, State
from goalline.domain.refusal import Invalid
from goalline.store.goals import goals
from goalline.store.reports import rates as reports
from goalline.store.reports.rates import GoalTally, RateFilter, Tally

router = APIRouter(prefix="/v1/reports", tags=["reports"])


class Share(BaseModel):
    """How many verdicts there are of each outcome, and what share of conversations was evaluated at all.

    `interval` is the 95 % Wilson interval of the rate. `conversations` are those that ended in the period and the
    filters let through, whether or not a goal was active then; of one goal, they are those of the agents it is for.
    An agent's conversations are none of a project-wide primary goal's while the agent has one of its own. `coverage`
    is evaluated / conversations. It is null where there was no conversation; where one conversation can have several
    of the verdicts that were counted, as with all secondary goals at once; and for a project-wide primary goal over
    a day on which an agent's own one came or went.
    """

    interval: tuple[float, float] | None
    achieved: int
    partial: int
    not_achieved: int
    evaluated: int
    conversations: int
    coverage: float | None


class SuccessShare(Share):
    """A share with its success rate: null, not 0, where nothing was evaluated."""

    success_rate: float | None


class SeriesPoint(SuccessShare):
    """One interval of a series; `start` is its first day."""

    start: date


class SuccessRate(SuccessShare):
    """The success rate, whole and as a series."""

    time_zone: str
    series_interval: Interval
    series: list[SeriesPoint]


class GoalLine(BaseModel):
    """A goal in a report, in its newest wording."""

    id: UUID
    name: str
    kind: Kind
    agent_id: str | None
    state: State


class GoalShare(Share):
    """A share with its completion rate: null, not 0, where nothing was evaluated."""

    completion_rate: float | None


class GoalPoint(GoalShare):
    """One interval of a goal's series; `start` is its first day."""

    start: date


class GoalRate(GoalShare):
    """The completion rate of one goal, whole and as a series."""

    goal: GoalLine
    series: list[GoalPoint]


class GoalsReport(BaseModel):
    """The completion rate of every goal; their series have the same intervals."""

    time_zone: str
    series_interval: Interval
    goals: list[GoalRate]


class ReportQuery(SeriesQuery):
    """What to report on. In `from` and `to`, a time stands for the local day that it falls on."""

    goal: UUID | None = None
    kind: Kind | None = None
    revision: Annotated[int | None, QueryParameter(ge=1, le=2**31 - 1, description="A revision of `goal`.")] = None

    def rates(self, time_zone: str) -> RateFilter:
        """Return which verdicts are asked for, of whatever kind.

        Raises:
            Invalid: a revision is asked for without its goal, or the period is the wrong way round.
        """
        if self.revision and not self.goal:
            raise Invalid("a revision is one goal's; name the goal as well", "revision")
        first, last = self.days(time_zone)
        return RateFilter(agent_id=self.agent, revision=self.revision, first_day=first, last_day=last)


@router.get("/success-rate", responses=documented(404))
def success_rate(query: Annotated[ReportQuery, QueryParameter()], parts: Parts, caller: Reader) -> SuccessRate:
    """Return achieved / (achieved + partial + not achieved), with its interval, its coverage and its course.

    The verdicts are those of primary goals, unless `goal` or `kind` says otherwise.
    """
    project, wanted = caller.project, query.rates(caller.project.time_zone)
    with parts.database.snapshot() as session:
        if query.goal:
            goal = goals.get(session, project.id, query.goal)
            found = reports.by_goal(session, project, replace(wanted, kind=query.kind), [goal])
            days = found[0].days if found else {}
        else:
            days = reports.daily(session, project.id, replace(wanted, kind=query.kind or Kind.PRIMARY))
    interval, first, last = query.cut(wanted.first_day, wanted.last_day, days)
    total = sum(days.values(), Tally())
    return SuccessRate(
        success_rate=total.counts.rate,
        time_zone=project.time_zone,
        series_interval=interval,
        series=[
            SeriesPoint(start=start, success_rate=tally.counts.rate, **_share(tally))
            for start, tally in reports.series(days, interval, first, last)
        ],
        **_share(total),
    )


@router.get("/goals", responses=documented(404))
def by_goal(query: Annotated[ReportQuery, QueryParameter()], parts: Parts, caller: Reader) -> GoalsReport:
    """Return the completion rate of every goal, or of those of a `kind`, each with its course."""
    project, wanted = caller.project, query.rates(caller.project.time_zone)
    with parts.database.snapshot() as session:
        shown = [goals.get(session, project.id, query.goal)] if query.goal else goals.listed(session, project.id)
        shown = [goal for goal in shown if query.kind in (None, goal.kind)]
        found = reports.by_goal(session, project, wanted, shown)
    days = {day for one in found for day in one.days}
    interval, first, last = query.cut(wanted.first_day, wanted.last_day, days)
    return GoalsReport(
        time_zone=project.time_zone,
        series_interval=interval,
        goals=[_goal_rate(one, reports.series(one.days, interval, first, last)) for one in found],
    )


def _goal_rate(found: GoalTally, series: Sequence[tuple[date, Tally]]) -> GoalRate:
    total = found.total
    return GoalRate(
        goal=GoalLine.model_validate(found.goal, from_attributes=True),
        completion_rate=total.counts.rate,
        series=[GoalPoint(start=start, completion_rate=tally.counts.rate, **_share(tally)) for start, tally in series],
        **_share(total),
    )


def _share(tally: Tally) -> dict[str, object]:
    counts = tally.counts
    return {
        "interval": counts.interval,
        "achieved": counts.achieved,
        "partial": counts.partial,
        "not_achieved": counts.not_achieved,
        "evaluated": counts.evaluated,
        "conversations": tally.conversations,
        "coverage": tally.coverage,
    }
