"""Hooks: a platform's own webhook becomes a conversation, once, and only where its source has signed it."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from fastapi.testclient import TestClient
from standardwebhooks import Webhook

from goalline import resources
from goalline.domain.evaluation import Status
from goalline.worker import utc_now
from tests.api.calls import problem
from tests.api.world import NewWorld, World, delivery, goal
from tests.signers import LINE, RETELL, Sender, every_official, every_sender

CALL = "call-1"
FIXTURES = resources.folder("fixtures") / "webhooks" / "retell"


def created(world: World, **changes: Any) -> dict[str, Any]:
    body = {"name": "phones", "platform": "standard_webhooks", **changes}
    response = world.client().post("/v1/sources", json=body)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


def ended(conversation_id: str = CALL, **changes: Any) -> str:
    return json.dumps({"type": "conversation.ended", "data": delivery(conversation_id), **changes})


def signed(secret: str, body: str, seconds_ago: float = 0) -> dict[str, str]:
    """Return the headers with which the official package signs a body."""
    at = utc_now() - timedelta(seconds=seconds_ago)
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", at, body),
        "content-type": "application/json",
    }


def send(world: World, source: dict[str, Any], body: str, **headers: str) -> Any:
    return world.browser().post(source["url"], content=body, headers=signed(source["secret"], body) | headers)


def conversations(world: World) -> list[str]:
    listed = world.client().get("/v1/conversations").json()["items"]
    return [each["conversation_id"] for each in listed]


def test_a_signed_webhook_becomes_a_conversation_that_is_judged(world: World) -> None:
    goal(world.client(), "Appointment booked")
    answer = send(world, created(world), ended())
    assert answer.status_code == 200
    assert (answer.json()["result"], answer.json()["conversation_id"]) == ("stored", CALL)
    assert world.evaluate() == [Status.SUCCEEDED]
    assert world.client().get("/v1/reports/success-rate").json()["success_rate"] == 1


def test_a_forged_webhook_is_refused_and_changes_nothing(world: World) -> None:
    source = created(world)
    body = ended()
    for headers in (
        signed(source["secret"], body + " "),
        signed(source["secret"], body, seconds_ago=301),
        signed("whsec_" + "A" * 32, body),
        {},
    ):
        answer = world.browser().post(source["url"], content=body, headers=headers)
        assert problem(answer, 401)["detail"].startswith("this is not signed as the source demands")
    assert conversations(world) == []


def test_an_unknown_and_a_disabled_source_are_answered_alike(world: World) -> None:
    source = created(world)
    world.client().patch(f"/v1/sources/{source['id']}", json={"enabled": False})
    body = ended()
    disabled = send(world, source, body)
    unknown = world.browser().post(f"/v1/hooks/{uuid4()}", content=body, headers=signed(source["secret"], body))
    misspelt = world.browser().post("/v1/hooks/phones", content=body)
    assert problem(disabled, 404)["detail"] == problem(unknown, 404)["detail"] == problem(misspelt, 404)["detail"]


def test_the_same_webhook_five_times_at_once_is_one_conversation_and_one_evaluation(world: World) -> None:
    source, body, client = created(world), ended(), world.browser()
    headers = signed(source["secret"], body)
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: client.post(source["url"], content=body, headers=headers), range(5)))
    assert [answer.status_code for answer in answers] == [200] * 5
    assert sorted(answer.json()["result"] for answer in answers) == ["duplicate"] * 4 + ["stored"]
    assert len({answer.json()["evaluation_id"] for answer in answers}) == 1


def test_what_nobody_wants_is_answered_200_with_the_reason(world: World) -> None:
    answer = send(world, created(world), json.dumps({"type": "contact.created", "data": {}}))
    assert answer.status_code == 200
    assert answer.json()["result"] == "ignored"
    assert "contact.created" in answer.json()["detail"]


def tell_of_call(world: World, url: str, event: str) -> dict[str, Any]:
    """Send one of Retell's webhooks, and return what is answered."""
    body = (FIXTURES / f"{event}.json").read_bytes()
    headers = RETELL.sign(RETELL.secret, body, utc_now().timestamp())
    answer = world.browser().post(url, content=body, headers=headers)
    assert answer.status_code == 200
    told: dict[str, Any] = answer.json()
    return told


