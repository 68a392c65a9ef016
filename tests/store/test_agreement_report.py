"""The report on agreement: verdicts against cycles, and the conversations of each cell, on both databases."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goalline import upkeep
from goalline.domain.agreement import OUTCOME_OF, Cell, Comparison
from goalline.domain.cycle import CycleState
from goalline.domain.goal import GoalEdit, Kind
from goalline.domain.verdict import Outcome
from goalline.store.conversations import conversations
from goalline.store.goals import goals
from goalline.store.goals.goals import CurrentGoal
from goalline.store.reports import agreement
from goalline.store.reports.agreement import AgreementFilter
from goalline.store.tables import Conversation
from tests.domain.tracked import STEPS
from tests.store.tracking import flight, step, track
from tests.store.world import NOW, World, a_project, verdict

A, P, N = Outcome
COMPLETED, PARTIAL, INCOMPLETE = OUTCOME_OF
EVERYTHING = AgreementFilter()
REACHED = {INCOMPLETE: ("start",), PARTIAL: ("start", "details"), COMPLETED: ("start", "confirmed")}
CELLS: list[Cell] = [(outcome, state) for outcome in (*Outcome, None) for state in (*OUTCOME_OF, None)]


def call(
    world: World,
    name: str,
    goal: CurrentGoal,
    outcome: Outcome | None,
    *states: CycleState,
    at: datetime = NOW,
    **more: object,
) -> None:
    """Store a call that ended, with a verdict for a goal unless it is None, and with cycles of these states."""
    row = world.conversation(name, at, **more)
    if outcome is not None:
        world.judge(world.claim(world.newest(row).id, at), [verdict(goal, outcome)], at)
    seconds = iter(range(100))
    events = [step(key, next(seconds), name, str(goal.id)) for state in states for key in REACHED[state]]
    assert not track(world, *events).rejected


def compared(world: World, goal: CurrentGoal, wanted: AgreementFilter = EVERYTHING) -> Comparison:
    with world.database.snapshot() as session:
        [(_, found)] = agreement.by_goal(session, world.project.id, wanted, [goal])
    return found


def cells(world: World, goal: CurrentGoal, wanted: AgreementFilter = EVERYTHING) -> dict[Cell, int]:
    return dict(compared(world, goal, wanted).cells)


def listed(
    world: World,
    goal: CurrentGoal,
    cell: Cell,
    wanted: AgreementFilter = EVERYTHING,
    after: tuple[datetime, UUID] | None = None,
    limit: int = 100,
) -> list[agreement.Compared]:
    with world.database.snapshot() as session:
        return agreement.page(session, world.project.id, wanted, goal.id, cell, after=after, limit=limit)


def names(world: World, goal: CurrentGoal, cell: Cell, wanted: AgreementFilter = EVERYTHING) -> list[str]:
    return [row.conversation_id for row in listed(world, goal, cell, wanted)]


def test_a_verdict_is_compared_with_the_cycle_of_the_same_conversation(world: World) -> None:
    goal = flight(world)
    call(world, "a", goal, A, COMPLETED)
    call(world, "b", goal, A, PARTIAL)
    call(world, "c", goal, N, INCOMPLETE)
    found = compared(world, goal)
    assert dict(found.cells) == {(A, COMPLETED): 1, (A, PARTIAL): 1, (N, INCOMPLETE): 1}
    assert (found.compared, found.agreeing) == (3, 2)


def test_of_several_cycles_the_one_that_came_furthest_counts(world: World) -> None:
    goal = flight(world)
    call(world, "a", goal, A, COMPLETED, INCOMPLETE)
    call(world, "b", goal, P, INCOMPLETE, PARTIAL, INCOMPLETE)
    assert cells(world, goal) == {(A, COMPLETED): 1, (P, PARTIAL): 1}


def test_a_conversation_without_a_cycle_is_a_cell_of_its_own(world: World) -> None:
    goal = flight(world)
    call(world, "a", goal, A)
    assert cells(world, goal) == {(A, None): 1}
    assert names(world, goal, (A, None)) == ["a"]


def test_a_conversation_with_a_cycle_and_no_verdict_is_counted_apart(world: World) -> None:
    goal = flight(world)
    call(world, "a", goal, None, COMPLETED, PARTIAL)
    assert cells(world, goal) == {(None, COMPLETED): 1}
    assert names(world, goal, (None, COMPLETED)) == ["a"]


def test_a_conversation_that_has_not_ended_is_in_no_cell(world: World) -> None:
    goal = flight(world)
    track(world, step("start"))
    assert cells(world, goal) == {}


def test_the_cycle_of_another_goal_is_none_of_this_one(world: World) -> None:
    goal, other = flight(world), flight(world, "Hotel", kind=Kind.SECONDARY)
    call(world, "a", goal, A)
    track(world, step("start", call="a", goal="Hotel"))
    assert (cells(world, goal), cells(world, other)) == ({(A, None): 1}, {(None, INCOMPLETE): 1})


def test_only_the_verdict_that_counts_is_compared(world: World) -> None:
    goal = flight(world)
    call(world, "a", goal, A, COMPLETED)
    [row] = world.rows(Conversation)
    again = world.queued(row, 2)
    with world.database.transaction() as session:
        conversations.get(session, row.project_id, row.id, lock=True)
        session.connection().exec_driver_sql("UPDATE conversation SET evaluations = 2")
    world.judge(world.claim(again), [verdict(goal, N)])
    assert cells(world, goal) == {(N, COMPLETED): 1}


def test_conversations_belong_to_the_local_day_of_their_end(world: World) -> None:
    goal = flight(world)
    midnight = datetime(2026, 11, 19, 23, 0, tzinfo=UTC)
    call(world, "a", goal, A, at=midnight - timedelta(seconds=1))
    call(world, "b", goal, N, at=midnight)
    first, last = AgreementFilter(first_day=date(2026, 11, 20)), AgreementFilter(last_day=date(2026, 11, 19))
    assert (cells(world, goal, first), cells(world, goal, last)) == ({(N, None): 1}, {(A, None): 1})
    assert (names(world, goal, (A, None), first), names(world, goal, (A, None), last)) == ([], ["a"])


def test_conversations_are_those_of_the_agent_that_is_asked_for(world: World) -> None:
    goal = flight(world)
    call(world, "a", goal, A, COMPLETED, agent_id="ann")
    call(world, "b", goal, None, PARTIAL, agent_id="bob")
    assert cells(world, goal, AgreementFilter(agent_id="bob")) == {(None, PARTIAL): 1}
    assert names(world, goal, (A, COMPLETED), AgreementFilter(agent_id="bob")) == []


def reworded(world: World, goal: CurrentGoal, **change: object) -> CurrentGoal:
    with world.database.transaction() as session:
        return goals.edit(session, world.project.id, goal.id, GoalEdit.model_validate(change), NOW)


def test_a_revision_has_the_verdicts_on_it_and_nothing_without_a_verdict(world: World) -> None:
    goal = flight(world)
    call(world, "a", goal, A, COMPLETED)
    newer = reworded(world, goal, description="Another wording.")
    call(world, "b", newer, N, COMPLETED)
    call(world, "c", newer, None, COMPLETED)
    assert cells(world, goal, AgreementFilter(revision=2)) == {(N, COMPLETED): 1}
    assert names(world, goal, (N, COMPLETED), AgreementFilter(revision=2)) == ["b"]
    assert cells(world, goal) == {(A, COMPLETED): 1, (N, COMPLETED): 1, (None, COMPLETED): 1}


def test_a_verdict_on_a_wording_without_steps_misses_no_cycle(world: World) -> None:
    goal = world.goal("Flight")
    call(world, "a", goal, A)
    tracked = reworded(world, goal, steps=[one.model_dump() for one in STEPS])
    call(world, "b", tracked, A)
    assert cells(world, goal) == {(A, None): 1}
    assert names(world, goal, (A, None)) == ["b"]


def test_an_erased_conversation_is_still_counted_and_listed(world: World) -> None:
    goal = flight(world)
    call(world, "a", goal, A, PARTIAL, contact_id="mia")
    upkeep.erase(world.database, world.project.id, "mia", NOW)
    assert cells(world, goal) == {(A, PARTIAL): 1}
    assert names(world, goal, (A, PARTIAL)) == ["a"]


def test_a_list_is_the_same_on_small_pages_the_newest_first(world: World) -> None:
    goal = flight(world)
    for number in range(5):
        # Two of them end at the same moment.
        call(world, f"call-{number}", goal, A, COMPLETED, at=NOW - timedelta(minutes=number // 2))
    whole, pages, after = listed(world, goal, (A, COMPLETED)), [], None
    while page := listed(world, goal, (A, COMPLETED), after=after, limit=2):
        pages.append(page)
        after = page[-1].ended_at, page[-1].id
    assert ([len(page) for page in pages], [row for page in pages for row in page]) == ([2, 2, 1], whole)
    assert whole == sorted(whole, key=lambda row: (row.ended_at, row.id), reverse=True)


def test_another_project_sees_nothing_of_a_goal_that_is_not_its_own(world: World) -> None:
    goal = flight(world)
    call(world, "a", goal, A, COMPLETED)
    other = replace(world, project=a_project(world.database, "other"))
    assert (cells(other, goal), names(other, goal, (A, COMPLETED))) == ({}, [])


def try_any_calls(world: World, examples: int) -> None:
    outcomes, states = st.sampled_from([*Outcome, None]), st.lists(st.sampled_from(list(OUTCOME_OF)), max_size=3)
    one = st.tuples(outcomes, states, st.sampled_from(["ann", "bob"]), st.integers(0, 2))
    filters = st.builds(
        AgreementFilter,
        agent_id=st.sampled_from([None, "ann"]),
        first_day=st.sampled_from([None, date(2026, 11, 20)]),
        last_day=st.sampled_from([None, date(2026, 11, 20)]),
    )

    @settings(max_examples=examples, suppress_health_check=[HealthCheck.too_slow])
    @given(happened=st.lists(one, max_size=6), wanted=filters)
    def any_calls(happened: list[tuple[Outcome | None, list[CycleState], str, int]], wanted: AgreementFilter) -> None:
        world.wipe()
        goal, expected = flight(world), Counter[Cell]()
        for number, (outcome, cycles, agent_id, days) in enumerate(happened):
            at = NOW - timedelta(days=days)
            call(world, f"call-{number}", goal, outcome, *cycles, at=at, agent_id=agent_id)
            best = max(cycles, key=[INCOMPLETE, PARTIAL, COMPLETED].index, default=None)
            inside = (wanted.first_day or date.min) <= at.date() <= (wanted.last_day or date.max)
            if (outcome or best) and inside and wanted.agent_id in (None, agent_id):
                expected[outcome, best] += 1
        assert cells(world, goal, wanted) == dict(expected)
        for cell in CELLS[:-1]:
            assert len(set(names(world, goal, cell, wanted))) == expected[cell]

    any_calls()


def test_every_cell_counts_those_that_are_listed_in_it_on_sqlite(sqlite_world: World) -> None:
    try_any_calls(sqlite_world, 40)


def test_every_cell_counts_those_that_are_listed_in_it_on_postgresql(postgres_world: World) -> None:
    try_any_calls(postgres_world, 10)
