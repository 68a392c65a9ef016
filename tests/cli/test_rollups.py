"""goalline rollups: counts that are wrong are shown, and put right by a recount."""

import json

import pytest

from tests.cli.terminal import Terminal
from tests.store.world import World, verdict


@pytest.fixture
def counted(terminal: Terminal, judged: World) -> Terminal:
    goal = judged.goal()
    row = judged.conversation(agent_id="[/red] desk")
    assert judged.judge(judged.claim(judged.newest(row).id), [verdict(goal)])
    return terminal


@pytest.fixture
def miscounted(counted: Terminal) -> Terminal:
    counted.rows("UPDATE verdict_rollup SET achieved = 7, partial = 2")
    return counted


def test_right_counts_are_confirmed_with_status_0(counted: Terminal) -> None:
    assert counted.prints("rollups", "verify") == "every count is right\n"
    assert counted.says("rollups", "verify", "--json") == {"differences": []}


def test_an_empty_database_has_no_wrong_counts(terminal: Terminal) -> None:
    assert terminal.prints("rollups", "verify") == "every count is right\n"


def test_a_wrong_count_ends_in_status_1(miscounted: Terminal) -> None:
    assert miscounted.run("rollups", "verify").exit_code == 1
    assert miscounted.run("rollups", "verify", "--json").exit_code == 1


def test_a_wrong_count_is_shown_with_its_place_and_the_recount(miscounted: Terminal) -> None:
    shown = miscounted.run("rollups", "verify").stdout
    assert "day 2026-11-21, agent_id [/red] desk" in shown
    assert "stored {'achieved': 7, 'partial': 2, 'not_achieved': 0}" in shown
    assert "recounted {'achieved': 1, 'partial': 0, 'not_achieved': 0}" in shown
    assert "1 counts differ; goalline rollups rebuild puts them right" in shown


def test_scripts_read_a_wrong_count_as_json(miscounted: Terminal) -> None:
    (difference,) = json.loads(miscounted.run("rollups", "verify", "--json").stdout)["differences"]
    assert difference["place"]["agent_id"] == "[/red] desk"
    assert (difference["stored"]["achieved"], difference["recounted"]["achieved"]) == (7, 1)


def test_verifying_changes_nothing(miscounted: Terminal) -> None:
    miscounted.run("rollups", "verify")
    assert miscounted.rows("SELECT achieved, partial FROM verdict_rollup") == [(7, 2)]


def test_conversations_that_were_not_counted_are_found_too(counted: Terminal) -> None:
    counted.rows("DELETE FROM conversation_rollup")
    assert "stored 0, recounted 1" in counted.run("rollups", "verify").stdout


def test_a_rebuild_puts_the_counts_right(miscounted: Terminal) -> None:
    miscounted.rows("DELETE FROM conversation_rollup")
    assert miscounted.prints("rollups", "rebuild") == "recounted into 2 rows\n"
    assert miscounted.rows("SELECT achieved, partial FROM verdict_rollup") == [(1, 0)]
    assert miscounted.prints("rollups", "verify") == "every count is right\n"
