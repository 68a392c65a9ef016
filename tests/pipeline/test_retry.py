"""Retrying what failed: in bulk, each conversation once, and nothing that somebody else is busy with."""

from collections.abc import Callable
from itertools import pairwise
from uuid import UUID

import pytest

from goalline import upkeep
from goalline.domain.evaluation import JudgementFailed, Reason, Status
from goalline.domain.verdict import Outcome
from goalline.store.contacts import deactivation, erasure
from goalline.store.conversations import backlog, conversations
from goalline.store.conversations.backlog import BacklogFilter, Place
from goalline.store.tables import Conversation, Evaluation
from goalline.upkeep import Retried
from tests.pipeline.conftest import ScriptedJudge, Stage
from tests.store.world import EFFORT, HOUR, MINUTE, NOW, SECOND, at_once

FAILED = BacklogFilter(Status.FAILED)
REFUSING = ScriptedJudge(error=JudgementFailed(Reason.REFUSED, EFFORT))
LATER = NOW + HOUR


def failing(stage: Stage, *names: str, contact_id: str | None = None) -> None:
    stage.world.goal()
    for number, name in enumerate(names):
        receipt = stage.receive(name, at=NOW - number * MINUTE, contact_id=contact_id)
        assert stage.evaluate(REFUSING, receipt.evaluation_id) is Status.FAILED


def retry(stage: Stage, wanted: BacklogFilter = FAILED, after: Place | None = None, limit: int = 100) -> Retried:
    world = stage.world
    return upkeep.retry(world.database, world.project.id, wanted, LATER, after=after, limit=limit)


def numbers(stage: Stage) -> dict[str, list[int]]:
    """Return the numbers of the evaluations of each conversation."""
    names = {row.id: row.conversation_id for row in stage.world.rows(Conversation)}
    found: dict[str, list[int]] = {name: [] for name in names.values()}
    for row in stage.world.rows(Evaluation):
        found[names[row.conversation_id]].append(row.number)
    return {name: sorted(of_one) for name, of_one in found.items()}


def test_what_failed_is_queued_again_and_judged(stage: Stage) -> None:
    failing(stage, "call-1", "call-2")
    done = retry(stage)
    assert (len(done.evaluation_ids), done.passed_over, done.after) == (2, 0, None)
    for evaluation_id in done.evaluation_ids:
        row = stage.world.evaluation(evaluation_id)
        assert (row.number, row.status, row.created_at, row.due_at) == (2, Status.QUEUED, LATER, LATER)
        assert stage.evaluate(ScriptedJudge(), evaluation_id, at=LATER) is Status.SUCCEEDED
    assert stage.verdicts() == {2: (Outcome.ACHIEVED, True)}


def test_a_bell_that_nobody_hears_is_rung_again_by_the_sweep(stage: Stage) -> None:
    failing(stage, "call-1")
    queued = retry(stage).evaluation_ids
    assert stage.sweep(LATER + SECOND) == []
    assert stage.sweep(LATER + 2 * MINUTE) == queued


def test_batch_after_batch_each_conversation_is_queued_once(stage: Stage) -> None:
    failing(stage, *(f"call-{number}" for number in range(5)))
    after, sizes, queued = None, list[int](), set[UUID]()
    while not sizes or after:
        done = retry(stage, after=after, limit=2)
        after, sizes = done.after, [*sizes, len(done.evaluation_ids)]
        queued |= set(done.evaluation_ids)
    assert sizes == [2, 2, 1]
    assert len(queued) == 5
    assert numbers(stage) == {f"call-{number}": [1, 2] for number in range(5)}


def test_what_fails_again_meanwhile_does_not_come_again_in_one_round(stage: Stage) -> None:
    failing(stage, "call-1", "call-2")
    first = retry(stage, limit=1)
    stage.evaluate(REFUSING, first.evaluation_ids[0], at=LATER)
    second = retry(stage, after=first.after, limit=1)
    assert {stage.world.evaluation(one).number for one in (*first.evaluation_ids, *second.evaluation_ids)} == {2}
    assert numbers(stage) == {"call-1": [1, 2], "call-2": [1, 2]}


def test_a_second_retry_queues_nothing(stage: Stage) -> None:
    failing(stage, "call-1")
    retry(stage)
    assert retry(stage) == Retried([], 0, None)


def test_only_the_newest_evaluation_tells_whether_to_retry(stage: Stage) -> None:
    failing(stage, "call-1")
    stage.evaluate(ScriptedJudge(), stage.judge_again().evaluation_id)
    assert retry(stage).evaluation_ids == []


