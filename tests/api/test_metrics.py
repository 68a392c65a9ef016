"""GET /metrics: without a key, with what this process did and what the queue holds, whatever is broken."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from goalline.api import probes
from goalline.domain.evaluation import Reason
from tests.api.calls import break_database
from tests.api.world import World, days_ago, delivery, goal
from tests.telemetry.counts import Since, samples

DATABASE = (
    "goalline_queue_depth", "goalline_queue_oldest_due_age_seconds", "goalline_evaluations_running",
)  # fmt: skip


def completed(event_id: str) -> dict[str, str]:
    """Return a task that was completed, as an event."""
    event = {"id": event_id, "type": "task.completed", "conversation_id": "call-1", "name": "Booked"}
    return event | {"occurred_at": days_ago(0)}


def scraped(world: World) -> dict[str, float]:
    response = world.browser().get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return samples(response.text)


def test_what_was_received_and_judged_is_counted(world: World) -> None:
    client, since = world.client(), Since()
    goal(client, "Appointment booked")
    for _ in range(2):
        client.post("/v1/conversations", json=delivery("call-1"))
    client.post("/v1/conversations", json=delivery("call-2"))
    world.evaluate()
    assert since.counted() == {
        'goalline_conversations_received_total{duplicate="false"}': 2,
        'goalline_conversations_received_total{duplicate="true"}': 1,
        'goalline_evaluations_ended_total{reason="",status="succeeded"}': 2,
        'goalline_verdicts_judged_total{kind="primary",outcome="achieved"}': 2,
        "goalline_sweep_rings_total": 2,
    }


def test_a_refused_delivery_is_not_counted_as_received(world: World) -> None:
    since = Since()
    assert world.client().post("/v1/conversations", json={}).status_code == 422
    assert since.counted() == {}


def test_events_are_counted_by_what_became_of_them(world: World) -> None:
    since, client = Since(), world.client()
    for _ in range(2):
        client.post("/v1/events", json={"events": [completed("e-1"), completed("e-2"), {"id": "bad"}]})
    assert since.counted() == {
        'goalline_events_received_total{result="accepted"}': 2,
        'goalline_events_received_total{result="duplicate"}': 2,
        'goalline_events_received_total{result="rejected"}': 2,
    }


def test_the_queue_is_read_from_the_database(world: World) -> None:
    client = world.client()
    goal(client, "Appointment booked")
    for number in range(3):
        client.post("/v1/conversations", json=delivery(f"call-{number}"))
    found = scraped(world)
    assert (found['goalline_queue_depth{due="now"}'], found['goalline_queue_depth{due="later"}']) == (3, 0)
    assert found["goalline_queue_oldest_due_age_seconds"] >= 0
    assert (found["goalline_evaluations_running"], found["goalline_database_up"]) == (0, 1)
    world.evaluate()
    assert scraped(world)['goalline_queue_depth{due="now"}'] == 0


def test_without_a_database_the_rest_is_told_and_that_it_is_down(world: World) -> None:
    break_database(world)
    found = scraped(world)
    assert found["goalline_database_up"] == 0
    assert not [name for name in found if name.startswith(DATABASE)]
    assert 'goalline_conversations_received_total{duplicate="false"}' in found


@contextmanager
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the database say nothing until the block ends."""
    end = threading.Event()
    monkeypatch.setattr(probes, "_DATABASE_SECONDS", 0.05)
    monkeypatch.setattr(probes, "open_work", lambda *_: end.wait(60))
    try:
        yield
    finally:
        end.set()


def test_a_database_that_says_nothing_holds_up_no_scrape_and_no_probe(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with silent(monkeypatch):
        assert scraped(world)["goalline_database_up"] == 0
        assert world.browser().get("/readyz").status_code == 503


def test_no_metric_names_a_project_an_agent_a_contact_or_a_conversation(world: World) -> None:
    client = world.client()
    goal(client, "Xyzzyplugh")
    world.judge.fails = Reason.REFUSED
    client.post("/v1/conversations", json=delivery("xyzzyplugh-1", agent_id="xyzzyplugh", contact_id="xyzzyplugh"))
    world.evaluate()
    assert "xyzzyplugh" not in world.browser().get("/metrics").text.lower()
