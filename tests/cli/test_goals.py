"""goalline goals: listed, exported to a file, imported into another project, once and all of them or none."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from goalline.domain.goal import GoalEdit, Kind
from goalline.store.goals import goals
from goalline.store.goals.goals import CurrentGoal
from tests.cli.terminal import Terminal
from tests.domain.steps import FLIGHT_STEPS
from tests.running import environment
from tests.store.world import NOW, World

LONG = "A goal with a long name " + "and more of it " * 14


@pytest.fixture
def filled(judged: World) -> World:
    """The terminal's database: a project with three goals, and an empty one named hotel."""
    judged.goal("Book")
    judged.goal("Flight", Kind.SECONDARY, "ann", steps=FLIGHT_STEPS)
    judged.goal("Remind", Kind.SECONDARY)
    return judged


@pytest.fixture
def hotel(terminal: Terminal, filled: World) -> World:
    terminal.prints("projects", "create", "hotel")
    return filled


def archived(world: World, name: str) -> CurrentGoal:
    with world.database.transaction() as session:
        return goals.archive(session, world.project.id, named(world, name).id, NOW)


def edited(world: World, name: str, **change: Any) -> CurrentGoal:
    with world.database.transaction() as session:
        return goals.edit(session, world.project.id, named(world, name).id, GoalEdit(**change), NOW)


def named(world: World, name: str) -> CurrentGoal:
    with world.database.reading() as session:
        return next(goal for goal in goals.listed(session, world.project.id) if goal.name == name)


def exported(terminal: Terminal, *arguments: str, project: str = "sample") -> dict[str, Any]:
    package: dict[str, Any] = json.loads(terminal.prints("goals", "export", *arguments, "--project", project))
    return package


def names(package: dict[str, Any]) -> list[str]:
    return [goal["name"] for goal in package["goals"]]


