"""GET /v1/conversations/{id} and what can be done to one: judged again, deleted."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from goalline import pipeline, upkeep
from goalline.domain.evaluation import Effort, Judgement, JudgeUnavailable, Reason, Status
from goalline.domain.goal import GoalInForce
from goalline.domain.transcript import Turn
from goalline.domain.verdict import Outcome
from goalline.worker import utc_now
from tests.api.calls import NOBODY, problem, stored
from tests.api.world import World, delivery, goal

ODD_IDS = ("a/b", "a//b/", "/", "evaluations", "a/evaluations", "v1.2-a_b~c", "+49 30 1234", "100%", "a?b=c&d#e")
MORE_ODD_IDS = ("rozmowa-żółw-☎", "通話", "a;b,c:d@e", "back\\slash", '"quoted"', "a'b")


def path(conversation_id: str) -> str:
    return f"/v1/conversations/{quote(conversation_id, safe='')}"


class BusyJudge:
    """A judge whose provider has no time."""

    def judge(self, goals: Sequence[GoalInForce], turns: Sequence[Turn]) -> Judgement:
        assert goals
        assert turns
        raise JudgeUnavailable(effort=Effort("scripted-model", "0123456789abcdef"))


def test_a_conversation_has_everything_that_the_contract_names(judged: World) -> None:
    read = judged.client().get("/v1/conversations/call-1").json()
    assert set(read) == {
        *("id", "conversation_id", "agent_id", "contact_id", "channel", "started_at", "ended_at", "received_at"),
        *("end_reason", "metadata", "transcript", "verdicts", "evaluations", "cycles", "tasks", "steps", "untracked"),
        *("erased_at", "transcript_deleted_at"),
    }
    assert [turn["role"] for turn in read["transcript"]] == ["user", "agent"]


def test_a_verdict_tells_its_goal_its_wording_its_reason_and_its_evidence(judged: World) -> None:
    client = judged.client()
    [run] = client.get("/v1/conversations/call-1").json()["evaluations"]
    goals = {item["name"]: item["id"] for item in client.get("/v1/goals").json()["items"]}
    assert client.get("/v1/conversations/call-1").json()["verdicts"] == [
        {
            "goal_id": goals[name],
            "goal": {"id": goals[name], "name": name, "kind": kind},
            "revision": 1,
            "outcome": outcome,
            "rationale": f"Because of {name}.",
            "evidence": evidence,
            "reviewed": False,
            "evaluation_id": run["id"],
        }
        for name, kind, outcome, evidence in (
            ("Appointment booked", "primary", "achieved", [{"turn": 2, "quote": "booked for monday"}]),
            ("Reminder offered", "secondary", "not_achieved", []),
        )
    ]


def test_an_evaluation_tells_its_state_and_its_cost(judged: World) -> None:
    [run] = judged.client().get("/v1/conversations/call-1").json()["evaluations"]
    assert run.pop("id")
    assert run.pop("created_at") <= run.pop("finished_at")
    assert run == {
        "status": "succeeded",
        "reason": None,
        "explanation": None,
        "model": "scripted-model",
        "prompt_digest": "0123456789abcdef",
        "usage": {"prompt_tokens": 1234, "completion_tokens": 56},
        "cost": None,
        "calls": 1,
        "attempts": 1,
        "last_error": None,
        "next_attempt_at": None,
    }


def test_a_failed_evaluation_says_why_in_words_and_leaves_no_verdict(world: World, client: TestClient) -> None:
    goal(client, "Appointment booked")
    world.judge.fails = Reason.UNGROUNDED
    client.post("/v1/conversations", json=delivery())
    assert world.evaluate() == [Status.FAILED]
    read = client.get("/v1/conversations/call-1").json()
    [run] = read["evaluations"]
    assert (run["status"], run["reason"]) == ("failed", "ungrounded")
    assert run["explanation"] == Reason.UNGROUNDED.explanation
    assert read["verdicts"] == []


@pytest.mark.parametrize(("said", "reason"), [((), "no_goal_in_force"), (("", "  "), "empty_transcript")])
def test_a_skipped_evaluation_says_why(world: World, client: TestClient, said: tuple[str, ...], reason: str) -> None:
    client.post("/v1/conversations", json=delivery("call-1", *said))
    assert world.evaluate() == [Status.SKIPPED]
    [run] = client.get("/v1/conversations/call-1").json()["evaluations"]
    assert (run["status"], run["reason"], run["model"], run["calls"]) == ("skipped", reason, None, 0)


def test_an_evaluation_that_waits_for_its_provider_says_until_when(world: World, client: TestClient) -> None:
    goal(client, "Appointment booked")
    client.post("/v1/conversations", json=delivery())
    [evaluation_id] = pipeline.sweep(world.database, utc_now(), forgotten=True)
    day = timedelta(days=1)
    work = pipeline.claim(world.database, evaluation_id, utc_now(), day)
    assert work
    pipeline.evaluate(world.database, BusyJudge(), work, utc_now, give_up_after=day)
    [run] = client.get("/v1/conversations/call-1").json()["evaluations"]
    assert (run["status"], run["reason"], run["finished_at"]) == ("queued", "unavailable", None)
    assert run["next_attempt_at"] > run["created_at"]


def test_a_verdict_keeps_the_wording_that_it_was_made_by(judged: World) -> None:
    client = judged.client()
    goal_id = client.get("/v1/goals").json()["items"][0]["id"]
    client.patch(f"/v1/goals/{goal_id}", json={"name": "Visit booked", "kind": "secondary"})
    verdict = client.get("/v1/conversations/call-1").json()["verdicts"][0]
    assert verdict["goal"] == {"id": goal_id, "name": "Appointment booked", "kind": "primary"}
    assert verdict["revision"] == 1


@pytest.mark.parametrize("conversation_id", [*ODD_IDS, *MORE_ODD_IDS])
def test_whatever_a_platform_calls_a_conversation_that_is_its_address(client: TestClient, conversation_id: str) -> None:
    client.post("/v1/conversations", json=delivery("another"))
    receipt = client.post("/v1/conversations", json=delivery(conversation_id)).json()
    read = client.get(path(conversation_id))
    assert read.status_code == 200, read.text
    assert (read.json()["id"], read.json()["conversation_id"]) == (receipt["id"], conversation_id)
    assert client.post(path(conversation_id) + "/evaluations").json()["id"] == receipt["id"]
    assert client.delete(path(conversation_id)).status_code == 204
    assert [item["conversation_id"] for item in client.get("/v1/conversations").json()["items"]] == ["another"]


def test_a_conversation_is_found_by_its_row_as_well(client: TestClient) -> None:
    row_id = client.post("/v1/conversations", json=delivery("..")).json()["id"]
    for reference in (row_id, row_id.upper(), row_id.replace("-", "")):
        assert client.get(path(reference)).json()["conversation_id"] == ".."


def test_a_platforms_own_name_goes_before_a_row_of_the_same_name(client: TestClient) -> None:
    row_id = client.post("/v1/conversations", json=delivery("call-1")).json()["id"]
    client.post("/v1/conversations", json=delivery(row_id))
    assert client.get(path(row_id)).json()["conversation_id"] == row_id


@pytest.mark.parametrize("reference", ["call-2", NOBODY, "CALL-1", "call-1/", "call", "call-1%00", "x" * 4_000])
def test_an_unknown_conversation_is_not_found(judged: World, reference: str) -> None:
    client, before = judged.client(), stored(judged.database)
    problem(client.get(f"/v1/conversations/{reference}"), 404)
    problem(client.post(f"/v1/conversations/{reference}/evaluations"), 404)
    problem(client.delete(f"/v1/conversations/{reference}"), 404)
    assert stored(judged.database) == before


def test_judging_again_queues_another_evaluation(judged: World) -> None:
    client = judged.client()
    response = client.post("/v1/conversations/call-1/evaluations")
    assert response.status_code == 202
    queued = response.json()["evaluation"]
    runs = client.get("/v1/conversations/call-1").json()["evaluations"]
    assert [(run["status"], run["id"] == queued["id"]) for run in runs] == [("queued", True), ("succeeded", False)]


def test_the_newer_judgement_replaces_the_older_only_once_it_is_there(judged: World) -> None:
    client = judged.client()
    judged.judge.outcomes = {"Appointment booked": Outcome.PARTIAL}
    queued = client.post("/v1/conversations/call-1/evaluations").json()["evaluation"]
    assert client.get("/v1/conversations/call-1").json()["verdicts"][0]["outcome"] == "achieved"
    judged.evaluate()
    verdict = client.get("/v1/conversations/call-1").json()["verdicts"][0]
    assert (verdict["outcome"], verdict["evaluation_id"]) == ("partial", queued["id"])


def test_a_failure_to_judge_again_leaves_the_verdicts_in_place(judged: World) -> None:
    client = judged.client()
    before = client.get("/v1/conversations/call-1").json()["verdicts"]
    judged.judge.fails = Reason.REFUSED
    client.post("/v1/conversations/call-1/evaluations")
    assert judged.evaluate() == [Status.FAILED]
    assert client.get("/v1/conversations/call-1").json()["verdicts"] == before
    assert client.get("/v1/reports/success-rate").json()["achieved"] == 1


def test_what_waits_to_be_judged_is_not_queued_twice(client: TestClient) -> None:
    first = client.post("/v1/conversations", json=delivery()).json()["evaluation"]
    assert client.post("/v1/conversations/call-1/evaluations").json()["evaluation"] == first
    assert len(client.get("/v1/conversations/call-1").json()["evaluations"]) == 1


def test_a_deleted_conversation_is_gone_with_all_that_hung_on_it(judged: World) -> None:
    client = judged.client()
    response = client.delete("/v1/conversations/call-1")
    assert (response.status_code, response.content) == (204, b"")
    problem(client.get("/v1/conversations/call-1"), 404)
    assert client.get("/v1/conversations").json()["items"] == []
    rate = client.get("/v1/reports/success-rate").json()
    assert (rate["conversations"], rate["evaluated"], rate["success_rate"]) == (0, 0, None)
    rows = stored(judged.database)
    assert [rows[table] for table in ("conversation", "evaluation", "verdict")] == [[], [], []]


def test_a_conversation_can_be_deleted_once(judged: World) -> None:
    client = judged.client()
    client.delete("/v1/conversations/call-1")
    problem(client.delete("/v1/conversations/call-1"), 404)


def test_deleting_one_conversation_leaves_the_others(judged: World) -> None:
    client = judged.client()
    client.post("/v1/conversations", json=delivery("call-2"))
    judged.evaluate()
    client.delete("/v1/conversations/call-1")
    assert len(client.get("/v1/conversations/call-2").json()["verdicts"]) == 2
    assert client.get("/v1/reports/success-rate").json()["achieved"] == 1


def test_a_deleted_conversation_that_is_delivered_again_is_new(judged: World) -> None:
    client = judged.client()
    old = client.get("/v1/conversations/call-1").json()["id"]
    client.delete("/v1/conversations/call-1")
    receipt = client.post("/v1/conversations", json=delivery()).json()
    assert receipt["duplicate"] is False
    assert receipt["id"] != old


def test_of_a_conversation_whose_words_were_deleted_it_tells_since_when_and_what_stays(judged: World) -> None:
    client = judged.client()
    before = client.get("/v1/conversations/call-1").json()
    assert before["transcript_deleted_at"] is None
    at = utc_now() + timedelta(days=31)
    assert upkeep.retain(judged.database, 30, at).deleted
    after = client.get("/v1/conversations/call-1").json()
    assert (datetime.fromisoformat(after["transcript_deleted_at"]), after["transcript"]) == (at, [])
    assert [item["turn"] for found in after["verdicts"] for item in found["evidence"]] == [2]
    assert {item["quote"] for found in after["verdicts"] for item in found["evidence"]} == {""}
    changed = ("transcript", "transcript_deleted_at", "verdicts")
    assert {name: after[name] for name in after if name not in changed} == {
        name: before[name] for name in before if name not in changed
    }
    [listed] = client.get("/v1/conversations").json()["items"]
    assert listed["transcript_deleted_at"] == after["transcript_deleted_at"]
    refused = client.post("/v1/conversations/call-1/evaluations")
    assert "words of conversation 'call-1' were deleted" in problem(refused, 409)["detail"]
