"""Reports: sums of the rollups, filtered, by day, by goal, by agent."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pytest

from goalline.domain.calendar import Interval
from goalline.domain.goal import GoalEdit, Kind
from goalline.domain.rates import Counts
from goalline.domain.verdict import Outcome
from goalline.store.conversations import conversations
from goalline.store.goals import goals
from goalline.store.goals.goals import CurrentGoal
from goalline.store.reports import rates as reports
from goalline.store.reports.rates import RateFilter, Tally
from goalline.store.tables import Conversation
from tests.store.world import EFFORT, HOUR, NOW, World, a_project, verdict

TODAY, YESTERDAY = date(2026, 11, 21), date(2026, 11, 20)
ACHIEVED, PARTIAL, NOT = Outcome.ACHIEVED, Outcome.PARTIAL, Outcome.NOT_ACHIEVED


@pytest.fixture
def named(world: World) -> dict[str, CurrentGoal]:
    """Three judged conversations, and one that waits; the goals they were judged by."""
    primary, extra = world.goal("Book"), world.goal("Greet", Kind.SECONDARY)
    for name, agent_id, days, first, second in (
        ("a", "ann", 0, ACHIEVED, ACHIEVED),
        ("b", "bob", 0, PARTIAL, ACHIEVED),
        ("c", "ann", 1, NOT, PARTIAL),
    ):
        row = world.conversation(name, at=NOW - days * 24 * HOUR, agent_id=agent_id)
        world.judge(world.claim(world.newest(row).id), [verdict(primary, first), verdict(extra, second)])
    world.conversation("waiting", agent_id="ann")
    return {"primary": primary, "extra": extra}


def daily(world: World, wanted: RateFilter) -> dict[date, Tally]:
    with world.database.reading() as session:
        return reports.daily(session, world.project.id, wanted)


def by_goal(world: World, *shown: CurrentGoal, wanted: RateFilter | None = None) -> list[Mapping[date, Tally]]:
    with world.database.reading() as session:
        found = reports.by_goal(session, world.project, wanted or RateFilter(), shown)
    return [one.days for one in found]


def total(world: World, wanted: RateFilter) -> Tally:
    return sum(daily(world, wanted).values(), Tally())


def test_each_day_has_its_verdicts_and_conversations(world: World, named: dict[str, CurrentGoal]) -> None:
    assert named
    assert daily(world, RateFilter(kind=Kind.PRIMARY)) == {
        YESTERDAY: Tally(Counts(not_achieved=1), 1),
        TODAY: Tally(Counts(achieved=1, partial=1), 3),
    }


def test_a_rate_can_be_narrowed(world: World, named: dict[str, CurrentGoal]) -> None:
    assert named
    primary = RateFilter(kind=Kind.PRIMARY)
    assert total(world, primary) == Tally(Counts(1, 1, 1), 4)
    assert total(world, RateFilter(kind=Kind.SECONDARY)) == Tally(Counts(2, 1, 0), 4, comparable=False)
    assert total(world, RateFilter(kind=Kind.PRIMARY, agent_id="ann")) == Tally(Counts(1, 0, 1), 3)
    assert total(world, RateFilter(kind=Kind.PRIMARY, first_day=TODAY)) == Tally(Counts(1, 1, 0), 3)
    assert total(world, RateFilter(kind=Kind.PRIMARY, last_day=YESTERDAY)) == Tally(Counts(0, 0, 1), 1)
    assert total(world, RateFilter(kind=Kind.PRIMARY, agent_id="nobody")) == Tally()


def test_a_project_sees_its_own_rates_only(world: World, named: dict[str, CurrentGoal]) -> None:
    assert named
    other = World(world.database, a_project(world.database, "other"))
    assert daily(other, RateFilter()) == {}


def test_each_goal_has_its_days_and_the_agents_are_known(world: World, named: dict[str, CurrentGoal]) -> None:
    assert by_goal(world, named["primary"], named["extra"]) == [
        {YESTERDAY: Tally(Counts(not_achieved=1), 1), TODAY: Tally(Counts(achieved=1, partial=1), 3)},
        {YESTERDAY: Tally(Counts(partial=1), 1), TODAY: Tally(Counts(achieved=2), 3)},
    ]
    with world.database.reading() as session:
        assert reports.agents(session, world.project.id) == ["ann", "bob"]


def test_a_goal_can_be_narrowed(world: World, named: dict[str, CurrentGoal]) -> None:
    extra = named["extra"]
    assert by_goal(world, extra, wanted=RateFilter(agent_id="bob")) == [{TODAY: Tally(Counts(1), 1)}]
    assert by_goal(world, extra, wanted=RateFilter(last_day=YESTERDAY)) == [{YESTERDAY: Tally(Counts(0, 1), 1)}]
    [days] = by_goal(world, extra, wanted=RateFilter(kind=Kind.PRIMARY))
    assert sum(days.values(), Tally()) == Tally(Counts(), 4)


def test_a_goal_of_one_agent_has_that_agents_conversations_and_is_none_of_the_others(
    world: World, named: dict[str, CurrentGoal]
) -> None:
    assert named
    own = world.goal("Hand over", Kind.SECONDARY, "bob")
    assert by_goal(world, own) == [{TODAY: Tally(Counts(), 1)}]
    assert by_goal(world, own, wanted=RateFilter(agent_id="ann")) == []


def test_a_goal_is_summed_over_its_revisions(world: World, named: dict[str, CurrentGoal]) -> None:
    with world.database.transaction() as session:
        goals.edit(session, world.project.id, named["primary"].id, GoalEdit(name="Book it"), NOW)
    with world.database.reading() as session:
        reworded = goals.get(session, world.project.id, named["primary"].id)
    row = world.conversation("d")
    world.judge(world.claim(world.newest(row).id), [verdict(reworded)])
    for wanted, counts in ((RateFilter(), Counts(2, 1, 1)), (RateFilter(revision=2), Counts(achieved=1))):
        [days] = by_goal(world, reworded, wanted=wanted)
        assert sum(days.values(), Tally()) == Tally(counts, 5)


def test_a_models_verdicts_are_found_as_long_as_they_count(world: World, named: dict[str, CurrentGoal]) -> None:
    def judged(model: str = EFFORT.model, **wanted: Any) -> bool:
        with world.database.reading() as session:
            return reports.any_judged_by(session, world.project, RateFilter(**wanted), model)

    assert judged()
    assert not judged("another-model")
    assert judged(agent_id="bob", first_day=TODAY, last_day=TODAY)
    assert not judged(agent_id="bob", last_day=YESTERDAY)
    assert not judged(first_day=TODAY + timedelta(days=1))
    for row in world.rows(Conversation):
        if row.conversation_id != "waiting":
            world.judge(world.claim(world.queued(row, 2)), [verdict(named["primary"])], model="another-model")
    assert not judged()
    assert judged("another-model")


def test_what_was_deleted_is_reported_no_more(world: World, named: dict[str, CurrentGoal]) -> None:
    assert named
    for name in ("a", "b", "c", "waiting"):
        with world.database.transaction() as session:
            conversations.remove(session, world.project.id, name)
    assert daily(world, RateFilter()) == {}
    assert by_goal(world, *named.values()) == [{}, {}]
    with world.database.reading() as session:
        assert reports.agents(session, world.project.id) == []


def test_a_series_has_an_entry_for_every_interval_and_loses_nothing() -> None:
    days = {date(2026, 10, 31): Tally(Counts(1), 1), date(2026, 12, 2): Tally(Counts(0, 1), 2)}
    by_month = reports.series(days, Interval.MONTH, date(2026, 10, 15), date(2026, 12, 3))
    assert by_month == [
        (date(2026, 10, 1), Tally(Counts(1), 1)),
        (date(2026, 11, 1), Tally()),
        (date(2026, 12, 1), Tally(Counts(0, 1), 2)),
    ]
    for interval in Interval:
        entries = reports.series(days, interval, min(days), max(days))
        assert sum((tally for _, tally in entries), Tally()) == Tally(Counts(1, 1), 3)
        assert entries[0][0] <= min(days)
        assert entries[-1][0] + timedelta(days=32) > max(days)