def listed(terminal: Terminal, project: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = terminal.says("goals", "list", "--json", "--project", project)
    return rows


def test_goals_are_listed_with_what_they_are(terminal: Terminal, filled: World) -> None:
    flight = archived(filled, "Flight")
    (row,) = (row for row in listed(terminal, "sample") if row["name"] == "Flight")
    assert row == {
        "id": str(flight.id),
        "name": "Flight",
        "agent_id": "ann",
        "kind": "secondary",
        "judged": True,
        "state": "archived",
        "revision": 1,
        "steps": 3,
    }
    assert len(listed(terminal, "sample")) == 3


def test_the_list_fits_into_80_columns_whatever_the_goals_are_called(narrow: Terminal, filled: World) -> None:
    filled.goal(LONG[:255].strip(), Kind.SECONDARY, "agent-" * 30)
    filled.goal("[/red] Sell", Kind.SECONDARY)
    shown = narrow.prints("goals", "list")
    assert max(map(len, shown.splitlines())) <= 80
    assert "[/red] Sell" in shown
    (row,) = (line.split() for line in shown.splitlines() if line.startswith("Flight"))
    assert row == ["Flight", "ann", "secondary", "active", "1", "3"]


def test_an_export_is_printed_as_it_would_be_written(terminal: Terminal, filled: World) -> None:
    edited(filled, "Remind", description="Es wird an Flüge erinnert.")
    printed = terminal.prints("goals", "export")
    told = terminal.prints("goals", "export", "--output", "goals.json")
    assert (terminal.folder / "goals.json").read_text(encoding="utf-8") == printed
    assert told == "3 goals of project 'sample' in goals.json\n"
    assert "an Flüge erinnert" in printed


def test_an_export_holds_all_active_goals_unless_some_are_named(terminal: Terminal, filled: World) -> None:
    archived(filled, "Book")
    assert names(exported(terminal)) == ["Remind", "Flight"]
    assert names(exported(terminal, "Book")) == ["Book"]
    assert names(exported(terminal, "Flight", str(named(filled, "Remind").id))) == ["Remind", "Flight"]


@pytest.mark.usefixtures("filled")
def test_a_name_is_taken_exactly(terminal: Terminal) -> None:
    for name in ("book", "Boo", "Bookings", ""):
        complaint = terminal.refuses("goals", "export", name)
        assert f"this project has no goal {name!r}; goalline goals list shows those it has" in complaint


def test_a_name_that_several_goals_have_is_answered_with_their_ids(terminal: Terminal, filled: World) -> None:
    other = filled.goal("Book", Kind.SECONDARY, "ann")
    complaint = terminal.refuses("goals", "export", "Book")
    assert "2 goals are named 'Book'; name one by its id" in complaint
    assert f"{other.id} (active, ann)" in complaint
    assert names(exported(terminal, str(other.id))) == ["Book"]


@pytest.mark.usefixtures("filled")
def test_a_file_that_cannot_be_written_is_named(terminal: Terminal) -> None:
    complaint = terminal.refuses("goals", "export", "--output", "nowhere/goals.json")
    assert "--output: nowhere/goals.json cannot be written: No such file" in complaint


@pytest.mark.usefixtures("hotel")
def test_goals_come_to_another_project(terminal: Terminal) -> None:
    terminal.prints("goals", "export", "--project", "sample", "--output", "goals.json")
    told = terminal.prints("goals", "import", "goals.json", "--project", "hotel")
    assert told.splitlines()[-1] == "3 goals for project 'hotel': 3 created, 0 changed, 0 unchanged"
    assert exported(terminal, project="hotel") == exported(terminal)


@pytest.mark.usefixtures("hotel")
def test_importing_twice_changes_nothing_the_second_time(terminal: Terminal) -> None:
    terminal.prints("goals", "export", "--project", "sample", "--output", "goals.json")
    terminal.prints("goals", "import", "goals.json", "--project", "hotel")
    before = listed(terminal, "hotel")
    told = terminal.prints("goals", "import", "goals.json", "--project", "hotel")
    assert "0 created, 0 changed, 3 unchanged" in told
    assert listed(terminal, "hotel") == before


def test_an_import_tells_what_it_changed(terminal: Terminal, filled: World) -> None:
    terminal.prints("goals", "export", "--output", "goals.json")
    edited(filled, "Flight", description="Another one.", steps=[])
    archived(filled, "Remind")
    lines = [line.split() for line in terminal.prints("goals", "import", "goals.json").splitlines()]
    assert ["changed", "Flight", "ann", "secondary", "description,", "steps"] in lines
    assert ["unchanged", "Book", "every", "agent", "primary"] in lines
    assert ["unchanged", "Remind", "(archived)", "every", "agent", "secondary"] in lines
    assert "0 created, 1 changed, 2 unchanged" in " ".join(lines[-1])


@pytest.mark.usefixtures("hotel")
def test_a_dry_run_tells_what_would_happen_and_stores_nothing(terminal: Terminal) -> None:
    terminal.prints("goals", "export", "--project", "sample", "--output", "goals.json")
    told = terminal.prints("goals", "import", "goals.json", "--project", "hotel", "--dry-run")
    assert ["to", "create", "Book", "every", "agent", "primary"] in [line.split() for line in told.splitlines()]
    assert "3 goals for project 'hotel': 3 to create, 0 to change, 0 unchanged" in told
    assert told.endswith("this was a dry run: nothing is stored\n")
    assert listed(terminal, "hotel") == []


def test_a_script_reads_what_was_done(terminal: Terminal, filled: World) -> None:
    terminal.prints("goals", "export", "Book", "--output", "goals.json")
    book = edited(filled, "Book", judged=False, steps=FLIGHT_STEPS)
    planned = terminal.says("goals", "import", "goals.json", "--dry-run", "--json")
    done = terminal.says("goals", "import", "goals.json", "--json")
    assert (planned["dry_run"], done["dry_run"]) == (True, False)
    assert planned["goals"] == done["goals"]
    assert done["goals"] == [
        {
            "name": "Book",
            "agent_id": None,
            "kind": "primary",
            "action": "change",
            "goal_id": str(book.id),
            "revision": 3,
            "changes": ["judged", "steps"],
            "state": "active",
        }
    ]


def test_what_an_import_tells_fits_into_80_columns(narrow: Terminal, hotel: World) -> None:
    hotel.goal(LONG[:255].strip(), Kind.SECONDARY, "agent-" * 30)
    narrow.prints("goals", "export", "--project", "sample", "--output", "goals.json")
    shown = narrow.prints("goals", "import", "goals.json", "--project", "hotel", "--dry-run")
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.usefixtures("hotel")
def test_a_package_comes_from_a_pipe_too(terminal: Terminal) -> None:
    package = terminal.prints("goals", "export", "--project", "sample")
    ran = subprocess.run(
        [sys.executable, "-m", "goalline", "goals", "import", "-", "--project", "hotel"],
        input=package.encode(),
        env=environment(),
        cwd=terminal.folder,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert names(exported(terminal, project="hotel")) == names(json.loads(package))


@pytest.mark.usefixtures("filled")
def test_a_byte_order_mark_does_not_matter(terminal: Terminal) -> None:
    file = terminal.folder / "goals.json"
    terminal.prints("goals", "export", "--output", "goals.json")
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert "3 unchanged" in terminal.prints("goals", "import", "goals.json")


def rewritten(file: Path, **change: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, "goals.json: this package is of a newer version"),
        ({"format": "x"}, "goals.json: this is no package of goals"),
        ({"goals": []}, "goals.json: the package was changed or cut after its export"),
        ({"currency": "XXX"}, "goals.json: currency: must be the code of a currency"),
        ({"goals": [{}]}, "goals.json: goals[0].name: is missing"),
        ({"more": 1}, "goals.json: more: "),
    ],
    ids=["newer", "foreign", "cut", "currency", "empty goal", "more"],
)
@pytest.mark.usefixtures("hotel")
def test_a_bad_package_is_refused_by_its_file_and_what_is_wrong(
    terminal: Terminal, change: dict[str, Any], words: str
) -> None:
    terminal.prints("goals", "export", "--project", "sample", "--output", "goals.json")
    rewritten(terminal.folder / "goals.json", **change)
    assert words in terminal.refuses("goals", "import", "goals.json", "--project", "hotel")
    assert listed(terminal, "hotel") == []


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 10_000, b"[]", b"null"])
@pytest.mark.usefixtures("filled")
def test_a_file_that_is_no_package_is_refused(terminal: Terminal, content: bytes) -> None:
    (terminal.folder / "goals.json").write_bytes(content)
    assert "goalline: goals.json: " in terminal.refuses("goals", "import", "goals.json")


