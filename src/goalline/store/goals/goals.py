"""Goals: written, edited, archived, restored, deleted; and held against deletion."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy import Select, bindparam, delete, func, insert, update
from sqlmodel import Session, col, select

from goalline.domain.goal import GoalDraft, GoalEdit, Kind, State, idle
from goalline.domain.refusal import Conflict, Invalid, NotFound
from goalline.domain.step import Step, misfit
from goalline.store import projects, rollups
from goalline.store.database import run
from goalline.store.tables import Goal, GoalPeriod, GoalRevision, Project, table

_EVER = datetime.min.replace(tzinfo=UTC)
_WORDS = ("name", "description", "kind", "judged", "steps")
"""What a revision pins."""

_goal, _revision, _period = table(Goal).c, table(GoalRevision).c, table(GoalPeriod).c
_LOCK_EXISTING = (
    sa.select(_goal.id)
    .where(_goal.id.in_(bindparam("goal_ids", expanding=True)))
    .order_by(_goal.id)
    .with_for_update(read=True, key_share=True)
)


@dataclass(frozen=True, slots=True)
class CurrentGoal:
    """A goal in its newest wording."""

    id: UUID
    name: str
    description: str
    kind: Kind
    agent_id: str | None
    judged: bool
    revision: int
    created_at: datetime
    archived_at: datetime | None
    steps: tuple[Step, ...] = ()

    @property
    def state(self) -> State:
        """Whether the goal applies to conversations that end now."""
        return State.ARCHIVED if self.archived_at else State.ACTIVE


def create(session: Session, project_id: UUID, draft: GoalDraft, now: datetime) -> CurrentGoal:
    """Store a new goal, active from `now` on.

    Raises:
        Conflict: it is primary and there is an active primary goal in the same place.
        Invalid: an amount does not fit the project's currency.
    """
    project = projects.lock(session, project_id)
    _require_fit(draft.steps, project)
    if draft.kind is Kind.PRIMARY:
        _refuse_second_primary(session, project_id, draft.agent_id)
    now, goal_id = max(now, _last_change(session, project_id)), uuid4()
    session.execute(
        insert(table(Goal)).values(
            id=goal_id, project_id=project_id, agent_id=draft.agent_id, kind=draft.kind, revision=1, created_at=now
        )
    )
    wording = {field: getattr(draft, field) for field in _WORDS}
    session.execute(insert(table(GoalRevision)).values(goal_id=goal_id, number=1, in_force_from=now, **wording))
    session.execute(insert(table(GoalPeriod)).values(goal_id=goal_id, active_from=now))
    return get(session, project_id, goal_id)


def get(session: Session, project_id: UUID, goal_id: UUID) -> CurrentGoal:
    """Return one goal.

    Raises:
        NotFound: the project has no such goal.
    """
    row = session.execute(_current(project_id).where(col(Goal.id) == goal_id)).first()
    if row is None:
        raise NotFound(f"there is no goal {goal_id}")
    return CurrentGoal(*row)


def listed(
    session: Session,
    project_id: UUID,
    *,
    state: State | None = None,
    kind: Kind | None = None,
    agent_id: str | None = None,
    after: tuple[datetime, UUID] | None = None,
    limit: int | None = None,
) -> list[CurrentGoal]:
    """Return a project's goals, oldest first, from the one behind `after` (its creation time and id) on."""
    query = _current(project_id).order_by(col(Goal.created_at), col(Goal.id)).limit(limit)
    if state:
        archived = col(Goal.archived_at)
        query = query.where(archived.is_(None) if state is State.ACTIVE else archived.is_not(None))
    if kind:
        query = query.where(col(Goal.kind) == kind)
    if agent_id:
        query = query.where(col(Goal.agent_id) == agent_id)
    if after:
        created_at, goal_id = after
        query = query.where(
            (col(Goal.created_at) > created_at) | ((col(Goal.created_at) == created_at) & (col(Goal.id) > goal_id))
        )
    return [CurrentGoal(*row) for row in session.execute(query)]


def revisions(session: Session, project_id: UUID, goal_id: UUID) -> Sequence[GoalRevision]:
    """Return every wording that a goal has had, newest first.

    Raises:
        NotFound: the project has no such goal.
    """
    get(session, project_id, goal_id)
    return session.exec(
        select(GoalRevision).where(GoalRevision.goal_id == goal_id).order_by(col(GoalRevision.number).desc())
    ).all()


def edit(session: Session, project_id: UUID, goal_id: UUID, change: GoalEdit, now: datetime) -> CurrentGoal:
    """Give a goal a new wording from `now` on; a change that changes nothing makes no revision.

    Raises:
        NotFound: the project has no such goal.
        Conflict: it would become the second active primary goal in the same place.
        Invalid: it would measure nothing, or an amount does not fit the project's currency.
    """
    project = projects.lock(session, project_id)
    goal = get(session, project_id, goal_id)
    return revise(session, project, goal, {field: getattr(change, field) for field in change.model_fields_set}, now)


def revise(session: Session, project: Project, goal: CurrentGoal, change: dict[str, Any], now: datetime) -> CurrentGoal:
    """Do what `edit` does to a goal that was read after its project was locked."""
    old = {field: getattr(goal, field) for field in _WORDS}
    new = old | change
    if new == old:
        return goal
    # A goal from a time before steps may measure nothing, and can still be renamed.
    changed = [field for field in ("judged", "steps") if new[field] != old[field]]
    if changed and (why := idle(judged=new["judged"], steps=new["steps"])):
        raise Invalid(why, changed[-1])
    _require_fit(new["steps"], project)
    if new["kind"] is Kind.PRIMARY and goal.state is State.ACTIVE:
        _refuse_second_primary(session, project.id, goal.agent_id, besides=goal.id)
    now = max(now, _last_change(session, project.id))
    session.execute(
        insert(table(GoalRevision)).values(goal_id=goal.id, number=goal.revision + 1, in_force_from=now, **new)
    )
    session.execute(
        update(table(Goal)).where(col(Goal.id) == goal.id).values(kind=new["kind"], revision=goal.revision + 1)
    )
    return get(session, project.id, goal.id)


