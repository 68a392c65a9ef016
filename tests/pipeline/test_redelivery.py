"""Words that change and conversations that are judged again: the newest verdict counts, each is paid for once."""

import pytest

from goalline import pipeline
from goalline.domain.evaluation import RING_AGAIN_AFTER, JudgementFailed, JudgeUnavailable, Reason, Status
from goalline.domain.refusal import NotFound
from goalline.domain.verdict import Outcome
from goalline.store.tables import Evaluation
from tests.pipeline.conftest import ScriptedJudge, Stage
from tests.store.world import EFFORT, HOUR, LEASE, NOW, SECOND

ACHIEVED, PARTIAL = Outcome.ACHIEVED, Outcome.PARTIAL


@pytest.fixture(autouse=True)
def _with_a_goal(stage: Stage) -> None:
    stage.world.goal()


def test_words_that_change_while_the_evaluation_is_queued_are_judged_once(stage: Stage) -> None:
    judge, first = ScriptedJudge(), stage.receive(words="old")
    second = stage.receive(words="new")
    assert second.evaluation_id == first.evaluation_id
    stage.evaluate(judge, first.evaluation_id)
    assert stage.evaluate(judge, second.evaluation_id) is None
    assert judge.words == ["new"]
    assert stage.verdicts() == {1: (ACHIEVED, True)}


def test_words_that_change_while_the_judge_thinks_are_judged_after_and_count_instead(stage: Stage) -> None:
    first = stage.receive(words="old")
    later = []
    judge = ScriptedJudge(meanwhile=lambda: later.append(stage.receive(words="new")))
    assert stage.evaluate(judge, first.evaluation_id) is Status.SUCCEEDED
    (second,) = later
    assert second.evaluation_id != first.evaluation_id
    assert second.ring
    assert stage.verdicts() == {1: (ACHIEVED, True)}
    stage.evaluate(ScriptedJudge(PARTIAL), second.evaluation_id)
    assert stage.verdicts() == {1: (ACHIEVED, False), 2: (PARTIAL, True)}
    old, new = (stage.world.evaluation(receipt.evaluation_id) for receipt in (first, second))
    assert old.transcript_digest != new.transcript_digest


def test_an_evaluation_of_older_words_that_ends_last_does_not_count(stage: Stage) -> None:
    first = stage.receive(words="old")

    def overtake() -> None:
        stage.evaluate(ScriptedJudge(PARTIAL), stage.receive(words="new").evaluation_id)

    assert stage.evaluate(ScriptedJudge(meanwhile=overtake), first.evaluation_id) is Status.SUCCEEDED
    assert stage.verdicts() == {1: (ACHIEVED, False), 2: (PARTIAL, True)}


def test_words_that_change_after_the_verdict_are_judged_again(stage: Stage) -> None:
    stage.evaluate(ScriptedJudge(), stage.receive(words="old").evaluation_id)
    judge, second = ScriptedJudge(PARTIAL), stage.receive(words="new")
    stage.evaluate(judge, second.evaluation_id)
    assert judge.words == ["new"]
    assert stage.verdicts() == {1: (ACHIEVED, False), 2: (PARTIAL, True)}


def test_words_that_change_while_the_judge_is_unavailable_are_what_it_judges_in_the_end(stage: Stage) -> None:
    first = stage.receive(words="old")
    stage.evaluate(ScriptedJudge(error=JudgeUnavailable(EFFORT)), first.evaluation_id)
    judge = ScriptedJudge()
    assert stage.receive(words="new").evaluation_id == first.evaluation_id
    stage.evaluate(judge, first.evaluation_id, NOW + 60 * SECOND)
    assert judge.words == ["new"]


def test_new_words_that_cannot_be_judged_leave_the_older_verdict_counting(stage: Stage) -> None:
    stage.evaluate(ScriptedJudge(), stage.receive(words="old").evaluation_id)
    refused = ScriptedJudge(error=JudgementFailed(Reason.REFUSED, EFFORT))
    stage.evaluate(refused, stage.receive(words="new").evaluation_id)
    assert stage.verdicts() == {1: (ACHIEVED, True)}


def test_judging_again_makes_a_further_evaluation_whose_verdict_counts(stage: Stage) -> None:
    first = stage.receive()
    stage.evaluate(ScriptedJudge(), first.evaluation_id)
    for reference, number in (("call-1", 2), (str(first.row_id), 3)):
        again = stage.judge_again(reference)
        assert (again.status, again.ring) == (Status.QUEUED, True)
        stage.evaluate(ScriptedJudge(PARTIAL), again.evaluation_id)
        assert stage.world.evaluation(again.evaluation_id).number == number
    assert stage.verdicts() == {1: (ACHIEVED, False), 2: (PARTIAL, False), 3: (PARTIAL, True)}


