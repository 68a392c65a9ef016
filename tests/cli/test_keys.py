"""goalline keys: made and shown once, listed without their secret, revoked for good."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from goalline.domain.key import Scope
from goalline.store import projects
from goalline.store.database import Database
from tests.cli.terminal import Terminal


def accepted(terminal: Terminal, key: str, after: timedelta = timedelta()) -> Scope | None:
    """Return what a key may do once some time has passed, None where it is refused."""
    database = Database(f"sqlite:///{terminal.database_file}")
    with database.reading() as session:
        found = projects.find_key(session, key, datetime.now(UTC) + after)
    database.close()
    return found.scope if found else None


def made(terminal: Terminal, *options: str, scope: Scope = Scope.READ) -> str:
    key: str = terminal.says("keys", "create", "--scope", scope, "--json", *options)["key"]
    return key


@pytest.mark.parametrize("scope", Scope)
def test_a_new_key_opens_what_its_scope_allows(terminal: Terminal, scope: Scope) -> None:
    assert accepted(terminal, made(terminal, scope=scope)) is scope


def test_as_json_a_new_key_is_the_last_line_and_nothing_else(terminal: Terminal) -> None:
    lines = terminal.prints("keys", "create", "--scope", "admin", "--json").splitlines()
    assert list(json.loads(lines[-1])) == ["key"]


def test_without_json_the_key_is_shown_whole_on_a_line_of_its_own(terminal: Terminal) -> None:
    shown = terminal.prints("keys", "create", "--scope", "ingest")
    assert "ingest key of project 'default'; it is shown this once" in shown
    (key,) = [line.strip() for line in shown.splitlines() if line.strip().startswith("gl_")]
    assert accepted(terminal, key) is Scope.INGEST


def test_the_database_holds_a_hash_and_not_the_key(terminal: Terminal) -> None:
    secret = made(terminal).split("_", 2)[2]
    stored = b"".join(file.read_bytes() for file in terminal.folder.iterdir())
    assert secret.encode() not in stored
    assert [len(digest) for (digest,) in terminal.rows("SELECT digest FROM api_key")] == [64]


def test_a_key_without_an_end_lives_on(terminal: Terminal) -> None:
    assert accepted(terminal, made(terminal), after=timedelta(days=36_500)) is Scope.READ


def test_a_key_with_an_end_works_until_then(terminal: Terminal) -> None:
    key = made(terminal, "--expires-in-days", "7")
    assert accepted(terminal, key, after=timedelta(days=6.9)) is Scope.READ
    assert accepted(terminal, key, after=timedelta(days=7.1)) is None


def test_a_key_that_would_end_before_it_begins_is_refused(terminal: Terminal) -> None:
    complaint = terminal.refuses("keys", "create", "--scope", "read", "--expires-in-days", "0", status=2)
    assert "--expires-in-days" in complaint


def test_an_unknown_scope_is_refused_with_those_there_are(terminal: Terminal) -> None:
    complaint = terminal.refuses("keys", "create", "--scope", "root", status=2)
    assert all(scope in complaint for scope in Scope)
    assert "Value error" not in complaint


def test_the_help_says_what_a_key_without_an_end_does(terminal: Terminal) -> None:
    shown = terminal.prints("keys", "create", "--help")
    assert "Days until it ends" in shown
    assert "None:" not in shown


def test_the_list_is_whole_at_80_columns(narrow: Terminal) -> None:
    long = "the phone platform of the clinic and its second line"
    key = made(narrow, "--name", long, "--expires-in-days", "7")
    first, *more = narrow.prints("keys", "list").splitlines()[2:]
    created, expires = re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d ", first)
    assert datetime.fromisoformat(expires.strip()) - datetime.fromisoformat(created.strip()) == timedelta(days=7)
    assert first.startswith(key[:15] + " ")
    assert " read " in first
    assert first.rstrip().endswith("valid")
    name = first[15:].partition(" read ")[0] + " ".join(more)
    assert name.split() == long.split()


@pytest.mark.parametrize("name", ["", "two\nlines", "\x1b[31mred", "x" * 256])
def test_a_key_needs_a_name_of_one_plain_line(terminal: Terminal, name: str) -> None:
    assert "--name: " in terminal.refuses("keys", "create", "--scope", "read", "--name", name)
    assert not terminal.database_file.exists()


def test_the_list_never_shows_a_key(terminal: Terminal) -> None:
    secrets = [made(terminal).split("_", 2)[2] for _ in range(2)]
    for shown in (terminal.prints("keys", "list"), terminal.prints("keys", "list", "--json")):
        assert not any(secret in shown for secret in secrets)


def test_the_list_tells_name_scope_end_and_state_of_each_key(terminal: Terminal) -> None:
    key = made(terminal, "--name", "wall screen", "--expires-in-days", "7")
    (listed,) = terminal.says("keys", "list", "--json")
    assert listed["key"] == f"{key[:15]}_..."
    assert (listed["name"], listed["scope"], listed["state"]) == ("wall screen", "read", "valid")
    lifetime = datetime.fromisoformat(listed["expires_at"]) - datetime.fromisoformat(listed["created_at"])
    assert lifetime == timedelta(days=7)


def test_the_list_says_which_keys_are_over(terminal: Terminal) -> None:
    made(terminal, "--expires-in-days", "7")
    terminal.rows("UPDATE api_key SET expires_at = '2026-01-01 00:00:00.000000'")
    assert [row["state"] for row in terminal.says("keys", "list", "--json")] == ["expired"]


def test_a_name_with_square_brackets_is_listed_as_it_is(terminal: Terminal) -> None:
    made(terminal, "--name", "[/red] phones [bold]")
    assert "[/red] phones [bold]" in terminal.prints("keys", "list")


def test_a_revoked_key_is_refused_from_then_on(terminal: Terminal) -> None:
    key = made(terminal)
    assert "is revoked" in terminal.prints("keys", "revoke", key)
    assert accepted(terminal, key) is None
    assert [row["state"] for row in terminal.says("keys", "list", "--json")] == ["revoked"]


def test_a_key_is_revoked_by_what_the_list_shows_of_it(terminal: Terminal) -> None:
    key, other = made(terminal), made(terminal)
    shown = terminal.says("keys", "list", "--json")[0]["key"]
    terminal.prints("keys", "revoke", shown)
    assert accepted(terminal, key) is None
    assert accepted(terminal, other) is Scope.READ


def test_revoking_does_not_print_the_key_again(terminal: Terminal) -> None:
    key = made(terminal)
    assert key not in terminal.prints("keys", "revoke", key)


def test_a_key_that_is_not_there_cannot_be_revoked(terminal: Terminal) -> None:
    made(terminal)
    complaint = terminal.refuses("keys", "revoke", "gl_NotThere1234")
    assert "project 'default' has no key gl_NotThere1234; goalline keys list shows those it has" in complaint


@pytest.mark.parametrize("typed", ["gl_nope", "nope"])
def test_a_key_that_cannot_be_revoked_is_named_as_it_was_typed(terminal: Terminal, typed: str) -> None:
    made(terminal)
    assert f"has no key {typed};" in terminal.refuses("keys", "revoke", typed)


def test_the_secret_of_a_key_that_cannot_be_revoked_is_not_repeated(terminal: Terminal) -> None:
    made(terminal)
    complaint = terminal.refuses("keys", "revoke", "gl_NotThere1234_xyzzyplugh")
    assert "has no key gl_NotThere1234_...;" in complaint
    assert "xyzzyplugh" not in complaint


def test_where_there_are_several_projects_one_has_to_be_named(terminal: Terminal) -> None:
    made(terminal)
    terminal.prints("projects", "create", "clinic")
    complaint = terminal.refuses("keys", "create", "--scope", "read")
    assert "there are several projects; name one of default, clinic" in complaint


def test_a_key_belongs_to_the_project_that_is_named(terminal: Terminal) -> None:
    made(terminal)
    terminal.prints("projects", "create", "clinic")
    made(terminal, "--project", "clinic", "--name", "its own")
    assert [row["name"] for row in terminal.says("keys", "list", "--project", "clinic", "--json")] == ["its own"]


def test_another_projects_key_cannot_be_revoked(terminal: Terminal) -> None:
    key = made(terminal)
    terminal.prints("projects", "create", "clinic")
    terminal.refuses("keys", "revoke", key, "--project", "clinic")
    assert accepted(terminal, key) is Scope.READ


def test_an_unknown_project_is_named(terminal: Terminal) -> None:
    made(terminal)
    assert "no project 'clinik'" in terminal.refuses("keys", "list", "--project", "clinik")


def test_the_project_that_the_first_key_makes_has_the_currency_of_the_settings(terminal: Terminal) -> None:
    terminal.prints("keys", "create", "--scope", "read", GOALLINE_CURRENCY="EUR")
    assert [row["currency"] for row in terminal.says("projects", "list", "--json")] == ["EUR"]
