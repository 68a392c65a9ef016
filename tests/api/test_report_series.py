"""The course of a success rate: days, weeks and months as the project's own clocks and calendar have them."""

from datetime import date, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from goalline.domain.goal import Kind
from tests.api.calls import problem
from tests.api.world import NewWorld, delivery, goal


def series(client: TestClient, **query: Any) -> dict[str, int]:
    """Return how many conversations each interval has, by its first day."""
    response = client.get("/v1/reports/success-rate", params=query)
    assert response.status_code == 200, response.text
    return {point["start"]: point["conversations"] for point in response.json()["series"]}


def send(client: TestClient, *ends: str) -> None:
    for end in ends:
        assert client.post("/v1/conversations", json=delivery(f"ended {end}", ended_at=end)).status_code == 202


def test_a_day_on_which_nothing_happened_is_in_the_series(client: TestClient) -> None:
    send(client, "2025-05-01T10:00:00Z", "2025-05-03T10:00:00Z", "2025-05-03T11:00:00Z")
    assert series(client) == {"2025-05-01": 1, "2025-05-02": 0, "2025-05-03": 2}


def test_an_empty_interval_has_no_rate(client: TestClient) -> None:
    query = {"from": "2025-05-01", "to": "2025-05-01"}
    [point] = client.get("/v1/reports/success-rate", params=query).json()["series"]
    assert point == {
        "start": "2025-05-01",
        "success_rate": None,
        "interval": None,
        "achieved": 0,
        "partial": 0,
        "not_achieved": 0,
        "evaluated": 0,
        "conversations": 0,
        "coverage": None,
    }


def test_a_series_covers_the_whole_time_that_was_asked_for(client: TestClient) -> None:
    send(client, "2025-05-02T10:00:00Z")
    asked = {"from": "2025-05-01", "to": "2025-05-04"}
    assert series(client, **asked) == {"2025-05-01": 0, "2025-05-02": 1, "2025-05-03": 0, "2025-05-04": 0}


def test_weeks_start_on_monday(client: TestClient) -> None:
    # 2025-05-04 was a Sunday.
    send(client, "2025-05-01T10:00:00Z", "2025-05-04T23:59:59Z", "2025-05-05T00:00:00Z", "2025-05-20T10:00:00Z")
    weeks = {"2025-04-28": 2, "2025-05-05": 1, "2025-05-12": 0, "2025-05-19": 1}
    assert series(client, interval="week") == weeks


def test_months_start_on_the_first_whatever_their_length(client: TestClient) -> None:
    send(client, "2024-12-31T23:59:59Z", "2025-01-01T00:00:00Z", "2025-02-28T10:00:00Z", "2025-03-31T10:00:00Z")
    months = {"2024-12-01": 1, "2025-01-01": 1, "2025-02-01": 1, "2025-03-01": 1}
    assert series(client, interval="month") == months


def test_an_interval_that_is_cut_by_the_filter_counts_only_what_lies_in_it(client: TestClient) -> None:
    send(client, "2025-05-01T10:00:00Z", "2025-05-02T10:00:00Z", "2025-05-31T10:00:00Z")
    asked = {"from": "2025-05-02", "to": "2025-05-30", "interval": "month"}
    assert series(client, **asked) == {"2025-05-01": 1}


def test_a_report_says_whose_days_they_are(new_world: NewWorld) -> None:
    client = new_world(time_zone="America/St_Johns").client()
    assert client.get("/v1/reports/success-rate").json()["time_zone"] == "America/St_Johns"
    assert client.get("/v1/reports/goals").json()["time_zone"] == "America/St_Johns"


@pytest.mark.parametrize(
    ("time_zone", "end", "day"),
    [
        # The clocks of Berlin went forward on 2025-03-30 and back on 2025-10-26.
        ("Europe/Berlin", "2025-03-29T22:59:59Z", "2025-03-29"),
        ("Europe/Berlin", "2025-03-29T23:00:00Z", "2025-03-30"),
        ("Europe/Berlin", "2025-03-30T21:59:59Z", "2025-03-30"),
        ("Europe/Berlin", "2025-03-30T22:00:00Z", "2025-03-31"),
        ("Europe/Berlin", "2025-10-25T21:59:59Z", "2025-10-25"),
        ("Europe/Berlin", "2025-10-25T22:00:00Z", "2025-10-26"),
        ("Europe/Berlin", "2025-10-26T22:59:59Z", "2025-10-26"),
        ("Europe/Berlin", "2025-10-26T23:00:00Z", "2025-10-27"),
        ("Europe/Berlin", "2025-10-27T00:30:00+02:00", "2025-10-26"),
        ("Pacific/Kiritimati", "2025-01-01T10:00:00Z", "2025-01-02"),
        ("Pacific/Pago_Pago", "2025-01-01T10:59:59Z", "2024-12-31"),
        ("Asia/Kathmandu", "2025-01-01T18:15:00Z", "2025-01-02"),
    ],
)
def test_a_day_is_the_one_on_the_projects_own_calendar(new_world: NewWorld, time_zone: str, end: str, day: str) -> None:
    client = new_world(time_zone=time_zone).client()
    send(client, end)
    assert series(client) == {day: 1}
    assert series(client, **{"from": day, "to": day}) == {day: 1}


