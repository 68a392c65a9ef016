"""Platforms' own webhooks, from the sender's signature to a verdict and a rate, over real connections."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from goalline import resources
from goalline.domain.goal import GoalDraft, Kind
from goalline.judge.stand_in import StandIn
from goalline.store import projects
from goalline.store.database import Database
from goalline.store.goals import goals
from goalline.store.vault import new_key
from tests.running import Running, installed, run, serving, wait_until
from tests.signers import ELEVENLABS, RETELL, SENDERS, VAPI, Sender

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
WEBHOOKS = resources.folder("fixtures") / "webhooks"
EVENTS = {
    RETELL: ["call_ended", "call_analyzed"],
    VAPI: ["end-of-call-report"],
    ELEVENLABS: ["post_call_transcription"],
}
"""All events of some platforms that tell of the end of one and the same call."""

UPDATES = {RETELL: ["transcript_updated"], VAPI: ["conversation-update", "status-update.ended"], ELEVENLABS: []}
"""Events of the same platforms about that call that may come before its end, or be overtaken by it."""

BOOKED = {"tool": "book_appointment", "type": "task.completed", "name": "Appointment made"}


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    """The model, which counts how often it is asked."""
    with StandIn() as model:
        yield model


@pytest.fixture
def settings(database_url: str, stand_in: StandIn, tmp_path: Path) -> dict[str, str]:
    """The settings of Goalline on either database, with a goal that is older than all samples."""
    found = installed(tmp_path, stand_in.url, database_url, GOALLINE_ENCRYPTION_KEYS=new_key())
    database = Database(database_url)
    with database.transaction() as session:
        project = projects.first(session, "UTC", "USD", LONG_AGO)
        wording = "The caller was told to give their full name."
        draft = GoalDraft(name="Full name told", description=wording, kind=Kind.PRIMARY)
        goals.create(session, project.id, draft, LONG_AGO)
    database.close()
    return found


@pytest.fixture
def goalline(settings: dict[str, str], tmp_path: Path) -> Iterator[Running]:
    """Goalline as an operator starts it, with its worker inside."""
    key = run(settings, tmp_path, "keys", "create", "--scope", "admin", "--json").stdout
    with serving(settings, tmp_path, key.rpartition('"key": "')[2].partition('"')[0]) as goalline:
        yield goalline


def source(goalline: Running, sender: Sender) -> str:
    """Create the sender's source and return its address."""
    made: dict[str, Any] = goalline.post("/v1/sources", sender.draft | {"tool_events": [BOOKED]})
    url: str = made["url"]
    return url


def send(goalline: Running, url: str, sender: Sender, body: bytes) -> dict[str, Any]:
    headers = sender.sign(sender.secret, body, time.time()) | {"authorization": "", "content-type": "application/json"}
    answer = goalline.client.post(url, content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_the_webhook_of_each_platform_becomes_a_verdict_and_counts(
    goalline: Running, settings: dict[str, str], tmp_path: Path, stand_in: StandIn
) -> None:
    told = [send(goalline, source(goalline, sender), sender, sender.body) for sender in SENDERS]
    assert [answer["result"] for answer in told] == ["stored"] * len(SENDERS)
    assert [answer["conversation_id"] for answer in told] == [sender.conversation_id for sender in SENDERS]

    def succeeded() -> bool:
        return len(goalline.get("/v1/conversations", status="succeeded")["items"]) == len(SENDERS)

    wait_until(succeeded, goalline.process, tmp_path / "serve.log")
    for sender in SENDERS:
        read = goalline.get(f"/v1/conversations/{sender.conversation_id}")
        (verdict,) = read["verdicts"]
        for evidence in verdict["evidence"]:
            assert evidence["quote"] in read["transcript"][evidence["turn"] - 1]["text"]
        assert (verdict["outcome"], len(verdict["evidence"])) == ("achieved", 1), sender
    rate = goalline.get("/v1/reports/success-rate", **{"from": "2026-01-01"})
    assert (rate["achieved"], rate["evaluated"], rate["success_rate"]) == (len(SENDERS), len(SENDERS), 1.0)

    # Each is sent again, as platforms do: nothing is judged, counted or paid twice.
    urls = {each["name"]: each["url"] for each in goalline.get("/v1/sources")["items"]}
    again = [send(goalline, urls[str(sender)], sender, sender.body) for sender in SENDERS]
    assert [answer["evaluation_id"] for answer in again] == [answer["evaluation_id"] for answer in told]
    assert {answer["result"] for answer in again} == {"duplicate"}
    assert stand_in.calls == len(SENDERS)
    assert run(settings, tmp_path, "rollups", "verify").returncode == 0


def test_calls_told_by_all_their_events_five_times_each_at_once_are_judged_once(
    goalline: Running, settings: dict[str, str], tmp_path: Path, stand_in: StandIn
) -> None:
    urls = {sender: source(goalline, sender) for sender in EVENTS}
    sent = [(sender, event) for sender, events in EVENTS.items() for event in events + UPDATES[sender]] * 5

    def tell(one: tuple[Sender, str]) -> tuple[Sender, dict[str, Any]]:
        sender, event = one
        body = (WEBHOOKS / sender.platform / f"{event}.json").read_bytes()
        return sender, send(goalline, urls[sender], sender, body)

    with ThreadPoolExecutor(len(sent)) as pool:
        told = list(pool.map(tell, sent))
    for sender, events in EVENTS.items():
        answers = [answer for teller, answer in told if teller is sender and "evaluation_id" in answer]
        assert sorted(answer["result"] for answer in answers) == ["duplicate"] * (5 * len(events) - 1) + ["stored"]
        assert len({answer["evaluation_id"] for answer in answers}) == 1

    def read() -> list[dict[str, Any]]:
        return [goalline.get(f"/v1/conversations/{sender.conversation_id}") for sender in EVENTS]

    def all_judged() -> bool:
        return all(told["evaluations"][0]["status"] == "succeeded" for told in read())

    wait_until(all_judged, goalline.process, tmp_path / "serve.log")
    for conversation in read():
        assert len(conversation["evaluations"]) == 1
        assert [task["name"] for task in conversation["tasks"]] == ["Appointment made"]
    assert len(goalline.get("/v1/conversations")["items"]) == stand_in.calls == len(EVENTS)
    assert run(settings, tmp_path, "rollups", "verify").returncode == 0
