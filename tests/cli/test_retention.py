"""goalline retention: words of old conversations are deleted at once, all that is due of them."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from rich.console import Console
from sqlmodel import select

from goalline import upkeep
from goalline.cli import retention as commands
from goalline.store.conversations import retention
from goalline.store.database import DatabaseUnavailable
from goalline.store.tables import Conversation
from goalline.worker import utc_now
from tests.cli.terminal import Terminal
from tests.store.world import World

DAY = timedelta(days=1)


def conversation(world: World, name: str, days_ago: float, *, judged: bool = True) -> None:
    at = utc_now() - days_ago * DAY
    row = world.conversation(name, at)
    if judged:
        assert world.judge(world.claim(world.newest(row).id, at), [], at)


@pytest.fixture
def aged(terminal: Terminal, judged: World, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Five conversations that are 20 days old and more, one that waits among them, and a young one."""
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    for number in range(5):
        conversation(judged, f"old-{number}", 20 + number, judged=number != 2)
    conversation(judged, "young", 1)
    return terminal


def without_words(world: World) -> list[str]:
    with world.database.reading() as session:
        rows = session.exec(select(Conversation)).all()
    return sorted(row.conversation_id for row in rows if row.transcript_deleted_at and not row.transcript)


def test_all_that_is_due_goes_and_what_stays_is_said(aged: Terminal, judged: World) -> None:
    printed = aged.prints("retention", "run", "--days", "10")
    assert printed.startswith("4 conversations that ended before ")
    assert "1 keep theirs for now: they are being judged" in printed
    assert without_words(judged) == ["old-0", "old-1", "old-3", "old-4"]
    assert aged.prints("retention", "run", "--days", "10").startswith("0 conversations")


def test_the_setting_says_how_long_and_the_option_goes_before_it(aged: Terminal, judged: World) -> None:
    aged.prints("retention", "run", "--days", "30", GOALLINE_TRANSCRIPT_DAYS="1")
    assert without_words(judged) == []
    aged.prints("retention", "run", GOALLINE_TRANSCRIPT_DAYS="22")
    assert without_words(judged) == ["old-3", "old-4"]


def test_scripts_read_how_many_lost_their_words_and_how_many_are_left(aged: Terminal) -> None:
    said: dict[str, Any] = aged.says("retention", "run", "--days", "10", "--json")
    assert abs(datetime.fromisoformat(said.pop("before")) - (utc_now() - 10 * DAY)) < DAY
    assert said == {"deleted": 4, "left": 1}


def test_a_dry_run_changes_nothing(aged: Terminal, judged: World) -> None:
    assert aged.prints("retention", "run", "--days", "10", "--dry-run").startswith("5 conversations that ended before")
    said = aged.says("retention", "run", "--days", "10", "--dry-run", "--json")
    assert (said["deleted"], said["left"]) == (0, 5)
    assert without_words(judged) == []


def test_without_a_number_of_days_nothing_is_deleted(aged: Terminal, judged: World) -> None:
    assert "Set GOALLINE_TRANSCRIPT_DAYS, or say --days" in aged.refuses("retention", "run")
    assert without_words(judged) == []


@pytest.mark.parametrize("days", ["0", "-1", "36501", "many"])
def test_strange_numbers_of_days_are_refused(aged: Terminal, days: str) -> None:
    aged.refuses("retention", "run", "--days", days, status=2)
    assert "GOALLINE_TRANSCRIPT_DAYS" in aged.refuses("retention", "run", GOALLINE_TRANSCRIPT_DAYS=days)


def test_progress_is_shown_on_a_terminal_only(aged: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    assert aged.run("retention", "run", "--days", "30").stderr == ""
    monkeypatch.setattr(commands, "err", Console(stderr=True, force_terminal=True))
    shown = aged.run("retention", "run", "--days", "10")
    assert "deleted" in shown.stderr
    assert "%" not in shown.stdout


def test_a_database_that_goes_away_says_how_far_it_came(aged: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    original = upkeep.retain

    def lost(*given: Any) -> upkeep.Retained:
        if given[-1] is not None:
            raise DatabaseUnavailable("OperationalError")
        return original(*given)

    monkeypatch.setattr(upkeep, "retain", lost)
    complaint = aged.refuses("retention", "run", "--days", "10")
    assert "2 of 5 conversations have lost their words, run the command again" in complaint


def test_a_database_that_goes_away_at_the_very_end_says_so_as_well(
    aged: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = iter([5])

    def count(*_: object) -> int:
        for counted in counts:
            return counted
        raise DatabaseUnavailable("OperationalError")

    monkeypatch.setattr(retention, "count", count)
    complaint = aged.refuses("retention", "run", "--days", "10")
    assert "4 of 5 conversations have lost their words" in complaint
    assert "nothing was changed" not in complaint


def test_failed_evaluations_whose_words_are_gone_do_not_keep_others_from_being_run_again(aged: Terminal) -> None:
    aged.rows("UPDATE evaluation SET status = 'failed', reason = 'unauthorized' WHERE status = 'succeeded'")
    aged.prints("retention", "run", "--days", "10")
    assert aged.says("evaluations", "retry", "--json") == {"queued": 1, "passed_over": 0}
