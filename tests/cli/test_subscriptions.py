"""goalline subscriptions: made, listed, tried, told, delivered again; and what doctor says of them."""

import base64
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from goalline import pipeline, upkeep
from goalline.cli import doctor
from goalline.domain.outbound.message import Answer
from goalline.store import secrets
from goalline.store.database import DatabaseUnavailable
from goalline.store.outbound import log
from goalline.store.vault import Vault, new_key
from goalline.worker import utc_now
from tests.cli.terminal import Terminal
from tests.store.world import HOUR, World

URL = "https://crm.example.com/hooks?token=hush-hush"
KEY = new_key()
CREATE = ("subscriptions", "create", "crm", "--url", URL)
ACHIEVED = ("--type", "goal.achieved")


class Receiver:
    """Answers as it is told to."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.secrets: list[Sequence[str]] = []

    def send(self, url: str, secrets: Sequence[str], message_id: str, at: datetime, body: bytes) -> Answer:  # noqa: ARG002
        self.secrets.append(secrets)
        return self.answer


@pytest.fixture
def keyed(terminal: Terminal, judged: World) -> Terminal:  # noqa: ARG001 - it makes the database
    """A terminal with a database and a key for secrets."""
    terminal.environment["GOALLINE_ENCRYPTION_KEYS"] = KEY
    return terminal


def post(world: World, answer: Answer, at: datetime | None = None) -> Receiver:
    """Deliver all that is due, now or at a time."""
    receiver = Receiver(answer)
    while pipeline.deliver(world.database, Vault([KEY]), receiver, lambda: at or utc_now(), 0.0):
        pass
    return receiver


def listed(terminal: Terminal) -> dict[str, Any]:
    (row,) = terminal.says("subscriptions", "list", "--json")
    assert isinstance(row, dict)
    return row


def test_a_subscription_tells_its_secret_once(keyed: Terminal) -> None:
    made = keyed.says(*CREATE, *ACHIEVED, "--type", "evaluation.failed", "--agent", "desk", "--thin", "--json")
    assert made["secret"].startswith("whsec_")
    assert (made["types"], made["agent_id"], made["thin"]) == (["evaluation.failed", "goal.achieved"], "desk", True)
    assert listed(keyed) == {name: value for name, value in made.items() if name != "secret"} | {"waiting": 0}
    assert made["secret"] not in keyed.prints("subscriptions", "list")


def test_what_is_made_is_told_in_words(keyed: Terminal) -> None:
    shown = keyed.prints(*CREATE, *ACHIEVED)
    assert "subscription 'crm' is told of goal.achieved" in shown
    assert "Its secret, shown this once:" in shown
    table = keyed.prints("subscriptions", "list")
    assert all(word in table for word in ("crm", "goal.achieved", "enabled"))


def test_a_rate_is_watched_as_the_options_say(keyed: Terminal) -> None:
    rule = ("--rate-threshold", "0.6", "--rate-conversations", "20", "--rate-recovery", "0.7")
    keyed.prints(*CREATE, "--type", "rate.dropped", *rule)
    assert listed(keyed)["rate"] == {"threshold": 0.6, "conversations": 20, "recovery": 0.7}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--type", "rate.dropped"), "--type rate.dropped needs --rate-threshold, such as 0.6"),
        ((*ACHIEVED, "--rate-threshold", "0.6"), "need --type rate.dropped"),
        (("--type", "rate.dropped", "--rate-threshold", "2"), "--rate-threshold: must be at most 1"),
        (
            ("--type", "rate.dropped", "--rate-threshold", "0.6", "--rate-conversations", "4"),
            "--rate-conversations: must be at least 5",
        ),
        (
            ("--type", "rate.dropped", "--rate-threshold", "0.6", "--rate-recovery", "0.5"),
            "recovery must not be below threshold",
        ),
        (("--type", "subscription.tested"), "--type: subscription.tested is sent on request"),
        ((*ACHIEVED, "--agent", " "), "--agent: must not be empty"),
        ((*ACHIEVED, "--url", "ftp://hush-hush"), "--url: must be an address that begins with https://"),
        ((*ACHIEVED, "--url", "https://a:hush-hush@example.com"), "--url: must not hold a user or a password"),
        ((*ACHIEVED, "--secret-file", "nowhere"), "--secret-file: nowhere cannot be read"),
    ],
)
def test_what_cannot_be_is_refused_by_the_name_of_its_option(
    keyed: Terminal, arguments: tuple[str, ...], said: str
) -> None:
    complaint = keyed.refuses(*CREATE, *arguments)
    assert said in complaint
    assert "hush-hush" not in complaint
    assert keyed.says("subscriptions", "list", "--json") == []


def test_a_secret_of_ones_own_is_read_from_a_file_and_not_shown(keyed: Terminal, judged: World, tmp_path: Path) -> None:
    secret, file = secrets.new(), tmp_path / "secret"
    file.write_text(f"{secret}\n")
    shown = keyed.prints(*CREATE, *ACHIEVED, "--secret-file", str(file))
    assert secret not in shown
    keyed.prints("subscriptions", "test", "crm")
    assert post(judged, Answer(0.1, 204)).secrets == [[secret]]
    file.write_bytes(b"\xff\xfe")
    assert "is not UTF-8 text" in keyed.refuses("subscriptions", "rotate", "crm", "--secret-file", str(file))


def test_a_rotated_secret_signs_beside_the_one_before(keyed: Terminal, judged: World) -> None:
    first = keyed.says(*CREATE, *ACHIEVED, "--json")["secret"]
    second = keyed.says("subscriptions", "rotate", "crm", "--overlap-hours", "48", "--json")["secret"]
    keyed.prints("subscriptions", "test", "crm")
    assert post(judged, Answer(0.1, 204)).secrets == [[second, first]]


def test_a_test_says_when_it_is_sent_and_what_came_of_it(keyed: Terminal, judged: World) -> None:
    keyed.prints(*CREATE, *ACHIEVED)
    shown = keyed.prints("subscriptions", "test", "crm")
    assert "a running goalline serve finds them within about" in shown
    (waiting,) = keyed.says("subscriptions", "messages", "crm", "--json")
    assert (waiting["type"], waiting["status"], waiting["attempts"]) == ("subscription.tested", "waiting", [])
    assert waiting["id"] in shown
    post(judged, Answer(0.25, 503, "later [please]"))
    (refused,) = keyed.says("subscriptions", "messages", "crm", "--json")
    (attempt,) = refused["attempts"]
    assert (attempt["status"], attempt["milliseconds"], attempt["answer"]) == (503, 250, "later [please]")
    assert refused["next_attempt_at"] >= waiting["next_attempt_at"]
    assert "1: 503 in 250 ms" in keyed.prints("subscriptions", "messages", "crm")
    assert "failing since" in keyed.prints("subscriptions", "list")
    post(judged, Answer(10.0, error="no answer within 10 seconds"), utc_now() + HOUR)
    assert "2: no answer within 10 seconds" in keyed.prints("subscriptions", "messages", "crm")
    assert keyed.says("subscriptions", "messages", "crm", "--status", "failed", "--json") == []


def test_the_newest_messages_are_listed(keyed: Terminal) -> None:
    keyed.prints(*CREATE, *ACHIEVED)
    ids = [keyed.says("subscriptions", "test", "crm", "--json")["id"] for _ in range(3)]
    shown = keyed.says("subscriptions", "messages", "crm", "--limit", "2", "--json")
    assert [message["id"] for message in shown] == ids[:0:-1]


def test_what_its_receiver_disabled_is_enabled_and_delivered_again(
    keyed: Terminal, judged: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "REDELIVERED_AT_ONCE", 1)
    keyed.prints(*CREATE, *ACHIEVED)
    for _ in range(2):
        keyed.prints("subscriptions", "test", "crm")
        post(judged, Answer(0.1, 410))
        assert "disabled: its receiver answered 410" in keyed.prints("subscriptions", "list")
        assert "enable it first" in keyed.refuses("subscriptions", "redeliver", "crm")
        assert "enable it first" in keyed.refuses("subscriptions", "test", "crm")
        assert keyed.prints("subscriptions", "enable", "crm") == "subscription 'crm' is enabled\n"
    assert keyed.says("subscriptions", "redeliver", "crm", "--json") == {"messages": 2}
    assert len(post(judged, Answer(0.1, 204)).secrets) == 2
    assert keyed.prints("subscriptions", "redeliver", "crm") == "0 messages are delivered again\n"
    one = keyed.says("subscriptions", "messages", "crm", "--json")[0]["id"]
    assert "1 messages are delivered again" in keyed.prints("subscriptions", "redeliver", "crm", one)
    assert len(post(judged, Answer(0.1, 204)).secrets) == 1
    assert "has no message" in keyed.refuses("subscriptions", "redeliver", "crm", str(uuid4()))


@pytest.mark.parametrize(
    ("fault", "status", "said"),
    [
        (DatabaseUnavailable("AdminShutdown"), 1, "the database is not available (AdminShutdown); 1 of 2 messages"),
        (KeyboardInterrupt(), 130, "stopped; 1 of 2 messages"),
    ],
)
def test_who_is_interrupted_is_told_how_far_it_came(
    keyed: Terminal, judged: World, monkeypatch: pytest.MonkeyPatch, fault: BaseException, status: int, said: str
) -> None:
    keyed.prints(*CREATE, *ACHIEVED)
    for _ in range(2):
        keyed.prints("subscriptions", "test", "crm")
        post(judged, Answer(0.1, 410))
        keyed.prints("subscriptions", "enable", "crm")
    monkeypatch.setattr(upkeep, "REDELIVERED_AT_ONCE", 1)
    again = log.redeliver_failed

    def interrupted(*given: Any, **more: Any) -> Any:
        if more["after"]:
            raise fault
        return again(*given, **more)

    monkeypatch.setattr(log, "redeliver_failed", interrupted)
    assert said in keyed.refuses("subscriptions", "redeliver", "crm", status=status)
    monkeypatch.undo()
    assert len(post(judged, Answer(0.1, 204)).secrets) == 1


def test_a_disabled_subscription_says_so(keyed: Terminal) -> None:
    keyed.prints(*CREATE, *ACHIEVED)
    assert keyed.prints("subscriptions", "disable", "crm") == "subscription 'crm' is disabled\n"
    assert (listed(keyed)["enabled"], listed(keyed)["disabled_because"]) == (False, None)


def test_a_deleted_subscription_is_gone(keyed: Terminal) -> None:
    keyed.prints(*CREATE, *ACHIEVED)
    assert "is deleted" in keyed.prints("subscriptions", "delete", "crm")
    for command in ("messages", "redeliver", "rotate", "enable", "disable", "delete", "test"):
        assert "there is no subscription named 'crm'" in keyed.refuses("subscriptions", command, "crm")


def test_a_bell_is_rung_in_redis(keyed: Terminal, redis_url: str) -> None:
    import redis

    keyed.prints(*CREATE, *ACHIEVED)
    shown = keyed.prints("subscriptions", "test", "crm", GOALLINE_REDIS_URL=redis_url)
    assert "goalline serve" not in shown
    with redis.Redis.from_url(redis_url) as client:
        assert client.llen("goalline:messages") == 1


def findings(terminal: Terminal, status: int = 0, **environment: str) -> list[tuple[str, str, str]]:
    """Return state, finding and advice of what doctor says of receivers."""
    result = terminal.run("doctor", "--offline", "--json", **environment)
    assert result.exit_code == status, result.output
    assert "hush-hush" not in result.output
    found = json.loads(result.stdout.splitlines()[-1])["findings"]
    return [(one["state"], one["found"], one["advice"] or "") for one in found if one["check"] == "receivers"]


@pytest.fixture(autouse=True)
def _logging_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "configure_logs", lambda *_: None)


def test_doctor_has_nothing_to_say_of_nobody_and_praise_for_who_listens(keyed: Terminal, judged: World) -> None:
    assert findings(keyed) == []
    keyed.prints(*CREATE, *ACHIEVED)
    keyed.prints("subscriptions", "test", "crm")
    post(judged, Answer(0.1, 500))
    assert findings(keyed) == [("ok", "1 subscription; secrets open, and no receiver fails for long", "")]


def test_doctor_tells_of_receivers_that_fail_for_long(keyed: Terminal, judged: World) -> None:
    keyed.prints(*CREATE, *ACHIEVED)
    keyed.prints("subscriptions", "test", "crm")
    post(judged, Answer(0.1, 500))
    keyed.rows("UPDATE subscription SET failing_since = ?", [f"{utc_now() - 2 * HOUR:%Y-%m-%d %H:%M:%S.%f}"])
    ((state, found, advice),) = findings(keyed)
    assert (state, found.partition(" since")[0]) == ("warning", "subscription 'crm' has taken nothing")
    assert "goalline subscriptions messages 'crm' --status waiting" in advice


def test_doctor_tells_who_was_disabled_because_of_their_receiver_and_not_by_an_admin(
    keyed: Terminal, judged: World
) -> None:
    keyed.prints(*CREATE, *ACHIEVED)
    keyed.prints("subscriptions", "test", "crm")
    post(judged, Answer(0.1, 410))
    ((state, found, advice),) = findings(keyed)
    assert (state, found) == ("warning", "subscription 'crm' is disabled: its receiver answered 410: it wants no more")
    assert "goalline subscriptions enable 'crm'" in advice
    keyed.prints("subscriptions", "disable", "crm")
    assert [state for state, _, _ in findings(keyed)] == ["ok"]


def test_doctor_tells_whose_secrets_do_not_open(keyed: Terminal) -> None:
    keyed.prints(*CREATE, *ACHIEVED)
    other = base64.urlsafe_b64encode(b"x" * 32).decode()
    ((state, found, advice),) = findings(keyed, status=1, GOALLINE_ENCRYPTION_KEYS=other)
    assert (state, found) == ("wrong", "the secret of subscription 'crm' does not open, so it is told nothing")
    assert "GOALLINE_ENCRYPTION_KEYS" in advice
    assert findings(keyed, GOALLINE_ENCRYPTION_KEYS=f"{other},{KEY}")[0][0] == "ok"