def test_a_filter_leaves_the_others_alone(stage: Stage) -> None:
    failing(stage, "call-1")
    assert retry(stage, BacklogFilter(Status.FAILED, Reason.TRUNCATED)).evaluation_ids == []
    assert len(retry(stage, BacklogFilter(Status.FAILED, Reason.REFUSED)).evaluation_ids) == 1


def test_a_conversation_whose_older_evaluation_still_runs_is_left_to_it(stage: Stage) -> None:
    stage.world.goal()
    first = stage.receive()

    def overtaken() -> None:
        assert stage.evaluate(REFUSING, stage.judge_again().evaluation_id) is Status.FAILED
        assert retry(stage) == Retried([], 0, None)

    assert stage.evaluate(ScriptedJudge(meanwhile=overtaken), first.evaluation_id) is Status.SUCCEEDED
    assert len(retry(stage).evaluation_ids) == 1


def erase(stage: Stage, row: Conversation) -> None:
    with stage.world.database.transaction() as session:
        erasure.erase(session, row.project_id, {row.id: row.agent_id}, NOW)


def delete(stage: Stage, row: Conversation) -> None:
    with stage.world.database.transaction() as session:
        conversations.remove(session, row.project_id, row.conversation_id)


def deactivate(stage: Stage, row: Conversation) -> None:
    assert row.contact_id
    with stage.world.database.transaction() as session:
        deactivation.deactivate(session, row.project_id, row.contact_id, NOW)


def judge_again(stage: Stage, row: Conversation) -> None:
    stage.judge_again(row.conversation_id)


every_change = pytest.mark.parametrize(
    "change", [erase, delete, deactivate, judge_again], ids=lambda change: change.__name__
)


@every_change
def test_what_cannot_be_judged_any_more_or_is_judged_already_is_not_queued(
    stage: Stage, change: Callable[[Stage, Conversation], None]
) -> None:
    failing(stage, "call-1", contact_id="eve")
    (row,) = stage.world.rows(Conversation)
    change(stage, row)
    before = stage.world.rows(Evaluation)
    assert retry(stage).evaluation_ids == []
    assert stage.world.rows(Evaluation) == before


@every_change
def test_what_changes_between_the_look_and_the_hold_is_passed_over(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, change: Callable[[Stage, Conversation], None]
) -> None:
    failing(stage, "call-1", contact_id="eve")
    (row,) = stage.world.rows(Conversation)
    with stage.world.database.reading() as session:
        found = backlog.to_retry(session, row.project_id, FAILED, limit=100)
    change(stage, row)
    before = stage.world.rows(Evaluation)
    monkeypatch.setattr(backlog, "to_retry", lambda *_args, **_more: found)
    done = retry(stage)
    assert (done.evaluation_ids, done.passed_over) == ([], 1)
    assert stage.world.rows(Evaluation) == before


def test_a_kept_conversation_of_a_deactivated_contact_is_judged_again_only_when_it_is_asked_for(stage: Stage) -> None:
    failing(stage, "call-1", contact_id="eve")
    deactivate(stage, *stage.world.rows(Conversation))
    assert retry(stage).passed_over == 1
    assert stage.evaluate(ScriptedJudge(), stage.judge_again().evaluation_id) is Status.SUCCEEDED


def test_retries_at_the_same_time_queue_each_conversation_once(stage: Stage) -> None:
    names = [f"call-{number}" for number in range(40)]
    failing(stage, *names)

    def all_of_it(batch: int) -> list[UUID]:
        queued, after = list[UUID](), None
        while True:
            done = retry(stage, after=after, limit=batch)
            queued += done.evaluation_ids
            after = done.after
            if after is None:
                return queued

    def one_by_one() -> list[UUID]:
        for name in names:
            stage.judge_again(name, LATER)
        return []

    ways = [lambda: all_of_it(7), lambda: all_of_it(11), lambda: all_of_it(40), one_by_one]
    queued = [one for of_one in at_once(*ways) for one in of_one]
    assert len(set(queued)) == len(queued)
    assert numbers(stage) == {name: [1, 2] for name in names}
    assert {row.evaluations for row in stage.world.rows(Conversation)} == {2}
    for evaluation_id in [row.id for row in stage.world.rows(Evaluation) if row.number == 2]:
        assert stage.evaluate(ScriptedJudge(), evaluation_id, at=LATER) is Status.SUCCEEDED


def test_the_one_that_ended_last_is_judged_first(stage: Stage) -> None:
    failing(stage, "call-1", "call-2", "call-3")
    after, places = None, list[Place]()
    while not places or after:
        after = retry(stage, after=after, limit=1).after
        places += [after] if after else []
    assert all(earlier < later for later, earlier in pairwise(places))
