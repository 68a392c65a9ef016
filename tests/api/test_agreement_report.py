"""GET /v1/reports/agreement: verdicts against cycles, goal by goal, and the conversations of each cell."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from goalline.domain.key import Scope
from goalline.domain.rates import wilson
from goalline.domain.verdict import Outcome
from tests.api.calls import NOBODY, another_project, problem
from tests.api.tracked import attempt, tracked_goal
from tests.api.world import World, delivery, goal

NAME = "Pre-book a flight"
REACHED = {"completed": ("start", "confirmed"), "partial": ("start", "details"), "incomplete": ("start",), "none": ()}
STATES = ["completed", "partial", "incomplete"]


def call(world: World, goal_id: str, name: str, outcome: str, state: str, **more: object) -> None:
    """Send a call that ends with a verdict, or unjudged with `none`, and that came so far in the goal's process."""
    client = world.client()
    reached: dict[str, Any] = {key: second for second, key in enumerate(REACHED[state])}
    attempt(client, goal_id, name, **reached)
    more = {"ended_at": "2025-05-02T10:00:00Z", **more}
    response = client.post("/v1/conversations", json=delivery(name, **more))
    assert response.status_code == 202, response.text
    if outcome != "none":
        world.judge.outcomes = {NAME: Outcome(outcome)}
        world.evaluate()


def report(client: TestClient, **query: Any) -> dict[str, Any]:
    response = client.get("/v1/reports/agreement", params=query)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def only(client: TestClient, **query: Any) -> dict[str, Any]:
    """Return what is reported of the one goal there is."""
    [found] = report(client, **query)["goals"]
    assert isinstance(found, dict)
    return found


def cell(client: TestClient, goal_id: str, outcome: str, state: str, **query: Any) -> list[str]:
    params = {"goal": goal_id, "outcome": outcome, "state": state, **query}
    response = client.get("/v1/reports/agreement/conversations", params=params)
    assert response.status_code == 200, response.text
    return [row["conversation_id"] for row in response.json()["items"]]


@pytest.fixture
def goal_id(world: World) -> str:
    """The id of a goal that is judged and tracked, with a call in each of seven cells and two in one."""
    goal_id = tracked_goal(world, NAME)
    call(world, goal_id, "booked", "achieved", "completed")
    call(world, goal_id, "also booked", "achieved", "completed", agent_id="night-desk")
    call(world, goal_id, "unconfirmed", "achieved", "partial")
    call(world, goal_id, "detailed", "partial", "partial")
    call(world, goal_id, "begun", "not_achieved", "incomplete")
    call(world, goal_id, "misread", "not_achieved", "completed", ended_at="2025-05-03T00:00:00Z")
    call(world, goal_id, "unseen", "achieved", "none")
    call(world, goal_id, "unjudged", "none", "completed")
    return goal_id


def test_a_project_without_goals_has_nothing_to_compare(client: TestClient) -> None:
    assert report(client) == {"time_zone": "UTC", "goals": []}


def test_the_table_tells_where_verdicts_and_cycles_agree(client: TestClient, goal_id: str) -> None:
    found = only(client)
    low, high = found.pop("kappa_interval")
    # By hand: 4 of 6 alike; by chance (3*3 + 1*2 + 2*1) / 36 = 13/36; so (24 - 13) / (36 - 13).
    assert found.pop("kappa") == pytest.approx(11 / 23)
    assert low < 11 / 23 < high
    assert found == {
        "goal": {"id": goal_id, "name": NAME, "kind": "secondary", "agent_id": None, "state": "active"},
        "compared": 6,
        "agreeing": 4,
        "agreement_rate": 4 / 6,
        "interval": list(wilson(4, 6) or ()),
        "table": {
            "achieved": {"completed": 2, "partial": 1, "incomplete": 0, "none": 1},
            "partial": {"completed": 0, "partial": 1, "incomplete": 0, "none": 0},
            "not_achieved": {"completed": 1, "partial": 0, "incomplete": 1, "none": 0},
        },
        "without_verdict": {"completed": 1, "partial": 0, "incomplete": 0},
    }


def test_every_cell_lists_as_many_conversations_as_it_counts(client: TestClient, goal_id: str) -> None:
    for query in ({}, {"agent": "front-desk"}, {"from": "2025-05-03"}, {"to": "2025-05-02"}):
        found = only(client, goal=goal_id, **query)
        counted = found["table"] | {"none": found["without_verdict"]}
        for outcome, row in counted.items():
            for state, number in row.items():
                assert len(cell(client, goal_id, outcome, state, **query)) == number, (query, outcome, state)


