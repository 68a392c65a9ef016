"""Bodies that are no good: each is refused as a problem that names the field, and nothing is stored or changed."""

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.api.calls import fixture, problem, raw, stored
from tests.api.world import World, delivery

JSON = {"Content-Type": "application/json"}
INVALID = sorted((Path(__file__).parents[2] / "fixtures" / "webhooks" / "invalid").glob("*.json"))

FIELDS = {
    "agent-id": "agent_id",
    "conversation-id": "conversation_id",
    "ended-at": "ended_at",
    "metadata": "metadata",
    "not-an-object": "body",
    "not-json": "body",
    "transcript": "transcript",
    "turn-at": "transcript[1].at",
    "turn-role": "transcript[1].role",
    "turn-text": "transcript[1].text",
    "turn-unknown-field": "transcript[1].confidence",
    "turns-out-of-order": "transcript",
    "unknown-field": "sentiment",
}
"""Which field each invalid fixture is refused for, by how its name starts."""

TURN = {"role": "user", "text": "Hello."}

DELIVERIES: dict[str, tuple[dict[str, Any], str]] = {
    "an id that is null": ({"conversation_id": None}, "conversation_id"),
    "an id that is a list": ({"conversation_id": ["a"]}, "conversation_id"),
    "an id of white space": ({"conversation_id": " \t "}, "conversation_id"),
    "an id with NUL": ({"conversation_id": "a\x00b"}, "conversation_id"),
    "an id with half a character": ({"conversation_id": "a\ud83d"}, "conversation_id"),
    "an id of 256 characters": ({"conversation_id": "a" * 256}, "conversation_id"),
    "an id with an escape": ({"conversation_id": "a\x1b[31m"}, "conversation_id"),
    "an agent that is an object": ({"agent_id": {"id": 1}}, "agent_id"),
    "an agent that is true": ({"agent_id": True}, "agent_id"),
    "a contact that is a number": ({"contact_id": 17}, "contact_id"),
    "a channel that is empty": ({"channel": ""}, "channel"),
    "a channel with a line break": ({"channel": "phone\nchat"}, "channel"),
    "an end that is NaN": ({"ended_at": float("nan")}, "ended_at"),
    "an end that is endless": ({"ended_at": float("inf")}, "ended_at"),
    "an end in seconds": ({"ended_at": "1763715000"}, "ended_at"),
    "an end that is a day": ({"ended_at": "2026-11-21"}, "ended_at"),
    "an end on no day there is": ({"ended_at": "2026-02-30T10:00:00Z"}, "ended_at"),
    "an end in the year 9999": ({"ended_at": "9999-12-31T23:59:59-14:00"}, "ended_at"),
    "an end in the year 1": ({"ended_at": "0001-01-01T00:00:00+14:00"}, "ended_at"),
    "a start without zone": ({"started_at": "2026-11-21T10:00:00"}, "started_at"),
    "an end reason that is too long": ({"end_reason": "x" * 256}, "end_reason"),
    "metadata with NaN": ({"metadata": {"a": [float("nan")]}}, "metadata"),
    "metadata with a number beyond all bounds": ({"metadata": {"a": float("-inf")}}, "metadata"),
    "metadata with NUL": ({"metadata": {"a": "\x00"}}, "metadata"),
    "metadata with NUL in a name": ({"metadata": {"a\x00": 1}}, "metadata"),
    "metadata with half a character": ({"metadata": {"a": {"b": ["\udc00"]}}}, "metadata"),
    "metadata that is text": ({"metadata": "{}"}, "metadata"),
    "a transcript that is an object": ({"transcript": {"0": TURN}}, "transcript"),
    "a transcript that is text": ({"transcript": "Hello."}, "transcript"),
    "a transcript that is null": ({"transcript": None}, "transcript"),
    "a turn that is text": ({"transcript": ["Hello."]}, "transcript[0]"),
    "a turn that is null": ({"transcript": [TURN, None]}, "transcript[1]"),
    "a turn without role": ({"transcript": [{"text": "Hello."}]}, "transcript[0].role"),
    "a role in capitals": ({"transcript": [{**TURN, "role": "USER"}]}, "transcript[0].role"),
    "a text that is a number": ({"transcript": [{**TURN, "text": 7}]}, "transcript[0].text"),
    "a text that is a list": ({"transcript": [{**TURN, "text": ["Hello."]}]}, "transcript[0].text"),
    "a text with half a character": ({"transcript": [{**TURN, "text": "\ud83d"}]}, "transcript[0].text"),
    "a time of a turn in seconds": ({"transcript": [{**TURN, "at": 12}]}, "transcript[0].at"),
    "a field that is nobody's": ({"converation_id": "a"}, "converation_id"),
    "verdicts of one's own": ({"verdicts": []}, "verdicts"),
}

