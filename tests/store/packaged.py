"""What the tests of packages in the store share: exports, imports and looks at what is there."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from goalline.domain.goal import GoalDraft, GoalEdit, Kind
from goalline.domain.package import Package, packed
from goalline.domain.refusal import Conflict, Invalid
from goalline.domain.step import Step
from goalline.store.goals import goals, packages
from goalline.store.goals.goals import CurrentGoal
from goalline.store.goals.packages import Imported
from goalline.store.tables import Goal, GoalPeriod, GoalRevision
from tests.domain.steps import FLIGHT_STEPS, STEPS, begin, complete, pass_by
from tests.store.world import NOW, World, a_project

PRIMARY, SECONDARY = Kind.PRIMARY, Kind.SECONDARY


def exported(world: World, *chosen: CurrentGoal) -> Package:
    with world.database.snapshot() as session:
        return packages.export(session, world.project.id, [goal.id for goal in chosen] or None)


def applied(
    world: World, package: Package, *, at: datetime = NOW, most: int = 10, dry_run: bool = False
) -> list[Imported]:
    with world.database.transaction() as session:
        return packages.apply(session, world.project.id, package, at, most=most, dry_run=dry_run)


def everything(world: World) -> list[list[str]]:
    return [sorted(map(repr, world.rows(kind))) for kind in (Goal, GoalRevision, GoalPeriod)]


def refused(world: World, package: Package, *, most: int = 10) -> Conflict | Invalid:
    """Return how an import is refused, which must be how its dry run is, and must leave everything as it was."""
    before = everything(world)
    caught: list[Conflict | Invalid] = []
    for dry_run in (True, False):
        try:
            applied(world, package, most=most, dry_run=dry_run)
        except (Conflict, Invalid) as refusal:
            caught.append(refusal)
        assert everything(world) == before
    tried, done = caught
    assert (type(tried), tried.detail, tried.field) == (type(done), done.detail, done.field)
    return done


def current(world: World) -> list[CurrentGoal]:
    with world.database.reading() as session:
        return goals.listed(session, world.project.id)


def by_name(world: World, name: str) -> CurrentGoal:
    return next(goal for goal in current(world) if goal.name == name)


def words(found: Sequence[CurrentGoal]) -> list[tuple[Any, ...]]:
    """Return goals without what belongs to one project only."""
    return sorted((g.agent_id or "", g.name, g.description, g.kind, g.judged, repr(g.steps)) for g in found)


def archived(world: World, goal: CurrentGoal) -> CurrentGoal:
    with world.database.transaction() as session:
        return goals.archive(session, world.project.id, goal.id, NOW)


def edited(world: World, goal: CurrentGoal, **change: Any) -> CurrentGoal:
    with world.database.transaction() as session:
        return goals.edit(session, world.project.id, goal.id, GoalEdit(**change), NOW)


def a_package(*drafts: GoalDraft, currency: str = "USD") -> Package:
    return packed(currency, drafts)


def steps(number: int) -> tuple[Step, ...]:
    return STEPS.validate_python([begin(), *(pass_by(f"s{n}") for n in range(number - 2)), complete()])


def filled_with_goals(world: World) -> World:
    """Put three goals into a world's project: two for every agent, and one with steps for one of them."""
    world.goal("Book")
    world.goal("Flight", SECONDARY, "ann", judged=False, steps=FLIGHT_STEPS)
    world.goal("Remind", SECONDARY)
    return world


def beside(world: World, currency: str = "USD") -> World:
    """Return another project in the same database."""
    return World(world.database, a_project(world.database, "other", currency=currency))
