"""The report on agreement over HTTP: what the judge found against what the track counted, and who is in which cell."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from fastapi import Query as QueryParameter
from pydantic import BaseModel, Field

from goalline.api.deps import Page, PageQuery, Parts, Reader, cut
from goalline.api.problems import documented
from goalline.api.reports.periods import PeriodQuery
from goalline.api.reports.rates import GoalLine
from goalline.domain.agreement import Comparison
from goalline.domain.cycle import CycleState
from goalline.domain.refusal import Invalid
from goalline.domain.text import Line
from goalline.domain.verdict import Outcome
from goalline.store.goals import goals
from goalline.store.goals.goals import CurrentGoal
from goalline.store.reports import agreement as reports
from goalline.store.reports.agreement import AgreementFilter

router = APIRouter(prefix="/v1/reports/agreement", tags=["reports"])


class RowName(StrEnum):
    """A row of the table: an outcome, or `none` without a verdict."""

    ACHIEVED = "achieved"
    PARTIAL = "partial"
    NOT_ACHIEVED = "not_achieved"
    NONE = "none"

    @property
    def outcome(self) -> Outcome | None:
        """The outcome, None without a verdict."""
        return None if self is RowName.NONE else Outcome(self.value)


class ColumnName(StrEnum):
    """A column of the table: the state of the cycle that came furthest, or `none` without a cycle."""

    COMPLETED = "completed"
    PARTIAL = "partial"
    INCOMPLETE = "incomplete"
    NONE = "none"

    @property
    def state(self) -> CycleState | None:
        """The state, None without a cycle."""
        return None if self is ColumnName.NONE else CycleState(self.value)


class StateCounts(BaseModel):
    """Conversations by the state of the cycle that came furthest."""

    completed: int
    partial: int
    incomplete: int


class AgreementRow(StateCounts):
    """Conversations of one outcome; `none` of them have no cycle for the goal."""

    none: int


class AgreementTable(BaseModel):
    """Conversations with a verdict, by its outcome and by the state of their cycles.

    `achieved` agrees with `completed`, `partial` with `partial`, and `not_achieved` with `incomplete`.
    """

    achieved: AgreementRow
    partial: AgreementRow
    not_achieved: AgreementRow


class GoalAgreement(BaseModel):
    """How the verdicts for one goal agree with its cycles.

    `compared` are the conversations with a verdict and a cycle, the nine cells of outcome and state; `agreeing` of
    them say the same. `interval` is the 95 % Wilson interval of the rate. `kappa` takes off the agreement that chance
    alone would bring, and `kappa_interval` is its 95 % interval in large samples. The rate is null where there is
    nothing to compare, kappa as well where all conversations are of one outcome and one state, and its interval also
    where all agree or one instrument always says the same. Conversations without a cycle, and those `without_verdict`,
    are counted and in none of these figures.
    """

    goal: GoalLine
    compared: int
    agreeing: int
    agreement_rate: float | None
    interval: tuple[float, float] | None
    kappa: float | None
    kappa_interval: tuple[float, float] | None
    table: AgreementTable
    without_verdict: StateCounts | None = Field(description="Null where a revision is asked for: they are of none.")


class AgreementReport(BaseModel):
    """The agreement of every goal that is judged and tracked, oldest goal first."""

    time_zone: str
    goals: list[GoalAgreement]


class ComparedConversation(BaseModel):
    """A conversation of one cell of the table."""

    id: UUID
    conversation_id: str
    agent_id: str
    ended_at: datetime
    outcome: RowName
    state: ColumnName


class _AgreementQuery(PeriodQuery):
    agent: Line | None = None
    revision: Annotated[
        int | None, QueryParameter(ge=1, le=2**31 - 1, description="A revision of `goal` that verdicts are on.")
    ] = None

    def compared(self, time_zone: str) -> AgreementFilter:
        """Return which conversations are asked for.

        Raises:
            Invalid: the period is the wrong way round.
        """
        first, last = self.days(time_zone)
        return AgreementFilter(agent_id=self.agent, revision=self.revision, first_day=first, last_day=last)


class AgreementQuery(_AgreementQuery):
    """What to compare: conversations by the day of their end. A time stands for the local day that it falls on."""

    goal: UUID | None = None


class CellQuery(PageQuery, _AgreementQuery):
    """Which cell of which goal's table to list, under the filters that the table was made with."""

    goal: UUID
    outcome: RowName
    state: ColumnName


