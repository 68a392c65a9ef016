"""POST /v1/conversations: stored once, answered before anything is judged, judged again when the words are others."""

import json
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from fastapi import FastAPI
from fastapi.testclient import TestClient

from goalline.domain.evaluation import Status
from goalline.domain.verdict import Outcome
from goalline.worker import utc_now
from tests.api.calls import fixture, problem, stored
from tests.api.world import NewWorld, World, delivery, goal


def rings(client: TestClient) -> int:
    """Return how often this client's application has rung for an evaluation."""
    broker = cast(FastAPI, client.app).state.services.broker
    return sum(queue.qsize() for queue in broker.queues.values())


def test_a_delivery_is_answered_with_what_it_led_to(client: TestClient) -> None:
    response = client.post("/v1/conversations", json=delivery("call-1"))
    assert response.status_code == 202
    receipt = response.json()
    assert set(receipt) == {"id", "conversation_id", "evaluation", "duplicate"}
    assert set(receipt["evaluation"]) == {"id", "status"}
    assert (receipt["conversation_id"], receipt["duplicate"]) == ("call-1", False)
    assert receipt["evaluation"]["status"] == "queued"
    assert UUID(receipt["id"]) != UUID(receipt["evaluation"]["id"])


def test_the_receipt_names_the_conversation_and_the_evaluation_that_can_be_read(client: TestClient) -> None:
    receipt = client.post("/v1/conversations", json=delivery("call-1")).json()
    read = client.get(f"/v1/conversations/{receipt['id']}").json()
    assert read["conversation_id"] == "call-1"
    assert [run["id"] for run in read["evaluations"]] == [receipt["evaluation"]["id"]]


def test_a_delivery_is_answered_before_anything_is_judged(world: World, client: TestClient) -> None:
    goal(client, "Appointment booked")
    client.post("/v1/conversations", json=delivery())
    read = client.get("/v1/conversations/call-1").json()
    assert [run["status"] for run in read["evaluations"]] == ["queued"]
    assert read["verdicts"] == []
    assert world.evaluate() == [Status.SUCCEEDED]


def test_the_sample_webhook_is_taken_as_it_is(client: TestClient) -> None:
    headers = {"Content-Type": "application/json"}
    response = client.post("/v1/conversations", content=fixture("conversation.json"), headers=headers)
    assert response.status_code == 202, response.text
    sent = json.loads(fixture("conversation.json"))
    read = client.get(f"/v1/conversations/{sent['conversation_id']}").json()
    for field in ("agent_id", "contact_id", "channel", "end_reason", "metadata"):
        assert read[field] == sent[field]
    assert datetime.fromisoformat(read["ended_at"]) == datetime.fromisoformat(sent["ended_at"])
    assert [(turn["role"], turn["text"]) for turn in read["transcript"]] == [
        (turn["role"], turn["text"]) for turn in sent["transcript"]
    ]


def test_the_times_of_a_conversation_and_its_turns_are_kept(client: TestClient) -> None:
    said = [{"role": "user", "text": "Hello.", "at": "2026-01-01T09:00:00.25+01:00"}]
    times = {"started_at": "2026-01-01T07:59:59Z", "ended_at": "2026-01-01T09:30:00+01:00"}
    assert client.post("/v1/conversations", json=delivery(transcript=said, **times)).status_code == 202
    read = client.get("/v1/conversations/call-1").json()
    for field, sent in times.items():
        assert datetime.fromisoformat(read[field]) == datetime.fromisoformat(sent)
    [turn] = read["transcript"]
    assert datetime.fromisoformat(turn["at"]) == datetime.fromisoformat(str(said[0]["at"]))


def test_only_an_id_an_agent_an_end_and_a_transcript_are_needed(client: TestClient) -> None:
    body = {"conversation_id": "least", "agent_id": "a", "ended_at": "2026-01-01T00:00:00Z", "transcript": []}
    assert client.post("/v1/conversations", json=body).status_code == 202
    read = client.get("/v1/conversations/least").json()
    optional = ("contact_id", "channel", "started_at", "end_reason", "metadata")
    assert [read[field] for field in optional] == [None] * 5


def test_words_of_every_script_are_kept_to_the_letter(client: TestClient) -> None:
    said = (
        "Zażółć\ngęślą\r\n jaźń  ",
        "עברית و العربية",
        "予約は10時です",
        "👩‍👩‍👧 \N{ZERO WIDTH SPACE}!",
        "{{ goals }} <b>&amp;",
        "",
    )
    client.post("/v1/conversations", json=delivery("call-1", *said))
    read = client.get("/v1/conversations/call-1").json()
    assert tuple(turn["text"] for turn in read["transcript"]) == said


def test_the_same_delivery_twice_changes_nothing(world: World, client: TestClient) -> None:
    body = delivery()
    first = client.post("/v1/conversations", json=body)
    before = stored(world.database)
    second = client.post("/v1/conversations", json=body)
    assert second.status_code == 202
    assert second.json() == {**first.json(), "duplicate": True}
    assert stored(world.database) == before


