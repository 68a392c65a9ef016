"""What a command cannot work with it names in a line or two: no traceback, no secret, status 1."""

import os
from pathlib import Path

import pytest

from goalline.cli import opening
from goalline.store.database import Database
from tests.cli.terminal import Terminal

SECRET = "xyzzyplugh"

COMMANDS = [
    ("serve", "--port", "0"),
    ("worker",),
    ("migrate",),
    ("keys", "create", "--scope", "read"),
    ("keys", "list"),
    ("keys", "revoke", "gl_NotThere1234"),
    ("projects", "create", "clinic"),
    ("projects", "list"),
    ("projects", "edit", "--time-zone", "UTC"),
    ("evaluations", "list"),
    ("evaluations", "retry"),
    ("rollups", "verify"),
    ("rollups", "rebuild"),
]
WITHOUT_DATABASE = [("demo", "--once"), ("judge", __file__)]

UNUSABLE = {
    "out of reach": f"postgresql://goalline:{SECRET}@127.0.0.1:1/goalline",
    "unknown option": f"postgresql://goalline:{SECRET}@127.0.0.1:1/goalline?nonsense=1",
    "no such folder": "sqlite:///nowhere/goalline.db",
    "a folder": "sqlite:///.",
    "no database": f"sqlite:///{__file__}",
    "unknown driver": "sqlite+nonsense:///goalline.db",
    "in memory": "sqlite://",
}
BAD_SETTINGS = {
    "GOALLINE_DATABASE_URL": f"mysql://goalline:{SECRET}@127.0.0.1/goalline",
    "GOALLINE_REDIS_URL": f"http://:{SECRET}@127.0.0.1:6379",
    "GOALLINE_WORKER_THREADS": SECRET,
    "GOALLINE_TIME_ZONE": SECRET,
    "GOALLINE_CURRENCY": SECRET,
    "GOALLINE_MAX_STEPS_PER_GOAL": SECRET,
    "GOALLINE_LOG_LEVEL": SECRET,
    "GOALLINE_LOG_FORMAT": SECRET,
    "GOALLINE_LEASE_SECONDS": "1",
    "OPENAI_BASE_URL": SECRET,
    "OPENAI_API_KEY": f"sk-{SECRET}\n{SECRET}",
}


@pytest.fixture(autouse=True)
def _a_model_and_a_redis_out_of_reach(terminal: Terminal) -> None:
    terminal.environment |= {"GOALLINE_REDIS_URL": "redis://127.0.0.1:1/0", "OPENAI_API_KEY": "sk-sample"}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_database_out_of_reach_is_named(terminal: Terminal, command: tuple[str, ...]) -> None:
    complaint = terminal.refuses(*command, GOALLINE_DATABASE_URL=UNUSABLE["out of reach"])
    assert "the PostgreSQL database goalline at 127.0.0.1 port 1 cannot be opened" in complaint
    assert "check GOALLINE_DATABASE_URL, that the server runs, and that it has this database and user" in complaint
    assert SECRET not in complaint


@pytest.mark.parametrize("url", UNUSABLE.values(), ids=UNUSABLE)
@pytest.mark.parametrize("command", [("migrate",), ("keys", "list")], ids=" ".join)
def test_whatever_keeps_a_database_from_opening_is_one_line(
    terminal: Terminal, command: tuple[str, ...], url: str
) -> None:
    complaint = terminal.refuses(*command, GOALLINE_DATABASE_URL=url)
    assert complaint.count("\n") == 1
    assert complaint.startswith("goalline: ")
    assert SECRET not in complaint


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("sqlite:///nowhere/goalline.db", "nowhere/goalline.db cannot be opened: the folder nowhere is missing"),
        ("sqlite:///.", ". cannot be opened: it is a folder"),
        (f"sqlite:///{__file__}", f"{__file__} cannot be opened: it is not a SQLite database"),
    ],
)
def test_a_file_that_cannot_be_opened_is_named_with_the_cause(terminal: Terminal, url: str, cause: str) -> None:
    complaint = terminal.refuses("migrate", GOALLINE_DATABASE_URL=url)
    assert complaint == f"goalline: the SQLite database {cause}; check GOALLINE_DATABASE_URL\n"