def test_judging_again_what_still_waits_queues_nothing_new(stage: Stage) -> None:
    first = stage.receive()
    assert stage.judge_again().evaluation_id == first.evaluation_id
    assert stage.judge_again().ring
    assert len(stage.world.rows(Evaluation)) == 1


def test_judging_again_does_not_wait_for_the_delay_of_a_judge_that_was_unavailable(stage: Stage) -> None:
    first = stage.receive()
    stage.evaluate(ScriptedJudge(error=JudgeUnavailable(EFFORT, retry_after=3_600)), first.evaluation_id)
    again = stage.judge_again(at=NOW + 2 * SECOND)
    assert stage.evaluate(ScriptedJudge(), again.evaluation_id, NOW + 3 * SECOND) is Status.SUCCEEDED


def test_a_bell_for_judging_again_that_nobody_hears_is_rung_again_within_a_minute(stage: Stage) -> None:
    first = stage.receive()
    stage.evaluate(ScriptedJudge(error=JudgeUnavailable(EFFORT, retry_after=3_600)), first.evaluation_id)
    again = stage.judge_again(at=NOW + 2 * SECOND)
    assert stage.sweep(NOW + 2 * SECOND + RING_AGAIN_AFTER) == [again.evaluation_id]


def test_a_conversation_that_is_not_there_cannot_be_judged_again(stage: Stage) -> None:
    with pytest.raises(NotFound):
        stage.judge_again("call-2")


def test_words_that_were_taken_back_take_their_verdict_out_of_the_rates(stage: Stage) -> None:
    stage.evaluate(ScriptedJudge(), stage.receive().evaluation_id)
    again = stage.receive(transcript=[], at=NOW + SECOND)
    assert stage.verdicts() == {1: (Outcome.ACHIEVED, True)}
    assert stage.evaluate(ScriptedJudge(), again.evaluation_id, NOW + SECOND) is Status.SKIPPED
    assert stage.verdicts() == {1: (Outcome.ACHIEVED, False)}


def test_new_words_have_all_the_time_that_new_words_have(stage: Stage) -> None:
    busy = ScriptedJudge(error=JudgeUnavailable(EFFORT, retry_after=7_200))
    first = stage.receive()
    assert stage.evaluate(busy, first.evaluation_id, NOW, 3 * HOUR) is Status.QUEUED
    again = stage.receive(words="Hello again", at=NOW + HOUR)
    assert again.evaluation_id == first.evaluation_id
    assert stage.evaluate(busy, again.evaluation_id, NOW + HOUR, 3 * HOUR) is Status.QUEUED
    assert stage.evaluate(busy, again.evaluation_id, NOW + 3 * HOUR, 3 * HOUR) is Status.QUEUED
    assert stage.world.evaluation(again.evaluation_id).due_at == NOW + 4 * HOUR
    assert stage.evaluate(busy, again.evaluation_id, NOW + 4 * HOUR, 3 * HOUR) is Status.FAILED


def test_new_words_do_not_inherit_the_delays_of_the_old_ones(stage: Stage) -> None:
    busy = ScriptedJudge(error=JudgeUnavailable(EFFORT))
    evaluation_id, at = stage.receive().evaluation_id, NOW
    for _ in range(5):
        stage.evaluate(busy, evaluation_id, at)
        at = stage.world.evaluation(evaluation_id).due_at
    stage.receive(words="Hello again", at=at)
    stage.evaluate(busy, evaluation_id, at)
    assert stage.world.evaluation(evaluation_id).due_at == at + 15 * SECOND


def test_newer_words_that_were_judged_meanwhile_keep_their_verdict(stage: Stage) -> None:
    stage.evaluate(ScriptedJudge(), stage.receive().evaluation_id)
    taken_back = stage.receive(transcript=[], at=NOW + SECOND)
    work = pipeline.claim(stage.world.database, taken_back.evaluation_id, NOW + SECOND, LEASE)
    assert work
    newer = stage.receive(words="Hello again", at=NOW + SECOND)
    assert stage.evaluate(ScriptedJudge(), newer.evaluation_id) is Status.SUCCEEDED
    evaluated = pipeline.evaluate(stage.world.database, ScriptedJudge(), work, lambda: NOW + SECOND, give_up_after=HOUR)
    assert evaluated is Status.SKIPPED
    assert stage.verdicts() == {1: (Outcome.ACHIEVED, False), 3: (Outcome.ACHIEVED, True)}
