"""Evaluating: by the goals in force when the conversation ended, once, and never with a no that is none."""

from dataclasses import replace
from datetime import timedelta

import pytest

from goalline.domain.evaluation import JudgementFailed, JudgeUnavailable, Reason, Status, Usage
from goalline.domain.goal import GoalEdit, Kind
from goalline.domain.transcript import Role, Turn, digest
from goalline.domain.verdict import Outcome
from goalline.store.goals import goals
from goalline.store.goals.goals import CurrentGoal
from goalline.store.tables import Evaluation
from goalline.store.tables import Verdict as VerdictRow
from tests.pipeline.conftest import ScriptedJudge, Stage
from tests.store.world import EFFORT, HOUR, MINUTE, NOW, SECOND, at_once


def edit(stage: Stage, goal: CurrentGoal, name: str, hours: int) -> None:
    with stage.world.database.transaction() as session:
        goals.edit(session, stage.world.project.id, goal.id, GoalEdit(name=name), NOW + hours * HOUR)


def archive(stage: Stage, goal: CurrentGoal, hours: int) -> None:
    with stage.world.database.transaction() as session:
        goals.archive(session, stage.world.project.id, goal.id, NOW + hours * HOUR)


def judged_by(stage: Stage, ended: int = 0) -> list[str]:
    """Receive a conversation that ended some hours from now, evaluate it, and name the goals it was judged by."""
    judge = ScriptedJudge()
    stage.evaluate(judge, stage.receive(ended_at=NOW + ended * HOUR).evaluation_id)
    return [goal.name for goal in judge.goals[0]] if judge.goals else []


def test_a_verdict_is_stored_counted_and_pinned_to_what_it_was_made_with(stage: Stage) -> None:
    goal, receipt = stage.world.goal(), stage.receive()
    assert stage.evaluate(ScriptedJudge(Outcome.PARTIAL), receipt.evaluation_id) is Status.SUCCEEDED
    (stored,), (row,) = stage.world.rows(VerdictRow), stage.world.rows(Evaluation)
    assert (stored.conversation_id, stored.evaluation_id) == (receipt.row_id, receipt.evaluation_id)
    assert (stored.goal_id, stored.revision, stored.kind, stored.outcome) == (goal.id, 1, goal.kind, Outcome.PARTIAL)
    assert (stored.rationale, stored.evidence) == ("As told.", [{"turn": 1, "quote": "Hello there"}])
    assert stored.counted
    assert (row.status, row.reason, row.attempts, row.finished_at) == (Status.SUCCEEDED, None, 1, NOW + SECOND)
    assert (row.model, row.prompt_digest, row.cost) == (EFFORT.model, EFFORT.prompt_digest, EFFORT.cost)
    assert (row.calls, row.prompt_tokens, row.completion_tokens) == (1, 100, 10)
    assert row.transcript_digest == digest([Turn(role=Role.USER, text="Hello there")])


def test_all_goals_in_force_are_judged_in_one_call_the_primary_one_first(stage: Stage) -> None:
    stage.world.goal("Greet", Kind.SECONDARY)
    stage.world.goal("Wide")
    stage.world.goal("Own", agent_id="ann")
    stage.world.goal("Other", agent_id="bob")
    assert judged_by(stage) == ["Own", "Greet"]


def test_a_late_webhook_is_judged_by_the_wording_in_force_when_the_conversation_ended(stage: Stage) -> None:
    goal = stage.world.goal("First")
    edit(stage, goal, "Second", -2)
    assert judged_by(stage, ended=-3) == ["First"]
    assert [stored.revision for stored in stage.world.rows(VerdictRow)] == [1]


def test_a_conversation_is_judged_by_a_goal_that_was_archived_only_after_it_ended(stage: Stage) -> None:
    archive(stage, stage.world.goal("Then"), -1)
    assert judged_by(stage, ended=-2) == ["Then"]


def test_a_goal_that_was_archived_when_the_conversation_ended_does_not_judge_it(stage: Stage) -> None:
    archive(stage, stage.world.goal("Then"), -2)
    assert judged_by(stage, ended=-1) == []


