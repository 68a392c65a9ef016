"""Subscriptions over HTTP: made, changed, tried, told, delivered again; no secret is told twice, no address logged."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import structlog
from dramatiq.brokers.stub import StubBroker
from fastapi.testclient import TestClient

from goalline import pipeline, upkeep
from goalline.api.app import create_app
from goalline.domain.evaluation import Reason, Status
from goalline.domain.key import Scope
from goalline.domain.outbound.message import Answer
from goalline.domain.outbound.subscription import MOST_SUBSCRIPTIONS
from goalline.store import secrets
from goalline.store.vault import Vault
from goalline.worker import Bell, utc_now
from tests.api.calls import problem
from tests.api.test_hooks import ended, signed
from tests.api.world import ADDRESS, NewWorld, World, delivery, goal

URL = "https://receiver.example.com/hook?token=hush-hush"
STEPS = [
    {"key": "begun", "name": "Begun", "initial": True},
    {"key": "sold", "name": "Sold", "completion": True},
]
REFUSED = Answer(0.02, 500, "not today")
TAKEN = Answer(0.01, 204)
GONE = Answer(0.01, 410)


@dataclass
class Receiver:
    """Answers as it is told to, and keeps what it was sent."""

    answer: Answer = TAKEN
    sent: list[tuple[str, Sequence[str], str]] = field(default_factory=list)

    def send(self, url: str, secrets: Sequence[str], message_id: str, at: datetime, body: bytes) -> Answer:  # noqa: ARG002
        self.sent.append((url, secrets, message_id))
        return self.answer


def subscribe(client: TestClient, **changes: Any) -> Any:
    body = {"name": "crm", "url": URL, "types": ["evaluation.completed", "goal.completed"], **changes}
    return client.post("/v1/subscriptions", json=body)


def made(client: TestClient, **changes: Any) -> dict[str, Any]:
    response = subscribe(client, **changes)
    assert response.status_code == 201, response.text
    body: dict[str, Any] = response.json()
    return body


def address(subscription: dict[str, Any]) -> str:
    return f"/v1/subscriptions/{subscription['id']}"


def shown(client: TestClient, subscription: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = client.get(address(subscription)).json()
    return body


def messages(client: TestClient, subscription: dict[str, Any], **query: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client.get(f"{address(subscription)}/messages", params=query).json()["items"]
    return items


def post(world: World, receiver: Receiver, at: datetime | None = None) -> int:
    """Deliver all that is due, now or at a time; return how many attempts that took."""
    before = len(receiver.sent)
    while pipeline.deliver(world.database, world.parts.vault, receiver, lambda: at or utc_now(), 0.0):
        pass
    return len(receiver.sent) - before


def tell(client: TestClient, subscription: dict[str, Any]) -> dict[str, Any]:
    """Have a message of the subscription stored."""
    response = client.post(f"{address(subscription)}/test")
    assert response.status_code == 202, response.text
    message: dict[str, Any] = response.json()
    return message


@pytest.fixture
def rung(world: World, monkeypatch: pytest.MonkeyPatch) -> tuple[TestClient, list[int]]:
    """An admin's client, and what grows by one whenever the post is rung for."""
    parts = replace(world.parts, broker=StubBroker(middleware=[]))
    bell, rings = Bell(parts), list[int]()
    monkeypatch.setattr(bell.post, "ring", lambda bells=1: rings.append(bells))
    client = TestClient(create_app(parts, bell), base_url=ADDRESS, raise_server_exceptions=False)
    client.headers["Authorization"] = f"Bearer {world.keys[Scope.ADMIN]}"
    return client, rings


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    """Everything that is logged meanwhile."""
    with structlog.testing.capture_logs() as lines:
        yield lines


def test_a_subscription_tells_its_secret_once(client: TestClient) -> None:
    subscription = made(client)
    assert subscription["secret"].startswith("whsec_")
    response = client.get(address(subscription))
    assert response.json() == {key: value for key, value in subscription.items() if key != "secret"}
    assert client.get("/v1/subscriptions").json() == {"items": [response.json()]}
    assert subscription["secret"] not in response.text
    assert subscribe(client, name="another").headers["location"].startswith("/v1/subscriptions/")