BODIES: dict[str, tuple[bytes, int]] = {
    "nothing at all": (b"", 422),
    "white space": (b" \n ", 400),
    "null": (b"null", 422),
    "a number": (b"12", 422),
    "a number beyond all bounds": (b"1e999", 422),
    "a list of deliveries": (raw([delivery()]), 422),
    "a delivery in quotes": (raw(json.dumps(delivery())), 422),
    "half of it": (raw(delivery())[:-20], 400),
    "more after it": (raw(delivery()) + b"{}", 400),
    "single quotes": (b"{'conversation_id': 'a'}", 400),
    "a comma too many": (b'{"conversation_id": "a",}', 400),
    "a bare NUL": (b"\x00", 400),
    "Latin-1": ('{"conversation_id": "é"}'.encode("latin-1"), 400),
    "lists in lists in lists": (b"[" * 100_000 + b"]" * 100_000, 400),
    "objects in objects in objects": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 400),
    "a number of five thousand digits": (b'{"ended_at": ' + b"9" * 5_000 + b"}", 400),
    "a form": (b"conversation_id=a&agent_id=b", 400),
    "XML": (b"<conversation/>", 400),
}


def post(client: TestClient, content: bytes, **headers: str) -> Any:
    return client.post("/v1/conversations", content=content, headers={**JSON, **headers})


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_an_invalid_webhook_is_refused_for_the_field_that_is_wrong(untouched: World, path: Path) -> None:
    before = stored(untouched.database)
    field = FIELDS[max((start for start in FIELDS if path.stem.startswith(start)), key=len)]
    response = post(untouched.client(), fixture(f"invalid/{path.name}"))
    [error] = problem(response, 400 if path.stem == "not-json" else 422, field)["errors"]
    assert error["field"] == field
    assert stored(untouched.database) == before


def test_every_invalid_fixture_is_tried() -> None:
    assert len(INVALID) >= 25


@pytest.mark.parametrize("name", DELIVERIES)
def test_a_delivery_with_one_thing_wrong_is_refused_for_it(untouched: World, name: str) -> None:
    change, field = DELIVERIES[name]
    before = stored(untouched.database)
    body = problem(post(untouched.client(), raw({**delivery("call-2"), **change})), 422, field)
    assert {error["field"] for error in body["errors"]} == {field}
    assert stored(untouched.database) == before


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_no_delivery_at_all_is_refused(untouched: World, name: str) -> None:
    content, status = BODIES[name]
    before = stored(untouched.database)
    problem(post(untouched.client(), content), status)
    assert stored(untouched.database) == before


def test_a_refusal_of_an_unreadable_body_says_where_it_stops_making_sense(untouched: World) -> None:
    body = problem(post(untouched.client(), b'{"conversation_id": oops}'), 400, "body")
    assert "character 20" in body["detail"]


def test_everything_that_is_wrong_is_named_at_once(untouched: World) -> None:
    body = {"agent_id": 1, "ended_at": "soon", "transcript": [{"role": "nobody", "text": "a"}], "more": 1}
    fields = ("conversation_id", "agent_id", "ended_at", "transcript[0].role", "more")
    problem(untouched.client().post("/v1/conversations", json=body), 422, *fields)


@pytest.mark.parametrize(
    ("more", "told"), [({}, "ended_at: is missing"), ({"more": 1}, "ended_at: is missing; and 1 more; see errors")]
)
def test_the_detail_names_the_first_fault_and_how_many_more_there_are(
    untouched: World, more: dict[str, Any], told: str
) -> None:
    body = {**delivery(), **more}
    del body["ended_at"]
    found = problem(untouched.client().post("/v1/conversations", json=body), 422)
    assert found["detail"] == f"the request is not valid: {told}"


