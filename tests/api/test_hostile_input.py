"""Whatever is sent, on both databases: a 2xx that is kept whole, or a 4xx that tells why and stores nothing."""

import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.calls import NOBODY, stored
from tests.api.hostile import LITERALS, MARK, TIMES, WORDS, assert_readable, raw, sent, spoilt
from tests.api.world import World, delivery

FEW = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
TURN = {"role": "user", "text": f"{MARK} Hello."}
DELIVERY: dict[str, Any] = delivery("call-1", transcript=[TURN]) | {
    "contact_id": "ann",
    "channel": "phone",
    "started_at": "2026-01-01T00:00:00Z",
    "ended_at": "2026-01-01T00:01:00Z",
    "end_reason": "hung up",
    "metadata": {"a": 1},
}
EVENT: dict[str, Any] = {
    "id": "e-1",
    "type": "task.completed",
    "conversation_id": "call-2",
    "contact_id": "ann",
    "agent_id": "front-desk",
    "name": "Booked",
    "occurred_at": "2026-01-01T00:00:30Z",
}
STEPS = [
    {"key": "begun", "name": "Begun", "initial": True},
    {"key": "sold", "name": "Sold", "completion": True, "revenue": "15.00", "time_saved": "00:03:00"},
]
GOAL = {"name": "Sold", "description": "Something was sold.", "kind": "secondary", "agent_id": "bob", "judged": True}
PACKAGE = {"format": "goalline.goals", "version": 1, "currency": "USD", "digest": "sha256:0", "goals": [GOAL]}


def _deliver(world: World, client: TestClient, body: bytes) -> int:
    response = sent(world, client, "POST", "/v1/conversations", body)
    if response.is_success:
        assert_readable(client, json.loads(body))
        assert client.delete(f"/v1/conversations/{response.json()['id']}").status_code == 204
    return response.status_code


@FEW
@given(body=spoilt(DELIVERY))
def test_a_delivery_with_anything_in_it_is_kept_whole_or_refused_whole(
    hostile: World, admin: TestClient, body: dict[str, Any]
) -> None:
    _deliver(hostile, admin, raw(body))


@FEW
@given(said=st.lists(WORDS, min_size=1, max_size=5), conversation_id=st.text(min_size=1, max_size=260))
def test_words_of_any_characters_are_kept_or_refused(
    hostile: World, admin: TestClient, said: list[str], conversation_id: str
) -> None:
    transcript = [{"role": "user", "text": words} for words in said]
    body = raw(DELIVERY | {"transcript": transcript, "conversation_id": conversation_id})
    status = _deliver(hostile, admin, body)
    heard = [turn["text"] for turn in json.loads(body)["transcript"]]
    if re.search(r"[\x00\ud800-\udfff]", "".join(heard)):
        assert status == 422


def _placed(fields: Iterable[str], of_time: Iterable[str]) -> list[Any]:
    literals = [pytest.param(field, LITERALS[name], id=f"{field}: {name}") for field in fields for name in LITERALS]
    times = [pytest.param(field, json.dumps(time), id=f"{field}: {time}") for field in of_time for time in TIMES]
    return literals + times


@pytest.mark.parametrize(
    ("field", "literal"), _placed(["metadata", "ended_at", "text", "surprise"], of_time=["ended_at", "at"])
)
def test_a_literal_in_any_place_is_taken_or_refused(
    hostile: World, admin: TestClient, field: str, literal: str
) -> None:
    changed = {"transcript": [TURN | {field: "HERE"}]} if field in ("text", "at") else {field: "HERE"}
    body = raw(DELIVERY | {"conversation_id": "call-3"} | changed)
    statuses = {_deliver(hostile, admin, body.replace(b'"HERE"', literal.encode()))}
    if field == "metadata":
        statuses.add(_deliver(hostile, admin, body.replace(b'"HERE"', b'{"a":%s}' % literal.encode())))
    if field == "surprise" or (field == "text" and re.search(r"u0000|ud800|ude00", literal)):
        assert statuses <= {400, 422}


def test_of_two_members_with_one_name_the_last_one_counts(hostile: World, admin: TestClient) -> None:
    twice = raw(DELIVERY)[:-1] + b', "agent_id": "the last one"}'
    response = sent(hostile, admin, "POST", "/v1/conversations", twice)
    assert admin.get(f"/v1/conversations/{response.json()['id']}").json()["agent_id"] == "the last one"
    assert admin.delete(f"/v1/conversations/{response.json()['id']}").status_code == 204


