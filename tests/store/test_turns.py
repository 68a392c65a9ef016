"""Turns: which projects wait, whose oldest evaluation is taken, and what a worker that ends hands back."""

from uuid import UUID

from goalline.domain.evaluation import SUSPECT_AFTER, Reason, Status
from goalline.store import projects
from goalline.store.conversations import claims, recovery, turns
from goalline.store.conversations.claims import Claim
from goalline.store.tables import Evaluation, table
from tests.store.world import EFFORT, HOUR, LEASE, MINUTE, NOW, SECOND, World, at_once


def oldest(world: World, *, suspects: bool = False) -> Claim | None:
    with world.database.transaction() as session:
        return claims.claim_oldest(session, world.project.id, NOW + HOUR, NOW + HOUR + LEASE, suspects=suspects)


def waiting(world: World) -> list[UUID]:
    with world.database.reading() as session:
        return list(turns.waiting(session, NOW + SECOND))


def others(world: World, number: int) -> list[World]:
    made = []
    for name in range(number):
        with world.database.transaction() as session:
            made.append(World(world.database, projects.create(session, f"other-{name}", "UTC", NOW)))
    return made


def interrupt(world: World, evaluation_id: UUID, times: int) -> None:
    for number in range(1, times + 1):
        world.claim(evaluation_id, NOW + number * MINUTE)
        with world.database.transaction() as session:
            assert recovery.recover(session, NOW + number * MINUTE + LEASE, 100).ringing == [evaluation_id]


def test_the_projects_that_wait_are_those_with_an_evaluation_that_is_due(world: World) -> None:
    busy, idle, patient, done = others(world, 4)
    for name in ("call-1", "call-2"):
        world.conversation(name)
    busy.conversation()
    patient_claim = patient.claim(patient.newest(patient.conversation()).id)
    done.claim(done.newest(done.conversation()).id)
    with world.database.transaction() as session:
        claims.release(session, patient_claim, NOW + HOUR, Reason.UNAVAILABLE, EFFORT)
    assert sorted(waiting(world)) == sorted([world.project.id, busy.project.id])
    assert idle.project.id not in waiting(world)


def test_nobody_waits_where_nothing_is_queued(world: World) -> None:
    assert waiting(world) == []


def test_the_oldest_evaluation_of_a_project_is_taken_first(world: World) -> None:
    late, early = (world.newest(world.conversation(name, at)) for name, at in (("late", NOW), ("early", NOW - MINUTE)))
    (other,) = others(world, 1)
    other.conversation("earliest", NOW - HOUR)
    taken = [oldest(world), oldest(world), oldest(world)]
    assert [claim and claim.evaluation_id for claim in taken] == [early.id, late.id, None]


def test_sixteen_threads_take_sixteen_evaluations(world: World) -> None:
    wanted = {world.newest(world.conversation(f"call-{number}")).id for number in range(16)}
    taken = at_once(*[lambda: oldest(world)] * 16)
    assert {claim.evaluation_id for claim in taken if claim} == wanted


def test_a_suspect_is_taken_by_those_alone_who_take_suspects(world: World) -> None:
    row = world.newest(world.conversation())
    interrupt(world, row.id, SUSPECT_AFTER)
    assert oldest(world, suspects=False) is None
    with world.database.transaction() as session:
        assert claims.claim(session, row.id, NOW + HOUR, NOW + HOUR + LEASE, suspects=False) is None
    claim = oldest(world, suspects=True)
    assert claim
    assert claim.suspect


def test_with_suspects_no_others_are_taken(world: World) -> None:
    world.conversation()
    assert oldest(world, suspects=True) is None


def test_whoever_hands_an_evaluation_back_for_later_has_survived_it(world: World) -> None:
    row = world.newest(world.conversation())
    interrupt(world, row.id, SUSPECT_AFTER)
    claim = oldest(world, suspects=True)
    assert claim
    with world.database.transaction() as session:
        claims.release(session, claim, NOW + HOUR, Reason.UNAVAILABLE, EFFORT)
    assert world.evaluation(row.id).interruptions == 0


def test_one_interruption_makes_no_suspect(world: World) -> None:
    row = world.newest(world.conversation())
    interrupt(world, row.id, SUSPECT_AFTER - 1)
    claim = oldest(world, suspects=False)
    assert claim
    assert not claim.suspect


def test_what_is_handed_back_waits_as_if_nobody_had_taken_it(world: World) -> None:
    row = world.newest(world.conversation())
    claim = world.claim(row.id)
    with world.database.transaction() as session:
        assert claims.hand_back(session, [claim], NOW + SECOND) == [row.id]
    found = world.evaluation(row.id)
    assert (found.status, found.interruptions, found.ring_at) == (Status.QUEUED, 0, NOW + SECOND)
    assert world.claim(row.id, NOW + SECOND).attempts == 2


def test_who_has_handed_an_evaluation_back_cannot_end_it_any_more(world: World) -> None:
    row = world.newest(world.conversation())
    claim = world.claim(row.id)
    with world.database.transaction() as session:
        claims.hand_back(session, [claim], NOW)
    world.claim(row.id)
    with world.database.transaction() as session:
        assert not claims.finish(session, claim, Status.FAILED, NOW, reason=Reason.REFUSED)


def test_what_has_ended_or_belongs_to_somebody_else_is_not_handed_back(world: World) -> None:
    ended, lost = (world.newest(world.conversation(name)) for name in ("ended", "lost"))
    held = [world.claim(ended.id), world.claim(lost.id)]
    with world.database.transaction() as session:
        claims.finish(session, held[0], Status.FAILED, NOW, reason=Reason.REFUSED)
        recovery.recover(session, NOW + LEASE, 100)
    world.claim(lost.id, NOW + LEASE)
    with world.database.transaction() as session:
        assert claims.hand_back(session, held, NOW) == []
    assert (world.evaluation(ended.id).status, world.evaluation(lost.id).status) == (Status.FAILED, Status.RUNNING)


def test_a_lost_lease_says_when_it_was_missed(world: World) -> None:
    row = world.newest(world.conversation())
    interrupt(world, row.id, 1)
    said = world.evaluation(row.id).last_error
    assert said
    assert "2026-11-21T12:03:00Z" in said
    assert table(Evaluation).c.last_error.nullable