SENTENCES: dict[str, tuple[dict[str, Any], str, str]] = {
    "a list that is none": ({"transcript": {}}, "transcript", "must be a list"),
    "an object that is none": ({"metadata": []}, "metadata", "must be a JSON object"),
    "a turn that is none": ({"transcript": [7]}, "transcript[0]", "must be a JSON object"),
    "a turn that lacks something": ({"transcript": [{"role": "user"}]}, "transcript[0].text", "is missing"),
    "nothing": ({"agent_id": " "}, "agent_id", "must not be empty"),
    "too much": ({"agent_id": "a" * 256}, "agent_id", "must have at most 255 characters"),
    "a text that is none": ({"agent_id": 1}, "agent_id", "must be a string"),
    "a field of nobody's": ({"x": 1}, "x", "is not a known field; remove it or check its spelling"),
    "a role of nobody's": (
        {"transcript": [TURN, {**TURN, "role": "caller"}]},
        "transcript[1].role",
        "must be one of 'agent', 'user', 'tool' or 'system'",
    ),
    "a time that is none": (
        {"ended_at": "2026-02-30T10:00:00Z"},
        "ended_at",
        "must be an RFC 3339 time with zone, such as 2026-11-21T09:30:00Z",
    ),
    "a time without zone": (
        {"ended_at": "2026-02-20T10:00:00"},
        "ended_at",
        "must be an RFC 3339 time with zone, such as 2026-11-21T09:30:00Z",
    ),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_what_is_wrong_with_a_delivery_is_said_without_words_of_python(untouched: World, name: str) -> None:
    change, field, sentence = SENTENCES[name]
    body = problem(untouched.client().post("/v1/conversations", json={**delivery(), **change}), 422)
    assert body["errors"] == [{"field": field, "detail": sentence}]


def test_what_is_wrong_with_a_goal_is_said_without_words_of_python(untouched: World) -> None:
    draft = {"name": "Sale made", "description": "Something was sold.", "kind": "primary", "judged": "perhaps"}
    body = problem(untouched.client().post("/v1/goals", json=draft), 422)
    assert body["errors"] == [{"field": "judged", "detail": "must be true or false"}]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("limit=x", "must be a whole number"),
        ("limit=0", "must be at least 1"),
        ("limit=201", "must be at most 200"),
        ("goal=x", "must be a UUID"),
        ("status=done", "must be one of 'queued', 'running', 'succeeded', 'failed' or 'skipped'"),
    ],
)
def test_what_is_wrong_with_a_query_is_said_without_words_of_python(
    untouched: World, query: str, sentence: str
) -> None:
    body = problem(untouched.client().get(f"/v1/conversations?{query}"), 422)
    assert body["errors"] == [{"field": query.partition("=")[0], "detail": sentence}]


def test_a_state_that_cannot_be_retried_is_answered_with_the_one_that_can(untouched: World) -> None:
    body = problem(untouched.client().post("/v1/evaluations/retry", json={"state": "skipped"}), 422)
    assert body["errors"] == [{"field": "state", "detail": "must be one of 'failed'"}]


def test_a_body_full_of_faults_gets_a_short_answer(untouched: World) -> None:
    response = untouched.client().post("/v1/conversations", json=delivery(transcript=[{}] * 5_000))
    assert len(problem(response, 422)["errors"]) == 50
    assert len(response.content) < 20_000


def test_a_field_of_endless_name_gets_a_short_answer(untouched: World) -> None:
    response = untouched.client().post("/v1/conversations", json={**delivery(), "x" * 100_000: 1})
    problem(response, 422)
    assert len(response.content) < 2_000


def test_a_refusal_repeats_nothing_that_was_said(untouched: World) -> None:
    secret = "my card is 4111"
    for turn in (
        {"role": secret, "text": "a"},
        {"role": "user", "text": [secret]},
        {"role": "user", "text": f"{secret}\x00"},
    ):
        response = untouched.client().post("/v1/conversations", json=delivery(transcript=[turn]))
        problem(response, 422)
        assert secret not in response.text