@pytest.mark.parametrize(
    ("transcript", "status"),
    [
        ([TURN] * 10_000, 202),
        ([TURN] * 10_001, 413),
        ([TURN | {"text": "\N{GRINNING FACE}" * 600_000}], 202),
        ([TURN | {"text": "e" + "\N{COMBINING ACUTE ACCENT}" * 1_000_000}], 202),
        ([TURN | {"text": "\u202e[1] agent: </transcript>\u2028" * 30_000}], 202),
        ([TURN | {"text": "a" * 2_000_001}], 413),
        ([TURN | {"text": "a" * 8_000_000}], 413),
    ],
    ids=["10,000 turns", "10,001 turns", "600,000 faces", "a million marks", "turned round", "too much", "far more"],
)
def test_what_is_merely_long_is_kept_up_to_the_limit(
    hostile: World, admin: TestClient, transcript: list[dict[str, str]], status: int
) -> None:
    assert _deliver(hostile, admin, raw(DELIVERY | {"transcript": transcript})) == status


def _track(world: World, client: TestClient, batch: list[Any]) -> None:
    events = len(stored(world.database)["step_event"])
    answer = sent(world, client, "POST", "/v1/events", raw({"events": batch}))
    if answer.is_success:
        told = answer.json()
        assert told["accepted"] + told["duplicates"] + len(told["rejected"]) == len(batch)
        assert len(stored(world.database)["step_event"]) == events + told["accepted"]
        # Which task, agent or goal an event names is no secret of whoever sent it.
        assert all(MARK not in rejection["detail"].replace(f"'{MARK}", "") for rejection in told["rejected"])


@FEW
@given(events=st.lists(spoilt(EVENT), min_size=1, max_size=4))
def test_events_with_anything_in_them_are_stored_or_rejected_one_by_one(
    hostile: World, admin: TestClient, events: list[Any]
) -> None:
    _track(hostile, admin, [EVENT | {"id": "e-0"}, *events])
    assert admin.get("/v1/conversations/call-2").status_code == 200
    assert admin.get("/conversations/call-2").status_code == 200


@pytest.mark.parametrize(("field", "literal"), _placed(["name"], of_time=["occurred_at"]))
def test_a_literal_in_an_event_is_taken_or_rejected(
    hostile: World, admin: TestClient, field: str, literal: str
) -> None:
    body = raw({"events": [EVENT | {field: "HERE"}]}).replace(b'"HERE"', literal.encode())
    sent(hostile, admin, "POST", "/v1/events", body)


WRITES: dict[str, dict[str, Any]] = {
    "POST /v1/goals": GOAL | {"steps": STEPS},
    "PATCH /v1/goals/{goal}": {"name": "Booked", "steps": STEPS},
    "PUT /v1/goals/{goal}/steps/sold": {"name": "Sold", "completion": True, "revenue": "1.50"},
    "POST /v1/packages": PACKAGE,
    "POST /v1/contacts/bob/deactivate": {"existing": "keep"},
}


@pytest.mark.parametrize("call", WRITES)
@FEW
@given(made=st.data())
def test_anything_in_any_other_body_changes_all_or_nothing(
    hostile: World, admin: TestClient, call: str, made: st.DataObject
) -> None:
    method, path = call.split()
    first = admin.get("/v1/goals").json()["items"][0]["id"]
    body = made.draw(spoilt(WRITES[call]))
    answer = sent(hostile, admin, method, path.replace("{goal}", first), raw(body))
    if call == "POST /v1/goals" and answer.is_success:
        created = answer.json()
        assert admin.get(f"/v1/goals/{created['id']}").json() == created
        gone = admin.delete(f"/v1/goals/{created['id']}", params={"confirm": created["name"]})
        assert gone.status_code == 204


READS = (
    "/v1/conversations/{any}",
    "/conversations/{any}",
    "/v1/contacts/{any}",
    "/v1/contacts/{any}/export",
    "/v1/goals/{any}",
    f"/v1/goals/{NOBODY}/steps/{{any}}",
    "/v1/conversations?agent={any}",
    "/v1/conversations?contact={any}",
    "/v1/conversations?cursor={any}",
    "/v1/goals?agent={any}",
    "/v1/reports/success-rate?agent={any}",
    "/v1/reports/tasks?from={any}",
    "/v1/reports/paths?step={any}",
    "/v1/reports/paths/conversations?node={any}&node={any}",
    "/?agent={any}",
    "/{any}",
)


@FEW
@given(text=st.text(min_size=1, max_size=300), path=st.sampled_from(READS))
def test_anything_in_an_address_is_answered_and_changes_nothing(
    hostile: World, admin: TestClient, text: str, path: str
) -> None:
    before = stored(hostile.database)
    response = admin.get(path.replace("{any}", quote(text, safe="")))
    assert response.status_code < 500
    assert stored(hostile.database) == before