def test_it_is_shown_as_it_was_described(client: TestClient) -> None:
    rate = {"threshold": 0.6, "conversations": 20, "recovery": 0.7}
    subscription = made(client, types=["rate.dropped", "goal.achieved"], agent_id="desk", thin=True, rate=rate)
    untold = {"id", "created_at", "secret"}
    assert {name: value for name, value in subscription.items() if name not in untold} == {
        "name": "crm",
        "url": URL,
        "types": ["goal.achieved", "rate.dropped"],
        "agent_id": "desk",
        "thin": True,
        "rate": rate,
        "enabled": True,
        "disabled_because": None,
        "failures": 0,
        "failing_since": None,
        "resting_until": None,
        "waiting": 0,
    }


def test_a_secret_of_ones_own_is_not_told_at_all(client: TestClient) -> None:
    secret = secrets.new()
    response = subscribe(client, secret=secret)
    assert response.json()["secret"] is None
    assert secret not in response.text


def test_no_secret_stands_in_the_database_as_it_is(world: World, client: TestClient) -> None:
    secret = made(client)["secret"]
    with world.database.reading() as session:
        (sealed,) = session.connection().exec_driver_sql("SELECT sealed FROM subscription").one()
    assert secret.removeprefix("whsec_") not in sealed


def test_a_secret_that_cannot_be_one_is_refused_and_not_repeated(client: TestClient) -> None:
    response = subscribe(client, secret="no base 64!")
    problem(response, 422, "secret")
    assert "no base 64!" not in response.text
    assert client.get("/v1/subscriptions").json() == {"items": []}


