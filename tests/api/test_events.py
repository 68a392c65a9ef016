"""POST /v1/events: a batch is taken, each event once, and what is wrong with one does not touch the others."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from goalline.domain.key import Scope
from goalline.store.tables import Conversation, StepEvent, TrackRollup
from goalline.worker import utc_now
from tests.api.calls import another_project, problem, raw, stored
from tests.api.world import NewWorld, World, days_ago, delivery
from tests.domain.steps import FLIGHT

EVENTS = "/v1/events"
JSON = {"Content-Type": "application/json"}
MIB = 1_048_576


def event(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return a completed task as a platform sends it."""
    body = {"id": f"e-{number}", "type": "task.completed", "conversation_id": "call-1", "name": "Order placed"}
    return {**body, "occurred_at": utc_now().isoformat(), **changes}


def step(
    number: int = 1, goal: str | None = "Pre-book a flight", key: str = "started", **changes: Any
) -> dict[str, Any]:
    return event(number, type="goal.step", name=None, goal=goal, step=key) | changes


def flight(client: TestClient, name: str = "Pre-book a flight") -> dict[str, Any]:
    """Create a goal with steps and return it."""
    body = {"name": name, "description": "A flight was booked.", "kind": "secondary", "steps": FLIGHT}
    response = client.post("/v1/goals", json=body)
    assert response.status_code == 201, response.text
    created: dict[str, Any] = response.json()
    return created


def send(client: TestClient, *events: object) -> dict[str, Any]:
    """Send a batch that is taken and return the answer."""
    response = client.post(EVENTS, content=raw({"events": events}), headers=JSON)
    assert response.status_code == 202, response.text
    assert response.headers["content-type"] == "application/json"
    answer: dict[str, Any] = response.json()
    assert set(answer) == {"accepted", "duplicates", "rejected"}
    assert all(set(one) == {"index", "detail"} for one in answer["rejected"])
    assert answer["accepted"] + answer["duplicates"] + len(answer["rejected"]) == len(events)
    return answer


def rows(world: World, kind: type[Any]) -> list[Any]:
    with world.database.reading() as session:
        return list(session.exec(select(kind)))


def test_a_batch_of_every_type_is_taken(world: World) -> None:
    client = world.client(Scope.INGEST)
    flight(world.client())
    batch = [
        step(1, contact_id="c-1", agent_id="front-desk"),
        event(2),
        event(3, type="step.executed", name="Greeting"),
        event(4, type="step.executed", name=None, step="Farewell"),
    ]
    assert send(client, *batch) == {"accepted": 4, "duplicates": 0, "rejected": []}
    found = {row.event_id: (row.type, row.step, row.name) for row in rows(world, StepEvent)}
    assert found == {
        "e-1": ("goal.step", "started", None),
        "e-2": ("task.completed", None, "Order placed"),
        "e-3": ("step.executed", None, "Greeting"),
        "e-4": ("step.executed", None, "Farewell"),
    }


def test_a_batch_that_is_sent_again_changes_nothing(world: World) -> None:
    client = world.client(Scope.INGEST)
    batch = [event(number) for number in range(3)]
    send(client, *batch)
    before = stored(world.database)
    assert send(client, *batch) == {"accepted": 0, "duplicates": 3, "rejected": []}
    assert stored(world.database) == before


def test_an_id_that_stands_twice_in_a_batch_is_taken_once(client: TestClient) -> None:
    assert send(client, event(1), event(1), event(2)) == {"accepted": 2, "duplicates": 1, "rejected": []}


def test_an_empty_batch_is_taken(world: World) -> None:
    before = stored(world.database)
    assert send(world.client()) == {"accepted": 0, "duplicates": 0, "rejected": []}
    assert stored(world.database) == before


def test_a_batch_of_bad_events_only_is_taken_and_changes_nothing(world: World) -> None:
    before = stored(world.database)
    answer = send(world.client(), {}, event(1, type="nothing"), step(2, goal="Nobody's"))
    assert [one["index"] for one in answer["rejected"]] == [0, 1, 2]
    assert stored(world.database) == before


def test_good_events_are_kept_beside_bad_ones_which_are_named_by_their_place(world: World) -> None:
    flight(world.client())
    answer = send(
        world.client(), event(1), event(2, id=7), step(3, key="paid"), step(4), event(5, name=None), step(6, goal="X")
    )
    assert answer["accepted"] == 2
    assert {one["index"]: one["detail"] for one in answer["rejected"]} == {
        1: "id: must be a string",
        2: "the goal 'Pre-book a flight' had no step 'paid' when this happened; it had started, details, confirmed",
        4: "task.completed needs name",
        5: "no goal was called 'X' when this happened; write it as it was then, or name it by its id",
    }
    assert sorted(row.event_id for row in rows(world, StepEvent)) == ["e-1", "e-4"]


def test_a_rejected_event_may_be_sent_again_when_it_is_put_right(world: World) -> None:
    client = world.client()
    send(client, event(1, name=None))
    assert send(client, event(1))["accepted"] == 1


def test_a_goal_may_be_named_by_its_id(world: World) -> None:
    created = flight(world.client())
    assert send(world.client(), step(1, goal=created["id"]))["accepted"] == 1


def test_another_projects_goal_is_unknown_by_id_and_by_name(world: World) -> None:
    created = flight(world.client())
    answer = send(another_project(world), step(1, goal=created["id"]), step(2, goal=created["name"]))
    assert [one["detail"].split(" when ")[0] for one in answer["rejected"]] == [
        f"there is no goal {created['id']}",
        "no goal was called 'Pre-book a flight'",
    ]
    assert rows(world, StepEvent) == []