def test_no_day_is_lost_or_doubled_when_the_clocks_change(new_world: NewWorld) -> None:
    client = new_world(time_zone="Europe/Berlin").client()
    for first, last in (("2025-03-28", "2025-04-01"), ("2025-10-24", "2025-10-28")):
        days = list(series(client, **{"from": first, "to": last}))
        assert days == [(date.fromisoformat(first) + timedelta(days=n)).isoformat() for n in range(5)]


def test_a_time_in_a_filter_means_the_local_day_it_falls_on(new_world: NewWorld) -> None:
    client = new_world(time_zone="Europe/Berlin").client()
    asked = {"from": "2025-10-25T22:00:00Z", "to": "2025-10-26T23:00:00Z"}
    assert list(series(client, **asked)) == ["2025-10-26", "2025-10-27"]


@pytest.mark.parametrize("path", ["success-rate", "goals"])
def test_a_time_that_ends_before_it_starts_is_refused(client: TestClient, path: str) -> None:
    query = {"from": "2025-05-02", "to": "2025-05-01"}
    problem(client.get(f"/v1/reports/{path}", params=query), 422, "from")


@pytest.mark.parametrize("path", ["success-rate", "goals"])
@pytest.mark.parametrize(
    ("interval", "last_allowed", "first_refused"),
    [
        ("day", "2003-01-05", "2003-01-06"),
        ("week", "2021-01-30", "2021-01-31"),
        ("month", "2084-04-29", "2084-04-30"),
    ],
)
def test_a_series_is_of_bounded_length(
    client: TestClient, path: str, interval: str, last_allowed: str, first_refused: str
) -> None:
    goal(client, "Appointment booked")
    query = {"from": "2000-01-01", "interval": interval}
    report = client.get(f"/v1/reports/{path}", params={**query, "to": last_allowed}).json()
    assert 1_000 <= len(report["series"] if path == "success-rate" else report["goals"][0]["series"]) <= 1_102
    refused = client.get(f"/v1/reports/{path}", params={**query, "to": first_refused})
    assert "1,100" in problem(refused, 422, "interval")["detail"]


@pytest.mark.parametrize("path", ["success-rate", "goals"])
def test_the_longest_time_there_is_is_refused_at_once(client: TestClient, path: str) -> None:
    query = {"from": "2000-01-01", "to": "8999-12-31", "interval": "month"}
    problem(client.get(f"/v1/reports/{path}", params=query), 422, "interval")


def test_the_series_of_all_goals_have_the_same_intervals_and_lose_nothing(client: TestClient) -> None:
    goal(client, "Room booked", agent_id="back-office")
    goal(client, "Reminder offered", Kind.SECONDARY)
    for end, agent_id in (("2025-05-01", "back-office"), ("2025-05-20", "front-desk"), ("2025-06-03", "back-office")):
        body = delivery(f"ended {end}", ended_at=f"{end}T10:00:00Z", agent_id=agent_id)
        assert client.post("/v1/conversations", json=body).status_code == 202
    report = client.get("/v1/reports/goals", params={"interval": "month"}).json()
    assert report["series_interval"] == "month"
    assert {
        line["goal"]["name"]: {point["start"]: point["conversations"] for point in line["series"]}
        for line in report["goals"]
    } == {
        "Room booked": {"2025-05-01": 1, "2025-06-01": 1},
        "Reminder offered": {"2025-05-01": 2, "2025-06-01": 1},
    }


@pytest.mark.parametrize(
    ("first", "interval"),
    [("2024-12-31T10:00:00Z", "day"), ("2021-01-01T10:00:00Z", "week"), ("2001-01-01T10:00:00Z", "month")],
)
def test_a_series_is_cut_as_finely_as_its_length_allows(client: TestClient, first: str, interval: str) -> None:
    send(client, first, "2025-01-01T10:00:00Z")
    goal(client, "Appointment booked")
    assert client.get("/v1/reports/goals").json()["series_interval"] == interval
    report = client.get("/v1/reports/success-rate").json()
    assert report["series_interval"] == interval
    assert sum(point["conversations"] for point in report["series"]) == 2


def test_an_interval_that_is_asked_for_is_not_changed_behind_ones_back(client: TestClient) -> None:
    send(client, "2001-01-01T10:00:00Z", "2025-01-01T10:00:00Z")
    problem(client.get("/v1/reports/success-rate", params={"interval": "day"}), 422, "interval")
