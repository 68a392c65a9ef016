"""goalline projects: made, listed, moved to another time zone with everything counted anew, given another currency."""

from datetime import UTC, date, datetime

import pytest

from goalline.domain.calendar import local_day
from goalline.domain.goal import Kind
from goalline.store.tables import Conversation, VerdictRollup
from tests.cli.terminal import Terminal
from tests.domain.steps import FLIGHT_STEPS, STEPS, begin, complete
from tests.store.world import NOW, World, verdict

LATE = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
"""The 21st in Berlin, the 20th in London."""


@pytest.fixture
def counted(judged: World) -> World:
    goal = judged.goal()
    for number, ended_at in enumerate((LATE, NOW)):
        row = judged.conversation(f"call-{number}", at=ended_at)
        assert judged.judge(judged.claim(judged.newest(row).id, ended_at), [verdict(goal)], ended_at)
    return judged


def days(world: World) -> dict[date, int]:
    return {row.day: row.achieved for row in world.rows(VerdictRollup) if row.achieved}


def test_a_project_is_listed_with_its_time_zone(terminal: Terminal) -> None:
    terminal.prints("projects", "create", "clinic", "--time-zone", "Europe/Berlin")
    assert [(row["name"], row["time_zone"]) for row in terminal.says("projects", "list", "--json")] == [
        ("clinic", "Europe/Berlin")
    ]


def test_the_list_is_a_table_for_people(terminal: Terminal) -> None:
    terminal.prints("projects", "create", "[/red] clinic", "--time-zone", "Europe/Berlin", "--currency", "CHF")
    shown = terminal.prints("projects", "list")
    assert "[/red] clinic" in shown
    assert "Europe/Berlin" in shown
    assert "CHF" in shown


def test_a_long_name_does_not_push_the_time_zone_out_of_80_columns(narrow: Terminal) -> None:
    name = "clinic-" * 20 + "end"
    narrow.prints("projects", "create", name, "--time-zone", "America/Argentina/ComodRivadavia")
    first, *more = narrow.prints("projects", "list").splitlines()[2:]
    head, zone, currency = first.split()
    assert (zone, currency) == ("America/Argentina/ComodRivadavia", "USD")
    assert head + "".join(line.strip() for line in more) == name


def test_a_project_counts_in_utc_unless_told_otherwise(terminal: Terminal) -> None:
    terminal.prints("projects", "create", "clinic")
    assert terminal.says("projects", "list", "--json")[0]["time_zone"] == "UTC"


def test_the_advice_after_making_a_project_can_be_pasted(terminal: Terminal) -> None:
    advice = terminal.prints("projects", "create", "two words")
    assert "goalline keys create --project 'two words' --scope ingest" in advice


def test_a_second_project_of_the_same_name_is_refused(terminal: Terminal) -> None:
    terminal.prints("projects", "create", "clinic")
    assert "a project named 'clinic' already" in terminal.refuses("projects", "create", "clinic")


@pytest.mark.parametrize("name", ["", " ", "two\nlines", "x" * 256])
def test_a_project_needs_a_name_of_one_plain_line(terminal: Terminal, name: str) -> None:
    assert "NAME: " in terminal.refuses("projects", "create", name)
    assert not terminal.database_file.exists()


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../../etc/passwd", "+02:00"])
def test_a_project_is_not_made_in_an_unknown_time_zone(terminal: Terminal, zone: str) -> None:
    complaint = terminal.refuses("projects", "create", "clinic", "--time-zone", zone)
    assert f"--time-zone: {zone!r} is no IANA time zone; write one such as Europe/Berlin" in complaint
    assert not terminal.database_file.exists()


def test_moving_a_project_moves_its_conversations_to_their_days_there(terminal: Terminal, counted: World) -> None:
    told = terminal.prints("projects", "edit", "--time-zone", "Europe/London")
    assert "'sample' counts its days in Europe/London now; 1 conversations moved to another day, and all" in told
    assert {row.day for row in counted.rows(Conversation)} == {
        local_day(ended_at, "Europe/London") for ended_at in (LATE, NOW)
    }


def test_moving_a_project_counts_everything_anew(terminal: Terminal, counted: World) -> None:
    assert days(counted) == {date(2026, 11, 21): 2}
    terminal.prints("projects", "edit", "--time-zone", "Europe/London")
    assert days(counted) == {date(2026, 11, 20): 1, date(2026, 11, 21): 1}
    assert counted.differences() == []


