"""Projects are apart: no call of any route, with another project's ids, tells or changes anything of that project."""

from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from goalline.api.app import create_app
from goalline.bootstrap import Services
from goalline.domain.key import Scope
from goalline.store import projects
from goalline.worker import Bell, utc_now
from tests.api.calls import stored
from tests.api.route_table import FILLINGS, Filling, Things, filled, send
from tests.api.world import ADDRESS, World, make_key

CASES = [(call, filling) for call, fillings in FILLINGS.items() for filling in fillings]
every_case = pytest.mark.parametrize(
    ("call", "filling"), CASES, ids=[f"{call} {' '.join(filling.query)}".rstrip() for call, filling in CASES]
)


def stranger(world: World) -> tuple[TestClient, UUID]:
    """Return a client with an admin's key of a new project in the same database, and the project's id."""
    with world.database.transaction() as session:
        project = projects.create(session, "Another project", "UTC", utc_now())
    client = world.browser()
    client.headers["Authorization"] = f"Bearer {make_key(world.database, project, Scope.ADMIN)}"
    return client, project.id


def new_rows(before: dict[str, list[str]], after: dict[str, list[str]]) -> list[str]:
    """Return the rows that were added; every row that was there before must be there as it was."""
    for table, rows in before.items():
        changed = [row for row in rows if row not in after[table]]
        assert not changed, f"{table}: {changed}"
    return [row for table, rows in after.items() for row in rows if row not in before[table]]


@every_case
def test_a_key_of_another_project_sees_and_touches_nothing(
    own: World, things: Things, call: str, filling: Filling
) -> None:
    client, project_id = stranger(own)
    before = stored(own.database)
    # By the platform's own id, and by ours.
    for named in ({}, {"reference:path": things.row}) if "{reference:path}" in call else ({},):
        method, _, route = call.partition(" ")
        response = client.request(
            method,
            filled(route, things.named | named),
            params=filled(filling.query, things.named),
            json=filled(filling.body, things.named),
            follow_redirects=False,
        )
        assert response.status_code == filling.stranger, response.text
        assert not [word for word in things.words(response.request) if word in response.text], response.text
        told = filled(filling.reveals, things.named)
        assert told is None or told in str(response.request.url) or told not in response.text
    added = new_rows(before, stored(own.database))
    assert not added or filling.stranger != 404
    ids = (things.goal, things.retired, things.row, things.project, things.source, things.subscription, things.message)
    assert not [row for row in added for other in ids if repr(UUID(other)) in row]
    assert str(project_id) != things.project


@every_case
def test_its_own_projects_key_succeeds_with_the_very_same_call(
    own: World, things: Things, call: str, filling: Filling
) -> None:
    # Without this, a call that is wrong in itself would pass for one that is refused.
    client = own.browser()
    client.headers["Authorization"] = f"Bearer {own.keys[filling.scope]}"
    response = send(client, call, filling, things)
    assert response.is_success, response.text
    told = filled(filling.reveals, things.named)
    assert told is None or told in response.text
    if call.startswith("POST /v1/events"):
        assert response.json()["accepted"] == 3


def test_events_that_name_another_projects_goal_are_rejected(own: World, things: Things) -> None:
    client, _ = stranger(own)
    call = "POST /v1/events"
    answer: dict[str, Any] = send(client, call, FILLINGS[call][0], things).json()
    assert (answer["accepted"], [item["index"] for item in answer["rejected"]]) == (1, [0, 1])


def test_a_delivery_under_another_projects_id_is_no_duplicate_of_its(own: World, things: Things) -> None:
    client, _ = stranger(own)
    call = "POST /v1/conversations"
    answer = send(client, call, FILLINGS[call][0], things).json()
    assert answer["duplicate"] is False
    assert answer["id"] != things.row


def test_ids_in_the_address_of_an_open_page_are_the_first_projects_only(own: World, things: Things) -> None:
    second, _ = stranger(own)
    second.post("/v1/conversations", json=filled(FILLINGS["POST /v1/conversations"][0].body, things.named))
    row = second.get("/v1/conversations").json()["items"][0]["id"]
    parts = Services(
        own.parts.settings.model_copy(update={"dashboard_open": True}), own.database, own.judge, own.parts.broker
    )
    nobody = TestClient(create_app(parts, Bell(parts)), base_url=ADDRESS)
    assert nobody.get(f"/conversations/{things.row}").status_code == 200
    assert nobody.get(f"/conversations/{row}").status_code == 404
