"""What gets lost on the way: workers that die, goals and conversations that go, bells that nobody hears."""

from collections.abc import Callable

import pytest

from goalline.domain.evaluation import RING_AGAIN_AFTER, JudgementFailed, JudgeUnavailable, Reason, Status
from goalline.domain.goal import Kind
from goalline.domain.verdict import Outcome
from goalline.pipeline import SWEEP_LIMIT
from goalline.store.conversations import conversations
from goalline.store.goals import goals
from goalline.store.goals.goals import CurrentGoal
from goalline.store.tables import Conversation, Evaluation
from goalline.store.tables import Verdict as VerdictRow
from tests.pipeline.conftest import ScriptedJudge, Stage
from tests.store.world import EFFORT, HOUR, LEASE, NOW, SECOND


class KilledError(BaseException):
    """The worker dies in the middle of its work, as by SIGKILL."""


def die() -> None:
    raise KilledError


def delete_goal(stage: Stage, goal: CurrentGoal) -> None:
    with stage.world.database.transaction() as session:
        goals.remove(session, stage.world.project.id, goal.id, goal.name)


def delete_conversation(stage: Stage) -> None:
    with stage.world.database.transaction() as session:
        conversations.remove(session, stage.world.project.id, "call-1")


def test_a_goal_that_is_deleted_while_the_judge_thinks_gets_no_verdict(stage: Stage) -> None:
    going, staying = stage.world.goal("Going"), stage.world.goal("Staying", Kind.SECONDARY)
    judge = ScriptedJudge(meanwhile=lambda: delete_goal(stage, going))
    assert stage.evaluate(judge, stage.receive().evaluation_id) is Status.SUCCEEDED
    assert [stored.goal_id for stored in stage.world.rows(VerdictRow)] == [staying.id]


def test_when_every_goal_is_deleted_while_the_judge_thinks_nothing_is_counted(stage: Stage) -> None:
    goal = stage.world.goal()
    judge = ScriptedJudge(meanwhile=lambda: delete_goal(stage, goal))
    assert stage.evaluate(judge, stage.receive().evaluation_id) is Status.SUCCEEDED
    assert stage.world.rows(VerdictRow) == []


@pytest.mark.parametrize(
    "error",
    [None, JudgementFailed(Reason.REFUSED, EFFORT), JudgeUnavailable(EFFORT), RuntimeError("broken")],
    ids=["answer", "failure", "unavailable", "defect"],
)
def test_a_conversation_that_is_deleted_while_the_judge_thinks_stays_deleted(
    stage: Stage, error: Exception | None
) -> None:
    stage.world.goal()
    judge = ScriptedJudge(error=error, meanwhile=lambda: delete_conversation(stage))
    assert stage.evaluate(judge, stage.receive().evaluation_id) is None
    for emptied in (Conversation, Evaluation, VerdictRow):
        assert stage.world.rows(emptied) == []


@pytest.mark.parametrize(
    "error",
    [None, JudgementFailed(Reason.REFUSED, EFFORT), JudgeUnavailable(EFFORT), RuntimeError("broken")],
    ids=["answer", "failure", "unavailable", "defect"],
)
def test_a_worker_that_lost_its_claim_while_the_judge_thought_stores_nothing(
    stage: Stage, error: Exception | None
) -> None:
    stage.world.goal()
    evaluation_id = stage.receive().evaluation_id

    def be_overtaken() -> None:
        assert stage.sweep(NOW + SECOND + LEASE) == [evaluation_id]
        other = ScriptedJudge(Outcome.PARTIAL)
        assert stage.evaluate(other, evaluation_id, NOW + HOUR) is Status.SUCCEEDED

    slow = ScriptedJudge(error=error, meanwhile=be_overtaken)
    assert stage.evaluate(slow, evaluation_id) is None
    assert stage.verdicts() == {1: (Outcome.PARTIAL, True)}
    row = stage.world.evaluation(evaluation_id)
    assert (row.status, row.attempts, row.finished_at) == (Status.SUCCEEDED, 2, NOW + HOUR)


