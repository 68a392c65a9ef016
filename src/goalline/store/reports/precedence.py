"""Precedence: which conversations agents' own primary goals take from the project-wide ones."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from uuid import UUID

from sqlalchemy import select
from sqlmodel import Session

from goalline.domain.calendar import day_start
from goalline.domain.goal import Kind, Period, cover, overlaps
from goalline.store.goals.goals import CurrentGoal
from goalline.store.tables import Goal, GoalPeriod, GoalRevision, Project, table

_EVER = datetime.min.replace(tzinfo=UTC)
_goals = table(Goal)


def taken(
    session: Session, project: Project, shown: Sequence[CurrentGoal], owned: Mapping[str, Mapping[date, int]]
) -> dict[UUID, tuple[Counter[date], set[date]]]:
    """Return, for some project-wide goals, how many conversations of a day the agents' own primary goals took.

    With that, the days on which it cannot be told, as an agent's own goal came or went.

    Args:
        session: the session to read with.
        project: whose goals and days these are.
        shown: project-wide goals, primary or not.
        owned: the number of conversations by day, of each agent that has goals of its own.
    """
    everywhere, own = _primary_stretches(session, project.id)
    bounds = cache(lambda day: [day_start(day + timedelta(days=more), project.time_zone) for more in (0, 1)])
    found: dict[UUID, tuple[Counter[date], set[date]]] = {goal.id: (Counter(), set()) for goal in shown}
    for goal_id, (away, unclear) in found.items():
        for agent_id, stretches in own.items():
            replaced = overlaps(everywhere[goal_id], stretches)
            for day, number in owned.get(agent_id, {}).items() if replaced else ():
                whole = cover(replaced, *bounds(day))
                if whole is None:
                    unclear.add(day)
                elif whole:
                    away[day] += number
    return found


def _primary_stretches(session: Session, project_id: UUID) -> tuple[dict[UUID, list[Period]], dict[str, list[Period]]]:
    # When each project-wide goal was worded as a primary one, from before its creation on, as its conversations are
    # those from before as well; and when each agent had a primary goal of its own in force.
    revision, following, period = table(GoalRevision), table(GoalRevision).alias(), table(GoalPeriod)
    active = defaultdict[UUID, list[Period]](list)
    for goal_id, *bounds in session.execute(
        select(period.c.goal_id, period.c.active_from, period.c.active_until)
        .join_from(_goals, period)
        .where(_goals.c.project_id == project_id, _goals.c.agent_id.is_not(None))
    ):
        active[goal_id].append(Period(*bounds))
    next_one = (following.c.goal_id == revision.c.goal_id) & (following.c.number == revision.c.number + 1)
    everywhere, own = defaultdict[UUID, list[Period]](list), defaultdict[str, list[Period]](list)
    for goal_id, agent_id, number, since, until in session.execute(
        select(_goals.c.id, _goals.c.agent_id, revision.c.number, revision.c.in_force_from, following.c.in_force_from)
        .join_from(_goals, revision)
        .outerjoin(following, next_one)
        .where(_goals.c.project_id == project_id, revision.c.kind == Kind.PRIMARY)
    ):
        if agent_id is None:
            everywhere[goal_id].append(Period(_EVER if number == 1 else since, until))
        else:
            own[agent_id] += overlaps([Period(since, until)], active[goal_id])
    return everywhere, own