def test_the_bell_is_rung_for_a_new_conversation_and_not_for_a_duplicate(client: TestClient) -> None:
    body = delivery()
    client.post("/v1/conversations", json=body)
    assert rings(client) == 1
    client.post("/v1/conversations", json=body)
    assert rings(client) == 1
    client.post("/v1/conversations", json=delivery("call-1", "Other words."))
    assert rings(client) == 2


def test_a_refused_delivery_rings_no_bell(client: TestClient) -> None:
    client.post("/v1/conversations", json=delivery(ended_at="yesterday"))
    assert rings(client) == 0


def test_a_delivery_repeated_after_the_judge_is_told_how_it_went(judged: World) -> None:
    before = stored(judged.database)
    receipt = judged.client().post("/v1/conversations", json=delivery()).json()
    assert receipt["duplicate"] is True
    assert receipt["evaluation"]["status"] == "succeeded"
    assert stored(judged.database) == before


def test_the_same_words_with_other_notes_are_still_the_same_delivery(world: World, client: TestClient) -> None:
    client.post("/v1/conversations", json=delivery(channel="phone", metadata={"a": 1}))
    before = stored(world.database)
    again = client.post("/v1/conversations", json=delivery(channel="chat", metadata={"a": 2}))
    assert again.json()["duplicate"] is True
    assert stored(world.database) == before


def test_other_words_are_judged_again(judged: World) -> None:
    client = judged.client()
    judged.judge.outcomes, judged.judge.quotes = {"Appointment booked": Outcome.NOT_ACHIEVED}, {}
    receipt = client.post("/v1/conversations", json=delivery("call-1", "No, I would rather not come.")).json()
    assert (receipt["duplicate"], receipt["evaluation"]["status"]) == (True, "queued")
    assert judged.evaluate() == [Status.SUCCEEDED]
    read = client.get("/v1/conversations/call-1").json()
    assert [turn["text"] for turn in read["transcript"]] == ["No, I would rather not come."]
    assert [run["status"] for run in read["evaluations"]] == ["succeeded", "succeeded"]
    assert {verdict["evaluation_id"] for verdict in read["verdicts"]} == {receipt["evaluation"]["id"]}
    rate = client.get("/v1/reports/success-rate").json()
    assert (rate["conversations"], rate["achieved"], rate["not_achieved"]) == (1, 0, 1)


def test_until_other_words_are_judged_the_old_verdicts_count(judged: World) -> None:
    client = judged.client()
    client.post("/v1/conversations", json=delivery("call-1", "No, I would rather not come."))
    assert client.get("/v1/reports/success-rate").json()["achieved"] == 1
    assert len(client.get("/v1/conversations/call-1").json()["verdicts"]) == 2


def test_a_conversation_cannot_move_to_another_agent(judged: World) -> None:
    before = stored(judged.database)
    response = judged.client().post("/v1/conversations", json=delivery(agent_id="night-desk"))
    detail = problem(response, 409, "agent_id")["detail"]
    assert "front-desk" in detail
    assert "call-1" in detail
    assert stored(judged.database) == before


def test_an_end_in_the_future_counts_as_the_time_of_receipt(client: TestClient) -> None:
    before = utc_now()
    client.post("/v1/conversations", json=delivery(ended_at=(before + timedelta(days=400)).isoformat()))
    read = client.get("/v1/conversations/call-1").json()
    assert read["ended_at"] == read["received_at"]
    assert before <= datetime.fromisoformat(read["ended_at"]) <= utc_now()


def test_times_of_any_zone_are_told_in_utc(client: TestClient) -> None:
    client.post("/v1/conversations", json=delivery(ended_at="2026-03-29T03:15:00+02:00"))
    assert client.get("/v1/conversations/call-1").json()["ended_at"] == "2026-03-29T01:15:00Z"


def test_white_space_around_an_id_is_not_part_of_it(client: TestClient) -> None:
    first = client.post("/v1/conversations", json=delivery("call-1"))
    second = client.post("/v1/conversations", json=delivery(" call-1\t"))
    assert second.json() == {**first.json(), "duplicate": True}


def test_ids_differ_by_case(client: TestClient) -> None:
    client.post("/v1/conversations", json=delivery("call-a"))
    assert client.post("/v1/conversations", json=delivery("CALL-A")).json()["duplicate"] is False


def test_a_transcript_of_exactly_the_limits_is_taken(new_world: NewWorld) -> None:
    client = new_world(max_turns=3, max_characters=30).client()
    body = delivery("call-1", "a" * 10, "b" * 10, "c" * 10)
    assert client.post("/v1/conversations", json=body).status_code == 202


def test_a_body_of_exactly_the_limit_is_taken(new_world: NewWorld) -> None:
    client = new_world(max_body_bytes=4_000).client()
    body = json.dumps(delivery()).encode().ljust(4_000)
    headers = {"Content-Type": "application/json"}
    assert client.post("/v1/conversations", content=body, headers=headers).status_code == 202


def test_a_slash_too_many_at_the_end_of_the_address_does_no_harm(client: TestClient) -> None:
    receipt = client.post("/v1/conversations/", json=delivery())
    assert receipt.status_code == 202
    assert client.post("/v1/conversations", json=delivery()).json() == {**receipt.json(), "duplicate": True}
