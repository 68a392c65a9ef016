"""The dashboard: the success rate over time, the goals and their track, and the latest conversations."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from statistics import median
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi import Query as QueryParameter
from pydantic import ConfigDict, Field, field_validator

from goalline.api.conversations import listing
from goalline.api.deps import PageQuery, Parts
from goalline.api.pages import charts, tracks
from goalline.api.pages.frame import modelless, render
from goalline.api.pages.sign_in import Visit
from goalline.domain.calendar import Interval, day_start, local_day
from goalline.domain.goal import Kind, State
from goalline.judge.stand_in import MODEL as STAND_IN
from goalline.store.conversations.listing import ConversationFilter
from goalline.store.goals import goals
from goalline.store.reports import process
from goalline.store.reports import rates as reports
from goalline.store.reports.process import GoalProgress, TrackFilter
from goalline.store.reports.rates import GoalTally, RateFilter, Tally
from goalline.worker import utc_now

router = APIRouter(include_in_schema=False)

PERIODS = (7, 30, 90)
"""The periods to choose from, in days."""

_MOST_DAYS = 45
"""More days than these are shown as weeks, unless days are asked for."""
_FEWEST_DAYS = 14
"""Fewer days than these are shown as days, as there is nothing to see in one week or two."""
_FEWEST_CONVERSATIONS = 3
"""Days on which usually fewer conversations ended than this are shown as weeks: their rates say next to nothing."""


class View(PageQuery):
    """What the dashboard shows; parameters it does not know are ignored, as links collect them on their way."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    limit: Annotated[int, Field(ge=1, le=200)] = 25
    agent: Annotated[str | None, Field(max_length=255)] = None
    period: int = 30
    interval: Interval | None = None

    @field_validator("agent", "interval", "cursor", mode="before")
    @classmethod
    def _chosen(cls, value: object) -> object:
        # A form sends an empty text for "all".
        return value or None

    @field_validator("period")
    @classmethod
    def _offered(cls, period: int) -> int:
        if period not in PERIODS:
            raise ValueError("must be one of " + ", ".join(map(str, PERIODS)))
        return period

    def address(self, cursor: str | None = None) -> str:
        """Return the address of this view, from `cursor` on."""
        chosen = {"agent": self.agent, "period": self.period, "interval": self.interval, "cursor": cursor}
        return "/?" + urlencode({name: value for name, value in chosen.items() if value is not None})


@router.get("/")
def dashboard(view: Annotated[View, QueryParameter()], request: Request, parts: Parts, visit: Visit) -> Response:
    """Show how often conversations did what they were for."""
    project, now = visit.project, utc_now()
    today = local_day(now, project.time_zone)
    first = today - timedelta(days=view.period - 1)
    start, end = (day_start(day, project.time_zone) for day in (first, today + timedelta(days=1)))
    wanted = RateFilter(agent_id=view.agent, first_day=first, last_day=today)
    listed = ConversationFilter(agent_id=view.agent, ended_from=start, ended_before=end)
    with parts.database.snapshot() as session:
        agents = reports.agents(session, project.id)
        days = reports.daily(session, project.id, replace(wanted, kind=Kind.PRIMARY))
        every_goal = reports.by_goal(session, project, wanted, goals.listed(session, project.id))
        progress = process.of_goals(
            session, project.id, TrackFilter(agent_id=view.agent, first_day=first, last_day=today)
        )
        rows, cursor = listing.page(session, project.id, listed, view)
        tried = parts.settings.model == STAND_IN or reports.any_judged_by(session, project, wanted, STAND_IN)
    # What lies before the first conversation would be an empty stretch of chart.
    charted_from = min(days, default=first)
    interval = view.interval or _suitable(days, charted_from, today)
    return render(
        "dashboard.html",
        visit=visit,
        view=view,
        periods=PERIODS,
        intervals=list(Interval),
        agents=agents if view.agent in (None, *agents) else [*agents, view.agent],
        known=bool(agents),
        first=first,
        last=today,
        rate=sum(days.values(), Tally()),
        charted_from=charted_from,
        chart=charts.rate_chart(reports.series(days, interval, charted_from, today), interval),
        goals=_worth_showing(every_goal),
        tracked=_in_use(progress),
        saved=tracks.saved,
        conversations=rows,
        older=view.address(cursor) if cursor else None,
        newest=view.address() if view.cursor else None,
        stand_in=STAND_IN if tried else None,
        stand_in_model=STAND_IN,
        modelless=modelless(parts),
        address=str(request.base_url).rstrip("/"),
    )


def _suitable(days: Mapping[date, Tally], first: date, last: date) -> Interval:
    length = (last - first).days + 1
    conversations = [days.get(first + timedelta(days=number), Tally()).conversations for number in range(length)]
    few = length >= _FEWEST_DAYS and median(conversations) < _FEWEST_CONVERSATIONS
    return Interval.WEEK if few or length > _MOST_DAYS else Interval.DAY


def _worth_showing(found: Sequence[GoalTally]) -> list[GoalTally]:
    shown = [one for one in found if (one.goal.state is State.ACTIVE and one.goal.judged) or one.total.counts.evaluated]
    return sorted(shown, key=lambda one: (one.goal.state is State.ARCHIVED, one.goal.kind is not Kind.PRIMARY))


def _in_use(found: Sequence[GoalProgress]) -> list[GoalProgress]:
    shown = [one for one in found if one.total.started or (one.goal.steps and one.goal.state is State.ACTIVE)]
    return sorted(shown, key=lambda one: (one.goal.state is State.ARCHIVED, one.goal.kind is not Kind.PRIMARY))