def test_an_end_in_the_future_is_judged_by_the_wording_of_its_receipt(stage: Stage) -> None:
    goal = stage.world.goal("Now")
    receipt = stage.receive(ended_at=NOW + 9 * HOUR)
    edit(stage, goal, "Later", 1)
    judge = ScriptedJudge()
    stage.evaluate(judge, receipt.evaluation_id, NOW + 2 * HOUR)
    assert [one.name for one in judge.goals[0]] == ["Now"]


@pytest.mark.parametrize("words", ["", "  \n"])
def test_a_transcript_without_a_word_is_skipped(stage: Stage, words: str) -> None:
    stage.world.goal()
    judge, receipt = ScriptedJudge(), stage.receive(words=words)
    assert stage.evaluate(judge, receipt.evaluation_id) is Status.SKIPPED
    row = stage.world.evaluation(receipt.evaluation_id)
    assert (row.status, row.reason, row.finished_at) == (Status.SKIPPED, Reason.EMPTY_TRANSCRIPT, NOW + SECOND)
    assert judge.words == []


def test_a_conversation_from_before_any_goal_is_skipped(stage: Stage) -> None:
    stage.world.goal(at=NOW + SECOND)
    judge, receipt = ScriptedJudge(), stage.receive()
    assert stage.evaluate(judge, receipt.evaluation_id, NOW + MINUTE) is Status.SKIPPED
    assert stage.world.evaluation(receipt.evaluation_id).reason is Reason.NO_GOAL_IN_FORCE
    assert judge.words == []


def test_a_failed_judgement_is_a_status_with_a_reason_and_an_effort_and_not_a_no(stage: Stage) -> None:
    stage.world.goal()
    receipt = stage.receive()
    judge = ScriptedJudge(error=JudgementFailed(Reason.UNGROUNDED, EFFORT))
    assert stage.evaluate(judge, receipt.evaluation_id) is Status.FAILED
    row = stage.world.evaluation(receipt.evaluation_id)
    assert (row.status, row.reason, row.finished_at) == (Status.FAILED, Reason.UNGROUNDED, NOW + SECOND)
    assert (row.model, row.calls, row.cost) == (EFFORT.model, 1, EFFORT.cost)
    assert stage.world.rows(VerdictRow) == []


def test_while_the_judge_is_unavailable_the_evaluation_waits_longer_each_time(stage: Stage) -> None:
    stage.world.goal()
    evaluation_id, at = stage.receive().evaluation_id, NOW
    for attempt, seconds in enumerate((15, 30, 60), start=1):
        judge = ScriptedJudge(error=JudgeUnavailable(EFFORT))
        assert stage.evaluate(judge, evaluation_id, at) is Status.QUEUED
        row = stage.world.evaluation(evaluation_id)
        assert (row.reason, row.attempts, row.calls) == (Reason.UNAVAILABLE, attempt, attempt)
        assert row.due_at == at + timedelta(seconds=seconds)
        assert stage.evaluate(ScriptedJudge(), evaluation_id, row.due_at - SECOND) is None
        at = row.due_at
    assert stage.sweep(at) == [evaluation_id]
    assert stage.evaluate(ScriptedJudge(), evaluation_id, at) is Status.SUCCEEDED
    row = stage.world.evaluation(evaluation_id)
    assert (row.reason, row.calls) == (None, 4)


def test_an_evaluation_waits_as_long_as_the_provider_asks_for(stage: Stage) -> None:
    stage.world.goal()
    evaluation_id = stage.receive().evaluation_id
    stage.evaluate(ScriptedJudge(error=JudgeUnavailable(EFFORT, retry_after=600)), evaluation_id, NOW)
    assert stage.world.evaluation(evaluation_id).due_at == NOW + 10 * MINUTE


def test_a_judge_that_stays_unavailable_is_given_up_in_the_end(stage: Stage) -> None:
    stage.world.goal()
    evaluation_id, at, states = stage.receive().evaluation_id, NOW, []
    while at < NOW + 3 * HOUR:
        states.append(stage.evaluate(ScriptedJudge(error=JudgeUnavailable(EFFORT)), evaluation_id, at, 2 * HOUR))
        at = max(at + SECOND, stage.world.evaluation(evaluation_id).due_at)
        if states[-1] is Status.FAILED:
            break
    row = stage.world.evaluation(evaluation_id)
    assert (row.status, row.reason) == (Status.FAILED, Reason.UNAVAILABLE)
    assert set(states[:-1]) == {Status.QUEUED}
    assert row.attempts == row.calls == len(states)
    assert row.finished_at == NOW + 2 * HOUR