def test_the_same_ids_in_another_project_are_new(world: World) -> None:
    send(world.client(), event(1))
    assert send(another_project(world), event(1))["accepted"] == 1


def test_what_happened_before_its_goal_was_made_is_counted_by_its_first_wording(world: World) -> None:
    admin = world.client()
    created = flight(admin)
    assert admin.patch(f"/v1/goals/{created['id']}", json={"name": "Fly"}).status_code == 200
    assert send(admin, step(1, goal=created["id"], occurred_at=days_ago(1)))["accepted"] == 1
    assert [row.revision for row in rows(world, StepEvent)] == [1]


def test_an_archived_goal_takes_no_events(world: World) -> None:
    admin = world.client()
    created = flight(admin)
    admin.post(f"/v1/goals/{created['id']}/archive")
    [rejected] = send(admin, step(1, goal=created["id"]))["rejected"]
    assert "archived" in rejected["detail"]


@pytest.mark.parametrize("scope", [Scope.INGEST, Scope.ADMIN])
def test_who_delivers_may_report_events(world: World, scope: Scope) -> None:
    assert send(world.client(scope), event())["accepted"] == 1


def test_who_reads_may_not_report_events(world: World) -> None:
    problem(world.client(Scope.READ).post(EVENTS, json={"events": [event()]}), 403)
    assert rows(world, StepEvent) == []


def test_nobody_reports_events_without_a_key(world: World) -> None:
    problem(world.browser().post(EVENTS, json={"events": [event()]}), 401)
    assert rows(world, StepEvent) == []


def test_an_address_with_a_slash_at_the_end_is_the_same(client: TestClient) -> None:
    response = client.post(f"{EVENTS}/", json={"events": [event()]}, follow_redirects=False)
    assert (response.status_code, response.json()["accepted"]) == (202, 1)


def test_a_thousand_events_are_taken_and_one_more_is_too_many(world: World) -> None:
    client = world.client()
    batch = [event(number, conversation_id=f"call-{number % 9}") for number in range(1_001)]
    body = problem(client.post(EVENTS, json={"events": batch}), 422, "events")
    assert body["errors"] == [{"field": "events", "detail": "must have at most 1,000 items"}]
    assert rows(world, StepEvent) == []
    assert send(client, *batch[:1_000])["accepted"] == 1_000


def in_pieces(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), 100_000):
        yield content[start : start + 100_000]


@pytest.mark.parametrize("path", [EVENTS, f"{EVENTS}/"])
@pytest.mark.parametrize("declared", [True, False], ids=["with its length", "in chunks"])
def test_more_than_a_mebibyte_is_refused(world: World, path: str, declared: bool) -> None:
    content = raw({"events": [event()]}).ljust(MIB + 1)
    client = world.client(Scope.INGEST)
    response = client.post(path, content=content if declared else in_pieces(content), headers=JSON)
    assert "1,048,576 bytes" in problem(response, 413, "body")["detail"]
    assert rows(world, StepEvent) == []


def test_a_mebibyte_is_taken(client: TestClient) -> None:
    content = raw({"events": [event()]}).ljust(MIB)
    assert client.post(EVENTS, content=in_pieces(content), headers=JSON).status_code == 202


def test_transcripts_may_still_be_larger(client: TestClient) -> None:
    body = raw(delivery()).ljust(MIB + 1)
    assert client.post("/v1/conversations", content=body, headers=JSON).status_code == 202


def test_a_smaller_limit_for_all_bodies_holds_for_events_too(new_world: NewWorld) -> None:
    client = new_world(max_body_bytes=2_000).client()
    response = client.post(EVENTS, content=raw({"events": [event()]}).ljust(2_001), headers=JSON)
    assert "2,000 bytes" in problem(response, 413, "body")["detail"]


def test_a_conversation_takes_no_more_events_than_the_setting_says(new_world: NewWorld) -> None:
    client = new_world(max_events_per_conversation=2).client()
    answer = send(client, event(1), event(2), event(3), event(4, conversation_id="call-2"))
    assert (answer["accepted"], [one["index"] for one in answer["rejected"]]) == (3, [2])
    assert "GOALLINE_MAX_EVENTS_PER_CONVERSATION" in answer["rejected"][0]["detail"]


def test_the_webhook_completes_the_conversation_that_events_opened(world: World) -> None:
    client = world.client()
    send(client, event(1, contact_id="c-1"))
    assert client.get("/v1/conversations").json()["items"] == []
    receipt = client.post("/v1/conversations", json=delivery()).json()
    assert (receipt["duplicate"], receipt["evaluation"]["status"]) == (False, "queued")
    [row] = rows(world, Conversation)
    assert (str(row.id), row.agent_id, row.contact_id) == (receipt["id"], "front-desk", "c-1")
    assert [row.agent_id for row in rows(world, TrackRollup) if row.number] == ["front-desk"]


def test_a_refusal_and_the_log_repeat_nothing_that_was_sent(
    world: World, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    secret, client = f"4111-{uuid4()}", world.client(Scope.INGEST)
    client.post("/v1/conversations", json=delivery("call-1", f"My card is {secret}."))
    answer = send(client, event(1, contact_id=[secret]), event(2, type=secret), event(3, occurred_at=secret), event(4))
    assert secret not in str(answer)
    problem(client.post(EVENTS, content=raw({"events": secret}), headers=JSON), 422, "events")
    problem(client.post(EVENTS, content=b'{"events": ["' + secret.encode(), headers=JSON), 400)
    written = "".join(capfd.readouterr()) + caplog.text
    assert secret not in written
    assert all(key not in written for key in world.keys.values())
