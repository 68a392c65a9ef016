"""Packages of goals: made from the goals of a project, and applied to those of another."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel import Session

from goalline.domain.goal import GoalDraft, Kind, State, idle
from goalline.domain.package import MOST_GOALS, Action, Package, packed
from goalline.domain.refusal import Conflict, Invalid, NotFound
from goalline.domain.step import excess
from goalline.store import projects
from goalline.store.goals import goals
from goalline.store.goals.goals import CurrentGoal
from goalline.store.tables import Project

_REVISED = ("description", "kind", "judged", "steps")
"""What may differ between a goal of a package and the goal that it is recognised as."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did with one goal of its package, or would do; `revision` is the goal's newest one after it."""

    name: str
    agent_id: str | None
    kind: Kind
    action: Action
    goal_id: UUID | None
    revision: int
    changes: tuple[str, ...]
    state: State


def export(session: Session, project_id: UUID, goal_ids: Sequence[UUID] | None = None) -> Package:
    """Return a package of these goals of a project, of all its active ones where none are named.

    Raises:
        NotFound: the project has no such goal.
        Conflict: two of the goals cannot be told apart, one measures nothing, or they are too many.
    """
    project = projects.get(session, project_id)
    chosen = _chosen(goals.listed(session, project_id), goal_ids)
    _require_apart(chosen)
    if len(chosen) > MOST_GOALS:
        raise Conflict(f"these are {len(chosen):,} goals, and a package holds at most {MOST_GOALS}; name fewer", "goal")
    for goal in chosen:
        if why := idle(judged=goal.judged, steps=goal.steps):
            raise Conflict(f"{goal.name!r} ({goal.id}) cannot be exported: {why}", "goal")
    return packed(project.currency, [_draft(goal) for goal in chosen])


def apply(
    session: Session, project_id: UUID, package: Package, now: datetime, *, most: int, dry_run: bool = False
) -> list[Imported]:
    """Create or reword the goals of a package in a project: all of them, or none where one is refused.

    A goal is recognised by its agent and the name of its newest wording. One that is archived stays so.

    Args:
        session: a transaction.
        project_id: the project that gets the goals.
        package: the goals.
        now: when it happens.
        most: the most steps of a goal that is made, or whose steps change.
        dry_run: find out all the same, then take everything back.

    Raises:
        Conflict: several goals are recognised as one of the package, or an active primary goal would be the second.
        Invalid: amounts are in another currency than the project's, or a goal has too many steps.
    """
    # The lock that every change of a goal takes: what is looked at here stays so until the end.
    project = projects.lock(session, project_id)
    if package.has_amounts and package.currency != project.currency:
        raise Invalid(
            f"the package has amounts in {package.currency} and project {project.name!r} has its own in "
            f"{project.currency}; amounts are not converted: import it into a project in {package.currency}",
            "currency",
        )
    known = _recognised(package, goals.listed(session, project_id))
    _refuse_two_primaries(package, known)
    # What is done is what would be done: a dry run takes the same way and goes back to this point.
    point = session.begin_nested()
    done: dict[int, Imported] = {}
    for index in _in_turn(package):
        draft, old = package.goals[index], known.get(index)
        changes = tuple(field for field in _REVISED if old and getattr(old, field) != getattr(draft, field))
        if (old is None or "steps" in changes) and (why := excess(len(draft.steps), most)):
            raise Invalid(f"{draft.name!r}: {why}", f"goals[{index}].steps")
        try:
            new = _stored(session, project, draft, old, now)
        except Conflict as conflict:
            detail = f"{draft.name!r} cannot be imported: {conflict.detail}"
            raise Conflict(detail, f"goals[{index}].kind") from None
        action = Action.CHANGE if changes else Action.NONE if old else Action.CREATE
        goal_id = None if dry_run and old is None else new.id
        done[index] = Imported(new.name, new.agent_id, new.kind, action, goal_id, new.revision, changes, new.state)
    if dry_run:
        point.rollback()
    else:
        point.commit()
    return [done[index] for index in sorted(done)]


def _chosen(every: Sequence[CurrentGoal], goal_ids: Sequence[UUID] | None) -> list[CurrentGoal]:
    if goal_ids is None:
        return [goal for goal in every if goal.state is State.ACTIVE]
    by_id = {goal.id: goal for goal in every}
    for goal_id in goal_ids:
        if goal_id not in by_id:
            raise NotFound(f"there is no goal {goal_id}", "goal")
    return [by_id[goal_id] for goal_id in dict.fromkeys(goal_ids)]


def _require_apart(chosen: Sequence[CurrentGoal]) -> None:
    alike: dict[tuple[str | None, str], list[CurrentGoal]] = defaultdict(list)
    for goal in chosen:
        alike[goal.agent_id, goal.name].append(goal)
    for (_, name), found in alike.items():
        if len(found) > 1:
            raise Conflict(
                f"{len(found)} goals of the same agent are named {name!r} ({_ids(found)}), and an import recognises "
                "goals by agent and name; rename all but one, or export one of them only",
                "goal",
            )


def _recognised(package: Package, every: Sequence[CurrentGoal]) -> dict[int, CurrentGoal]:
    named: dict[tuple[str | None, str], list[CurrentGoal]] = defaultdict(list)
    for goal in every:
        named[goal.agent_id, goal.name].append(goal)
    known = {}
    for index, draft in enumerate(package.goals):
        found = named.get((draft.agent_id, draft.name), [])
        if len(found) > 1:
            raise Conflict(
                f"{len(found)} goals of this project have the agent and the name of {draft.name!r} ({_ids(found)}), so "
                "it is not clear which of them is meant; rename or delete all but one",
                f"goals[{index}].name",
            )
        if found:
            known[index] = found[0]
    return known


def _refuse_two_primaries(package: Package, known: dict[int, CurrentGoal]) -> None:
    # Found here, as the other one has no id yet that a refusal could name.
    primaries: dict[str | None, str] = {}
    for index, draft in enumerate(package.goals):
        if draft.kind is Kind.PRIMARY and (index not in known or known[index].state is State.ACTIVE):
            other = primaries.setdefault(draft.agent_id, draft.name)
            if other != draft.name:
                raise Conflict(
                    f"{other!r} and {draft.name!r} of the package would both be active primary goals in one place, and "
                    "there can be only one; leave one of them out of the export, or make it secondary before",
                    f"goals[{index}].kind",
                )


def _in_turn(package: Package) -> list[int]:
    # A goal that stops being primary makes room for another one, so secondary goals come first.
    return sorted(range(len(package.goals)), key=lambda index: package.goals[index].kind is Kind.PRIMARY)


def _stored(
    session: Session, project: Project, draft: GoalDraft, old: CurrentGoal | None, now: datetime
) -> CurrentGoal:
    if old is None:
        return goals.create(session, project.id, draft, now)
    return goals.revise(session, project, old, {field: getattr(draft, field) for field in _REVISED}, now)


def _draft(goal: CurrentGoal) -> GoalDraft:
    return GoalDraft.model_validate({field: getattr(goal, field) for field in GoalDraft.model_fields})


def _ids(found: Sequence[CurrentGoal]) -> str:
    return ", ".join(str(goal.id) for goal in found)