def test_a_pause_that_would_end_too_late_leaves_one_last_attempt_at_the_deadline(stage: Stage) -> None:
    stage.world.goal()
    evaluation_id = stage.receive().evaluation_id
    judge = ScriptedJudge(error=JudgeUnavailable(EFFORT, retry_after=86_400))
    assert stage.evaluate(judge, evaluation_id, NOW, 2 * HOUR) is Status.QUEUED
    assert stage.world.evaluation(evaluation_id).due_at == NOW + 2 * HOUR
    assert stage.evaluate(ScriptedJudge(), evaluation_id, NOW + 2 * HOUR, 2 * HOUR) is Status.SUCCEEDED


def test_a_defect_in_the_judge_ends_the_evaluation_and_its_words_reach_no_log(
    stage: Stage, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    stage.world.goal()
    receipt = stage.receive()
    judge = ScriptedJudge(error=RuntimeError("Hello there, secret"))
    assert stage.evaluate(judge, receipt.evaluation_id) is Status.FAILED
    assert stage.world.evaluation(receipt.evaluation_id).reason is Reason.INTERNAL_ERROR
    assert stage.evaluate(judge, receipt.evaluation_id, NOW + HOUR) is None
    logged = "".join(capfd.readouterr()) + caplog.text
    assert str(receipt.evaluation_id) in logged
    assert "RuntimeError" in logged
    assert "secret" not in logged
    assert "Hello" not in logged


def test_two_workers_at_once_on_one_evaluation_make_one_call(stage: Stage) -> None:
    stage.world.goal()
    judge, evaluation_id = ScriptedJudge(), stage.receive().evaluation_id
    states = at_once(*[lambda: stage.evaluate(judge, evaluation_id)] * 4)
    assert sorted(map(str, states)) == ["None", "None", "None", "succeeded"]
    assert len(judge.words) == 1


def test_an_evaluation_that_has_ended_is_not_run_again(stage: Stage) -> None:
    stage.world.goal()
    judge, evaluation_id = ScriptedJudge(), stage.receive().evaluation_id
    assert stage.evaluate(judge, evaluation_id) is Status.SUCCEEDED
    assert stage.evaluate(judge, evaluation_id, NOW + HOUR) is None
    assert len(judge.words) == 1


def test_no_connection_is_held_while_the_judge_thinks(stage: Stage) -> None:
    stage.world.goal()
    held: list[int] = []
    pool = stage.world.database.engine.pool
    judge = ScriptedJudge(meanwhile=lambda: held.append(pool.checkedout()))  # type: ignore[attr-defined]
    stage.evaluate(judge, stage.receive().evaluation_id)
    assert held == [0]


def test_a_judgement_that_cannot_be_stored_ends_the_evaluation_and_is_not_paid_for_again(stage: Stage) -> None:
    stage.world.goal()
    judge = ScriptedJudge(effort=replace(EFFORT, usage=Usage(1, 2**70, 1)))
    evaluation_id = stage.receive().evaluation_id
    assert stage.evaluate(judge, evaluation_id) is Status.FAILED
    assert stage.world.evaluation(evaluation_id).reason is Reason.INTERNAL_ERROR
    assert stage.verdicts() == {}
    assert stage.sweep(NOW + 9 * HOUR) == []
    assert len(judge.words) == 1


def test_an_evaluation_that_nobody_had_time_for_has_all_its_time_when_somebody_has(stage: Stage) -> None:
    stage.world.goal()
    evaluation_id = stage.receive().evaluation_id
    busy = ScriptedJudge(error=JudgeUnavailable(EFFORT))
    assert stage.evaluate(busy, evaluation_id, NOW + 100 * HOUR, HOUR) is Status.QUEUED
    assert stage.world.evaluation(evaluation_id).due_at == NOW + 100 * HOUR + 15 * SECOND
