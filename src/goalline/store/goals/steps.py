"""Single steps of a goal: read, put in place, removed; each change is a new revision of the goal."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Session, select

from goalline.domain.step import Step, StepContent, find, with_step, without_step
from goalline.store import projects
from goalline.store.database import Upsert
from goalline.store.goals import goals
from goalline.store.tables import DeletedStep, GoalRevision, table
from goalline.store.track import recording

_DELETED = Upsert(
    table(DeletedStep),
    lambda statement: statement.on_conflict_do_update(
        index_elements=["goal_id", "key"], set_={"deleted_at": statement.excluded.deleted_at}
    ),
)


def get(session: Session, project_id: UUID, goal_id: UUID, key: str) -> Step:
    """Return one step of a goal's newest wording.

    Raises:
        NotFound: the project has no such goal, or the goal no such step.
    """
    return find(goals.get(session, project_id, goal_id).steps, key)


def put(
    session: Session, project_id: UUID, goal_id: UUID, key: str, content: StepContent, now: datetime, *, most: int
) -> Step:
    """Add a step to a goal, or replace the one that has its key, from `now` on; what changes nothing is no revision.

    Args:
        session: a transaction.
        project_id: whose goal it is.
        goal_id: whose step it is.
        key: the key of the step, known to be well-formed.
        content: the rest of it.
        now: when it happens.
        most: the most steps that a goal may have after a step was added.

    Raises:
        NotFound: the project has no such goal.
        Invalid: the steps would break a rule, or an amount does not fit the project's currency.
    """
    project = projects.lock(session, project_id)
    goal = goals.get(session, project_id, goal_id)
    steps = with_step(goal.steps, key, content, most)
    return find(goals.revise(session, project, goal, {"steps": steps}, now).steps, key)


def remove(session: Session, project_id: UUID, goal_id: UUID, key: str, now: datetime) -> None:
    """Take a step from a goal from `now` on, with its events and all that they counted for.

    Earlier revisions keep it; but what happened at it before, and is told later, is not stored any more.

    Raises:
        NotFound: the project has no such goal, or the goal no such step.
        Invalid: it is the initial step, or the last completion step.
    """
    project = projects.lock(session, project_id)
    goal = goals.get(session, project_id, goal_id)
    revised = goals.revise(session, project, goal, {"steps": without_step(goal.steps, key)}, now)
    goals.hold(session, goal_id)
    in_force_from = session.exec(
        select(GoalRevision.in_force_from).where(
            GoalRevision.goal_id == goal_id, GoalRevision.number == revised.revision
        )
    ).one()
    _DELETED.run(session, {"goal_id": goal_id, "key": key, "deleted_at": in_force_from})
    recording.forget_step(session, project_id, goal_id, key)