@pytest.mark.parametrize(("file", "why"), [("nothing.json", "No such file"), (".", "Is a directory")])
@pytest.mark.usefixtures("filled")
def test_a_file_that_cannot_be_read_is_named(terminal: Terminal, file: str, why: str) -> None:
    assert f"{file} cannot be read: {why}" in terminal.refuses("goals", "import", file)


@pytest.mark.parametrize("dry_run", [["--dry-run"], []])
@pytest.mark.usefixtures("hotel")
def test_a_refused_import_says_why_and_stores_nothing(terminal: Terminal, dry_run: list[str]) -> None:
    terminal.prints("goals", "export", "Remind", "--project", "sample", "--output", "first.json")
    terminal.prints("goals", "export", "--project", "sample", "--output", "goals.json")
    terminal.prints("goals", "import", "first.json", "--project", "hotel")
    before = listed(terminal, "hotel")
    into = ("goals", "import", "goals.json", "--project", "hotel", *dry_run)
    few = terminal.refuses(*into, GOALLINE_MAX_STEPS_PER_GOAL="2")
    assert "'Flight': the goal would have 3 steps, and 2 is the limit" in few
    terminal.prints("projects", "edit", "--project", "hotel", "--currency", "EUR")
    assert "amounts in USD and project 'hotel' has its own in EUR" in terminal.refuses(*into)
    assert listed(terminal, "hotel") == before


@pytest.mark.usefixtures("hotel")
def test_where_there_are_several_projects_one_has_to_be_named(terminal: Terminal) -> None:
    for command in (["list"], ["export"]):
        assert "there are several projects" in terminal.refuses("goals", *command)
