"""Which conversations count against a project-wide primary goal, while agents have primary goals of their own."""

from datetime import UTC, date, datetime, timedelta

from goalline.domain.goal import GoalEdit, Kind
from goalline.store.goals import goals
from goalline.store.goals.goals import CurrentGoal
from goalline.store.reports import rates as reports
from goalline.store.reports.rates import RateFilter, Tally
from tests.domain.steps import FLIGHT_STEPS
from tests.store.world import BEFORE, World, a_project

FIRST = date(2026, 11, 10)
# Midnight in Berlin, where the project of these tests is.
MIDNIGHT = datetime(2026, 11, 9, 23, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def fill(world: World, days: int = 3) -> None:
    """Let ann have two conversations on each day, just after it begins and just before it ends, and bob one."""
    for number in range(days):
        begin = MIDNIGHT + number * DAY
        world.conversation(f"early-{number}", at=begin, agent_id="ann")
        world.conversation(f"late-{number}", at=begin + DAY - datetime.resolution, agent_id="ann")
        world.conversation(f"bob-{number}", at=begin + DAY / 2, agent_id="bob")


def conversations(world: World, goal: CurrentGoal, agent_id: str | None = None) -> list[int | None]:
    """Return how many conversations a goal has on each day; None where it cannot be told."""
    with world.database.reading() as session:
        [found] = reports.by_goal(session, world.project, RateFilter(agent_id=agent_id), [goal])
    days = [found.days.get(FIRST + number * DAY, Tally()) for number in range(3)]
    return [tally.conversations if tally.comparable else None for tally in days]


def archive(world: World, goal: CurrentGoal, at: datetime) -> None:
    with world.database.transaction() as session:
        goals.archive(session, world.project.id, goal.id, at)


def edit(world: World, goal: CurrentGoal, kind: Kind, at: datetime) -> None:
    with world.database.transaction() as session:
        goals.edit(session, world.project.id, goal.id, GoalEdit(kind=kind), at)


def test_an_agent_with_a_primary_goal_of_its_own_leaves_the_project_wide_one_alone(world: World) -> None:
    everywhere, own = world.goal("Book"), world.goal("Hand over", agent_id="ann")
    fill(world)
    assert conversations(world, everywhere) == [1, 1, 1]
    assert conversations(world, everywhere, "ann") == [0, 0, 0]
    assert conversations(world, everywhere, "bob") == [1, 1, 1]
    assert conversations(world, own) == [2, 2, 2]


def test_a_secondary_goal_has_every_agents_conversations(world: World) -> None:
    extra = world.goal("Greet", Kind.SECONDARY)
    world.goal("Hand over", agent_id="ann")
    fill(world)
    assert conversations(world, extra) == [3, 3, 3]


def test_a_secondary_goal_of_an_agent_takes_nothing(world: World) -> None:
    everywhere = world.goal("Book")
    world.goal("Ask", Kind.SECONDARY, "ann")
    fill(world)
    assert conversations(world, everywhere) == [3, 3, 3]


def test_whole_days_are_told_apart_by_the_projects_own_midnight(world: World) -> None:
    everywhere = world.goal("Book")
    own = world.goal("Hand over", agent_id="ann", at=MIDNIGHT + DAY)
    archive(world, own, MIDNIGHT + 2 * DAY)
    fill(world)
    assert conversations(world, everywhere) == [3, 1, 3]


def test_a_day_on_which_an_agents_own_goal_came_or_went_cannot_be_told(world: World) -> None:
    everywhere = world.goal("Book")
    own = world.goal("Hand over", agent_id="ann", at=MIDNIGHT + datetime.resolution)
    archive(world, own, MIDNIGHT + 3 * DAY - datetime.resolution)
    fill(world)
    assert conversations(world, everywhere) == [None, 1, None]
    assert conversations(world, everywhere, "bob") == [1, 1, 1]
    with world.database.reading() as session:
        [found] = reports.by_goal(session, world.project, RateFilter(), [everywhere])
    assert (found.total.conversations, found.total.coverage) == (7, None)


def test_one_goal_that_follows_another_without_a_gap_makes_a_whole_day(world: World) -> None:
    everywhere = world.goal("Book")
    archive(world, world.goal("Hand over", agent_id="ann"), MIDNIGHT + DAY / 2)
    world.goal("Call back", agent_id="ann", at=MIDNIGHT + DAY / 2)
    fill(world)
    assert conversations(world, everywhere) == [1, 1, 1]


def test_an_own_goal_takes_the_place_only_while_it_is_worded_as_primary(world: World) -> None:
    everywhere, own = world.goal("Book"), world.goal("Hand over", agent_id="ann")
    edit(world, own, Kind.SECONDARY, MIDNIGHT + DAY)
    edit(world, own, Kind.PRIMARY, MIDNIGHT + 2 * DAY)
    fill(world)
    assert conversations(world, everywhere) == [1, 3, 1]


def test_a_project_wide_goal_has_all_conversations_while_it_is_worded_as_secondary(world: World) -> None:
    everywhere = world.goal("Book")
    world.goal("Hand over", agent_id="ann")
    edit(world, everywhere, Kind.SECONDARY, MIDNIGHT + DAY)
    fill(world)
    assert conversations(world, everywhere) == [1, 3, 3]


def test_an_own_goal_that_is_tracked_only_takes_the_place_as_well(world: World) -> None:
    everywhere, own = world.goal("Book"), world.goal("Hand over", agent_id="ann")
    with world.database.transaction() as session:
        goals.edit(session, world.project.id, own.id, GoalEdit(judged=False, steps=FLIGHT_STEPS), BEFORE + DAY)
    fill(world)
    assert conversations(world, everywhere) == [1, 1, 1]


def test_the_days_before_a_goal_was_made_count_and_its_agents_own_goals_count_there_too(world: World) -> None:
    world.goal("Hand over", agent_id="ann")
    everywhere = world.goal("Book", at=MIDNIGHT + DAY + DAY / 3)
    fill(world)
    assert conversations(world, everywhere) == [1, 1, 1]


def test_the_own_goals_of_another_project_take_nothing(world: World) -> None:
    everywhere = world.goal("Book")
    World(world.database, a_project(world.database, "other")).goal("Hand over", agent_id="ann")
    fill(world)
    assert conversations(world, everywhere) == [3, 3, 3]
