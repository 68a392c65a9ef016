"""Goals carried from one project to another over HTTP: exported as a package, imported from one."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi import Query as QueryParameter
from pydantic import BaseModel, Field

from goalline.api.deps import Admin, Caller, Parts, Query, Reader
from goalline.api.goals.steps import StepOut
from goalline.api.problems import documented
from goalline.bootstrap import Services
from goalline.domain.goal import Kind, State
from goalline.domain.package import FORMAT, MOST_GOALS, VERSION, Action, Package, written
from goalline.store.goals import packages
from goalline.worker import utc_now

router = APIRouter(prefix="/v1", tags=["goals"])


class PackagedGoal(BaseModel):
    """A goal as a package carries it: what it says, not where it came from."""

    name: str
    description: str
    kind: Kind
    agent_id: str | None
    judged: bool
    steps: list[StepOut]


class PackageOut(BaseModel):
    """Goals that another project can import; the digest shows whether they are still what was exported."""

    format: Literal["goalline.goals"] = Field(examples=[FORMAT])
    version: Literal[1] = Field(examples=[VERSION])
    currency: str
    digest: str
    goals: list[PackagedGoal]


class ImportedGoal(BaseModel):
    """What an import did with a goal, or would do: `goal_id` is null where a dry run would create it.

    `revision` is the goal's newest one after the import, `changes` names what differed.
    """

    name: str
    agent_id: str | None
    kind: Kind
    action: Action
    goal_id: UUID | None
    revision: int
    changes: list[str]
    state: State


class ImportOut(BaseModel):
    """What an import did, or would do, goal by goal in the order of the package."""

    dry_run: bool
    goals: list[ImportedGoal]


class ExportQuery(Query):
    """Which goals to export."""

    goal: list[UUID] = Field(
        default=[],
        description="A goal's id; repeat it for several goals. Left out: all active goals.",
        json_schema_extra={"maxItems": MOST_GOALS},
    )


class ImportQuery(Query):
    """How to import."""

    dry_run: bool = Field(default=False, description="Answer what would happen, and store nothing.")


@router.get("/goals/{goal_id}/package", responses=documented(404, 409))
def one(goal_id: UUID, parts: Parts, caller: Reader, response: Response) -> PackageOut:
    """Export one goal as a package, active or archived, in its newest wording and with its steps."""
    return _exported([goal_id], parts, caller, response)


@router.get("/packages", responses=documented(404, 409))
def several(
    query: Annotated[ExportQuery, QueryParameter()], parts: Parts, caller: Reader, response: Response
) -> PackageOut:
    """Export goals as one package: those that are named, or all active ones of the project."""
    return _exported(query.goal or None, parts, caller, response)


@router.post("/packages", responses=documented(400, 409, 413, 415))
def load(package: Package, query: Annotated[ImportQuery, QueryParameter()], parts: Parts, caller: Admin) -> ImportOut:
    """Import a package: goals are recognised by agent and name, made where they are new, reworded where they differ.

    All of its goals are imported or none. Importing the same package again changes nothing.
    """
    most = parts.settings.max_steps_per_goal
    with parts.database.transaction() as session:
        found = packages.apply(session, caller.project.id, package, utc_now(), most=most, dry_run=query.dry_run)
    shown = [ImportedGoal.model_validate(goal, from_attributes=True) for goal in found]
    return ImportOut(dry_run=query.dry_run, goals=shown)


def _exported(goal_ids: list[UUID] | None, parts: Services, caller: Caller, response: Response) -> PackageOut:
    with parts.database.snapshot() as session:
        package = packages.export(session, caller.project.id, goal_ids)
    response.headers["Content-Disposition"] = 'attachment; filename="goals.json"'
    return PackageOut.model_validate(written(package))
