"""Evaluations: claimed once, fenced by their attempts, their usage added up, their verdicts in place of older ones."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from goalline.domain.evaluation import Effort, Reason, Status, Usage
from goalline.domain.verdict import Outcome
from goalline.store.conversations import claims, evaluations, recovery
from goalline.store.conversations.claims import Claim
from goalline.store.tables import Evaluation
from goalline.store.tables import Verdict as VerdictRow
from tests.store.world import EFFORT, HOUR, LEASE, MINUTE, NOW, SECOND, World, at_once, verdict


def try_claim(world: World, evaluation: Evaluation, after: timedelta = SECOND) -> Claim | None:
    with world.database.transaction() as session:
        return claims.claim(session, evaluation.id, NOW + after, NOW + after + LEASE)


def release(world: World, claim: Claim, effort: Effort = EFFORT) -> bool:
    with world.database.transaction() as session:
        return claims.release(session, claim, NOW + HOUR, Reason.UNAVAILABLE, effort)


def finish(world: World, claim: Claim, effort: Effort | None = EFFORT) -> bool:
    with world.database.transaction() as session:
        return claims.finish(session, claim, Status.FAILED, NOW, reason=Reason.REFUSED, effort=effort)


def recover(world: World, after: timedelta) -> Sequence[object]:
    with world.database.transaction() as session:
        return recovery.recover(session, NOW + after, 100).ringing


def test_a_queued_evaluation_is_claimed_once_among_sixteen_threads(world: World) -> None:
    evaluation = world.newest(world.conversation())
    claims = [claim for claim in at_once(*[lambda: try_claim(world, evaluation)] * 16) if claim]
    (claim,) = claims
    assert (claim.evaluation_id, claim.conversation_id) == (evaluation.id, evaluation.conversation_id)
    assert (claim.attempts, claim.tried_since) == (1, NOW + SECOND)
    row = world.evaluation(evaluation.id)
    assert (row.status, row.attempts, row.ring_at) == (Status.RUNNING, 1, NOW + SECOND + LEASE)


def test_an_evaluation_that_is_running_or_has_ended_is_not_claimed(world: World) -> None:
    evaluation = world.newest(world.conversation())
    claim = world.claim(evaluation.id)
    assert try_claim(world, evaluation, 10 * HOUR) is None
    finish(world, claim)
    assert try_claim(world, evaluation, 10 * HOUR) is None


def test_a_released_evaluation_is_not_claimed_before_it_is_due(world: World) -> None:
    evaluation = world.newest(world.conversation())
    assert release(world, world.claim(evaluation.id))
    assert try_claim(world, evaluation, HOUR - SECOND) is None
    claim = try_claim(world, evaluation, HOUR)
    assert claim is not None
    assert claim.attempts == 2


def test_a_fresh_evaluation_is_claimed_at_once_by_a_worker_whose_clock_runs_behind(world: World) -> None:
    assert try_claim(world, world.newest(world.conversation()), -SECOND) is not None


def test_a_released_evaluation_says_why_it_waits(world: World) -> None:
    evaluation = world.newest(world.conversation())
    release(world, world.claim(evaluation.id))
    row = world.evaluation(evaluation.id)
    assert (row.status, row.reason, row.due_at, row.ring_at) == (
        Status.QUEUED,
        Reason.UNAVAILABLE,
        NOW + HOUR,
        NOW + HOUR,
    )
    assert row.finished_at is None


def test_usage_and_cost_are_added_up_over_the_attempts(world: World) -> None:
    evaluation = world.newest(world.conversation())
    first = Effort("model-a", "prompt-a", Usage(2, None, 5), Decimal("0.000000001"))
    release(world, world.claim(evaluation.id), first)
    claim = try_claim(world, evaluation, HOUR)
    assert claim is not None
    finish(world, claim, Effort("model-b", "prompt-b", Usage(3, 100, 7), Decimal("0.25")))
    row = world.evaluation(evaluation.id)
    assert (row.calls, row.prompt_tokens, row.completion_tokens) == (5, 100, 12)
    assert row.cost == Decimal("0.250000001")
    assert (row.model, row.prompt_digest) == ("model-b", "prompt-b")


def test_what_is_not_known_of_usage_and_cost_stays_unknown(world: World) -> None:
    evaluation = world.newest(world.conversation())
    finish(world, world.claim(evaluation.id), Effort("model", "prompt", Usage(1)))
    row = world.evaluation(evaluation.id)
    assert (row.calls, row.prompt_tokens, row.completion_tokens, row.cost) == (1, None, None, None)


@pytest.mark.parametrize("taken_over", [False, True], ids=["back in the queue", "claimed by another"])
def test_whoever_lost_the_lease_can_change_nothing_any_more(world: World, taken_over: bool) -> None:
    evaluation = world.newest(world.conversation())
    lost = world.claim(evaluation.id)
    assert recover(world, LEASE) == [evaluation.id]
    if taken_over:
        world.claim(evaluation.id, NOW + LEASE)
    before = world.evaluation(evaluation.id)
    assert not finish(world, lost)
    assert not release(world, lost)
    assert not world.judge(lost, [verdict(world.goal())])
    with world.database.transaction() as session:
        claims.renew(session, [lost], NOW + 9 * HOUR)
    assert world.evaluation(evaluation.id) == before
    assert world.rows(VerdictRow) == []


def test_an_evaluation_is_ended_once(world: World) -> None:
    claim = world.claim(world.newest(world.conversation()).id)
    assert finish(world, claim)
    assert not finish(world, claim)
    assert not release(world, claim)


def test_only_the_attempt_that_holds_a_claim_is_renewed(world: World) -> None:
    held, other = (world.claim(world.newest(world.conversation(name)).id) for name in ("held", "other"))
    with world.database.transaction() as session:
        claims.renew(session, [held, replace(other, attempts=2)], NOW + HOUR)
    assert world.evaluation(held.evaluation_id).ring_at == NOW + HOUR
    assert world.evaluation(other.evaluation_id).ring_at == NOW + LEASE
    assert recover(world, LEASE) == [other.evaluation_id]


def counted(world: World) -> dict[tuple[int, Outcome], bool]:
    numbers = {row.id: row.number for row in world.rows(Evaluation)}
    return {(numbers[row.evaluation_id], row.outcome): row.counted for row in world.rows(VerdictRow)}


def test_a_newer_verdict_takes_the_place_of_the_older_one_which_stays_readable(world: World) -> None:
    goal, row = world.goal(), world.conversation()
    world.judge(world.claim(world.newest(row).id), [verdict(goal, Outcome.ACHIEVED)])
    world.judge(world.claim(world.queued(row, 2)), [verdict(goal, Outcome.PARTIAL)])
    assert counted(world) == {(1, Outcome.ACHIEVED): False, (2, Outcome.PARTIAL): True}
    assert world.differences() == []


def test_an_older_evaluation_that_ends_late_does_not_take_the_place_of_a_newer_one(world: World) -> None:
    goal, row = world.goal(), world.conversation()
    late = world.claim(world.newest(row).id)
    world.judge(world.claim(world.queued(row, 2)), [verdict(goal, Outcome.PARTIAL)])
    world.judge(late, [verdict(goal, Outcome.ACHIEVED)])
    assert counted(world) == {(1, Outcome.ACHIEVED): False, (2, Outcome.PARTIAL): True}
    assert world.differences() == []


def test_an_older_evaluation_counts_while_the_newer_one_has_not_succeeded(world: World) -> None:
    goal, row = world.goal(), world.conversation()
    late = world.claim(world.newest(row).id)
    finish(world, world.claim(world.queued(row, 2)))
    world.judge(late, [verdict(goal)])
    assert counted(world) == {(1, Outcome.ACHIEVED): True}


def test_the_evaluations_of_a_conversation_are_listed_newest_first(world: World) -> None:
    row = world.conversation()
    world.queued(row, 2)
    third = world.queued(row, 3)
    with world.database.reading() as session:
        assert [one.number for one in evaluations.of_conversation(session, row)] == [3, 2, 1]
        assert {key: one.id for key, one in evaluations.newest_of(session, [row]).items()} == {row.id: third}


def test_what_is_still_queued_will_judge_the_stored_words(world: World) -> None:
    row = world.conversation()
    first = world.newest(row)
    with world.database.transaction() as session:
        assert evaluations.enqueue_again(session, row, NOW, NOW + MINUTE) == first.id
    world.claim(first.id)
    with world.database.transaction() as session:
        second = evaluations.enqueue_again(session, row, NOW, NOW + MINUTE)
    assert world.evaluation(second).number == 2


def test_of_two_evaluations_that_are_queued_the_newer_one_is_waited_for(world: World) -> None:
    row = world.conversation()
    held = world.claim(world.newest(row).id)
    second = world.queued(row, 2)
    release(world, held)
    with world.database.transaction() as session:
        assert evaluations.enqueue_again(session, row, NOW, NOW + MINUTE) == second


def test_a_sum_that_leaves_out_calls_of_unknown_cost_is_unknown(world: World) -> None:
    evaluation = world.newest(world.conversation())
    release(world, world.claim(evaluation.id), Effort("sample-model", "sample-prompt", Usage(1)))
    finish(world, world.claim(evaluation.id, NOW + HOUR))
    row = world.evaluation(evaluation.id)
    assert (row.calls, row.cost) == (2, None)


def test_an_attempt_that_made_no_call_costs_nothing(world: World) -> None:
    evaluation = world.newest(world.conversation())
    release(world, world.claim(evaluation.id), Effort("sample-model", "sample-prompt"))
    finish(world, world.claim(evaluation.id, NOW + HOUR))
    row = world.evaluation(evaluation.id)
    assert (row.calls, row.cost) == (1, EFFORT.cost)


def test_whoever_renews_leases_does_not_wait_for_a_row_that_somebody_changes(postgres_world: World) -> None:
    world = postgres_world
    rows = [world.newest(world.conversation(name)) for name in ("call-1", "call-2")]
    held = [world.claim(row.id) for row in rows]

    def renew() -> None:
        with world.database.transaction() as session:
            claims.renew(session, held, NOW + HOUR)

    with world.database.transaction() as session:
        assert claims.finish(session, held[0], Status.FAILED, NOW, reason=Reason.REFUSED)
        at_once(renew, seconds=10)
    assert world.evaluation(rows[0].id).status is Status.FAILED
    assert world.evaluation(rows[1].id).ring_at == NOW + HOUR
