"""goalline evaluations: what failed is listed, and judged again at one word."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import pytest
import redis

from goalline import pipeline
from goalline.cli import evaluations as commands
from goalline.domain.evaluation import Reason, Status
from goalline.domain.refusal import NotFound
from goalline.store.conversations import claims
from goalline.store.database import DatabaseUnavailable
from goalline.store.tables import Conversation, Evaluation
from goalline.worker import utc_now
from tests.cli.terminal import Terminal
from tests.store.world import EFFORT, NOW, World, a_project

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
    assert terminal.says("evaluations", "retry", "--json") == {"queued": 0}


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


@pytest.mark.parametrize("since", ["yesterday", "", "2026-11-21T10:00:00", "1999-12-31", "9999-12-31T23:00:00-12:00"])
@pytest.mark.parametrize("command", ["list", "retry"])
def test_a_time_that_cannot_be_meant_is_refused(terminal: Terminal, command: str, since: str) -> None:
    complaint = terminal.refuses("evaluations", command, "--since", since)
    assert "--since: must be a day such as 2026-11-21, or an RFC 3339 time with zone" in complaint
    assert not terminal.database_file.exists()


@pytest.mark.parametrize(("option", "value"), [("--reason", "bad luck"), ("--state", "succeeded"), ("--limit", "0")])
def test_what_is_no_reason_and_no_state_is_refused(terminal: Terminal, option: str, value: str) -> None:
    assert option in terminal.refuses("evaluations", "retry", option, value, status=2)


def test_a_retry_queues_all_that_failed_and_nothing_else(terminal: Terminal, failed: World) -> None:
    assert terminal.says("evaluations", "retry", "--json") == {"queued": 2}
    assert set(states(failed).values()) == {Status.QUEUED}
    assert len(failed.rows(Evaluation)) == 3 + 2


def test_a_retry_takes_only_what_it_was_told_to(terminal: Terminal, failed: World) -> None:
    assert terminal.says("evaluations", "retry", "--reason", "truncated", "--json") == {"queued": 1}
    assert states(failed) == {"[/red] call": Status.FAILED, "call-2": Status.QUEUED, "call-3": Status.QUEUED}


def test_a_second_retry_finds_nothing_to_do(terminal: Terminal, failed: World) -> None:
    terminal.prints("evaluations", "retry")
    assert terminal.says("evaluations", "retry", "--json") == {"queued": 0}
    assert len(failed.rows(Evaluation)) == 3 + 2


def test_a_retry_leaves_other_projects_alone(terminal: Terminal, failed: World) -> None:
    a_project(failed.database, "clinic")
    assert "there are several projects" in terminal.refuses("evaluations", "retry")
    assert terminal.says("evaluations", "retry", "--project", "clinic", "--json") == {"queued": 0}


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


@pytest.mark.usefixtures("failed")
def test_a_conversation_that_is_deleted_meanwhile_is_passed_over(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge_again = pipeline.judge_again

    def gone(*arguments: object) -> pipeline.Receipt:
        if "call-2" in arguments:
            raise NotFound("there is no such conversation")
        return judge_again(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline, "judge_again", gone)
    assert terminal.says("evaluations", "retry", "--json") == {"queued": 1}


@pytest.mark.usefixtures("failed")
def test_a_database_that_is_lost_half_way_is_named_with_how_far_it_went(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge_again = pipeline.judge_again

    def lost(*arguments: object) -> pipeline.Receipt:
        if "call-2" in arguments:
            raise DatabaseUnavailable("OperationalError")
        return judge_again(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline, "judge_again", lost)
    complaint = terminal.refuses("evaluations", "retry")
    assert "the database is not available (OperationalError); 1 of 2 conversations were queued" in complaint
    assert "nothing was changed" not in complaint
