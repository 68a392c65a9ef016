"""Single steps of a goal: read, put in place, removed; each change is a new revision of the goal."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Session

from goalline.domain.step import Step, StepContent, find, with_step, without_step
from goalline.store import goals, projects


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
    """Take a step from a goal from `now` on; earlier revisions keep it.

    Raises:
        NotFound: the project has no such goal, or the goal no such step.
        Invalid: it is the initial step, or the last completion step.
    """
    project = projects.lock(session, project_id)
    goal = goals.get(session, project_id, goal_id)
    goals.revise(session, project, goal, {"steps": without_step(goal.steps, key)}, now)