def test_a_cell_tells_what_to_look_at(client: TestClient, goal_id: str) -> None:
    params = {"goal": goal_id, "outcome": "not_achieved", "state": "completed"}
    [row] = client.get("/v1/reports/agreement/conversations", params=params).json()["items"]
    assert row == {
        "id": row["id"],
        "conversation_id": "misread",
        "agent_id": "front-desk",
        "ended_at": "2025-05-03T00:00:00Z",
        "outcome": "not_achieved",
        "state": "completed",
    }
    assert client.get(f"/v1/conversations/{row['id']}").json()["conversation_id"] == "misread"


def test_what_has_no_cycle_and_what_has_no_verdict_can_be_listed(client: TestClient, goal_id: str) -> None:
    assert cell(client, goal_id, "achieved", "none") == ["unseen"]
    assert cell(client, goal_id, "none", "completed") == ["unjudged"]


def test_a_list_goes_on_behind_its_cursor(client: TestClient, goal_id: str) -> None:
    params: dict[str, Any] = {"goal": goal_id, "outcome": "achieved", "state": "completed", "limit": 1}
    first = client.get("/v1/reports/agreement/conversations", params=params).json()
    second = client.get("/v1/reports/agreement/conversations", params=params | {"cursor": first["next_cursor"]}).json()
    listed = {row["conversation_id"] for page in (first, second) for row in page["items"]}
    assert (listed, second["next_cursor"]) == ({"booked", "also booked"}, None)


@pytest.mark.usefixtures("goal_id")
def test_an_agent_and_days_of_the_end_are_filters(client: TestClient) -> None:
    assert only(client, agent="night-desk")["compared"] == 1
    assert only(client, **{"from": "2025-05-03"})["table"]["not_achieved"]["completed"] == 1
    assert only(client, to="2025-05-02")["compared"] == 5


def test_a_revision_has_the_verdicts_on_it_alone(client: TestClient, goal_id: str) -> None:
    assert (only(client, goal=goal_id, revision=1)["compared"], only(client, goal=goal_id, revision=2)["compared"]) == (
        6,
        0,
    )
    assert only(client, goal=goal_id, revision=1)["without_verdict"] is None


def test_a_goal_that_is_judged_and_tracked_is_there_before_it_has_anything(world: World) -> None:
    goal_id = tracked_goal(world, NAME)
    found = only(world.client())
    assert found["goal"]["id"] == goal_id
    assert [found[figure] for figure in ("compared", "agreement_rate", "interval", "kappa", "kappa_interval")] == [
        0,
        None,
        None,
        None,
        None,
    ]
    assert report(world.client(), agent="night-desk")["goals"] != []


def test_a_goal_of_another_agent_that_has_nothing_is_left_out(world: World) -> None:
    tracked_goal(world, NAME, agent_id="front-desk")
    client = world.client()
    assert [len(report(client, agent=agent)["goals"]) for agent in ("front-desk", "night-desk")] == [1, 0]


def test_a_goal_that_is_only_judged_or_only_tracked_is_left_out_unless_it_is_asked_for(world: World) -> None:
    judged = goal(world.client(), "Appointment booked")["id"]
    tracked = tracked_goal(world, "Tracked only", judged=False)
    client = world.client()
    assert report(client)["goals"] == []
    assert [only(client, goal=goal_id)["compared"] for goal_id in (judged, tracked)] == [0, 0]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"outcome": "none", "state": "none"}, "state"),
        ({"outcome": "none", "revision": 1}, "revision"),
        ({"outcome": "perhaps"}, "outcome"),
        ({"state": "begun"}, "state"),
        ({"cursor": "x"}, "cursor"),
        ({"from": "2025-05-02", "to": "2025-05-01"}, "from"),
    ],
)
def test_a_cell_that_makes_no_sense_is_refused(
    client: TestClient, goal_id: str, change: dict[str, Any], field: str
) -> None:
    params = {"goal": goal_id, "outcome": "achieved", "state": "completed"} | change
    problem(client.get("/v1/reports/agreement/conversations", params=params), 422, field)


def test_a_revision_without_its_goal_is_refused(client: TestClient) -> None:
    problem(client.get("/v1/reports/agreement", params={"revision": 1}), 422, "revision")


def test_a_goal_that_is_not_there_is_404(client: TestClient) -> None:
    problem(client.get("/v1/reports/agreement", params={"goal": NOBODY}), 404)
    params = {"goal": NOBODY, "outcome": "achieved", "state": "completed"}
    problem(client.get("/v1/reports/agreement/conversations", params=params), 404)


def test_another_project_sees_nothing_of_it(goal_id: str, world: World) -> None:
    other = another_project(world)
    assert report(other)["goals"] == []
    params = {"goal": goal_id, "outcome": "achieved", "state": "completed"}
    problem(other.get("/v1/reports/agreement/conversations", params=params), 404)


@pytest.mark.usefixtures("goal_id")
def test_a_key_that_may_read_is_enough(world: World) -> None:
    assert only(world.client(Scope.READ))["compared"] == 6
    problem(world.client(Scope.INGEST).get("/v1/reports/agreement"), 403)
