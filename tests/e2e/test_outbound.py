"""Verdicts leave as signed webhooks: real servers, real workers, a real receiver, and what goes wrong with it."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from goalline.judge.stand_in import StandIn
from goalline.store.vault import new_key
from tests.receiver import Receiver, receiving
from tests.running import Running, conversation, descendants, installed, serving, wait_until, working

FAST = {"GOALLINE_LEASE_SECONDS": 3, "GOALLINE_SWEEP_SECONDS": 0.5}
GOAL = {"name": "Appointment booked", "description": "The agent booked an appointment.", "kind": "primary"}
NUMBER = 10


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with StandIn() as model:
        yield model


Sites = Callable[..., dict[str, str]]


@pytest.fixture
def site(stand_in: StandIn, tmp_path: Path) -> Sites:
    def make(database_url: str | None = None, redis_url: str | None = None, **more: object) -> dict[str, str]:
        settings = {
            "GOALLINE_ENCRYPTION_KEYS": new_key(),
            "GOALLINE_OUTBOUND_NETWORKS": "127.0.0.0/8",
            **FAST,
            **more,
        }
        url = database_url or f"sqlite:///{tmp_path}/goalline.db"
        return installed(tmp_path, stand_in.url, url, redis_url, **settings)

    return make


def subscribe(goalline: Running, receiver: Receiver, *types: str, **more: Any) -> str:
    body = {"name": "crm", "url": receiver.url, "types": types or ("evaluation.completed", "goal.achieved")} | more
    made = goalline.post("/v1/subscriptions", body)
    receiver.secret = made["secret"]
    subscription_id: str = made["id"]
    return subscription_id


def send(goalline: Running, first: int = 0) -> None:
    for number in range(first, first + NUMBER):
        goalline.post("/v1/conversations", conversation(number))


def expected(many: int = NUMBER) -> list[str]:
    return sorted(f"sample-{number}" for number in range(many))


def messages(goalline: Running, subscription_id: str, **query: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = goalline.get(f"/v1/subscriptions/{subscription_id}/messages", **query)["items"]
    return items


@contextmanager
def killed(process: Any) -> Iterator[None]:
    """Kill a process and all below it at the end of the block, as a machine that loses its power does."""
    try:
        yield
    finally:
        for each in [*descendants(process.pid), process.pid]:
            os.kill(each, signal.SIGKILL)
        process.wait()


def test_a_verdict_leaves_signed_on_one_machine(site: Sites, receiver: Receiver, tmp_path: Path) -> None:
    with serving(site(), tmp_path) as goalline:
        goalline.post("/v1/goals", GOAL)
        subscription_id = subscribe(goalline, receiver)
        send(goalline)
        wait_until(lambda: receiver.calls() == receiver.calls("goal.achieved") == expected(), goalline.process)
        wait_until(lambda: {each["status"] for each in messages(goalline, subscription_id)} == {"delivered"})
    # Nothing was sent twice where nothing went wrong, and the queue had nothing to complain of.
    assert len(receiver.ids) == len(set(receiver.ids)) == 2 * NUMBER
    assert "dramatiq" not in (tmp_path / "serve.log").read_text()


def test_a_verdict_leaves_signed_from_a_worker(
    site: Sites, receiver: Receiver, postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    settings = site(postgres_url, redis_url)
    with serving(settings, tmp_path) as goalline, working(settings, tmp_path, "--processes", "2"):
        goalline.post("/v1/goals", GOAL)
        subscribe(goalline, receiver)
        send(goalline)
        wait_until(lambda: receiver.calls() == receiver.calls("goal.achieved") == expected(), goalline.process)
    assert len(receiver.ids) == len(set(receiver.ids)) == 2 * NUMBER


def test_a_receiver_that_was_down_hears_of_everything_once_it_is_back(
    site: Sites, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.status = 503
    with serving(site(), tmp_path) as goalline:
        goalline.post("/v1/goals", GOAL)
        subscription_id = subscribe(goalline, receiver, "evaluation.completed")
        send(goalline)
        wait_until(lambda: receiver.requests >= 2, goalline.process)
        wait_until(lambda: goalline.get(f"/v1/subscriptions/{subscription_id}")["failures"] >= 1)
        receiver.status = 200
        # At another address its rest is over, and at the same one as well.
        goalline.client.patch(f"/v1/subscriptions/{subscription_id}", json={"url": receiver.url}).raise_for_status()
        wait_until(lambda: receiver.calls() == expected(), goalline.process)
        wait_until(lambda: goalline.get(f"/v1/subscriptions/{subscription_id}")["failures"] == 0)


def test_nothing_is_lost_when_everything_is_killed_while_it_is_told(
    site: Sites, receiver: Receiver, postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    settings = site(postgres_url, redis_url)
    with serving(settings, tmp_path) as goalline:
        goalline.post("/v1/goals", GOAL)
        subscribe(goalline, receiver)
        with working(settings, tmp_path) as worker, killed(worker):
            send(goalline)
            wait_until(lambda: len(receiver.ids) >= 1, goalline.process)
        with working(settings, tmp_path) as worker, killed(worker):
            send(goalline, NUMBER)
            wait_until(lambda: len(receiver.ids) >= 2, goalline.process)
        with working(settings, tmp_path):
            # A message that was on its way comes again after its lease of a minute.
            both = lambda: receiver.calls() == receiver.calls("goal.achieved") == expected(2 * NUMBER)  # noqa: E731
            wait_until(both, goalline.process, seconds=180)


def test_what_one_conversation_has_to_tell_comes_in_order(site: Sites, receiver: Receiver, tmp_path: Path) -> None:
    with serving(site(), tmp_path) as goalline:
        goalline.post("/v1/goals", GOAL)
        subscribe(goalline, receiver, "evaluation.completed", "goal.achieved")
        send(goalline)
        wait_until(lambda: len(receiver.ids) == 2 * NUMBER, goalline.process)
    for call in expected():
        told = [each["type"] for each in receiver.accepted if each["data"]["conversation"]["conversation_id"] == call]
        assert told == ["evaluation.completed", "goal.achieved"]


def test_a_receiver_that_answers_410_is_left_alone(site: Sites, receiver: Receiver, tmp_path: Path) -> None:
    receiver.status = 410
    with serving(site(), tmp_path) as goalline:
        goalline.post("/v1/goals", GOAL)
        subscription_id = subscribe(goalline, receiver, "evaluation.completed")
        goalline.post("/v1/conversations", conversation(0))
        path = f"/v1/subscriptions/{subscription_id}"
        wait_until(lambda: not goalline.get(path)["enabled"], goalline.process)
        assert "410" in goalline.get(path)["disabled_because"]
        send(goalline, 1)
        wait_until(lambda: goalline.get("/v1/reports/success-rate")["evaluated"] == NUMBER + 1, goalline.process)
        # Told to go on, it is told what failed as well; what happened meanwhile, nobody kept for it.
        receiver.status = 200
        goalline.client.patch(path, json={"enabled": True}).raise_for_status()
        assert goalline.post(f"{path}/redeliver") == {"messages": 1}
        wait_until(lambda: receiver.calls() == ["sample-0"], goalline.process)
        assert receiver.requests == 2
    assert "subscription_disabled" in (tmp_path / "serve.log").read_text()


def test_a_redirect_is_not_followed(site: Sites, receiver: Receiver, tmp_path: Path) -> None:
    receiver.status, receiver.headers = 302, {"Location": receiver.url}
    with serving(site(), tmp_path) as goalline:
        subscription_id = subscribe(goalline, receiver)
        goalline.post(f"/v1/subscriptions/{subscription_id}/test")
        (attempt, *_) = _attempts(goalline, subscription_id)
        assert (attempt["status"], attempt["error"]) == (302, "redirects are not followed")


def test_no_subscription_reaches_this_machine_unless_the_operator_lets_it(
    site: Sites, receiver: Receiver, tmp_path: Path
) -> None:
    hosts = ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433")
    open_url, subscribed = receiver.url, []
    with serving(site(GOALLINE_OUTBOUND_NETWORKS=None), tmp_path) as goalline:
        for scheme, host in product(("http", "https"), hosts):
            receiver.url = open_url.replace("127.0.0.1", host).replace("http:", f"{scheme}:")
            subscribed.append(subscribe(goalline, receiver, name=receiver.url))
            goalline.post(f"/v1/subscriptions/{subscribed[-1]}/test")
        for subscription_id in subscribed:
            (attempt, *_) = _attempts(goalline, subscription_id)
            assert (attempt["status"], attempt["error"]) == (None, "address not allowed")
    assert receiver.requests == 0


def test_neither_address_nor_words_nor_secret_stand_in_the_log(site: Sites, receiver: Receiver, tmp_path: Path) -> None:
    with serving(site(GOALLINE_LOG_LEVEL="DEBUG"), tmp_path) as goalline:
        goalline.post("/v1/goals", GOAL)
        subscribe(goalline, receiver)
        send(goalline)
        wait_until(lambda: len(receiver.ids) == 2 * NUMBER, goalline.process)
    log = (tmp_path / "serve.log").read_text()
    for secret in (receiver.secret, receiver.url, "appointment"):
        assert secret not in log
    assert "delivered" in log


def test_without_a_model_completed_goals_are_told_and_a_silent_receiver_does_not_hold_up_the_end(
    site: Sites, receiver: Receiver, tmp_path: Path
) -> None:
    settings = site(OPENAI_BASE_URL=None, GOALLINE_SHUTDOWN_SECONDS=1)
    steps = [
        {"key": "started", "name": "Started", "order": 1, "initial": True},
        {"key": "done", "name": "Done", "order": 2, "completion": True},
    ]
    with serving(settings, tmp_path) as goalline:
        goalline.post("/v1/goals", GOAL | {"kind": "secondary", "judged": False, "steps": steps})
        subscribe(goalline, receiver, "goal.completed")
        reach(goalline, "call-1")
        wait_until(lambda: receiver.calls("goal.completed") == ["call-1"], goalline.process)
        receiver.silent.set()
        reach(goalline, "call-2")
        wait_until(lambda: receiver.requests == 2, goalline.process)
        goalline.process.send_signal(signal.SIGTERM)
        assert goalline.process.wait(60) == 0


def reach(goalline: Running, call: str) -> None:
    events = [
        {"id": f"{call}-{step}", "type": "goal.step", "conversation_id": call, "goal": GOAL["name"], "step": step}
        | {"occurred_at": f"2026-11-21T12:00:0{second}Z"}
        for second, step in enumerate(("started", "done"))
    ]
    assert goalline.post("/v1/events", {"events": events})["accepted"] == 2


def _attempts(goalline: Running, subscription_id: str) -> list[dict[str, Any]]:
    wait_until(lambda: any(each["attempts"] for each in messages(goalline, subscription_id)), goalline.process)
    (message,) = messages(goalline, subscription_id)
    attempts: list[dict[str, Any]] = message["attempts"]
    return attempts
