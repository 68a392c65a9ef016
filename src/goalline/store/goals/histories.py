"""Goals over time: which apply when, in which wording, and which of their steps were deleted."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, bindparam
from sqlmodel import Session

from goalline.domain.goal import GoalHistory, Period, Wording
from goalline.store.database import run
from goalline.store.tables import DeletedStep, Goal, GoalPeriod, GoalRevision, table

_goal, _revision, _period, _deleted = (
    table(Goal).c,
    table(GoalRevision).c,
    table(GoalPeriod).c,
    table(DeletedStep).c,
)
_OF_IDS = _goal.id.in_(bindparam("goal_ids", expanding=True))
_OF_AGENT = (_goal.project_id == bindparam("project_id")) & (
    _goal.agent_id.is_(None) | (_goal.agent_id == bindparam("agent_id"))
)
_OF_PROJECT = _goal.project_id == bindparam("project_id")
_WORDINGS = (
    sa.select(
        _goal.id,
        _goal.agent_id,
        _revision.number,
        _revision.name,
        _revision.description,
        _revision.kind,
        _revision.judged,
        _revision.in_force_from,
        _revision.steps,
    )
    .join_from(table(Goal), table(GoalRevision))
    .order_by(_goal.created_at, _goal.id, _revision.number)
)
_PERIODS = sa.select(_period.goal_id, _period.active_from, _period.active_until).join_from(
    table(Goal), table(GoalPeriod)
)
_HISTORIES_OF_AGENT = (_WORDINGS.where(_OF_AGENT), _PERIODS.where(_OF_AGENT))
_HISTORIES_OF_IDS = (_WORDINGS.where(_OF_IDS, _OF_PROJECT), _PERIODS.where(_OF_IDS, _OF_PROJECT))
_CALLED = (
    sa.select(_goal.id)
    .join_from(table(Goal), table(GoalRevision))
    .where(_goal.project_id == bindparam("project_id"), _revision.name.in_(bindparam("names", expanding=True)))
    .distinct()
)
_DELETED_STEPS = sa.select(_deleted.goal_id, _deleted.key, _deleted.deleted_at).where(
    _deleted.goal_id.in_(bindparam("goal_ids", expanding=True))
)


def called(session: Session, project_id: UUID, names: Sequence[str]) -> set[UUID]:
    """Return the goals of a project that have, or once had, one of these names."""
    return set(run(session, _CALLED, project_id=project_id, names=names).scalars()) if names else set()


def histories(session: Session, project_id: UUID, agent_id: str) -> list[GoalHistory]:
    """Return what decides which goals apply to an agent's conversations, oldest goal first."""
    return _histories(session, _HISTORIES_OF_AGENT, {"project_id": project_id, "agent_id": agent_id})


def histories_of(session: Session, project_id: UUID, goal_ids: Sequence[UUID]) -> list[GoalHistory]:
    """Return the histories of those of some goals that are the project's, oldest goal first."""
    return _histories(session, _HISTORIES_OF_IDS, {"project_id": project_id, "goal_ids": goal_ids})


def deleted_steps(session: Session, goal_ids: Sequence[UUID]) -> dict[tuple[UUID, str], datetime]:
    """Return when which steps of some goals were deleted with their events, by goal and key."""
    return {(goal_id, key): at for goal_id, key, at in run(session, _DELETED_STEPS, goal_ids=goal_ids)}


def _histories(session: Session, queries: tuple[Select[Any], Select[Any]], which: dict[str, Any]) -> list[GoalHistory]:
    wordings, of_periods = queries
    periods: dict[UUID, list[Period]] = {}
    for goal_id, *bounds in run(session, of_periods, which):
        periods.setdefault(goal_id, []).append(Period(*bounds))
    found: dict[UUID, GoalHistory] = {}
    for goal_id, agent, *wording in run(session, wordings, which):
        history = found.setdefault(goal_id, GoalHistory(goal_id, agent, [], periods.get(goal_id, [])))
        history.revisions.append(Wording(*wording))
    return list(found.values())