@pytest.mark.parametrize(
    "url",
    [
        "ftp://hush-hush.example.com",
        "hush-hush",
        "https://user:hush-hush@example.com",
        "https://example.com/#hush-hush",
        "https://",
        "https://example.com/hush-hush" + "x" * 2_000,
        7,
    ],
)
def test_an_address_that_cannot_be_one_is_refused_and_not_repeated(
    client: TestClient, logged: list[Any], url: object
) -> None:
    subscription = made(client, name="other")
    for response in (subscribe(client, url=url), client.patch(address(subscription), json={"url": url})):
        problem(response, 422, "url")
        assert "hush-hush" not in response.text
    assert "hush-hush" not in str(logged)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"types": []}, "types"),
        ({"types": ["goal.missed"]}, "types[0]"),
        ({"types": ["subscription.tested"]}, "types"),
        ({"name": " "}, "name"),
        ({"rate": {"threshold": 0}}, "rate.threshold"),
        ({"rate": {"threshold": 0.5, "conversations": 4}}, "rate.conversations"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_subscribed_to_is_refused(client: TestClient, changes: dict[str, Any], named: str) -> None:
    problem(subscribe(client, **changes), 422, named)


@pytest.mark.parametrize(
    "changes",
    [
        {"types": ["rate.dropped"]},
        {"rate": {"threshold": 0.5}},
        {"types": ["rate.dropped"], "rate": {"threshold": 0.5, "recovery": 0.4}},
    ],
)
def test_a_rate_is_watched_by_a_rule_that_fits_or_not_at_all(client: TestClient, changes: dict[str, Any]) -> None:
    problem(subscribe(client, **changes), 422)


def test_two_subscriptions_of_one_name_are_refused(client: TestClient) -> None:
    made(client)
    problem(subscribe(client), 409, "name")
    other = made(client, name="other")
    problem(client.patch(address(other), json={"name": "crm"}), 409, "name")


def test_there_are_not_more_than_so_many(client: TestClient) -> None:
    for number in range(MOST_SUBSCRIPTIONS):
        made(client, name=f"crm {number}")
    assert "50 subscriptions at most" in problem(subscribe(client), 409)["detail"]


def test_a_change_changes_what_it_names_and_nothing_else(client: TestClient) -> None:
    subscription = made(client, types=["rate.dropped"], rate={"threshold": 0.5}, agent_id="desk")
    changed = client.patch(address(subscription), json={"name": "sales", "thin": True}).json()
    expected = {name: value for name, value in subscription.items() if name != "secret"}
    assert changed == expected | {"name": "sales", "thin": True} == shown(client, subscription)


def test_null_removes_agent_and_rate_and_leaves_the_others(client: TestClient) -> None:
    subscription = made(client, types=["rate.dropped"], rate={"threshold": 0.5}, agent_id="desk")
    problem(client.patch(address(subscription), json={"rate": None}), 422, "rate")
    problem(client.patch(address(subscription), json={"types": ["goal.achieved"]}), 422, "rate")
    change = {"rate": None, "types": ["goal.achieved"], "agent_id": None, "name": None, "url": None, "enabled": None}
    changed = client.patch(address(subscription), json=change).json()
    assert (changed["rate"], changed["agent_id"], changed["types"]) == (None, None, ["goal.achieved"])
    assert (changed["name"], changed["url"], changed["enabled"]) == ("crm", URL, True)


def test_a_deleted_subscription_is_gone_with_its_messages(world: World, client: TestClient) -> None:
    subscription = made(client)
    message = tell(client, subscription)
    post(world, Receiver(REFUSED))
    assert client.delete(address(subscription)).status_code == 204
    problem(client.get(address(subscription)), 404)
    problem(client.get(f"{address(subscription)}/messages"), 404)
    problem(client.get(f"{address(subscription)}/messages/{message['id']}"), 404)
    assert made(client)["id"] != subscription["id"]


def test_while_a_secret_is_replaced_messages_are_signed_with_both(world: World, client: TestClient) -> None:
    subscription, receiver = made(client), Receiver()
    rotated = client.post(f"{address(subscription)}/rotate", json={"overlap_hours": 1}).json()
    tell(client, subscription)
    post(world, receiver)
    assert receiver.sent[0][:2] == (URL, [rotated["secret"], subscription["secret"]])
    tell(client, subscription)
    post(world, receiver, utc_now() + timedelta(hours=2))
    assert receiver.sent[1][1] == [rotated["secret"]]


def test_a_secret_is_replaced_by_one_of_ones_own_without_telling_it(world: World, client: TestClient) -> None:
    subscription, receiver, secret = made(client), Receiver(), secrets.new()
    response = client.post(f"{address(subscription)}/rotate", json={"overlap_hours": 0, "secret": secret})
    assert response.json()["secret"] is None
    assert secret not in response.text
    tell(client, subscription)
    post(world, receiver)
    assert receiver.sent[0][1] == [secret]


def test_more_secrets_than_five_are_not_valid_at_once(client: TestClient) -> None:
    rotate = f"{address(made(client))}/rotate"
    assert [client.post(rotate, json={}).status_code for _ in range(5)] == [200, 200, 200, 200, 409]
    problem(client.post(rotate, json={"overlap_hours": 721}), 422, "overlap_hours")


def test_where_there_is_no_key_secrets_are_not_kept(world: World) -> None:
    bare = replace(world, parts=replace(world.parts, vault=Vault([])))
    assert "GOALLINE_ENCRYPTION_KEYS" in problem(subscribe(bare.client()), 409)["detail"]


def test_what_was_told_is_listed_with_each_attempt(judged: World) -> None:
    client = judged.client()
    subscription = made(client)
    client.post("/v1/conversations", json=delivery("call-2"))
    assert judged.evaluate() == [Status.SUCCEEDED]
    (waiting,) = messages(client, subscription)
    row = client.get("/v1/conversations/call-2").json()["id"]
    assert (waiting["type"], waiting["status"], waiting["conversation_id"]) == ("evaluation.completed", "waiting", row)
    assert (waiting["attempts"], waiting["ended_at"]) == ([], None)
    assert waiting["next_attempt_at"] == waiting["occurred_at"]
    assert shown(client, subscription)["waiting"] == 1
    post(judged, Receiver(REFUSED))
    (refused,) = messages(client, subscription)
    assert refused["next_attempt_at"] > waiting["next_attempt_at"]
    failing = shown(client, subscription)
    assert (failing["failures"], failing["waiting"]) == (1, 1)
    assert failing["failing_since"] < failing["resting_until"]
    receiver = Receiver()
    post(judged, receiver, utc_now() + timedelta(minutes=1))
    (delivered,) = messages(client, subscription)
    assert (delivered["status"], delivered["next_attempt_at"]) == ("delivered", None)
    assert delivered["ended_at"]
    assert [{**attempt, "at": None} for attempt in delivered["attempts"]] == [
        {"number": 1, "at": None, "status": 500, "milliseconds": 20, "answer": "not today", "error": None},
        {"number": 2, "at": None, "status": 204, "milliseconds": 10, "answer": "", "error": None},
    ]
    assert receiver.sent[0][2] == delivered["id"]
    assert client.get(f"{address(subscription)}/messages/{delivered['id']}").json() == delivered
    recovered = shown(client, subscription)
    assert (recovered["failures"], recovered["failing_since"], recovered["resting_until"]) == (0, None, None)
    assert recovered["waiting"] == 0


def test_a_failed_evaluation_is_told_to_who_wants_to_know(judged: World) -> None:
    client = judged.client()
    subscription = made(client, types=["evaluation.failed"])
    judged.judge.fails = Reason.REFUSED
    client.post("/v1/conversations", json=delivery("call-2"))
    assert judged.evaluate() == [Status.FAILED]
    (message,) = messages(client, subscription)
    assert (message["type"], message["status"]) == ("evaluation.failed", "waiting")


def test_messages_are_paged_the_newest_first_and_each_once(world: World, client: TestClient) -> None:
    subscription, other = made(client), made(client, name="other")
    told = []
    for _ in range(5):
        told.append(tell(client, subscription)["id"])
        tell(client, other)
    found, cursor, pages = [], None, 0
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = client.get(f"{address(subscription)}/messages", params=query).json()
        found += [message["id"] for message in page["items"]]
        cursor, pages = page["next_cursor"], pages + 1
        # What comes meanwhile is newer, and moves nothing.
        tell(client, subscription)
        if cursor is None:
            break
    assert (found, pages) == (told[::-1], 3)
    post(world, Receiver())
    assert len(messages(client, subscription, status="delivered")) == 8
    assert messages(client, subscription, status="waiting") == []


@pytest.mark.parametrize("cursor", ["x", "MA==", "LTE=", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "bm90", "4pms", "é"])
def test_a_cursor_that_is_none_is_refused(client: TestClient, cursor: str) -> None:
    subscription = made(client)
    problem(client.get(f"{address(subscription)}/messages", params={"cursor": cursor}), 422, "cursor")


def test_a_message_of_another_subscription_is_not_there(client: TestClient) -> None:
    subscription, other = made(client), made(client, name="other")
    message = tell(client, subscription)
    for call in (f"/messages/{message['id']}", f"/messages/{uuid4()}"):
        problem(client.get(f"{address(other)}{call}"), 404)
        problem(client.post(f"{address(other)}{call}/redeliver"), 404)


def test_a_message_is_delivered_again_under_its_id(world: World, client: TestClient) -> None:
    subscription, receiver = made(client), Receiver()
    message = tell(client, subscription)
    post(world, receiver)
    response = client.post(f"{address(subscription)}/messages/{message['id']}/redeliver")
    assert response.status_code == 202
    assert (response.json()["status"], len(response.json()["attempts"])) == ("waiting", 1)
    assert post(world, receiver) == 1
    assert [sent[2] for sent in receiver.sent] == [message["id"]] * 2


def test_a_message_that_is_on_its_way_is_not_sent_beside_itself(world: World, client: TestClient) -> None:
    subscription = made(client)
    redeliver = f"{address(subscription)}/messages/{tell(client, subscription)['id']}/redeliver"
    answers = []

    class Curious(Receiver):
        def send(self, *sent: Any) -> Answer:
            answers.append(client.post(redeliver))
            return super().send(*sent)

    assert post(world, Curious()) == 1
    assert "this moment" in problem(answers[0], 409)["detail"]


def test_all_that_failed_are_delivered_again_in_batches(
    world: World, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "REDELIVERED_AT_ONCE", 2)
    subscription, receiver = made(client), Receiver(GONE)
    for _ in range(5):
        tell(client, subscription)
        post(world, receiver)
        client.patch(address(subscription), json={"enabled": True})
    receiver.answer = TAKEN
    tell(client, subscription)
    post(world, receiver)
    assert len(messages(client, subscription, status="failed")) == 5
    response = client.post(f"{address(subscription)}/redeliver")
    assert (response.status_code, response.json()) == (202, {"messages": 5})
    assert post(world, receiver) == 5
    assert client.post(f"{address(subscription)}/redeliver").json() == {"messages": 0}


def test_a_receiver_that_wants_no_more_is_disabled_until_it_is_enabled(world: World, client: TestClient) -> None:
    subscription, receiver = made(client), Receiver(GONE)
    message, waiting = tell(client, subscription), tell(client, subscription)
    assert post(world, receiver) == 1
    disabled = shown(client, subscription)
    assert (disabled["enabled"], disabled["waiting"]) == (False, 1)
    assert disabled["disabled_because"] == "its receiver answered 410: it wants no more"
    for call in ("/test", "/redeliver", f"/messages/{message['id']}/redeliver"):
        assert "enable it first" in problem(client.post(f"{address(subscription)}{call}"), 409)["detail"]
    receiver.answer = TAKEN
    assert post(world, receiver, utc_now() + timedelta(days=1)) == 0
    enabled = client.patch(address(subscription), json={"enabled": True}).json()
    assert (enabled["enabled"], enabled["disabled_because"], enabled["failures"]) == (True, None, 0)
    assert post(world, receiver) == 1
    assert receiver.sent[-1][2] == waiting["id"]


def test_both_databases_know_who_was_told_what(new_world: NewWorld, database_url: str) -> None:
    world = new_world(database_url=database_url)
    client, receiver = world.client(), Receiver(REFUSED)
    subscription = made(client, types=["evaluation.completed", "goal.achieved", "rate.dropped"], rate={"threshold": 1})
    goal(client, "Appointment booked")
    client.post("/v1/conversations", json=delivery())
    assert world.evaluate() == [Status.SUCCEEDED]
    assert [message["type"] for message in messages(client, subscription)] == ["goal.achieved", "evaluation.completed"]
    assert post(world, receiver) == 1
    receiver.answer = GONE
    client.patch(address(subscription), json={"url": "https://new.example.com/"})
    assert post(world, receiver) == 1
    client.patch(address(subscription), json={"enabled": True})
    receiver.answer = TAKEN
    assert post(world, receiver) == 1
    assert client.post(f"{address(subscription)}/redeliver").json() == {"messages": 1}
    assert post(world, receiver) == 1
    first, last = (message["id"] for message in messages(client, subscription, status="delivered"))
    assert client.post(f"{address(subscription)}/messages/{last}/redeliver").json()["status"] == "waiting"
    page = client.get(f"{address(subscription)}/messages", params={"limit": 1}).json()
    assert [message["id"] for message in page["items"]] == [first]
    (other,) = messages(client, subscription, cursor=page["next_cursor"])
    assert (other["id"], len(other["attempts"])) == (last, 3)
    assert shown(client, subscription)["waiting"] == 1
    assert client.delete("/v1/conversations/call-1").status_code == 204
    assert messages(client, subscription) == []
    assert client.delete(address(subscription)).status_code == 204


def test_enabled_again_what_was_refused_before_has_three_days_anew(world: World, client: TestClient) -> None:
    subscription, receiver = made(client), Receiver(REFUSED)
    tell(client, subscription)
    assert post(world, receiver) == 1
    for enabled in (False, True):
        client.patch(address(subscription), json={"enabled": enabled})
    later = utc_now() + timedelta(days=4)
    assert post(world, receiver, later) == 1
    assert messages(client, subscription)[0]["status"] == "waiting"
    receiver.answer = TAKEN
    assert post(world, receiver, later + timedelta(minutes=1)) == 1
    assert messages(client, subscription)[0]["status"] == "delivered"


def test_a_receiver_that_takes_nothing_for_three_days_is_disabled(world: World, client: TestClient) -> None:
    subscription, receiver, at = made(client), Receiver(REFUSED), utc_now()
    tell(client, subscription)
    while shown(client, subscription)["enabled"]:
        post(world, receiver, at)
        at += timedelta(hours=2)
    assert timedelta(days=3) <= at - utc_now() < timedelta(days=4)
    assert shown(client, subscription)["disabled_because"] == "its receiver has accepted nothing for 3 days"
    (message,) = messages(client, subscription)
    assert (message["status"], len(message["attempts"])) == ("failed", len(receiver.sent))


def test_one_that_an_admin_disabled_is_told_nothing(judged: World) -> None:
    client = judged.client()
    subscription = made(client)
    client.patch(address(subscription), json={"enabled": False})
    client.post("/v1/conversations", json=delivery("call-2"))
    assert judged.evaluate() == [Status.SUCCEEDED]
    assert messages(client, subscription) == []
    assert shown(client, subscription)["disabled_because"] is None


def test_the_post_is_rung_for_when_something_becomes_due_and_not_before(rung: tuple[TestClient, list[int]]) -> None:
    client, rings = rung
    subscription = made(client)
    client.patch(address(subscription), json={"enabled": False})
    client.patch(address(subscription), json={"enabled": True})
    client.post(f"{address(subscription)}/redeliver")
    client.get(f"{address(subscription)}/messages")
    assert rings == []
    message = tell(client, subscription)
    assert len(rings) == 1
    client.post(f"{address(subscription)}/messages/{message['id']}/redeliver")
    assert len(rings) == 2
    client.patch(address(subscription), json={"url": "https://new.example.com/"})
    assert len(rings) == 3
    client.patch(address(subscription), json={"enabled": False})
    assert len(rings) == 3


def test_events_that_complete_a_goal_ring_for_the_post(rung: tuple[TestClient, list[int]]) -> None:
    client, rings = rung
    subscription = made(client)
    sale = goal(client, "Sale made")
    client.patch(f"/v1/goals/{sale['id']}", json={"steps": STEPS})
    at = utc_now()
    shared = {"type": "goal.step", "conversation_id": "call-1", "agent_id": "desk", "goal": sale["id"]}
    events = [
        {"id": f"e-{number}", "step": step, "occurred_at": (at + timedelta(seconds=number)).isoformat()} | shared
        for number, step in enumerate(("begun", "sold"))
    ]
    client.post("/v1/events", json={"events": events[:1]})
    assert rings == []
    client.post("/v1/events", json={"events": events})
    assert rings == [1]
    assert [message["type"] for message in messages(client, subscription)] == ["goal.completed"]


@pytest.mark.parametrize("told", [0, 1])
def test_a_webhook_whose_events_complete_a_goal_rings_for_the_post(
    rung: tuple[TestClient, list[int]], monkeypatch: pytest.MonkeyPatch, told: int
) -> None:
    client, rings = rung
    source = client.post("/v1/sources", json={"name": "phones", "platform": "standard_webhooks"}).json()
    hear, sent = pipeline.hear, ended()
    monkeypatch.setattr(pipeline, "hear", lambda *given: replace(hear(*given), told=told))
    assert client.post(source["url"], content=sent, headers=signed(source["secret"], sent)).status_code == 200
    assert rings == [1] * told


def test_neither_address_nor_secret_is_ever_logged(world: World, client: TestClient, logged: list[Any]) -> None:
    subscription, receiver = made(client), Receiver(REFUSED)
    rotated = client.post(f"{address(subscription)}/rotate", json={}).json()
    tell(client, subscription)
    post(world, receiver)
    client.patch(address(subscription), json={"enabled": True})
    receiver.answer = GONE
    post(world, receiver)
    assert [line["event"] for line in logged if line["log_level"] == "warning"] == ["subscription_disabled"]
    for hidden in ("receiver.example.com", "hush-hush", subscription["secret"], rotated["secret"]):
        assert hidden not in str(logged)
