"""Goals over HTTP: written, edited, archived, restored, deleted."""

from datetime import datetime
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi import Query as QueryParameter
from pydantic import BaseModel

from goalline.api.deps import Admin, Caller, Page, PageQuery, Parts, Reader, cut
from goalline.api.goals.steps import StepOut, require_within_limit, steps_out
from goalline.api.problems import documented
from goalline.domain.goal import GoalDraft, GoalEdit, Kind, State
from goalline.domain.text import Line
from goalline.store.goals import goals
from goalline.worker import utc_now

router = APIRouter(prefix="/v1/goals", tags=["goals"])


class GoalOut(BaseModel):
    """A goal in its newest wording, with the steps that track it, in their order."""

    id: UUID
    name: str
    description: str
    kind: Kind
    agent_id: str | None
    judged: bool
    state: State
    revision: int
    created_at: datetime
    archived_at: datetime | None
    steps: list[StepOut]


class RevisionOut(BaseModel):
    """A goal as worded from `in_force_from` until the next revision, with the steps of that time."""

    number: int
    name: str
    description: str
    kind: Kind
    judged: bool
    in_force_from: datetime
    steps: list[StepOut]


_Shown = TypeVar("_Shown", GoalOut, RevisionOut)


def _out(shown: type[_Shown], row: object, caller: Caller) -> _Shown:
    # Amounts have as many decimals as the currency of the project, which no goal knows.
    fields = {name: getattr(row, name) for name in shown.model_fields}
    return shown.model_validate(fields | {"steps": steps_out(fields["steps"], caller.project.currency)})


class GoalQuery(PageQuery):
    """Which goals to list."""

    state: State | None = None
    kind: Kind | None = None
    agent: Line | None = None


@router.post("", status_code=201, responses=documented(400, 409, 413, 415))
def create(draft: GoalDraft, parts: Parts, caller: Admin, response: Response) -> GoalOut:
    """Create a goal; it applies to conversations that end from now on. It is judged, tracked by its steps, or both."""
    require_within_limit(draft.steps, parts)
    with parts.database.transaction() as session:
        goal = goals.create(session, caller.project.id, draft, utc_now())
    response.headers["Location"] = f"/v1/goals/{goal.id}"
    return _out(GoalOut, goal, caller)


@router.get("")
def listed(query: Annotated[GoalQuery, QueryParameter()], parts: Parts, caller: Reader) -> Page[GoalOut]:
    """List goals, oldest first, archived ones included unless `state` says otherwise."""
    with parts.database.reading() as session:
        rows = goals.listed(
            session,
            caller.project.id,
            state=query.state,
            kind=query.kind,
            agent_id=query.agent,
            after=query.after,
            limit=query.limit + 1,
        )
    shown, cursor = cut(rows, query.limit, lambda goal: (goal.created_at, goal.id))
    return Page(items=[_out(GoalOut, goal, caller) for goal in shown], next_cursor=cursor)


@router.get("/{goal_id}", responses=documented(404))
def one(goal_id: UUID, parts: Parts, caller: Reader) -> GoalOut:
    """Return one goal."""
    with parts.database.reading() as session:
        return _out(GoalOut, goals.get(session, caller.project.id, goal_id), caller)


@router.get("/{goal_id}/revisions", responses=documented(404))
def revisions(goal_id: UUID, parts: Parts, caller: Reader) -> Page[RevisionOut]:
    """Return every wording a goal has had, newest first."""
    with parts.database.reading() as session:
        rows = goals.revisions(session, caller.project.id, goal_id)
    return Page(items=[_out(RevisionOut, row, caller) for row in rows], next_cursor=None)


@router.patch("/{goal_id}", responses=documented(400, 404, 409, 413, 415))
def edit(goal_id: UUID, change: GoalEdit, parts: Parts, caller: Admin) -> GoalOut:
    """Reword a goal. Conversations that ended before now keep being judged by the wording they ended under.

    `steps` takes the place of all its steps; an empty list removes them.
    """
    require_within_limit(change.steps or (), parts)
    with parts.database.transaction() as session:
        return _out(GoalOut, goals.edit(session, caller.project.id, goal_id, change, utc_now()), caller)


@router.post("/{goal_id}/archive", responses=documented(404))
def archive(goal_id: UUID, parts: Parts, caller: Admin) -> GoalOut:
    """Archive a goal: its history stays, conversations that end from now on are not judged by it."""
    with parts.database.transaction() as session:
        return _out(GoalOut, goals.archive(session, caller.project.id, goal_id, utc_now()), caller)


@router.post("/{goal_id}/restore", responses=documented(404, 409))
def restore(goal_id: UUID, parts: Parts, caller: Admin) -> GoalOut:
    """Restore an archived goal for conversations that end from now on."""
    with parts.database.transaction() as session:
        return _out(GoalOut, goals.restore(session, caller.project.id, goal_id, utc_now()), caller)


@router.delete("/{goal_id}", status_code=204, responses=documented(404))
def delete(
    goal_id: UUID,
    parts: Parts,
    caller: Admin,
    confirm: Annotated[str | None, QueryParameter(description="The goal's name, to make sure.")] = None,
) -> None:
    """Delete a goal for good, with its revisions, its verdicts and their counts."""
    with parts.database.transaction() as session:
        goals.remove(session, caller.project.id, goal_id, confirm)
