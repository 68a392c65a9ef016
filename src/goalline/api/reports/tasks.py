"""The report on tasks over HTTP."""

from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as QueryParameter
from pydantic import BaseModel

from goalline.api.deps import Parts, Reader
from goalline.api.reports.periods import PeriodQuery
from goalline.domain.text import Line
from goalline.store.reports import tasks as reports
from goalline.store.reports.process import TrackFilter

router = APIRouter(prefix="/v1/reports", tags=["reports"])


class TaskLine(BaseModel):
    """A task and how often it was completed."""

    name: str
    completed: int


class TasksReport(BaseModel):
    """The tasks that were completed most often, those most often completed first, then by name.

    `total` is how many different tasks were completed at all, and `completed` how often, also where `limit` leaves
    some of them out.
    """

    time_zone: str
    total: int
    completed: int
    tasks: list[TaskLine]


class TasksQuery(PeriodQuery):
    """Which tasks to report on: those of an agent, and those completed on days of the project.

    In `from` and `to`, a time stands for the local day that it falls on.
    """

    agent: Line | None = None
    limit: Annotated[int, QueryParameter(ge=1, le=200)] = 50


@router.get("/tasks")
def tasks(query: Annotated[TasksQuery, QueryParameter()], parts: Parts, caller: Reader) -> TasksReport:
    """Return the tasks that were completed most often, on the project's local days of their completion."""
    project = caller.project
    first, last = query.days(project.time_zone)
    wanted = TrackFilter(agent_id=query.agent, first_day=first, last_day=last)
    with parts.database.snapshot() as session:
        found = reports.most_completed(session, project.id, wanted, query.limit)
    return TasksReport(
        time_zone=project.time_zone,
        total=found.total,
        completed=found.completed,
        tasks=[TaskLine(name=task.name, completed=task.completed) for task in found.most],
    )