def test_a_track_moves_while_the_call_runs(world: World) -> None:
    client = world.client()
    meant = {"tool": "book_appointment", "type": "task.completed", "name": "Appointment booked"}
    source = client.post("/v1/sources", json=RETELL.draft | {"tool_events": [meant]}).json()
    tell = partial(tell_of_call, world, source["url"])

    def read() -> dict[str, Any]:
        found: dict[str, Any] = client.get(f"/v1/conversations/{RETELL.conversation_id}").json()
        return found

    tracked = {"result": "tracked", "conversation_id": RETELL.conversation_id}
    assert [tell("transcript_updated") for _ in range(2)] == [tracked, tracked | {"result": "duplicate"}]
    running = read()
    assert (running["ended_at"], running["transcript"], running["evaluations"]) == (None, [], [])
    assert [task["name"] for task in running["tasks"]] == ["Appointment booked"]
    assert tell("call_ended")["result"] == "stored"
    assert [task["name"] for task in read()["tasks"]] == ["Appointment booked"]
    assert read()["ended_at"]


def test_a_call_under_way_in_which_no_tool_means_anything_is_ignored_with_the_reason(world: World) -> None:
    answer = tell_of_call(world, f"/v1/hooks/{add(world, RETELL)}", "transcript_updated")
    assert answer["result"] == "ignored"
    assert "has not ended" in answer["detail"]
    assert conversations(world) == []


@pytest.mark.parametrize("body", ["{", "[" * 100_000, '"\\ud800"', "[]", "1e400"])
def test_a_body_that_is_none_is_refused(world: World, body: str) -> None:
    assert problem(send(world, created(world), body), 422)


def test_what_is_missing_is_named(world: World) -> None:
    body = json.loads(ended())
    del body["data"]["ended_at"]
    answer = send(world, created(world), json.dumps(body))
    assert "data.ended_at" in problem(answer, 422)["detail"]


def test_a_transcript_over_the_limits_is_refused(new_world: NewWorld) -> None:
    world = new_world(max_turns=1)
    assert "the limit is 1 turns" in problem(send(world, created(world), ended()), 413)["detail"]


def test_a_body_over_the_limit_is_refused_before_anybody_looks_at_its_signature(new_world: NewWorld) -> None:
    world = new_world(max_body_bytes=1_000)
    url = created(world)["url"]
    declared = world.browser().post(url, content=b"x" * 1_001)
    streamed = world.browser().post(url, content=iter([b"x" * 600] * 2))
    assert problem(declared, 413)["detail"] == problem(streamed, 413)["detail"]
    assert "1,000 bytes" in problem(declared, 413)["detail"]


def test_nothing_is_unpacked(world: World) -> None:
    problem(send(world, created(world), ended(), **{"content-encoding": "gzip"}), 415)


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "application/cloudevents+json"]
)
def test_what_a_platform_calls_its_content_does_not_matter(world: World, kind: str) -> None:
    assert send(world, created(world), ended(), **{"content-type": kind}).status_code == 200


def test_an_address_with_a_slash_behind_it_is_the_same(world: World) -> None:
    source = created(world)
    assert send(world, source | {"url": source["url"] + "/"}, ended()).json()["result"] == "stored"


def test_a_hook_is_sent_to_and_nothing_else(world: World) -> None:
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        answer = world.browser().request(method, created(world, name=method)["url"])
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_the_old_secret_is_valid_for_as_long_as_the_rotation_says(world: World) -> None:
    source, body = created(world), ended()
    made = world.client().post(f"/v1/sources/{source['id']}/rotate", json={"overlap_hours": 2}).json()
    assert made["secret"] != source["secret"]
    assert send(world, source | {"secret": made["secret"]}, body).status_code == 200
    for hours, status in ((1.9, 200), (2.1, 401)):
        with time_machine.travel(utc_now() + timedelta(hours=hours), tick=False):
            assert send(world, source, body).status_code == status


def test_a_rotation_without_overlap_ends_the_old_secret_at_once(world: World) -> None:
    source, body = created(world), ended()
    world.client().post(f"/v1/sources/{source['id']}/rotate", json={"overlap_hours": 0})
    assert send(world, source, body).status_code == 401


