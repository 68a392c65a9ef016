"""Goals with steps over HTTP: written with the goal, read back exactly, and each rule answered by a clear 422."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from goalline.domain.key import Scope
from goalline.store import projects
from goalline.worker import utc_now
from tests.api.calls import problem, stored
from tests.api.world import NewWorld, World, goal, make_key
from tests.domain.steps import FLIGHT, begin, complete, pass_by

EMPTY = {"description": None, "initial": False, "completion": False}
WORTHLESS = {"cost_savings": None, "revenue": None, "time_saved": None}
SHOWN = [
    {**EMPTY, **WORTHLESS, "key": "started", "name": "Started", "order": 1, "initial": True},
    {
        **EMPTY,
        **WORTHLESS,
        "key": "details",
        "name": "Details",
        "order": 2,
        "time_saved": "00:03:00",
        "description": "Passenger details are taken.",
    },
    {
        **EMPTY,
        **WORTHLESS,
        "key": "confirmed",
        "name": "Confirmed",
        "order": 3,
        "completion": True,
        "cost_savings": "15.00",
        "revenue": "150.00",
    },
]
"""The sample steps as they are answered."""


def draft(steps: Any, **more: Any) -> dict[str, Any]:
    return {"name": "Flight booked", "description": "It is booked.", "kind": "secondary", "steps": steps, **more}


def create(client: TestClient, steps: Any, **more: Any) -> dict[str, Any]:
    response = client.post("/v1/goals", json=draft(steps, **more))
    assert response.status_code == 201, response.text
    created: dict[str, Any] = response.json()
    return created


def client_in(world: World, currency: str) -> TestClient:
    """Return an admin's client in a new project of this currency."""
    with world.database.transaction() as session:
        project = projects.create(session, f"Sample in {currency}", "UTC", utc_now(), currency=currency)
    client = world.browser()
    client.headers["Authorization"] = f"Bearer {make_key(world.database, project, Scope.ADMIN)}"
    return client


@pytest.fixture
def one(client: TestClient) -> str:
    """The address of a goal with steps."""
    return f"/v1/goals/{create(client, FLIGHT)['id']}"


def test_steps_are_answered_whole_wherever_their_goal_is(client: TestClient) -> None:
    created = create(client, FLIGHT)
    assert created["steps"] == SHOWN
    assert client.get(f"/v1/goals/{created['id']}").json() == created
    assert client.get("/v1/goals").json()["items"] == [created]
    (revision,) = client.get(f"/v1/goals/{created['id']}/revisions").json()["items"]
    assert revision["steps"] == SHOWN


def test_steps_that_are_read_can_be_sent_again(client: TestClient, one: str) -> None:
    assert client.patch(one, json={"steps": client.get(one).json()["steps"]}).json()["revision"] == 1
    assert create(client, client.get(one).json()["steps"])["steps"] == SHOWN


@pytest.mark.parametrize("judged", [True, False])
def test_a_goal_with_steps_is_judged_or_not(client: TestClient, judged: bool) -> None:
    assert create(client, FLIGHT, judged=judged)["judged"] is judged


@pytest.mark.parametrize(
    ("currency", "sent", "expected"),
    [
        ("USD", "15", "15.00"),
        ("USD", 16, "16.00"),
        ("JPY", "15.00", "15"),
        ("KWD", "1.5", "1.500"),
        ("CLF", "0.0001", "0.0001"),
    ],
)
def test_amounts_have_exactly_the_decimals_of_the_projects_currency(
    world: World, currency: str, sent: str | int, expected: str
) -> None:
    created = create(client_in(world, currency), [begin(), complete(cost_savings=sent, revenue=sent)])
    assert (created["steps"][1]["cost_savings"], created["steps"][1]["revenue"]) == (expected, expected)


@pytest.mark.parametrize(("currency", "amount"), [("JPY", "1.50"), ("USD", "1.505"), ("KWD", "0.0001")])
def test_an_amount_with_more_decimals_than_the_currency_is_refused(world: World, currency: str, amount: str) -> None:
    client = client_in(world, currency)
    address = f"/v1/goals/{create(client, [begin(), complete()])['id']}"
    before = stored(world.database)
    wrong = [begin(), complete(revenue=amount)]
    for response in (
        client.post("/v1/goals", json=draft(wrong)),
        client.patch(address, json={"steps": wrong}),
        client.put(f"{address}/steps/done", json={"name": "Done", "completion": True, "revenue": amount}),
    ):
        assert f"decimals of {currency}" in problem(response, 422, "steps")["detail"]
    assert stored(world.database) == before


