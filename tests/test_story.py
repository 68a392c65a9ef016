"""The product, told once for each way in: our own shape and the judge, a platform's own webhook, and the track."""

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from goalline.judge.stand_in import MODEL, StandIn
from goalline.store.vault import new_key
from tests.domain.steps import FLIGHT
from tests.receiver import receiving
from tests.running import Running, conversation, environment, run, serving, wait_until, working
from tests.signers import RETELL

BOOKED = conversation(1)
NOT_BOOKED = conversation(
    2,
    transcript=[
        {"role": "user", "text": "Can I have an appointment on Monday at nine?"},
        {"role": "agent", "text": "Monday is full. Is there anything else?"},
        {"role": "user", "text": "No, goodbye."},
    ],
)

# Goals apply to calls that end after they were written.
ENDED = re.sub(rb'"end_timestamp": \d+', b'"end_timestamp": 32503680000000', RETELL.body)


@pytest.fixture(params=["sqlite and no queue", "postgresql and redis"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The settings of Goalline in its two shapes, with the stand-in as its model."""
    with StandIn() as stand_in:
        model = {
            "GOALLINE_MODEL": MODEL,
            "OPENAI_BASE_URL": stand_in.url,
            "GOALLINE_ENCRYPTION_KEYS": new_key(),
            "GOALLINE_OUTBOUND_NETWORKS": "127.0.0.0/8",
        }
        if request.param == "sqlite and no queue":
            yield environment(GOALLINE_DATABASE_URL=f"sqlite:///{tmp_path}/goalline.db", **model)
        else:
            yield environment(
                GOALLINE_DATABASE_URL=request.getfixturevalue("postgres_url"),
                GOALLINE_REDIS_URL=request.getfixturevalue("redis_url"),
                **model,
            )


@pytest.fixture
def goalline(settings: dict[str, str], tmp_path: Path) -> Iterator[Running]:
    """Goalline as an operator starts it: migrated, served and, where there is a queue, with a worker."""
    with ExitStack() as stack:
        assert run(settings, tmp_path, "migrate").returncode == 0
        if "GOALLINE_REDIS_URL" in settings:
            stack.enter_context(working(settings, tmp_path, "--processes", "1", "--threads", "8"))
        yield stack.enter_context(serving(settings, tmp_path))


def test_a_call_ends_and_a_verdict_counts(goalline: Running, settings: dict[str, str], tmp_path: Path) -> None:
    # An admin says what calls are for.
    goal = goalline.post(
        "/v1/goals",
        {
            "name": "Appointment booked",
            "description": "An appointment was booked for the caller and the agent said that it is booked.",
            "kind": "primary",
        },
    )
    assert (goal["state"], goal["revision"]) == ("active", 1)
    assert goalline.get("/v1/reports/success-rate")["success_rate"] is None

    # Two calls end. The platform fires its webhooks, one of them twice.
    first = goalline.post("/v1/conversations", BOOKED)
    assert (first["conversation_id"], first["duplicate"]) == ("sample-1", False)
    again = goalline.post("/v1/conversations", BOOKED)
    assert (again["id"], again["evaluation"]["id"], again["duplicate"]) == (
        first["id"],
        first["evaluation"]["id"],
        True,
    )
    goalline.post("/v1/conversations", NOT_BOOKED)

    # The worker judges each of them, once.
    wait_until(lambda: _succeeded(goalline, 2), goalline.process, tmp_path / "serve.log")
    booked = goalline.get("/v1/conversations/sample-1")
    (evaluation,) = booked["evaluations"]
    assert (evaluation["status"], evaluation["attempts"], evaluation["model"]) == ("succeeded", 1, MODEL)
    assert evaluation["usage"]["prompt_tokens"] > 0

    # Each verdict is pinned to the goal's wording and rests on words that were said.
    (verdict,) = booked["verdicts"]
    assert (verdict["goal"]["name"], verdict["revision"], verdict["outcome"]) == ("Appointment booked", 1, "achieved")
    (evidence,) = verdict["evidence"]
    assert evidence["quote"] in booked["transcript"][evidence["turn"] - 1]["text"]

    # And the rate has moved: one of two, with all that came in judged.
    rate = goalline.get("/v1/reports/success-rate", agent="sample-line")
    assert (rate["achieved"], rate["evaluated"], rate["success_rate"], rate["coverage"]) == (1, 2, 0.5, 1.0)
    assert rate["interval"][0] < 0.5 < rate["interval"][1]
    assert [point["success_rate"] for point in rate["series"]] == [0.5]

    # The page shows it to a person, and a recount finds the same.
    page = goalline.client.get("/").text
    assert re.search(r"50\s*%", page)
    assert "sample-1" in page
    assert run(settings, tmp_path, "rollups", "verify").returncode == 0


def test_a_platforms_own_webhook_becomes_a_verdict_that_others_hear_of(goalline: Running, tmp_path: Path) -> None:
    # An admin says what calls are for, makes a source for the platform, and subscribes another system to what is found.
    goalline.post(
        "/v1/goals",
        {"name": "Booked", "description": "The agent booked a cleaning for the caller.", "kind": "primary"},
    )
    source = goalline.post("/v1/sources", RETELL.draft)
    assert source["secret"] is None
    with receiving() as crm:
        wanted = {"name": "crm", "url": crm.url, "types": ["evaluation.completed"]}
        crm.secret = goalline.post("/v1/subscriptions", wanted)["secret"]

        # A call ends. The platform tells of it in its own words; what somebody else signs is refused.
        forged = goalline.client.post(source["url"], content=ENDED, headers=signed_by(RETELL.other))
        assert forged.status_code == 401
        for result in ("stored", "duplicate"):
            told = goalline.client.post(source["url"], content=ENDED, headers=signed_by(RETELL.secret))
            assert (told.status_code, told.json()["result"]) == (200, result)

        # It is judged once, and the other system hears of it, in a message that is signed.
        wait_until(lambda: crm.calls() == [RETELL.conversation_id], goalline.process, tmp_path / "serve.log")
    (heard,) = crm.accepted
    conversation = goalline.get(f"/v1/conversations/{RETELL.conversation_id}")
    assert [turn["role"] for turn in conversation["transcript"]].count("tool") == 3
    (verdict,) = conversation["verdicts"]
    (told,) = heard["data"]["verdicts"]
    assert {field: told[field] for field in ("goal", "revision", "outcome", "rationale", "evidence")} == {
        field: verdict[field] for field in ("goal", "revision", "outcome", "rationale", "evidence")
    }
    assert goalline.get("/v1/reports/success-rate")["evaluated"] == 1


def signed_by(secret: str) -> dict[str, str]:
    return RETELL.sign(secret, ENDED, time.time()) | {"content-type": "application/json"}


def test_a_call_is_tracked_from_its_first_event_to_a_completion_rate(
    goalline: Running, settings: dict[str, str], tmp_path: Path
) -> None:
    # An admin says by which steps a flight is booked, and what each of them is worth.
    goal = goalline.post(
        "/v1/goals",
        {
            "name": "Pre-book a flight",
            "description": "A flight was booked ahead.",
            "kind": "secondary",
            "judged": False,
            "steps": FLIGHT,
        },
    )
    report = f"/v1/reports/goals/{goal['id']}/process"
    assert goalline.get(report)["completion_rate"] is None

    # While the call runs, the platform tells of the steps that it reaches: some twice, one that there is not.
    started, details = _reached(1, "started"), _reached(2, "details")
    told = goalline.post("/v1/events", {"events": [details, started, details, _reached(3, "paid")]})
    assert (told["accepted"], told["duplicates"], [one["index"] for one in told["rejected"]]) == (2, 1, [3])
    running = goalline.get(report)
    assert (running["started"], running["partial"], running["time_saved"]) == (1, 1, "00:03:00")

    # The call ends. Its last step is told after that, and everything once more.
    goalline.post("/v1/conversations", BOOKED)
    confirmed = _reached(4, "confirmed")
    assert goalline.post("/v1/events", {"events": [started, confirmed, details]})["accepted"] == 1
    done = goalline.get(report)
    assert (done["completed"], done["cost_savings"], done["revenue"]) == (1, "15.00", "150.00")

    # Somebody else begins and hangs up: one of two came to the end.
    goalline.post("/v1/events", {"events": [_reached(5, "started", "sample-2")]})
    rate = goalline.get(report)
    assert (rate["started"], rate["incomplete"], rate["completed"], rate["completion_rate"]) == (2, 1, 1, 0.5)
    assert rate["interval"][0] < 0.5 < rate["interval"][1]
    assert [step["reached"] for step in rate["steps"]] == [2, 1, 1]

    # A recount of all events finds the same, and the goal takes all of it along when it goes.
    assert run(settings, tmp_path, "rollups", "verify").returncode == 0
    goalline.client.delete(f"/v1/goals/{goal['id']}", params={"confirm": goal["name"]}).raise_for_status()
    assert run(settings, tmp_path, "rollups", "verify").returncode == 0


def _reached(number: int, step: str, conversation_id: str = "sample-1") -> dict[str, str]:
    event = {"id": f"sample-event-{number}", "type": "goal.step", "conversation_id": conversation_id}
    return {**event, "goal": "Pre-book a flight", "step": step, "occurred_at": datetime.now(UTC).isoformat()}


def _succeeded(goalline: Running, number: int) -> bool:
    return len(goalline.get("/v1/conversations", status="succeeded")["items"]) == number
