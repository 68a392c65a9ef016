"""goalline evaluations: what failed is listed, and judged again at one word."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import redis
from sqlalchemy import update
from sqlmodel import col

from goalline import pipeline, upkeep
from goalline.cli import console
from goalline.cli import evaluations as commands
from goalline.domain.evaluation import Reason, Status
from goalline.store.contacts import deactivation
from goalline.store.conversations import claims
from goalline.store.database import DatabaseUnavailable
from goalline.store.tables import Conversation, Evaluation
from goalline.worker import utc_now
from tests.cli.terminal import Terminal
from tests.store.world import EFFORT, MINUTE, NOW, World, a_project

LATE = NOW.replace(day=20, hour=23, minute=30)
"""Half past eleven in the evening in UTC is the next day in Berlin."""


def fail(world: World, name: str, reason: Reason = Reason.UNAUTHORIZED, at: datetime = NOW) -> Conversation:
    row = world.conversation(name, at)
    claim = world.claim(world.newest(row).id, at)
    with world.database.transaction() as session:
        assert claims.finish(session, claim, Status.FAILED, at, reason=reason, effort=EFFORT)
    return row


@pytest.fixture
def failed(judged: World) -> World:
    """Two conversations that failed for different reasons, and one that waits for the first time."""
    fail(judged, "[/red] call", Reason.UNAUTHORIZED)
    fail(judged, "call-2", Reason.TRUNCATED, LATE)
    judged.conversation("call-3")
    return judged


def listed(terminal: Terminal, *options: str) -> list[str]:
    return [row["conversation_id"] for row in terminal.says("evaluations", "list", "--json", *options)]


def states(world: World) -> dict[str, Status]:
    names = {row.id: row.conversation_id for row in world.rows(Conversation)}
    newest = sorted(world.rows(Evaluation), key=lambda row: row.number)
    return {names[row.conversation_id]: row.status for row in newest}


@pytest.mark.usefixtures("failed")
def test_people_see_what_failed_and_what_to_do_about_it(terminal: Terminal) -> None:
    shown = terminal.prints("evaluations", "list")
    assert "[/red] call" in shown
    assert "call-3" not in shown
    assert "2 failed\n" in shown
    for reason in (Reason.UNAUTHORIZED, Reason.TRUNCATED):
        assert f"{reason}: {reason.explanation}\n" in shown


def test_a_platforms_id_is_whole_at_80_columns(judged: World, narrow: Terminal) -> None:
    name = "0f8fad5b-d9cb-469f-a165-70867728950e"
    fail(judged, name, Reason.CONTENT_FILTER)
    row = next(line for line in narrow.prints("evaluations", "list").splitlines() if name in line)
    assert row.split() == ["2026-11-21", "12:00", name, "ann", "content_filter"]


@pytest.mark.usefixtures("failed")
def test_scripts_read_the_list_as_json(terminal: Terminal) -> None:
    first = terminal.says("evaluations", "list", "--json")[0]
    assert (first["conversation_id"], first["agent_id"]) == ("[/red] call", "ann")
    assert (first["reason"], first["model"], first["attempts"]) == ("unauthorized", EFFORT.model, 1)
    assert first["ended_at"] == first["finished_at"] == "2026-11-21T12:00:00+00:00"
    assert UUID(first["id"]) != UUID(first["evaluation_id"])


@pytest.mark.usefixtures("judged")
def test_without_a_failure_there_is_nothing_to_list_and_nothing_to_do(terminal: Terminal) -> None:
    assert terminal.prints("evaluations", "list") == "0 failed\n"
    assert terminal.says("evaluations", "retry", "--json") == {"queued": 0, "passed_over": 0}


@pytest.mark.usefixtures("failed")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--state", "failed"), ["[/red] call", "call-2"]),
        (("--reason", "truncated"), ["call-2"]),
        (("--reason", "refused"), []),
        (("--since", "2026-11-21"), ["[/red] call", "call-2"]),
        (("--since", "2026-11-21T00:00:00Z"), ["[/red] call"]),
        (("--since", "2026-11-21T00:30:00+01:00"), ["[/red] call", "call-2"]),
        (("--since", "2026-11-22"), []),
        (("--limit", "1"), ["[/red] call"]),
        (("--project", "sample", "--reason", "truncated", "--since", "2026-11-01"), ["call-2"]),
    ],
)
def test_options_narrow_the_list(terminal: Terminal, options: Sequence[str], expected: list[str]) -> None:
    assert listed(terminal, *options) == expected


def test_a_list_of_many_pages_is_whole(terminal: Terminal, judged: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_PAGE", 2)
    for number in range(5):
        fail(judged, f"call-{number}")
    assert sorted(listed(terminal)) == [f"call-{number}" for number in range(5)]
    assert len(listed(terminal, "--limit", "3")) == 3


@pytest.mark.parametrize("since", ["yesterday", "", "2026-11-21T10:00:00", "2026-W47-6", "20261121"])
@pytest.mark.parametrize("command", ["list", "retry"])
def test_a_time_that_cannot_be_meant_is_refused(terminal: Terminal, command: str, since: str) -> None:
    complaint = terminal.refuses("evaluations", command, "--since", since)
    assert "--since: must be a day such as 2026-11-21, or an RFC 3339 time such as" in complaint
    assert not terminal.database_file.exists()


@pytest.mark.parametrize("since", ["1999-12-31", "9999-12-31T23:00:00-12:00"])
def test_a_time_far_from_all_conversations_is_refused(terminal: Terminal, since: str) -> None:
    complaint = terminal.refuses("evaluations", "list", "--since", since)
    assert "--since: must lie between the years 2000 and 9000" in complaint


@pytest.mark.parametrize(("option", "value"), [("--reason", "bad luck"), ("--state", "succeeded"), ("--limit", "0")])
def test_what_is_no_reason_and_no_state_is_refused(terminal: Terminal, option: str, value: str) -> None:
    assert option in terminal.refuses("evaluations", "retry", option, value, status=2)


def test_a_retry_queues_all_that_failed_and_nothing_else(terminal: Terminal, failed: World) -> None:
    assert terminal.says("evaluations", "retry", "--json") == {"queued": 2, "passed_over": 0}
    assert set(states(failed).values()) == {Status.QUEUED}
    assert len(failed.rows(Evaluation)) == 3 + 2


def test_a_retry_takes_only_what_it_was_told_to(terminal: Terminal, failed: World) -> None:
    assert terminal.says("evaluations", "retry", "--reason", "truncated", "--json") == {"queued": 1, "passed_over": 0}
    assert states(failed) == {"[/red] call": Status.FAILED, "call-2": Status.QUEUED, "call-3": Status.QUEUED}


def test_a_second_retry_finds_nothing_to_do(terminal: Terminal, failed: World) -> None:
    terminal.prints("evaluations", "retry")
    assert terminal.says("evaluations", "retry", "--json") == {"queued": 0, "passed_over": 0}
    assert len(failed.rows(Evaluation)) == 3 + 2


def test_a_retry_leaves_other_projects_alone(terminal: Terminal, failed: World) -> None:
    a_project(failed.database, "clinic")
    assert "there are several projects" in terminal.refuses("evaluations", "retry")
    assert terminal.says("evaluations", "retry", "--project", "clinic", "--json") == {"queued": 0, "passed_over": 0}


def test_a_conversation_is_retried_by_its_own_name(terminal: Terminal, judged: World) -> None:
    row = fail(judged, "call-1")
    judged.conversation(str(row.id))  # a platform may use our id as a name of its own
    terminal.prints("evaluations", "retry")
    assert {each.conversation_id for each in judged.rows(Evaluation) if each.number == 2} == {row.id}


def test_without_redis_the_retry_says_who_takes_the_rows_and_the_sweep_does(terminal: Terminal, failed: World) -> None:
    shown = terminal.prints("evaluations", "retry", "--reason", "truncated")
    assert "1 conversations are queued to be judged again\n" in shown
    assert "a running goalline serve finds them within about a minute, another one when it starts" in shown
    newest = next(row.id for row in failed.rows(Evaluation) if row.number == 2)
    assert newest in pipeline.sweep(failed.database, utc_now() + timedelta(minutes=2))


def test_with_redis_the_retry_rings_for_the_workers(terminal: Terminal, failed: World, redis_url: str) -> None:
    shown = terminal.prints("evaluations", "retry", GOALLINE_REDIS_URL=redis_url)
    assert "2 conversations are queued" in shown
    assert "goalline serve" not in shown
    with redis.Redis.from_url(redis_url) as client:
        messages = client.hvals("goalline:evaluations.msgs")
    for row in failed.rows(Evaluation):
        assert any(str(row.id).encode() in message for message in messages) == (row.number == 2)


def test_a_retry_in_many_batches_queues_each_conversation_once(
    terminal: Terminal, judged: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "_BATCH", 2)
    for number in range(5):
        fail(judged, f"call-{number}")
    assert terminal.says("evaluations", "retry", "--limit", "3", "--json")["queued"] == 3
    assert terminal.says("evaluations", "retry", "--json")["queued"] == 2
    assert len(judged.rows(Evaluation)) == 5 + 5


def test_people_are_told_what_was_passed_over(terminal: Terminal, failed: World) -> None:
    kept = fail(failed, "kept", Reason.TRUNCATED)
    with failed.database.transaction() as session:
        session.execute(update(Conversation).where(col(Conversation.id) == kept.id).values(contact_id="eve"))
        deactivation.deactivate(session, failed.project.id, "eve", NOW)
    shown = terminal.prints("evaluations", "retry")
    assert "2 conversations are queued to be judged again\n" in shown
    assert "1 were passed over: queued or deleted by somebody else meanwhile" in shown


class Stops:
    """`upkeep.retry` as long as `batches` last, then an end of it that nobody asked for."""

    def __init__(self, batches: int, end: BaseException) -> None:
        self.batches, self.end, self.retry = batches, end, upkeep.retry

    def __call__(self, *arguments: Any, **more: Any) -> upkeep.Retried:
        self.batches -= 1
        if self.batches < 0:
            raise self.end
        return self.retry(*arguments, **more)


@pytest.mark.parametrize(
    ("end", "status", "complaint"),
    [
        (DatabaseUnavailable("OperationalError"), 1, "the database is not available (OperationalError)"),
        (KeyboardInterrupt(), 130, "stopped"),
    ],
)
def test_a_retry_that_ends_half_way_says_how_far_it_came_and_is_repeated(
    terminal: Terminal, failed: World, monkeypatch: pytest.MonkeyPatch, end: BaseException, status: int, complaint: str
) -> None:
    monkeypatch.setattr(commands, "_BATCH", 1)
    with monkeypatch.context() as patched:
        patched.setattr(upkeep, "retry", Stops(1, end))
        said = terminal.refuses("evaluations", "retry", status=status)
    assert f"{complaint}; 1 of 2 conversations were queued, run the command again for the others" in said
    assert "nothing was changed" not in said
    assert terminal.says("evaluations", "retry", "--json") == {"queued": 1, "passed_over": 0}
    assert len(failed.rows(Evaluation)) == 3 + 2


@pytest.mark.usefixtures("failed")
@pytest.mark.parametrize("terminal_is_one", [True, False])
def test_progress_is_shown_on_a_terminal_and_nowhere_else(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, terminal_is_one: bool
) -> None:
    monkeypatch.setattr(console.err, "_force_terminal", terminal_is_one)
    assert ("100%" in terminal.run("evaluations", "retry").stderr) == terminal_is_one


@pytest.mark.usefixtures("failed")
@pytest.mark.parametrize("command", ["list", "retry"])
def test_an_unknown_reason_is_answered_with_those_there_are(terminal: Terminal, command: str) -> None:
    complaint = terminal.refuses("evaluations", command, "--reason", "bad luck", status=2)
    assert all(reason in complaint for reason in Reason)


@pytest.mark.parametrize(
    ("state", "why"),
    [("skipped", "no goal was in force"), ("queued", "going to be judged"), ("running", "being judged already")],
)
def test_what_did_not_fail_is_not_retried_and_the_reason_is_given(terminal: Terminal, state: str, why: str) -> None:
    complaint = terminal.refuses("evaluations", "retry", "--state", state)
    assert why in complaint
    assert "only failed ones are" in complaint
    assert not terminal.database_file.exists()


@pytest.fixture
def waiting(failed: World) -> World:
    """Of the conversations, one was tried in vain and waits, and one is being judged."""
    tried = failed.claim(failed.newest(failed.conversation("call-4", LATE)).id, LATE)
    with failed.database.transaction() as session:
        assert claims.release(session, tried, LATE + MINUTE, Reason.UNAVAILABLE, EFFORT)
    failed.claim(failed.newest(failed.conversation("call-5")).id)
    return failed


@pytest.mark.usefixtures("waiting")
def test_people_see_what_waits_since_when_why_and_until_when(narrow: Terminal) -> None:
    shown = narrow.prints("evaluations", "list", "--state", "queued").splitlines()
    lines = [line.split() for line in shown]
    assert ["11-21", "12:00", "call-3"] in lines
    assert ["11-20", "23:30", "call-4", "unavailable", "11-20", "23:31"] in lines
    assert "2 queued, the oldest since 2026-11-20 23:30 UTC" in shown


@pytest.mark.usefixtures("waiting")
def test_people_see_what_is_being_judged(narrow: Terminal) -> None:
    shown = narrow.prints("evaluations", "list", "--state", "running").splitlines()
    assert ["11-21", "12:00", "call-5", "1", "11-21", "12:02"] in [line.split() for line in shown]


@pytest.mark.usefixtures("waiting")
def test_scripts_read_when_a_waiting_evaluation_is_tried_next(terminal: Terminal) -> None:
    rows = terminal.says("evaluations", "list", "--state", "queued", "--json")
    assert [(row["conversation_id"], row["reason"], row["next_attempt_at"]) for row in rows] == [
        ("call-3", None, None),
        ("call-4", "unavailable", "2026-11-20T23:31:00+00:00"),
    ]
    assert [(row["status"], row["finished_at"]) for row in rows] == [("queued", None)] * 2
