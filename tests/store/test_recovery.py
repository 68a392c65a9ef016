"""Recovery: what nobody heard and whose worker died rings again, once, however many look for it."""

from datetime import timedelta
from uuid import UUID

from goalline.domain.evaluation import MOST_INTERRUPTIONS, Reason, Status
from goalline.store.conversations import claims, recovery
from tests.store.world import EFFORT, HOUR, LEASE, MINUTE, NOW, SECOND, World, at_once


def recover(world: World, after: timedelta, limit: int = 100) -> list[UUID]:
    with world.database.transaction() as session:
        return recovery.recover(session, NOW + after, limit).ringing


def test_a_queued_evaluation_that_nobody_takes_rings_again_ever_less_often(world: World) -> None:
    evaluation = world.newest(world.conversation())
    rung = [second for second in range(0, 2_400, 5) if recover(world, second * SECOND) == [evaluation.id]]
    assert rung == [60, 120, 240, 480, 960, 1_560, 2_160]


def test_a_running_evaluation_whose_lease_ran_out_goes_back_to_the_queue(world: World) -> None:
    evaluation = world.newest(world.conversation())
    world.claim(evaluation.id)
    assert recover(world, LEASE - SECOND) == []
    assert world.evaluation(evaluation.id).status is Status.RUNNING
    assert recover(world, LEASE) == [evaluation.id]
    row = world.evaluation(evaluation.id)
    assert (row.status, row.attempts) == (Status.QUEUED, 1)
    assert world.claim(evaluation.id, NOW + LEASE).attempts == 2


def test_an_evaluation_over_which_workers_keep_dying_is_given_up(world: World) -> None:
    evaluation = world.newest(world.conversation())
    for number in range(1, MOST_INTERRUPTIONS + 1):
        world.claim(evaluation.id, NOW + number * HOUR)
        found = recover(world, number * HOUR + LEASE)
        assert found == ([] if number == MOST_INTERRUPTIONS else [evaluation.id])
    row = world.evaluation(evaluation.id)
    assert (row.status, row.reason, row.interruptions) == (Status.FAILED, Reason.POISON, MOST_INTERRUPTIONS)
    assert row.finished_at == NOW + MOST_INTERRUPTIONS * HOUR + LEASE
    assert recover(world, 1_000 * HOUR) == []


def test_an_evaluation_that_is_released_again_and_again_is_not_taken_for_a_killer(world: World) -> None:
    evaluation = world.newest(world.conversation())
    for number in range(MOST_INTERRUPTIONS + 3):
        with world.database.transaction() as session:
            claim = claims.claim(session, evaluation.id, NOW + number * HOUR, NOW + number * HOUR + LEASE)
            assert claim is not None
            claims.release(session, claim, NOW + (number + 1) * HOUR, Reason.UNAVAILABLE, EFFORT)
        assert recover(world, (number + 1) * HOUR) == [evaluation.id]
    assert world.evaluation(evaluation.id).interruptions == 0


def test_a_released_evaluation_rings_when_it_is_due(world: World) -> None:
    evaluation = world.newest(world.conversation())
    with world.database.transaction() as session:
        claim = claims.claim(session, evaluation.id, NOW, NOW + LEASE)
        assert claim is not None
        claims.release(session, claim, NOW + HOUR, Reason.UNAVAILABLE, EFFORT)
    assert recover(world, HOUR - SECOND) == []
    assert recover(world, HOUR) == [evaluation.id]


def test_an_evaluation_that_has_ended_never_rings_again(world: World) -> None:
    world.judge(world.claim(world.newest(world.conversation()).id), [])
    assert recover(world, 1_000 * HOUR) == []


def test_a_sweep_takes_no_more_than_its_limit_and_those_that_wait_longest_first(world: World) -> None:
    made = [world.newest(world.conversation(f"call-{number}", at=NOW - number * SECOND)).id for number in range(5)]
    assert recover(world, MINUTE, limit=2) == made[:2:-1]
    assert recover(world, MINUTE, limit=9) == made[2::-1]


def test_sweepers_share_what_is_lost(world: World) -> None:
    made = {world.newest(world.conversation(f"call-{number}")).id for number in range(30)}
    found = at_once(*[lambda: recover(world, MINUTE, limit=12)] * 4)
    rung = [evaluation_id for part in found for evaluation_id in part]
    assert len(rung) == len(set(rung))
    # A sweeper leaves alone what another one looks at; what is left then is there for the next.
    rung += recover(world, MINUTE)
    assert sorted(rung) == sorted(made)


def test_a_sweeper_does_not_wait_for_rows_that_another_one_holds(postgres_world: World) -> None:
    world = postgres_world
    evaluation = world.newest(world.conversation())
    with world.database.transaction() as session:
        assert recovery.recover(session, NOW + MINUTE, 100).ringing == [evaluation.id]
        assert at_once(lambda: recover(world, MINUTE), seconds=10) == [[]]


def test_after_the_bell_lost_its_memory_everything_due_rings_at_once(world: World) -> None:
    fresh = world.newest(world.conversation("fresh"))
    running = world.newest(world.conversation("running"))
    waiting = world.newest(world.conversation("waiting"))
    world.claim(running.id)
    with world.database.transaction() as session:
        claim = claims.claim(session, waiting.id, NOW, NOW + LEASE)
        assert claim is not None
        claims.release(session, claim, NOW + HOUR, Reason.UNAVAILABLE, EFFORT)
        recovery.forget_bells(session, NOW + SECOND)
    assert recover(world, SECOND) == [fresh.id]
