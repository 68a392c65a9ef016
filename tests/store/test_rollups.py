"""Rollups: whatever happens, in whatever order, they say what a recount finds."""

from collections.abc import Iterable

import pytest
import sqlalchemy as sa
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlmodel import Session

from goalline.domain.goal import Kind
from goalline.domain.rates import Counts
from goalline.domain.verdict import Outcome
from goalline.store import rollups
from goalline.store.rollups import ConversationPlace, VerdictPlace
from goalline.store.tables import ConversationRollup, VerdictRollup, table
from tests.store.rollup_model import Lives, recount, stored
from tests.store.world import World, a_project, day_of, verdict

# A failing life is not shortened: that would play hundreds of others first.
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]


def lives_in(here: World) -> type[Lives]:
    class LivesHere(Lives):
        world = here

    return LivesHere


def test_rollups_equal_a_recount_whatever_happens_on_sqlite(sqlite_world: World) -> None:
    run_state_machine_as_test(
        lives_in(sqlite_world), settings=settings(max_examples=40, stateful_step_count=30, phases=PHASES)
    )


def test_rollups_equal_a_recount_whatever_happens_on_postgresql(postgres_world: World) -> None:
    run_state_machine_as_test(
        lives_in(postgres_world), settings=settings(max_examples=10, stateful_step_count=30, phases=PHASES)
    )


@pytest.fixture
def counted(world: World) -> World:
    """A world with two judged conversations."""
    primary, extra = world.goal("Book"), world.goal("Greet", Kind.SECONDARY)
    for number, outcome in enumerate((Outcome.ACHIEVED, Outcome.PARTIAL)):
        row = world.conversation(f"call-{number}")
        world.judge(world.claim(world.newest(row).id), [verdict(primary, outcome), verdict(extra)])
    assert world.differences() == []
    return world


@pytest.mark.parametrize(
    "damage",
    [
        sa.update(table(VerdictRollup)).values(achieved=VerdictRollup.achieved + 1),
        sa.delete(table(VerdictRollup)).where(table(VerdictRollup).c.kind == Kind.PRIMARY),
        sa.update(table(ConversationRollup)).values(conversations=1),
        sa.delete(table(ConversationRollup)),
    ],
    ids=["too many", "missing", "wrong number", "no conversations"],
)
def test_damage_shows_as_a_difference_and_a_rebuild_mends_it(counted: World, damage: sa.Executable) -> None:
    with counted.database.transaction() as session:
        session.execute(damage)
    assert counted.differences() != []
    with counted.database.transaction() as session:
        rollups.rebuild(session)
    assert counted.differences() == []
    assert stored(counted) == recount(counted)


def test_a_difference_says_where_and_how_much(counted: World) -> None:
    with counted.database.transaction() as session:
        session.execute(sa.update(table(ConversationRollup)).values(conversations=7))
        session.execute(sa.delete(table(VerdictRollup)).where(table(VerdictRollup).c.kind == Kind.PRIMARY))
    about_verdicts, about_conversations = counted.differences()
    assert isinstance(about_verdicts.place, VerdictPlace)
    assert about_verdicts.place.kind is Kind.PRIMARY
    assert (about_verdicts.stored, about_verdicts.recounted) == (Counts(), Counts(achieved=1, partial=1))
    place = ConversationPlace(counted.project.id, day_of(counted), "ann")
    assert about_conversations == rollups.Difference(place, 7, 2)


def test_a_rebuild_changes_nothing_where_all_is_right_and_says_how_much_there_is(counted: World) -> None:
    before = stored(counted)
    with counted.database.transaction() as session:
        assert rollups.rebuild(session) == 3
    assert stored(counted) == before


def test_projects_are_counted_apart(counted: World) -> None:
    other = World(counted.database, a_project(counted.database, "other"))
    row = other.conversation("call-1")
    other.judge(other.claim(other.newest(row).id), [verdict(other.goal())])
    per_project = {(row.project_id, row.conversations) for row in other.rows(ConversationRollup)}
    assert per_project == {(counted.project.id, 2), (other.project.id, 1)}
    assert counted.differences() == []


def test_what_a_judgement_adds_and_takes_back_is_counted_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # Rows are locked in one order only by those that are counted at once.
    one, other = world.goal("One", Kind.SECONDARY), world.goal("Other", Kind.SECONDARY)
    row = world.conversation()
    world.judge(world.claim(world.newest(row).id), [verdict(one)])
    count, changed = rollups.count_verdicts, []

    def count_and_tell(session: Session, changes: Iterable[tuple[VerdictPlace, Counts]]) -> None:
        changed.append([(place.goal_id, counts) for place, counts in changes])
        count(session, changes)

    monkeypatch.setattr(rollups, "count_verdicts", count_and_tell)
    world.judge(world.claim(world.queued(row, 2)), [verdict(other)])
    assert changed == [[(one.id, Counts(-1)), (other.id, Counts(1))]]
