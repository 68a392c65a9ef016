"""GET /v1/conversations?open=true: the conversations of which only events have been told."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.api.calls import problem
from tests.api.test_conversation_list import names, pages
from tests.api.tracked import complete
from tests.api.world import delivery


def test_one_is_listed_with_what_is_known_of_it(client: TestClient) -> None:
    complete(client, "call-1", "Mail sent", agent_id=None, contact_id="ann")
    [item] = client.get("/v1/conversations", params={"open": True}).json()["items"]
    unknown = ("agent_id", "ended_at", "evaluation", "channel", "started_at", "end_reason", "erased_at")
    assert (item["conversation_id"], item["contact_id"], item["verdicts"]) == ("call-1", "ann", [])
    assert {field: item[field] for field in unknown} == dict.fromkeys(unknown)


def test_it_is_in_no_other_list_until_its_webhook_comes_and_in_this_one_no_more(client: TestClient) -> None:
    complete(client, "call-1", "Mail sent")
    client.post("/v1/conversations", json=delivery("call-2"))
    assert (names(client), names(client, open=True)) == (["call-2"], ["call-1"])
    client.post("/v1/conversations", json=delivery("call-1"))
    assert (sorted(names(client)), names(client, open=True)) == (["call-1", "call-2"], [])


def test_the_one_heard_of_last_comes_first_over_all_pages(client: TestClient) -> None:
    calls = [f"call-{number}" for number in range(5)]
    for call in calls:
        complete(client, call, "Mail sent")
    assert pages(client, open=True, limit=2) == [["call-4", "call-3"], ["call-2", "call-1"], ["call-0"]]


@pytest.mark.parametrize("wanted", [{"agent": "ann"}, {"contact": "bob"}])
def test_they_are_filtered_by_agent_and_contact(client: TestClient, wanted: dict[str, Any]) -> None:
    complete(client, "call-1", "Mail sent", agent_id="ann", contact_id="bob")
    complete(client, "call-2", "Mail sent", agent_id="zoe", contact_id="zoe")
    assert names(client, open=True, **wanted) == ["call-1"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("from", "2026-01-01"),
        ("to", "2026-01-01"),
        ("status", "queued"),
        ("goal", "00000000-0000-4000-8000-000000000000"),
        ("outcome", "achieved"),
    ],
)
def test_what_only_those_have_that_ended_cannot_be_asked_of_them(client: TestClient, name: str, value: str) -> None:
    response = client.get("/v1/conversations", params={"open": True, name: value})
    assert f"leave {name} out" in problem(response, 422, name)["detail"]