def test_a_missing_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root may do everything, so that the system's answer has to be made up.
    monkeypatch.setattr(os, "access", lambda *_: False)
    file = tmp_path / "goalline.db"
    assert opening.why_not(file) == f"no permission to write in the folder {tmp_path}"
    file.touch()
    assert opening.why_not(file) == "no permission to read and write it"


def test_where_a_database_is_holds_no_password() -> None:
    database = Database(f"postgresql://goalline:{SECRET}@db.example/calls")
    assert opening.place(database) == "PostgreSQL db.example/calls"


@pytest.mark.parametrize(("variable", "value"), BAD_SETTINGS.items(), ids=BAD_SETTINGS)
def test_a_bad_setting_is_named_and_its_value_is_not(terminal: Terminal, variable: str, value: str) -> None:
    terminal.environment[variable] = value
    complaint = terminal.refuses("serve", "--port", "0")
    first, second = complaint.splitlines()
    assert first == "goalline: the settings are not valid"
    assert second.startswith(f"  {variable}")
    assert "Value error" not in second
    assert SECRET not in complaint
    assert not terminal.database_file.exists()


@pytest.mark.parametrize("code", ["XYZ", "XXX", "DEM"])
def test_a_currency_that_only_looks_like_one_is_refused_as_any_bad_setting_is(terminal: Terminal, code: str) -> None:
    first, second = terminal.refuses("keys", "list", GOALLINE_CURRENCY=code).splitlines()
    assert first == "goalline: the settings are not valid"
    assert second.strip() == "GOALLINE_CURRENCY: must be the code of a currency (ISO 4217) in capitals, such as EUR"
    assert not terminal.database_file.exists()


@pytest.mark.parametrize("command", [*COMMANDS, *WITHOUT_DATABASE], ids=lambda command: " ".join(command[:2]))
def test_every_command_refuses_bad_settings_alike(terminal: Terminal, command: tuple[str, ...]) -> None:
    assert "GOALLINE_MAX_TURNS: " in terminal.refuses(*command, GOALLINE_MAX_TURNS="many")


@pytest.mark.parametrize(
    ("variable", "value", "wanted"),
    [
        ("GOALLINE_MAX_TURNS", "many", "must be a whole number"),
        ("GOALLINE_MAX_TURNS", "1.5", "must be a whole number"),
        ("GOALLINE_MAX_TURNS", "0", "must be greater than 0"),
        ("GOALLINE_SWEEP_SECONDS", "soon", "must be a number"),
        ("GOALLINE_DASHBOARD_OPEN", "perhaps", "must be true or false"),
        ("GOALLINE_LOG_FORMAT", "xml", "must be 'console' or 'json'"),
    ],
)
def test_a_bad_setting_is_explained_in_plain_words(terminal: Terminal, variable: str, value: str, wanted: str) -> None:
    terminal.environment[variable] = value
    assert f"  {variable}: {wanted}\n" in terminal.refuses("migrate")


def test_an_option_out_of_range_is_explained_in_plain_words(terminal: Terminal) -> None:
    complaint = terminal.refuses("serve", "--port", "65536", status=2)
    assert "'--port': must be at most 65535" in complaint


def test_several_bad_settings_are_all_named(terminal: Terminal) -> None:
    complaint = terminal.refuses("migrate", GOALLINE_MAX_TURNS="many", GOALLINE_SWEEP_SECONDS="0")
    assert "GOALLINE_MAX_TURNS: " in complaint
    assert "GOALLINE_SWEEP_SECONDS: " in complaint


def test_a_misspelt_variable_is_pointed_out_and_the_command_goes_on(terminal: Terminal) -> None:
    result = terminal.run("migrate", GOALLINE_MODLE=SECRET)
    assert result.exit_code == 0
    assert result.stderr == "GOALLINE_MODLE is no setting of Goalline; did you mean GOALLINE_MODEL?\n"


def test_variables_that_are_set_to_nothing_count_as_not_set(terminal: Terminal) -> None:
    names = ("GOALLINE_DATABASE_URL", "GOALLINE_MODEL", "GOALLINE_TIME_ZONE", "GOALLINE_LEASE_SECONDS")
    terminal.prints("migrate", **dict.fromkeys(names, ""))
    assert terminal.database_file.exists()
