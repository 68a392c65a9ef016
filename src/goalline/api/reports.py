"""Reports over HTTP: success rates, whole, as a series, and goal by goal."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from fastapi import Query as QueryParameter
from pydantic import BaseModel

from goalline.api.deps import Parts, Reader
from goalline.api.periods import PeriodQuery
from goalline.api.problems import documented
from goalline.domain import rates
from goalline.domain.calendar import Interval
from goalline.domain.goal import Kind, State
from goalline.domain.refusal import Invalid
from goalline.domain.text import Line
from goalline.store import goals, reports
from goalline.store.reports import RateFilter, Tally

router = APIRouter(prefix="/v1/reports", tags=["reports"])

_MOST_INTERVALS = 1_100
_SHORTEST = {Interval.DAY: 1, Interval.WEEK: 7, Interval.MONTH: 28}
"""The fewest days that an interval has."""


class Share(BaseModel):
    """How many verdicts there are of each outcome, and what share of conversations was evaluated at all.

    `interval` is the 95 % Wilson interval of the rate. `coverage` is null where one conversation can have several
    of the verdicts that were counted, as with all secondary goals at once.
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
    """The completion rate of one goal; null, not 0, where nothing was evaluated."""

    goal: GoalLine
    completion_rate: float | None


class GoalsReport(BaseModel):
    """The completion rate of every goal."""

    time_zone: str
    goals: list[GoalShare]


class GoalsQuery(PeriodQuery):
    """Which goals to report on, and over which conversations."""

    agent: Line | None = None
    kind: Kind | None = None


class RateQuery(GoalsQuery):
    """Which verdicts make up a success rate: those of primary goals, unless `goal` or `kind` says otherwise."""

    goal: UUID | None = None
    revision: Annotated[int | None, QueryParameter(ge=1, le=2**31 - 1)] = None
    interval: Annotated[
        Interval | None, QueryParameter(description="Left out: days, or what is needed to keep the series short.")
    ] = None


@router.get("/success-rate", responses=documented(404))
def success_rate(query: Annotated[RateQuery, QueryParameter()], parts: Parts, caller: Reader) -> SuccessRate:
    """Return achieved / (achieved + partial + not achieved), with its interval, its coverage and its course."""
    if query.revision and not query.goal:
        raise Invalid("a revision is one goal's; name the goal as well", "revision")
    first, last = query.bounds(caller.project.time_zone)
    kind = query.kind or (None if query.goal else Kind.PRIMARY)
    with parts.database.snapshot() as session:
        goal = goals.get(session, caller.project.id, query.goal) if query.goal else None
        # Conversations of other agents are none that an agent's own goal has failed to cover.
        agent = query.agent or (goal.agent_id if goal else None)
        wanted = RateFilter(agent, query.goal, query.revision, kind, first, last)
        days = reports.daily(session, caller.project.id, wanted)
    once = bool(query.goal) or kind is Kind.PRIMARY
    first, last = first or min(days, default=None), last or max(days, default=None)
    interval = query.interval or Interval.DAY
    points = []
    if first and last:
        interval = _interval(query.interval, (last - first).days)
        points = [
            SeriesPoint(start=start, success_rate=tally.counts.rate, **_share(tally, once))
            for start, tally in reports.series(days, interval, first, last)
        ]
    total = sum(days.values(), Tally())
    return SuccessRate(
        success_rate=total.counts.rate,
        time_zone=caller.project.time_zone,
        series_interval=interval,
        series=points,
        **_share(total, once),
    )


@router.get("/goals")
def by_goal(query: Annotated[GoalsQuery, QueryParameter()], parts: Parts, caller: Reader) -> GoalsReport:
    """Return the completion rate of every goal; its conversations are those of the agents it is for."""
    first, last = query.bounds(caller.project.time_zone)
    wanted = RateFilter(agent_id=query.agent, first_day=first, last_day=last)
    with parts.database.snapshot() as session:
        every = goals.listed(session, caller.project.id, kind=query.kind)
        counts = reports.by_goal(session, caller.project.id, wanted)
        agents = reports.conversations_by_agent(session, caller.project.id, wanted)
    lines = []
    for goal in every:
        if query.agent and goal.agent_id not in (None, query.agent):
            continue
        conversations = agents.get(goal.agent_id, 0) if goal.agent_id else sum(agents.values())
        tally = Tally(counts.get(goal.id, rates.Counts()), conversations)
        line = GoalLine(id=goal.id, name=goal.name, kind=goal.kind, agent_id=goal.agent_id, state=goal.state)
        lines.append(GoalShare(goal=line, completion_rate=tally.counts.rate, **_share(tally, once=True)))
    return GoalsReport(time_zone=caller.project.time_zone, goals=lines)


def _interval(wanted: Interval | None, days: int) -> Interval:
    # One call with a wrong date must not make the series of days endless, nor take the report away.
    for interval, length in _SHORTEST.items():
        if wanted in (None, interval) and days <= _MOST_INTERVALS * length:
            return interval
    raise Invalid(f"this is more than {_MOST_INTERVALS:,} intervals; choose a longer one or a shorter time", "interval")


def _share(tally: Tally, once: bool) -> dict[str, object]:
    counts = tally.counts
    return {
        "interval": counts.interval,
        "achieved": counts.achieved,
        "partial": counts.partial,
        "not_achieved": counts.not_achieved,
        "evaluated": counts.evaluated,
        "conversations": tally.conversations,
        "coverage": rates.coverage(counts.evaluated, tally.conversations) if once else None,
    }
