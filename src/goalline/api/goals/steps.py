"""The steps of a goal over HTTP: read, put in place, removed, one at a time."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from goalline.api.deps import Admin, Parts, Reader
from goalline.api.problems import documented
from goalline.bootstrap import Services
from goalline.domain import duration, money
from goalline.domain.refusal import Invalid
from goalline.domain.step import Step, StepContent, StepKey, excess
from goalline.store.goals import steps
from goalline.worker import utc_now

router = APIRouter(prefix="/v1/goals/{goal_id}/steps", tags=["goals"])


class StepOut(BaseModel):
    """A step of a goal; amounts are in the project's currency, with as many decimals as it has."""

    key: str
    name: str
    description: str | None
    order: int
    initial: bool
    completion: bool
    cost_savings: str | None
    revenue: str | None
    time_saved: str | None


def steps_out(found: Iterable[Step], currency: str) -> list[StepOut]:
    """Return steps as they are shown in a project of this currency."""
    return [_out(step, currency) for step in found]


def require_within_limit(sent: Sequence[Step], parts: Services) -> None:
    """Refuse more steps than the settings allow.

    Raises:
        Invalid: there are more.
    """
    if why := excess(len(sent), parts.settings.max_steps_per_goal):
        raise Invalid(why, "steps")


@router.get("/{key}", responses=documented(404))
def one(goal_id: UUID, key: StepKey, parts: Parts, caller: Reader) -> StepOut:
    """Return one step of a goal in its newest wording."""
    with parts.database.reading() as session:
        return _out(steps.get(session, caller.project.id, goal_id, key), caller.project.currency)


@router.put("/{key}", responses=documented(400, 404, 413, 415))
def put(goal_id: UUID, key: StepKey, content: StepContent, parts: Parts, caller: Admin) -> StepOut:
    """Add a step to a goal that has steps, or replace the one of this key; either is a new revision of the goal.

    Without `order`, a new step goes to the end and a replaced one stays where it is. The first steps of a goal are sent
    together, with the goal.
    """
    most = parts.settings.max_steps_per_goal
    with parts.database.transaction() as session:
        step = steps.put(session, caller.project.id, goal_id, key, content, utc_now(), most=most)
    return _out(step, caller.project.currency)


@router.delete("/{key}", status_code=204, responses=documented(404))
def delete(goal_id: UUID, key: StepKey, parts: Parts, caller: Admin) -> None:
    """Remove a step from a goal, as a new revision; the initial one and the last completion step cannot be removed."""
    with parts.database.transaction() as session:
        steps.remove(session, caller.project.id, goal_id, key, utc_now())


def _out(step: Step, currency: str) -> StepOut:
    def amount(field: str) -> str | None:
        value = getattr(step, field)
        return None if value is None else money.shown(value, currency)

    return StepOut(
        key=step.key,
        name=step.name,
        description=step.description,
        order=step.order,
        initial=step.initial,
        completion=step.completion,
        cost_savings=amount("cost_savings"),
        revenue=amount("revenue"),
        time_saved=None if step.time_saved is None else duration.written(step.time_saved),
    )