def archive(session: Session, project_id: UUID, goal_id: UUID, now: datetime) -> CurrentGoal:
    """Stop a goal from applying to conversations that end from `now` on; archiving twice changes nothing.

    Raises:
        NotFound: the project has no such goal.
    """
    projects.lock(session, project_id)
    if get(session, project_id, goal_id).state is State.ACTIVE:
        now = max(now, _last_change(session, project_id))
        session.execute(
            update(table(GoalPeriod))
            .where(col(GoalPeriod.goal_id) == goal_id, col(GoalPeriod.active_until).is_(None))
            .values(active_until=now)
        )
        session.execute(update(table(Goal)).where(col(Goal.id) == goal_id).values(archived_at=now))
    return get(session, project_id, goal_id)


def restore(session: Session, project_id: UUID, goal_id: UUID, now: datetime) -> CurrentGoal:
    """Make an archived goal apply again to conversations that end from `now` on; an active one stays as it is.

    Raises:
        NotFound: the project has no such goal.
        Conflict: it is primary and another primary goal is active in the same place by now.
    """
    projects.lock(session, project_id)
    goal = get(session, project_id, goal_id)
    if goal.state is State.ARCHIVED:
        if goal.kind is Kind.PRIMARY:
            _refuse_second_primary(session, project_id, goal.agent_id)
        now = max(now, _last_change(session, project_id))
        # A goal restored in the very instant it was archived was never away: its old period goes on.
        reopened = session.execute(
            update(table(GoalPeriod))
            .where(col(GoalPeriod.goal_id) == goal_id, col(GoalPeriod.active_until) == now)
            .values(active_until=None)
            .returning(col(GoalPeriod.goal_id))
        ).first()
        if not reopened:
            session.execute(insert(table(GoalPeriod)).values(goal_id=goal_id, active_from=now))
        session.execute(update(table(Goal)).where(col(Goal.id) == goal_id).values(archived_at=None))
    return get(session, project_id, goal_id)


def remove(session: Session, project_id: UUID, goal_id: UUID, confirm: str | None) -> None:
    """Delete a goal with its revisions, its verdicts, its events and cycles, and their counts.

    Raises:
        NotFound: the project has no such goal.
        Invalid: `confirm` is not the goal's name.
    """
    projects.lock(session, project_id)
    goal = get(session, project_id, goal_id)
    if confirm != goal.name:
        raise Invalid(f"deleting is for good; repeat the goal's name to do it: confirm={goal.name}", "confirm")
    hold(session, goal_id)
    rollups.forget_goal(session, project_id, goal_id)
    session.execute(delete(table(Goal)).where(col(Goal.id) == goal_id))


def hold(session: Session, goal_id: UUID) -> None:
    """Keep everybody from storing verdicts or events of a goal until the transaction ends, against `lock_existing`.

    One that is on its way in is then either seen and removed by whoever holds the goal, or not stored.
    """
    session.execute(select(Goal.id).where(Goal.id == goal_id).with_for_update())


def lock_existing(session: Session, goal_ids: Sequence[UUID]) -> set[UUID]:
    """Return those of the goals that exist, and keep them from being deleted until the transaction ends."""
    return set(run(session, _LOCK_EXISTING, goal_ids=goal_ids).scalars())


def _current(project_id: UUID) -> Select[*tuple[Any, ...]]:
    goal, revision = table(Goal).c, table(GoalRevision).c
    return (
        sa.select(
            goal.id,
            revision.name,
            revision.description,
            goal.kind,
            goal.agent_id,
            revision.judged,
            goal.revision,
            goal.created_at,
            goal.archived_at,
            revision.steps,
        )
        .join(table(GoalRevision), (revision.goal_id == goal.id) & (revision.number == goal.revision))
        .where(goal.project_id == project_id)
    )


def _require_fit(steps: Iterable[Step], project: Project) -> None:
    # Asked under the project's lock, which a change of its currency takes as well.
    if why := misfit(steps, project.currency):
        raise Invalid(why, "steps")


def _refuse_second_primary(
    session: Session, project_id: UUID, agent_id: str | None, besides: UUID | None = None
) -> None:
    for goal in listed(session, project_id, state=State.ACTIVE, kind=Kind.PRIMARY):
        if goal.agent_id == agent_id and goal.id != besides:
            place = f"agent {agent_id!r}" if agent_id else "the whole project"
            raise Conflict(
                f"{goal.name!r} ({goal.id}) is the active primary goal of {place}, and there can be only one; "
                "archive it first, or make this goal secondary",
                "kind",
            )


def _last_change(session: Session, project_id: UUID) -> datetime:
    # Clocks of two servers differ a little. The goals' history must not run backwards for it: what was archived
    # before this goal was made must not have been active beside it.
    times = session.execute(
        select(func.max(_revision.in_force_from), func.max(_period.active_from), func.max(_period.active_until))
        .select_from(table(Goal))
        .join(table(GoalRevision))
        .join(table(GoalPeriod), _period.goal_id == _goal.id)
        .where(_goal.project_id == project_id)
    ).one()
    return max((time for time in times if time), default=_EVER)
