"""The dashboard: the success rate over time, the goals, and the latest conversations."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi import Query as QueryParameter
from pydantic import ConfigDict, Field, field_validator

from goalline.api.deps import PageQuery, Parts, cut
from goalline.api.pages import charts
from goalline.api.pages.frame import render
from goalline.api.pages.sign_in import Visit
from goalline.domain import rates
from goalline.domain.calendar import Interval, local_day
from goalline.domain.goal import Kind, State
from goalline.domain.rates import Counts
from goalline.judge.stand_in import MODEL as STAND_IN
from goalline.store import conversations, evaluations, goals, reports
from goalline.store.conversations import ConversationFilter, NamedVerdict
from goalline.store.database import Session
from goalline.store.goals import CurrentGoal
from goalline.store.reports import RateFilter, Tally
from goalline.store.tables import Conversation, Evaluation, Project
from goalline.worker import utc_now

router = APIRouter(include_in_schema=False)

PERIODS = {7: Interval.DAY, 30: Interval.DAY, 90: Interval.WEEK}
"""The periods to choose from, in days, each with the interval that suits it."""


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

    @property
    def cut_by(self) -> Interval:
        """The interval asked for, or the one that suits the period."""
        return self.interval or PERIODS[self.period]

    def address(self, cursor: str | None = None) -> str:
        """Return the address of this view, from `cursor` on."""
        chosen = {"agent": self.agent, "period": self.period, "interval": self.interval, "cursor": cursor}
        return "/?" + urlencode({name: value for name, value in chosen.items() if value is not None})


@dataclass(frozen=True, slots=True)
class Rate:
    """A tally with the numbers that follow from it."""

    counts: Counts
    conversations: int
    coverage: float | None

    @classmethod
    def of(cls, tally: Tally) -> "Rate":
        """Return the rate of a tally in which each conversation has one verdict at most."""
        return cls(tally.counts, tally.conversations, rates.coverage(tally.counts.evaluated, tally.conversations))


@dataclass(frozen=True, slots=True)
class GoalRow:
    """A goal with its completion rate."""

    goal: CurrentGoal
    rate: Rate


@dataclass(frozen=True, slots=True)
class ConversationRow:
    """A conversation in the list: its newest evaluation and the verdicts that count."""

    conversation: Conversation
    run: Evaluation
    primary: NamedVerdict | None
    secondary: Sequence[NamedVerdict]


@router.get("/")
def dashboard(view: Annotated[View, QueryParameter()], request: Request, parts: Parts, visit: Visit) -> Response:
    """Show how often conversations did what they were for."""
    project, now = visit.project, utc_now()
    today = local_day(now, project.time_zone)
    first = today - timedelta(days=view.period - 1)
    with parts.database.snapshot() as session:
        agents = sorted(reports.conversations_by_agent(session, project.id, RateFilter()))
        days = reports.daily(session, project.id, RateFilter(view.agent, None, None, Kind.PRIMARY, first, today))
        goal_rows = _goals(session, project, view, first, today)
        rows, cursor = _conversations(session, project, view, first, today)
    models = {row.run.model for row in rows} | {parts.settings.model}
    return render(
        "dashboard.html",
        visit=visit,
        view=view,
        periods=list(PERIODS),
        intervals=list(Interval),
        agents=agents if view.agent in (None, *agents) else [*agents, view.agent],
        known=bool(agents),
        first=first,
        last=today,
        rate=Rate.of(sum(days.values(), Tally())),
        chart=charts.rate_chart(reports.series(days, view.cut_by, first, today), view.cut_by),
        goals=goal_rows,
        conversations=rows,
        older=view.address(cursor) if cursor else None,
        newest=view.address() if view.cursor else None,
        stand_in=STAND_IN if STAND_IN in models else None,
        address=str(request.base_url).rstrip("/"),
    )


def _goals(session: Session, project: Project, view: View, first: date, last: date) -> list[GoalRow]:
    wanted = RateFilter(agent_id=view.agent, first_day=first, last_day=last)
    counts = reports.by_goal(session, project.id, wanted)
    agents = reports.conversations_by_agent(session, project.id, wanted)
    rows = []
    for goal in goals.listed(session, project.id):
        elsewhere = view.agent and goal.agent_id not in (None, view.agent)
        if elsewhere or (goal.state is State.ARCHIVED and goal.id not in counts):
            continue
        number = agents.get(goal.agent_id, 0) if goal.agent_id else sum(agents.values())
        rows.append(GoalRow(goal, Rate.of(Tally(counts.get(goal.id, Counts()), number))))
    return sorted(rows, key=lambda row: (row.goal.state is State.ARCHIVED, row.goal.kind is not Kind.PRIMARY))


def _conversations(
    session: Session, project: Project, view: View, first: date, last: date
) -> tuple[list[ConversationRow], str | None]:
    wanted = ConversationFilter(agent_id=view.agent, first_day=first, last_day=last)
    found = conversations.page(session, project.id, wanted, after=view.after, limit=view.limit + 1)
    rows, cursor = cut(found, view.limit, _place)
    verdicts = conversations.verdicts_of(session, [row.id for row in rows])
    runs = evaluations.statuses(session, rows)
    return [_row(row, runs[row.id], verdicts[row.id]) for row in rows], cursor


def _place(row: Conversation) -> tuple[datetime, UUID]:
    return row.ended_at, row.id


def _row(row: Conversation, run: Evaluation, verdicts: Sequence[NamedVerdict]) -> ConversationRow:
    primary = next((named for named in verdicts if named.verdict.kind is Kind.PRIMARY), None)
    return ConversationRow(row, run, primary, [named for named in verdicts if named is not primary])