@router.get("", responses=documented(404))
def agreement(query: Annotated[AgreementQuery, QueryParameter()], parts: Parts, caller: Reader) -> AgreementReport:
    """Return how far verdicts agree with cycles, for one goal or for every goal that is judged and tracked.

    A verdict on a wording without steps is left out, unless the conversation has a cycle all the same.
    """
    if query.revision and not query.goal:
        raise Invalid("a revision is one goal's; name the goal as well", "revision")
    project = caller.project
    wanted = query.compared(project.time_zone)
    with parts.database.snapshot() as session:
        shown = [goals.get(session, project.id, query.goal)] if query.goal else goals.listed(session, project.id)
        found = reports.by_goal(session, project.id, wanted, shown)
    return AgreementReport(
        time_zone=project.time_zone,
        goals=[
            _shown(goal, comparison, query.revision)
            for goal, comparison in found
            if query.goal or comparison.judged or (goal.judged and goal.steps and _is_for(goal, query.agent))
        ],
    )


@router.get("/conversations", responses=documented(404))
def conversations(
    query: Annotated[CellQuery, QueryParameter()], parts: Parts, caller: Reader
) -> Page[ComparedConversation]:
    """Return the conversations of one cell, the one that ended last first: as many as the table counts there."""
    if query.outcome is RowName.NONE and query.state is ColumnName.NONE:
        raise Invalid("what has neither a verdict nor a cycle is in no table; name an outcome or a state", "state")
    if query.outcome is RowName.NONE and query.revision:
        raise Invalid("conversations without a verdict are of no revision; leave it out", "revision")
    project = caller.project
    wanted = query.compared(project.time_zone)
    with parts.database.snapshot() as session:
        goal = goals.get(session, project.id, query.goal)
        cell = query.outcome.outcome, query.state.state
        found = reports.page(session, project.id, wanted, goal.id, cell, after=query.after, limit=query.limit + 1)
    rows, cursor = cut(found, query.limit, lambda row: (row.ended_at, row.id))
    return Page(
        items=[
            ComparedConversation(
                id=row.id,
                conversation_id=row.conversation_id,
                agent_id=row.agent_id,
                ended_at=row.ended_at,
                outcome=query.outcome,
                state=query.state,
            )
            for row in rows
        ],
        next_cursor=cursor,
    )


def _is_for(goal: CurrentGoal, agent_id: str | None) -> bool:
    return agent_id is None or goal.agent_id in (None, agent_id)


def _shown(goal: CurrentGoal, found: Comparison, revision: int | None) -> GoalAgreement:
    states = {outcome: {state: found.number(outcome, state) for state in CycleState} for outcome in (*Outcome, None)}
    return GoalAgreement(
        goal=GoalLine.model_validate(goal, from_attributes=True),
        compared=found.compared,
        agreeing=found.agreeing,
        agreement_rate=found.rate,
        interval=found.interval,
        kappa=found.kappa,
        kappa_interval=found.kappa_interval,
        table=AgreementTable(
            **{
                outcome.value: AgreementRow(**_named(states[outcome]), none=found.number(outcome, None))
                for outcome in Outcome
            }
        ),
        without_verdict=None if revision else StateCounts(**_named(states[None])),
    )


def _named(counts: dict[CycleState, int]) -> dict[str, int]:
    return {state.value: number for state, number in counts.items()}
