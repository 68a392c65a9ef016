"""GET /v1/reports/paths: the tree of analytics steps, and the conversations behind each of its nodes."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from goalline.api.reports import paths
from goalline.domain.key import Scope
from tests.api.calls import another_project, problem
from tests.api.tracked import MORNING, tell
from tests.api.world import World

BACKWARDS = {"step": "Payment", "direction": "backwards"}


def go(client: TestClient, call: str, *steps: str, day: str = "2025-05-02", **more: Any) -> None:
    """Report the analytics steps of a call, a second apart."""
    event = {"type": "step.executed", "conversation_id": call, **more}
    moments = [MORNING.format(0, second).replace("2025-05-02", day) for second in range(len(steps))]
    tell(client, *({**event, "name": name, "occurred_at": at} for name, at in zip(steps, moments, strict=True)))


def answer(client: TestClient, address: str = "", **query: Any) -> dict[str, Any]:
    response = client.get(f"/v1/reports/paths{address}", params=query)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def ids(client: TestClient, **query: Any) -> list[str]:
    return [row["conversation_id"] for row in answer(client, "/conversations", **query)["items"]]


def walked(tree: dict[str, Any], *above: str) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
    """Return every node of a tree with the steps that lead to it."""
    steps = (*above, tree["step"]) if tree["step"] is not None else above
    return [(steps, tree), *(found for child in tree["children"] for found in walked(child, *steps))]


@pytest.fixture
def filled(client: TestClient) -> TestClient:
    """A client of a project with four calls: three that were greeted, one of which paid, and one that only paid."""
    go(client, "call-1", "Greeting", "Menu", "Payment")
    go(client, "call-2", "Greeting", "Menu", day="2025-05-03")
    go(client, "call-3", "Greeting", agent_id="night-desk")
    go(client, "call-4", "Payment")
    return client


def test_a_project_without_analytics_steps_has_an_empty_tree(client: TestClient) -> None:
    assert answer(client) == {
        "time_zone": "UTC",
        "direction": "forwards",
        "conversations": 0,
        "truncated": False,
        "advice": None,
        "tree": {
            "step": None,
            "reached": 0,
            "share_of_previous": None,
            "share_of_all": None,
            "dropped": 0,
            "drop_off": None,
            "untold": 0,
            "children": [],
        },
    }
    empty: dict[str, Any] = {"items": [], "next_cursor": None, "reached": 0, "erased": 0}
    assert answer(client, "/conversations", node="Greeting") == empty


def test_each_node_tells_who_came_who_went_on_and_who_stayed(filled: TestClient) -> None:
    found = answer(filled)
    [menu] = [node for steps, node in walked(found["tree"]) if steps == ("Greeting", "Menu")]
    assert (found["conversations"], found["tree"]["reached"]) == (4, 4)
    assert menu == {
        "step": "Menu",
        "reached": 2,
        "share_of_previous": 2 / 3,
        "share_of_all": 2 / 4,
        "dropped": 1,
        "drop_off": 1 / 2,
        "untold": 0,
        "children": menu["children"],
    }
    assert [(child["step"], child["reached"]) for child in menu["children"]] == [("Payment", 1)]


def test_backwards_the_tree_tells_what_came_before_a_step(filled: TestClient) -> None:
    found = answer(filled, **BACKWARDS)
    assert [(steps, node["reached"]) for steps, node in walked(found["tree"])] == [
        (("Payment",), 2),
        (("Payment", "Menu"), 1),
        (("Payment", "Menu", "Greeting"), 1),
    ]
    assert (found["direction"], found["conversations"], found["tree"]["dropped"]) == ("backwards", 4, 1)


def test_the_tree_is_as_deep_as_it_is_asked_to_be(filled: TestClient) -> None:
    found = answer(filled, depth=1)
    assert {steps: node["untold"] for steps, node in walked(found["tree"])} == {
        (): 0,
        ("Greeting",): 2,
        ("Payment",): 0,
    }
    assert (found["truncated"], found["advice"]) == (False, None)


def test_five_steps_are_told_unless_more_are_asked_for(client: TestClient) -> None:
    go(client, "call-1", *(f"Step {number}" for number in range(25)))
    assert len(walked(answer(client)["tree"])) == 1 + 5
    assert len(walked(answer(client, depth=20)["tree"])) == 1 + 20


@pytest.mark.parametrize("query", [{"depth": 0}, {"depth": 21}, {"direction": "up"}, {"step": ""}, {"root": "Menu"}])
def test_a_query_that_makes_no_sense_is_refused(client: TestClient, query: dict[str, Any]) -> None:
    problem(client.get("/v1/reports/paths", params=query), 422, *query)


def test_a_tree_that_is_too_large_says_how_to_narrow_it(filled: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "_MOST_NODES", 3)
    found = answer(filled)
    assert [steps for steps, _ in walked(found["tree"])] == [(), ("Greeting",), ("Greeting", "Menu")]
    assert found["truncated"]
    assert "starting step" in found["advice"]
    assert not answer(filled, **BACKWARDS)["truncated"]


def test_a_thousand_nodes_are_the_most(client: TestClient) -> None:
    for hundred in range(11):
        event = {"type": "step.executed", "occurred_at": MORNING.format(0, 0)}
        numbers = range(hundred * 100, hundred * 100 + 100)
        tell(client, *({**event, "conversation_id": f"call-{n}", "name": f"Step {n}"} for n in numbers))
    found = answer(client)
    assert (len(walked(found["tree"])), found["truncated"], found["tree"]["untold"]) == (1_000, True, 101)


def test_paths_are_those_of_the_agent_the_days_and_the_step_that_are_asked_for(filled: TestClient) -> None:
    queries: list[dict[str, Any]] = [{"agent": "night-desk"}, {"from": "2025-05-03"}, {"contains": "Menu"}]
    assert [answer(filled, **query)["conversations"] for query in queries] == [1, 1, 2]
    assert [ids(filled, **query) for query in queries] == [["call-3"], ["call-2"], ["call-2", "call-1"]]


def test_a_time_that_ends_before_it_begins_is_refused(client: TestClient) -> None:
    for address in ("", "/conversations"):
        query = {"from": "2025-05-02", "to": "2025-05-01"}
        problem(client.get(f"/v1/reports/paths{address}", params=query), 422, "from")


def test_behind_a_node_are_the_conversations_that_came_to_it(filled: TestClient) -> None:
    found = answer(filled, "/conversations", node=["Greeting", "Menu"])
    assert (found["reached"], found["erased"], found["next_cursor"]) == (2, 0, None)
    newest, _ = found["items"]
    assert newest == {
        "id": newest["id"],
        "conversation_id": "call-2",
        "agent_id": "front-desk",
        "began_at": "2025-05-03T09:00:00Z",
        "ended_at": None,
    }


@pytest.mark.parametrize("query", [{}, {"step": "Menu"}, BACKWARDS, {"contains": "Payment"}, {"agent": "front-desk"}])
def test_every_node_counts_those_that_are_listed_behind_it(filled: TestClient, query: dict[str, Any]) -> None:
    for steps, node in walked(answer(filled, **query)["tree"]):
        found = answer(filled, "/conversations", node=list(steps), **query)
        assert (len(found["items"]), found["reached"], found["erased"]) == (node["reached"], node["reached"], 0)


def test_a_list_goes_on_behind_its_cursor(filled: TestClient) -> None:
    first = answer(filled, "/conversations", limit=3)
    second = answer(filled, "/conversations", limit=3, cursor=first["next_cursor"])
    listed = [row["conversation_id"] for page in (first, second) for row in page["items"]]
    assert (sorted(listed), listed[0]) == (["call-1", "call-2", "call-3", "call-4"], "call-2")
    assert second["next_cursor"] is None


def test_a_node_that_does_not_begin_with_the_starting_step_is_refused(filled: TestClient) -> None:
    query = {"step": "Menu", "node": "Greeting"}
    problem(filled.get("/v1/reports/paths/conversations", params=query), 422, "node")


def test_an_agent_that_nobody_has_named_is_null(client: TestClient) -> None:
    go(client, "call-1", "Greeting", agent_id=None)
    [row] = answer(client, "/conversations")["items"]
    assert row["agent_id"] is None


def test_an_erased_conversation_is_counted_and_not_listed(filled: TestClient) -> None:
    go(filled, "call-5", "Greeting", "Menu", contact_id="mia")
    assert filled.delete("/v1/contacts/mia", params={"confirm": "mia"}).status_code == 204
    found = answer(filled, "/conversations", node=["Greeting", "Menu"])
    assert (len(found["items"]), found["reached"], found["erased"]) == (2, 3, 1)


@pytest.mark.usefixtures("filled")
def test_another_project_sees_none_of_them(world: World) -> None:
    other = another_project(world)
    assert (answer(other)["conversations"], ids(other)) == (0, [])


@pytest.mark.usefixtures("filled")
def test_a_key_that_may_read_is_enough(world: World) -> None:
    assert answer(world.client(Scope.READ))["conversations"] == 4
    problem(world.client(Scope.INGEST).get("/v1/reports/paths"), 403)