RULES: dict[str, tuple[Any, str, str]] = {
    "no initial step": ([pass_by("a"), complete()], "steps", "no step is the initial one"),
    "two initial steps": ([begin("a"), begin("b"), complete()], "steps", "exactly one initial step"),
    "no completion step": ([begin(), pass_by("a"), pass_by("b")], "steps", "no step is a completion step"),
    "one further step that completes nothing": ([begin(), pass_by("a")], "steps", "'a' is the only step besides"),
    "nothing but the initial step": ([begin()], "steps", "no step besides the initial one"),
    "an initial step that completes": (
        [begin("a", completion=True), complete()],
        "steps",
        "'a' is the initial step and",
    ),
    "the same key twice": ([begin(), complete("a"), complete("a")], "steps", "2 steps have the key 'a'"),
    "the same order twice": ([begin(order=1), complete(order=1)], "steps", "have the same order 1"),
    "more steps than the settings allow": (
        [begin(), *(complete(f"s{number}") for number in range(10))],
        "steps",
        "11 steps, and 10 is the limit",
    ),
    "more steps than any goal may have": (
        [begin(), *(complete(f"s{number}") for number in range(20))],
        "steps",
        "21 steps, and 20 is the limit",
    ),
    "a key with a blank": ([begin(), complete("a b")], "steps[1].key", "letters, digits"),
    "no key": ([begin(), {"name": "A", "completion": True}], "steps[1].key", "is missing"),
    "no name": ([begin(), {"key": "a", "completion": True}], "steps[1].name", "is missing"),
    "an order of 0": ([begin(order=0), complete()], "steps[0].order", "must be at least 1"),
    "an amount that is a float": ([begin(), complete(revenue=1.5)], "steps[1].revenue", 'a string such as "150.00"'),
    "an amount below nothing": ([begin(), complete(cost_savings="-1")], "steps[1].cost_savings", "no sign"),
    "minutes for a duration": ([begin(), complete(time_saved=3)], "steps[1].time_saved", "HH:MM:SS"),
    "a field that is nobody's": ([begin(), complete(colour="red")], "steps[1].colour", "not a known field"),
    "null": (None, "steps", ""),
    "an object": ({"begin": {}}, "steps", "list"),
}


@pytest.mark.parametrize("rule", RULES)
def test_steps_that_break_a_rule_are_refused_for_it_and_nothing_is_stored(
    world: World, client: TestClient, one: str, rule: str
) -> None:
    steps, field, said = RULES[rule]
    before = stored(world.database)
    for response in (client.post("/v1/goals", json=draft(steps)), client.patch(one, json={"steps": steps})):
        (error,) = problem(response, 422, field)["errors"]
        assert error["field"].startswith("steps")
        assert said in error["detail"]
    assert stored(world.database) == before


def test_the_settings_may_allow_as_many_as_twenty_steps_or_as_few_as_two(new_world: NewWorld) -> None:
    twenty = [begin(), *(complete(f"s{number}") for number in range(19))]
    assert len(create(new_world(max_steps_per_goal=20).client(), twenty)["steps"]) == 20
    few = new_world(max_steps_per_goal=2).client()
    assert len(create(few, twenty[:2])["steps"]) == 2
    assert "2 is the limit" in problem(few.post("/v1/goals", json=draft(twenty[:3])), 422, "steps")["detail"]


@pytest.mark.parametrize("without", [{}, {"steps": []}])
def test_a_goal_that_would_measure_nothing_is_refused(
    world: World, client: TestClient, without: dict[str, Any]
) -> None:
    body = {key: value for key, value in draft([], judged=False).items() if key != "steps"} | without
    before = stored(world.database)
    assert "would measure nothing" in problem(client.post("/v1/goals", json=body), 422, "steps")["detail"]
    assert stored(world.database) == before


def test_an_edit_cannot_leave_a_goal_that_measures_nothing(world: World, client: TestClient, one: str) -> None:
    judged = f"/v1/goals/{goal(client, 'Appointment booked')['id']}"
    client.patch(one, json={"judged": False})
    before = stored(world.database)
    assert "would measure nothing" in problem(client.patch(judged, json={"judged": False}), 422, "judged")["detail"]
    assert "would measure nothing" in problem(client.patch(one, json={"steps": []}), 422, "steps")["detail"]
    assert stored(world.database) == before


def test_an_edit_of_steps_makes_a_revision_that_keeps_the_rest(client: TestClient, one: str) -> None:
    before = client.get(one).json()
    edited = client.patch(one, json={"steps": [begin(), complete()]}).json()
    assert [step["key"] for step in edited["steps"]] == ["begin", "done"]
    assert {**edited, "steps": None} == {**before, "steps": None, "revision": 2}
    newest, oldest = client.get(f"{one}/revisions").json()["items"]
    assert (newest["steps"], oldest["steps"]) == (edited["steps"], SHOWN)


def test_an_edit_of_the_words_alone_keeps_the_steps(client: TestClient, one: str) -> None:
    assert client.patch(one, json={"name": "Flight pre-booked"}).json()["steps"] == SHOWN


def test_an_empty_list_removes_the_steps(client: TestClient, one: str) -> None:
    assert client.patch(one, json={"steps": []}).json()["steps"] == []


def test_archiving_and_restoring_keep_the_steps(client: TestClient, one: str) -> None:
    assert client.post(f"{one}/archive").json()["steps"] == SHOWN
    assert client.post(f"{one}/restore").json()["steps"] == SHOWN