def test_what_a_killed_worker_left_is_found_by_the_sweep_and_judged_once(stage: Stage) -> None:
    stage.world.goal()
    evaluation_id = stage.receive().evaluation_id
    with pytest.raises(KilledError):
        stage.evaluate(ScriptedJudge(meanwhile=die), evaluation_id, NOW)
    assert stage.evaluate(ScriptedJudge(), evaluation_id, NOW + LEASE - SECOND) is None
    assert stage.sweep(NOW + LEASE - SECOND) == []
    assert stage.sweep(NOW + LEASE) == [evaluation_id]
    judge = ScriptedJudge()
    assert stage.evaluate(judge, evaluation_id, NOW + LEASE) is Status.SUCCEEDED
    assert stage.sweep(NOW + 100 * HOUR) == []
    assert len(judge.words) == 1
    assert stage.world.evaluation(evaluation_id).attempts == 2


def test_a_bell_that_nobody_heard_is_rung_again_by_one_sweep_each_minute(stage: Stage) -> None:
    evaluation_id = stage.receive().evaluation_id
    heard = NOW + RING_AGAIN_AFTER
    assert stage.sweep(heard - SECOND) == []
    assert [stage.sweep(heard), stage.sweep(heard), stage.sweep(heard + SECOND)] == [[evaluation_id], [], []]
    assert stage.sweep(heard + RING_AGAIN_AFTER) == [evaluation_id]


def test_a_bell_that_lost_its_memory_rings_at_once_for_what_waits_and_not_for_what_runs(stage: Stage) -> None:
    stage.world.goal()
    waiting, running = stage.receive("waiting").evaluation_id, stage.receive("running").evaluation_id
    delayed = stage.receive("delayed").evaluation_id
    stage.evaluate(ScriptedJudge(error=JudgeUnavailable(EFFORT)), delayed, NOW)
    with pytest.raises(KilledError):
        stage.evaluate(ScriptedJudge(meanwhile=die), running, NOW)
    assert stage.sweep(NOW + SECOND) == []
    assert stage.sweep(NOW + SECOND, forgotten=True) == [waiting]


def test_one_sweep_rings_for_a_bounded_number_and_the_next_one_for_the_rest(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert SWEEP_LIMIT >= 100
    monkeypatch.setattr("goalline.pipeline.SWEEP_LIMIT", 2)
    made = {stage.receive(f"call-{number}").evaluation_id for number in range(3)}
    at = NOW + RING_AGAIN_AFTER
    first, second, third = stage.sweep(at), stage.sweep(at), stage.sweep(at)
    assert (len(first), len(second), third) == (2, 1, [])
    assert {*first, *second} == made


@pytest.mark.parametrize("lost", [delete_conversation, lambda stage: stage.sweep(NOW + HOUR)], ids=["deleted", "swept"])
def test_a_judgement_that_comes_too_late_leaves_no_trace_in_the_rates(
    stage: Stage, lost: Callable[[Stage], object]
) -> None:
    stage.world.goal()
    stage.evaluate(ScriptedJudge(meanwhile=lambda: lost(stage)), stage.receive().evaluation_id)
    assert stage.verdicts() == {}


def test_whoever_is_idle_rings_for_what_is_overdue_though_it_was_rung_for_just_now(stage: Stage) -> None:
    made = {stage.receive(f"call-{number}").evaluation_id for number in range(3)}
    at = NOW + RING_AGAIN_AFTER
    assert {*stage.sweep(at)} == made
    assert stage.sweep(at + SECOND) == []
    assert {*stage.sweep(at + SECOND, idle=8)} == made
    assert len({*stage.sweep(at + SECOND, idle=2)} & made) == 2


def test_whoever_is_idle_leaves_alone_what_a_bell_is_on_its_way_for(stage: Stage) -> None:
    stage.receive()
    assert stage.sweep(NOW + SECOND, idle=8) == []


def test_whoever_is_idle_rings_once_for_what_was_lost_and_is_overdue(stage: Stage) -> None:
    evaluation_id = stage.receive().evaluation_id
    assert stage.sweep(NOW + RING_AGAIN_AFTER, idle=8) == [evaluation_id]


def test_whoever_is_idle_leaves_alone_what_waits_for_the_provider_and_what_runs(stage: Stage) -> None:
    stage.world.goal()
    delayed, running = stage.receive("delayed").evaluation_id, stage.receive("running").evaluation_id
    stage.evaluate(ScriptedJudge(error=JudgeUnavailable(EFFORT)), delayed, NOW)
    with pytest.raises(KilledError):
        stage.evaluate(ScriptedJudge(meanwhile=die), running, NOW)
    assert stage.sweep(NOW + 10 * SECOND, idle=8) == []
