"""What becomes of a conversation whose words were deleted: it counts, is known, and is judged if new words come."""

from datetime import timedelta

import pytest

from goalline import upkeep
from goalline.domain.evaluation import JudgementFailed, Reason, Status
from goalline.domain.refusal import Conflict
from goalline.domain.verdict import Outcome
from goalline.store.tables import Conversation, Evaluation
from goalline.store.tables import Verdict as VerdictRow
from tests.pipeline.conftest import ScriptedJudge, Stage
from tests.store.world import EFFORT, NOW, SECOND

DAYS = 30
LATER = NOW + timedelta(days=DAYS + 1)


def retain(stage: Stage) -> int:
    return upkeep.retain(stage.world.database, DAYS, LATER).deleted


@pytest.fixture(autouse=True)
def _judged_and_without_words(stage: Stage) -> None:
    stage.world.goal()
    stage.evaluate(ScriptedJudge(), stage.receive().evaluation_id)
    assert retain(stage) == 1


def stored(stage: Stage) -> Conversation:
    [row] = stage.world.rows(Conversation)
    return row


def test_the_verdict_goes_on_counting(stage: Stage) -> None:
    assert stage.verdicts() == {1: (Outcome.ACHIEVED, True)}


def test_it_cannot_be_judged_again_and_the_refusal_says_why_and_since_when(stage: Stage) -> None:
    refused = r"'call-1' were deleted at 2026-12-22T12:00:00\+00:00.*GOALLINE_TRANSCRIPT_DAYS"
    with pytest.raises(Conflict, match=refused):
        stage.judge_again(at=LATER)
    assert len(stage.world.rows(Evaluation)) == 1


def test_the_same_words_delivered_again_are_a_duplicate_and_are_not_stored(stage: Stage) -> None:
    again = stage.receive(at=LATER)
    assert (again.duplicate, again.ring, again.status) == (True, False, Status.SUCCEEDED)
    assert (stored(stage).transcript, stored(stage).transcript_deleted_at) == ([], LATER)


def test_other_words_are_stored_and_judged_and_go_when_that_has_ended(stage: Stage) -> None:
    judge, again = ScriptedJudge(Outcome.PARTIAL), stage.receive(words="Something else", at=LATER)
    assert (stored(stage).transcript_deleted_at, again.ring) == (None, True)
    assert retain(stage) == 0
    assert stage.evaluate(judge, again.evaluation_id, LATER) is Status.SUCCEEDED
    assert judge.words == ["Something else"]
    assert stage.verdicts() == {1: (Outcome.ACHIEVED, False), 2: (Outcome.PARTIAL, True)}
    assert retain(stage) == 1
    assert [row.rationale for row in stage.world.rows(VerdictRow)] == ["", ""]


def test_words_that_could_not_be_judged_go_as_well(stage: Stage) -> None:
    refused = ScriptedJudge(error=JudgementFailed(Reason.REFUSED, EFFORT))
    stage.evaluate(refused, stage.receive(words="Something else", at=LATER).evaluation_id, LATER)
    assert retain(stage) == 1
    assert stage.verdicts() == {1: (Outcome.ACHIEVED, True)}


def test_a_conversation_that_is_told_of_late_is_judged_before_its_words_go(stage: Stage) -> None:
    late = stage.receive("call-2", at=LATER, ended_at=NOW + SECOND)
    assert retain(stage) == 0
    assert stage.evaluate(ScriptedJudge(), late.evaluation_id, LATER) is Status.SUCCEEDED
    assert retain(stage) == 1
