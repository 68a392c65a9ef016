"""Sources over HTTP: created, changed, given new secrets, deleted; no secret is told twice."""

from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from goalline.store.vault import Vault
from tests.api.calls import problem
from tests.api.world import World

STEP = {"tool": "book_appointment", "type": "goal.step", "goal": "Booking", "step": "booked"}


def create(client: TestClient, **changes: Any) -> Any:
    return client.post("/v1/sources", json={"name": "phones", "platform": "standard_webhooks", **changes})


def made(client: TestClient, **changes: Any) -> dict[str, Any]:
    response = create(client, **changes)
    assert response.status_code == 201, response.text
    body: dict[str, Any] = response.json()
    return body


def test_a_source_has_an_address_and_tells_its_secret_once(client: TestClient) -> None:
    source = made(client, tool_events=[STEP])
    assert source["url"] == f"/v1/hooks/{source['id']}"
    assert source["secret"].startswith("whsec_")
    shown = client.get(f"/v1/sources/{source['id']}")
    assert shown.json() == {key: value for key, value in source.items() if key != "secret"}
    assert client.get("/v1/sources").json() == {"items": [shown.json()]}
    assert source["secret"] not in shown.text


def test_a_secret_that_the_platform_made_is_not_told_at_all(client: TestClient) -> None:
    response = create(client, platform="retell", secret="key_0123456789abcdef")
    assert response.json()["secret"] is None
    assert "key_0123456789abcdef" not in response.text


def test_no_secret_stands_in_the_database_as_it_is(world: World, client: TestClient) -> None:
    secret = made(client)["secret"]
    with world.database.reading() as session:
        (sealed,) = session.connection().exec_driver_sql("SELECT sealed FROM source").one()
    assert secret not in sealed
    assert secret.removeprefix("whsec_") not in sealed


def test_a_platform_that_makes_the_secret_has_to_be_asked_for_it(client: TestClient) -> None:
    assert "copy it from there" in problem(create(client, platform="retell"), 422, "secret")["detail"]


@pytest.mark.parametrize("secret", ["", "short", " padded-secret ", "two\nlines", "x" * 501, "ключключключ"])
def test_a_secret_that_cannot_be_one_is_refused_and_not_repeated(client: TestClient, secret: str) -> None:
    response = create(client, platform="retell", secret=secret)
    problem(response, 422, "secret")
    assert not secret or secret not in response.text
    assert client.get("/v1/sources").json() == {"items": []}


def test_two_sources_of_one_name_are_refused(client: TestClient) -> None:
    made(client)
    problem(create(client), 409, "name")
    other = made(client, name="other")
    problem(client.patch(f"/v1/sources/{other['id']}", json={"name": "phones"}), 409, "name")


def test_options_that_a_platform_does_not_have_are_refused(client: TestClient) -> None:
    assert problem(create(client, options={"colour": "red"}), 422)["errors"][0]["field"] == "options.colour"


@pytest.mark.parametrize("change", [{"step": None}, {"name": "too much"}, {"type": "goal.leap"}, {"tool": ""}])
def test_a_tool_event_that_is_no_event_is_refused(client: TestClient, change: dict[str, Any]) -> None:
    assert create(client, tool_events=[STEP | change]).status_code == 422


def test_a_change_changes_what_it_names_and_nothing_else(client: TestClient) -> None:
    source = made(client)
    address = f"/v1/sources/{source['id']}"
    assert client.patch(address, json={"enabled": False}).json()["enabled"] is False
    changed = client.patch(address, json={"name": "mobiles", "tool_events": [STEP]}).json()
    assert (changed["name"], changed["enabled"], changed["tool_events"]) == ("mobiles", False, [STEP])
    assert client.get(address).json() == changed


@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("", {"enabled": 0}),
        ("", {"enabled": "false"}),
        ("/rotate", {"overlap_hours": False}),
        ("/rotate", {"overlap_hours": "2"}),
        ("/rotate", {"overlap_hours": 721}),
        ("/rotate", {"overlap_hours": -1}),
    ],
)
def test_what_only_looks_like_a_number_or_a_truth_is_none(
    client: TestClient, address: str, body: dict[str, Any]
) -> None:
    source = made(client)
    changed = client.request("POST" if address else "PATCH", f"/v1/sources/{source['id']}{address}", json=body)
    problem(changed, 422, *body)
    assert client.get(f"/v1/sources/{source['id']}").json()["enabled"] is True


@pytest.mark.parametrize(
    ("platform", "options", "field", "said"),
    [
        ("retell", {"colour": "red"}, "options.colour", "is no option of platform retell"),
        ("custom", {}, "options.conversation_id", "is needed by platform custom"),
        ("telnyx", {"all_inbound": 1}, "options.all_inbound", "platform telnyx cannot take it: "),
        ("vapi", {"include_timestamp": "no"}, "options.include_timestamp", "platform vapi cannot take it: "),
    ],
)
def test_options_that_do_not_fit_say_why(
    client: TestClient, platform: str, options: dict[str, Any], field: str, said: str
) -> None:
    answer = create(client, platform=platform, options=options, secret="key_0123456789abcdef")
    assert problem(answer, 422, field)["detail"].startswith(said)


def test_a_deleted_source_is_gone(client: TestClient) -> None:
    source = made(client)
    assert client.delete(f"/v1/sources/{source['id']}").status_code == 204
    problem(client.get(f"/v1/sources/{source['id']}"), 404)
    assert made(client)["id"] != source["id"]


def test_more_secrets_than_five_are_not_valid_at_once(client: TestClient) -> None:
    address = f"/v1/sources/{made(client)['id']}/rotate"
    assert [client.post(address, json={}).status_code for _ in range(5)] == [200, 200, 200, 200, 409]
    assert client.post(address, json={"overlap_hours": 0}).status_code == 200


def test_where_there_is_no_key_secrets_are_not_kept(world: World) -> None:
    bare = replace(world, parts=replace(world.parts, vault=Vault([])))
    assert "goalline sources key" in problem(create(bare.client()), 409)["detail"]
