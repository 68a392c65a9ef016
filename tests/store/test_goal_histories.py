"""Histories: whatever an admin does, the goals in force at any time are those that a replay finds."""

from collections.abc import Callable
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from sqlmodel import Session

from goalline.domain.goal import GoalEdit, Kind, goals_in_force
from goalline.domain.refusal import Conflict
from goalline.store.goals import goals, histories
from tests.domain.steps import FLIGHT_STEPS
from tests.domain.timeline import AGENTS, TICK, TIMELINES, Act, Event, Timeline, telling_times
from tests.store.world import NOW, World, draft


def perform(session: Session, project_id: UUID, event: Event, ids: list[UUID]) -> None:
    step = event.step
    if step.act is Act.CREATE:
        wanted = draft(step.name, step.kind, step.agent_id, judged=step.judged, steps=FLIGHT_STEPS)
        ids.append(goals.create(session, project_id, wanted, event.at).id)
        return
    change = GoalEdit(name=step.name, kind=step.kind, judged=step.judged)
    acts: dict[Act, Callable[[], object]] = {
        Act.EDIT: lambda: goals.edit(session, project_id, ids[event.goal], change, event.at),
        Act.ARCHIVE: lambda: goals.archive(session, project_id, ids[event.goal], event.at),
        Act.RESTORE: lambda: goals.restore(session, project_id, ids[event.goal], event.at),
    }
    acts[step.act]()


def check(world: World, timeline: Timeline) -> None:
    world.wipe()
    ids: list[UUID] = []
    for event in timeline.events:
        refused = False
        try:
            with world.database.transaction() as session:
                perform(session, world.project.id, event, ids)
        except Conflict:
            refused = True
        assert refused == event.refused, event
    for agent_id in AGENTS:
        with world.database.reading() as session:
            known = histories.histories(session, world.project.id, agent_id)
        for at in telling_times(timeline):
            found = goals_in_force(known, agent_id, at)
            # Goals made in one moment have no order but that of their ids.
            assert sorted((goal.kind, ids.index(goal.goal_id), goal.revision, goal.name) for goal in found) == sorted(
                (kind, number, revision, name) for number, revision, name, kind in timeline.in_force(agent_id, at)
            )


@given(TIMELINES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_stored_histories_tell_which_goals_were_in_force_on_sqlite(sqlite_world: World, timeline: Timeline) -> None:
    check(sqlite_world, timeline)


@given(TIMELINES)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_stored_histories_tell_which_goals_were_in_force_on_postgresql(
    postgres_world: World, timeline: Timeline
) -> None:
    check(postgres_world, timeline)


def test_two_servers_whose_clocks_differ_never_make_two_primary_goals_of_one_moment(world: World) -> None:
    first = world.goal("First")
    with world.database.transaction() as session:
        goals.archive(session, world.project.id, first.id, NOW)
    # Its clock is a little behind, but this happens after the other.
    world.goal("Second", at=NOW - TICK)
    with world.database.reading() as session:
        known = histories.histories(session, world.project.id, "ann")
    for at in (NOW - TICK, NOW - TICK / 2, NOW, NOW + TICK):
        found = goals_in_force(known, "ann", at)
        assert [goal.kind for goal in found].count(Kind.PRIMARY) == 1, at
