"""goalline sources: made and listed without their secret, given new ones, disabled, deleted, and tried."""

import json
from typing import Any
from uuid import UUID

import pytest
from cryptography.fernet import Fernet
from typer.testing import CliRunner

from goalline import resources
from goalline.cli import app
from goalline.store import projects, secrets, sources
from goalline.store.database import Database
from goalline.store.vault import Vault, new_key
from goalline.worker import utc_now
from tests.cli.terminal import Terminal

FIXTURES = resources.folder("fixtures")
KEY = new_key()
SECRET, LATER = "key_0123456789abcdef", "key_fedcba9876543210"
BOOKED = {"tool": "book_appointment", "type": "task.completed", "name": "Appointment booked"}


@pytest.fixture(autouse=True)
def _with_a_project_and_a_key(terminal: Terminal) -> None:
    terminal.prints("keys", "create", "--scope", "admin")
    terminal.environment["GOALLINE_ENCRYPTION_KEYS"] = KEY


def file(terminal: Terminal, name: str, content: object) -> str:
    """Write a file into the terminal's folder and return its name."""
    (terminal.folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return name


def made(terminal: Terminal, *options: str, name: str = "phones", platform: str = "standard_webhooks") -> Any:
    return terminal.says("sources", "create", name, "--platform", platform, "--json", *options)


def valid(terminal: Terminal, name: str = "phones") -> list[str]:
    """Return the secrets of a source that are valid."""
    database = Database(f"sqlite:///{terminal.database_file}")
    with database.reading() as session:
        found = sources.named(session, projects.named(session, None).id, name)
        kept = secrets.valid(Vault([KEY]), found.id, found.sealed, utc_now())
    database.close()
    return [each.text for each in kept]


def test_a_new_source_is_shown_with_its_address_and_its_secret_this_once(terminal: Terminal) -> None:
    shown = terminal.prints("sources", "create", "phones", "--platform", "standard_webhooks")
    assert "source 'phones' of platform standard_webhooks; its webhooks go to" in shown
    (listed,) = terminal.says("sources", "list", "--json")
    assert f"https://YOUR-SERVER/v1/hooks/{listed['id']}" in shown
    (secret,) = valid(terminal)
    assert [line.strip() for line in shown.splitlines() if "whsec_" in line] == [secret]
    assert "shown this once" in shown


def test_as_json_a_new_source_is_the_last_line_with_its_secret(terminal: Terminal) -> None:
    source = made(terminal)
    assert source["url"] == f"/v1/hooks/{UUID(source['id'])}"
    assert (source["name"], source["platform"], source["enabled"]) == ("phones", "standard_webhooks", True)
    assert valid(terminal) == [source["secret"]]


def test_a_secret_that_the_platform_made_is_read_from_a_file_and_not_repeated(terminal: Terminal) -> None:
    terminal_file = file(terminal, "retell.key", f"{SECRET}\n")
    result = terminal.run("sources", "create", "phones", "--platform", "retell", "--secret-file", terminal_file)
    assert result.exit_code == 0
    assert SECRET not in result.output
    assert valid(terminal) == [SECRET]


def test_a_secret_may_come_from_standard_input(terminal: Terminal) -> None:
    typed = ("sources", "create", "phones", "--platform", "retell", "--secret-file", "-")
    result = CliRunner().invoke(app, typed, env=terminal.environment, input=f"\ufeff{SECRET}\r\n".encode())
    assert result.exit_code == 0
    assert valid(terminal) == [SECRET]


def test_a_platform_that_makes_the_secret_itself_has_to_be_asked_for_it(terminal: Terminal) -> None:
    complaint = terminal.refuses("sources", "create", "phones", "--platform", "retell")
    assert "this platform makes the secret; copy it from there" in complaint


@pytest.mark.parametrize("secret", ["", "short", "two\nlines", "x" * 501, "ключключ"])
def test_a_secret_that_can_be_none_is_refused_and_not_repeated(terminal: Terminal, secret: str) -> None:
    named = file(terminal, "secret", secret)
    complaint = terminal.refuses("sources", "create", "phones", "--platform", "retell", "--secret-file", named)
    assert "8 to 500 printable ASCII characters" in complaint
    assert not secret or secret not in complaint
    assert terminal.says("sources", "list", "--json") == []


def test_a_file_that_is_not_there_or_no_text_is_named(terminal: Terminal) -> None:
    options = ("sources", "create", "phones", "--platform", "retell", "--secret-file")
    assert "--secret-file: nowhere cannot be read: No such file" in terminal.refuses(*options, "nowhere")
    (terminal.folder / "odd").write_bytes(b"\xff\xfe\x00")
    assert "--secret-file: odd is not UTF-8 text" in terminal.refuses(*options, "odd")


def test_without_a_key_no_secret_is_kept_and_it_is_said_how_to_make_one(terminal: Terminal) -> None:
    complaint = terminal.refuses(
        "sources", "create", "phones", "--platform", "standard_webhooks", GOALLINE_ENCRYPTION_KEYS=""
    )
    assert "GOALLINE_ENCRYPTION_KEYS is not set; `goalline sources key` makes one" in complaint


def test_a_key_is_one_that_secrets_can_be_kept_with(terminal: Terminal) -> None:
    (key, other) = (terminal.prints("sources", "key").strip() for _ in range(2))
    assert key != other
    assert Fernet(key).decrypt(Fernet(key).encrypt(b"secret")) == b"secret"
    terminal.environment["GOALLINE_ENCRYPTION_KEYS"] = key
    assert made(terminal)["secret"]


def test_no_secret_stands_in_the_database_as_it_is(terminal: Terminal) -> None:
    secret = made(terminal)["secret"]
    stored = b"".join(path.read_bytes() for path in terminal.folder.iterdir())
    assert secret.removeprefix("whsec_").encode() not in stored


def test_a_file_sets_the_options_and_which_tools_are_events(terminal: Terminal) -> None:
    config = {"options": {"own_numbers": ["+12025550100"]}, "tool_events": [BOOKED]}
    named = file(terminal, "telnyx.json", config)
    public = file(terminal, "key", "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=")
    source = made(terminal, "--config", named, "--secret-file", public, platform="telnyx")
    assert {name: source[name] for name in config} == config
    assert source["secret"] is None


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("{", "--config: wrong.json: "),
        ({"secrets": "x"}, "--config: wrong.json: secrets: "),
        ({"tool_events": [{"tool": "x", "type": "goal.leap"}]}, "--config: wrong.json: tool_events.0.type: "),
        ({"options": {"colour": "red"}}, "options.colour: is no option of platform standard_webhooks"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_by_its_place(terminal: Terminal, config: object, said: str) -> None:
    named = file(terminal, "wrong.json", config)
    complaint = terminal.refuses("sources", "create", "phones", "--platform", "standard_webhooks", "--config", named)
    assert said in complaint


def test_a_name_that_is_taken_is_refused(terminal: Terminal) -> None:
    made(terminal)
    complaint = terminal.refuses("sources", "create", "phones", "--platform", "standard_webhooks")
    assert "there is a source named 'phones' already" in complaint


def test_the_list_has_every_source_oldest_first_and_no_secret(terminal: Terminal) -> None:
    secrets = [made(terminal, name=name)["secret"] for name in ("phones", "[bold]chats[/]")]
    terminal.prints("sources", "disable", "phones")
    shown = terminal.prints("sources", "list")
    listed = terminal.says("sources", "list", "--json")
    assert [source["name"] for source in listed] == ["phones", "[bold]chats[/]"]
    assert "standard_webhooks, disabled" in shown
    assert "[bold]chats[/]" in shown
    assert all(source["url"] in shown for source in listed)
    assert not any(secret in shown + json.dumps(listed) for secret in secrets)
    assert "sealed" not in listed[0]


def test_a_rotation_keeps_the_secret_before_for_a_while(terminal: Terminal) -> None:
    first = made(terminal)["secret"]
    second = terminal.says("sources", "rotate", "phones", "--overlap-hours", "48", "--json")["secret"]
    assert valid(terminal) == [second, first]
    shown = terminal.prints("sources", "rotate", "phones", "--overlap-hours", "0")
    (third,) = valid(terminal)
    assert third in shown
    assert third not in (first, second)


def test_a_secret_that_the_platform_replaced_is_read_from_a_file(terminal: Terminal) -> None:
    made(terminal, "--secret-file", file(terminal, "retell.key", SECRET), platform="retell")
    assert "copy it from there" in terminal.refuses("sources", "rotate", "phones")
    rotated = terminal.run("sources", "rotate", "phones", "--secret-file", file(terminal, "new.key", LATER))
    assert LATER not in rotated.output
    assert valid(terminal) == [LATER, SECRET]


def test_with_other_keys_a_rotation_that_keeps_the_old_secret_says_what_to_do(terminal: Terminal) -> None:
    made(terminal)
    complaint = terminal.refuses("sources", "rotate", "phones", GOALLINE_ENCRYPTION_KEYS=new_key())
    assert "add the key that they were stored with, or rotate without overlap" in complaint
    terminal.prints("sources", "rotate", "phones", "--overlap-hours", "0", GOALLINE_ENCRYPTION_KEYS=new_key())


def test_a_key_in_front_seals_and_the_one_behind_it_still_opens(terminal: Terminal) -> None:
    first = made(terminal)["secret"]
    newer = new_key()
    second = terminal.says("sources", "rotate", "phones", "--json", GOALLINE_ENCRYPTION_KEYS=f"{newer},{KEY}")
    terminal.prints("sources", "rotate", "phones", GOALLINE_ENCRYPTION_KEYS=newer)
    assert second["secret"] != first


@pytest.mark.parametrize("hours", ["-1", "721"])
def test_an_overlap_of_no_sensible_length_is_refused(terminal: Terminal, hours: str) -> None:
    made(terminal)
    assert "--overlap-hours" in terminal.refuses("sources", "rotate", "phones", "--overlap-hours", hours, status=2)


def test_a_source_is_disabled_and_enabled_by_its_name(terminal: Terminal) -> None:
    made(terminal)
    for command, enabled in (("disable", False), ("enable", True)):
        assert f"source 'phones' is {command}d" in terminal.prints("sources", command, "phones")
        assert [source["enabled"] for source in terminal.says("sources", "list", "--json")] == [enabled]


def test_a_deleted_source_is_gone(terminal: Terminal) -> None:
    made(terminal)
    assert "source 'phones' is deleted; what it has sent stays" in terminal.prints("sources", "delete", "phones")
    assert terminal.says("sources", "list", "--json") == []


@pytest.mark.parametrize("command", ["rotate", "disable", "enable", "delete"])
def test_a_source_that_is_not_there_is_named(terminal: Terminal, command: str) -> None:
    assert "there is no source named 'fones'" in terminal.refuses("sources", command, "fones")


@pytest.mark.parametrize("command", ["rotate", "disable", "delete"])
def test_another_projects_source_is_out_of_reach(terminal: Terminal, command: str) -> None:
    made(terminal)
    terminal.prints("projects", "create", "clinic")
    assert "there is no source named" in terminal.refuses("sources", command, "phones", "--project", "clinic")
    assert len(terminal.says("sources", "list", "--project", "default", "--json")) == 1


def tried(terminal: Terminal, *options: str) -> Any:
    return json.loads(terminal.prints("sources", "try", *options))


def test_a_body_is_tried_without_a_database_a_key_or_a_signature(terminal: Terminal) -> None:
    terminal.database_file.unlink()
    sample = str(FIXTURES / "webhooks" / "retell" / "call_ended.json")
    config = file(terminal, "tools.json", {"tool_events": [BOOKED]})
    shown = tried(terminal, sample, "--platform", "retell", "--config", config)
    assert shown["conversation"]["conversation_id"] == "call_4f9d2b7c81e64a0fa1c35d07"
    assert [call["name"] for call in shown["tool_calls"]] == ["book_appointment", "end_call"]
    assert [(event["type"], event["name"]) for event in shown["events"]] == [("task.completed", "Appointment booked")]
    assert not terminal.database_file.exists()


def test_what_a_body_tells_of_a_conversation_under_way_is_shown(terminal: Terminal) -> None:
    sample = str(FIXTURES / "webhooks" / "vapi" / "conversation-update.json")
    config = file(terminal, "tools.json", {"tool_events": [BOOKED]})
    shown = tried(terminal, sample, "--platform", "vapi", "--config", config)
    assert shown["underway"]["conversation_id"] == "7b0d9c5e-3a41-4f6a-9d0e-2c8f5b6a1e77"
    assert [event["name"] for event in shown["events"]] == ["Appointment booked"]


def test_what_nobody_wants_is_shown_with_the_reason(terminal: Terminal) -> None:
    named = file(terminal, "started.json", {"event": "call_started"})
    assert tried(terminal, named, "--platform", "retell") == {
        "ignored": "call_started tells of no conversation that has ended"
    }


@pytest.mark.parametrize("name", ["call.finished", "session.closed"])
def test_a_mapping_is_tried_with_its_file(terminal: Terminal, name: str) -> None:
    options = json.loads((FIXTURES / "sources" / f"{name}.json").read_text())
    sample = str(FIXTURES / "webhooks" / "custom" / f"{name}.json")
    shown = tried(
        terminal, sample, "--platform", "custom", "--config", file(terminal, "map.json", {"options": options})
    )
    assert shown["conversation"]["transcript"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "wrong.json is no JSON"),
        ("[" * 100_000, "wrong.json is no JSON"),
        ("1" * 5_000, "wrong.json is no JSON"),
        ({"event": "call_ended"}, "wrong.json: call: is missing"),
        ({"event": "call_ended", "call": {"call_id": "c"}}, "wrong.json: call.agent_id: is missing"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_by_its_place(terminal: Terminal, content: object, said: str) -> None:
    named = file(terminal, "wrong.json", content)
    assert said in terminal.refuses("sources", "try", named, "--platform", "retell")


def test_a_platform_that_nobody_knows_is_refused_with_those_there_are(terminal: Terminal) -> None:
    complaint = terminal.refuses("sources", "create", "phones", "--platform", "carrier-pigeon", status=2)
    assert all(word in complaint for word in ("retell", "vapi", "custom"))


def test_the_list_is_whole_at_80_columns(narrow: Terminal) -> None:
    source = made(narrow, name="the phones of the clinic and of its second line")
    shown = " ".join(narrow.prints("sources", "list").split())
    assert source["url"] in shown
    assert "…" not in shown