def test_a_source_whose_secret_cannot_be_read_asks_the_platform_to_come_again(world: World) -> None:
    source, body = created(world), ended()
    with world.database.transaction() as session:
        session.connection().exec_driver_sql("UPDATE source SET sealed = 'gAAAAA'")
    answer = send(world, source, body)
    assert problem(answer, 503)
    assert answer.headers["retry-after"] == "60"


def add(world: World, sender: Sender) -> str:
    """Create a platform's source and return its id."""
    response = world.client().post("/v1/sources", json=sender.draft)
    assert response.status_code == 201, response.text
    made: str = response.json()["id"]
    return made


def statuses(world: World, source: str, *sent: tuple[bytes, dict[str, str]]) -> list[int]:
    client = world.browser()
    return [client.post(f"/v1/hooks/{source}", content=body, headers=headers).status_code for body, headers in sent]


@every_official
def test_a_hook_takes_and_refuses_what_the_platforms_own_package_takes_and_refuses(
    world: World, sender: Sender
) -> None:
    assert sender.takes
    assert sender.tolerance
    source, body = add(world, sender), sender.body
    with time_machine.travel(utc_now().replace(microsecond=0), tick=False):
        now = utc_now().timestamp()
        signature = sender.sign(sender.secret, body, now)
        middle = len(body) // 2
        good = [(body, signature), (body, sender.sign(sender.secret, body, now - sender.tolerance))]
        bad = [
            (bytes([body[0] ^ 1]) + body[1:], signature),
            (body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :], signature),
            (body[:-1], signature),
            (body + b" ", signature),
            (body, sender.sign(sender.secret, body, now - sender.tolerance - 1)),
            (body, sender.sign(sender.other, body, now)),
        ]
        assert [sender.takes(sender.secret, *sent) for sent in good + bad] == [True] * len(good) + [False] * len(bad)
        assert statuses(world, source, *good) == [200] * len(good)
        assert statuses(world, source, *bad) == [401] * len(bad)


@every_sender
def test_while_a_secret_is_replaced_both_count_and_then_the_new_one_alone(world: World, sender: Sender) -> None:
    source, body = add(world, sender), sender.body
    rotation = {"secret": sender.other, "overlap_hours": 2}
    assert world.client().post(f"/v1/sources/{source}/rotate", json=rotation).status_code == 200
    for hours, expected in ((0.0, [200, 200]), (1.99, [200, 200]), (2.01, [401, 200]), (1_000.0, [401, 200])):
        with time_machine.travel(utc_now() + timedelta(hours=hours), tick=False):
            now = utc_now().timestamp()
            sent = [(body, sender.sign(secret, body, now)) for secret in (sender.secret, sender.other)]
            assert statuses(world, source, *sent) == expected, hours


@every_sender
def test_what_nobody_or_somebody_else_has_signed_or_too_long_ago_is_refused(world: World, sender: Sender) -> None:
    source, body, now = add(world, sender), sender.body, utc_now().timestamp()
    altered = (body + b" ", sender.sign(sender.secret, body, now))
    stranger = (body, sender.sign(sender.other, body, now))
    assert statuses(world, source, (body, {}), altered, stranger) == [401] * 3
    if sender.tolerance:
        late = now - sender.tolerance - 2
        assert statuses(world, source, (body, sender.sign(sender.secret, body, late))) == [401]
    assert conversations(world) == []


def unsigned(world: World) -> str:
    """Create a source whose webhooks nobody signs, and return its address."""
    options = LINE.options | {"signature": {"scheme": "none"}}
    return str(created(world, platform="custom", options=options)["url"])


def test_what_nobody_signs_is_taken_from_this_machine_alone(world: World) -> None:
    url, app = unsigned(world), world.browser().app
    for host, status in (("127.0.0.1", 200), ("::1", 200), ("192.0.2.1", 401), ("testclient", 401), ("", 401)):
        client = TestClient(app, client=(host, 50_000))
        assert client.post(url, content=LINE.body).status_code == status, host


@pytest.mark.parametrize("name", ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via"])
def test_what_nobody_signs_is_not_taken_through_a_proxy_on_this_machine(world: World, name: str) -> None:
    client = TestClient(world.browser().app, client=("127.0.0.1", 50_000))
    answer = client.post(unsigned(world), content=LINE.body, headers={name: "127.0.0.1"})
    assert "from this machine alone" in problem(answer, 401)["detail"]