def test_moving_a_project_there_and_back_changes_nothing(terminal: Terminal, counted: World) -> None:
    terminal.prints("projects", "edit", "--time-zone", "Europe/London")
    terminal.prints("projects", "edit", "--time-zone", "Europe/Berlin")
    assert days(counted) == {date(2026, 11, 21): 2}
    assert counted.differences() == []


def test_a_project_is_not_moved_to_an_unknown_time_zone(terminal: Terminal, counted: World) -> None:
    assert "no IANA time zone" in terminal.refuses("projects", "edit", "--time-zone", "Mars/Olympus")
    assert days(counted) == {date(2026, 11, 21): 2}


def test_only_the_project_that_is_named_moves(terminal: Terminal, counted: World) -> None:
    terminal.prints("projects", "create", "clinic", "--time-zone", "Asia/Tokyo")
    terminal.prints("projects", "edit", "--project", "clinic", "--time-zone", "Europe/London")
    assert days(counted) == {date(2026, 11, 21): 2}


def currencies(terminal: Terminal) -> dict[str, str]:
    return {row["name"]: row["currency"] for row in terminal.says("projects", "list", "--json")}


def test_a_project_is_listed_with_its_currency_which_is_the_dollar_unless_told_otherwise(terminal: Terminal) -> None:
    terminal.prints("projects", "create", "clinic")
    terminal.prints("projects", "create", "hotel", "--currency", "EUR")
    assert currencies(terminal) == {"clinic": "USD", "hotel": "EUR"}


@pytest.mark.parametrize("code", ["", "eur", "EURO", "XXX"])
def test_a_project_is_not_made_with_an_unknown_currency(terminal: Terminal, code: str) -> None:
    complaint = terminal.refuses("projects", "create", "clinic", "--currency", code)
    assert "--currency: must be the code of a currency (ISO 4217) in capitals, such as EUR" in complaint
    assert not terminal.database_file.exists()


def test_a_project_is_given_another_currency_and_nothing_else(terminal: Terminal, counted: World) -> None:
    counted.goal("Timed", Kind.SECONDARY, steps=STEPS.validate_python([begin(), complete(time_saved="00:03:00")]))
    told = terminal.prints("projects", "edit", "--currency", "EUR")
    assert told == "project 'sample' has its amounts in EUR now\n"
    (row,) = terminal.says("projects", "list", "--json")
    assert (row["currency"], row["time_zone"]) == ("EUR", "Europe/Berlin")
    assert days(counted) == {date(2026, 11, 21): 2}


def test_only_the_project_that_is_named_is_given_another_currency(terminal: Terminal) -> None:
    terminal.prints("projects", "create", "clinic")
    terminal.prints("projects", "create", "hotel")
    terminal.prints("projects", "edit", "--project", "hotel", "--currency", "EUR")
    assert currencies(terminal) == {"clinic": "USD", "hotel": "EUR"}


def test_a_project_with_amounts_keeps_its_currency_and_everything_else(terminal: Terminal, counted: World) -> None:
    counted.goal("Pre-book", Kind.SECONDARY, steps=FLIGHT_STEPS)
    complaint = terminal.refuses("projects", "edit", "--currency", "EUR", "--time-zone", "Europe/London")
    assert "the currency stays USD: steps of the goal 'Pre-book' have" in complaint
    assert "amounts are not converted" in complaint
    (row,) = terminal.says("projects", "list", "--json")
    assert (row["currency"], row["time_zone"]) == ("USD", "Europe/Berlin")
    assert days(counted) == {date(2026, 11, 21): 2}


def test_a_project_is_not_given_an_unknown_currency(terminal: Terminal, counted: World) -> None:
    assert "--currency: must be the code" in terminal.refuses("projects", "edit", "--currency", "XXX")
    assert currencies(terminal) == {counted.project.name: "USD"}


def test_time_zone_and_currency_may_change_together(terminal: Terminal, counted: World) -> None:
    told = terminal.prints("projects", "edit", "--currency", "EUR", "--time-zone", "Europe/London")
    assert "in EUR now" in told
    assert "in Europe/London now" in told
    assert days(counted) == {date(2026, 11, 20): 1, date(2026, 11, 21): 1}


def test_an_edit_that_names_nothing_says_what_can_be_changed(terminal: Terminal) -> None:
    assert "name --time-zone, --currency or both" in terminal.refuses("projects", "edit")
