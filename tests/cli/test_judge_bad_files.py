"""goalline judge, given a file that it cannot use: the line and the field are named, and nothing is judged."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import Terminal

SECRET = "xyzzyplugh"
GOAL = {"key": "k", "kind": "primary", "name": "Taxi ordered", "description": "A taxi was ordered."}
GOOD = {"id": "sample-1", "turns": [{"role": "user", "text": SECRET}], "goals": [GOAL]}


def bad(**changes: Any) -> str:
    """Return two lines, the second of which has these members."""
    return json.dumps(GOOD) + "\n" + json.dumps(GOOD | changes) + "\n"


def without(name: str) -> str:
    return json.dumps({key: value for key, value in GOOD.items() if key != name})


BAD = {
    "no JSON": ('{"id": ' + SECRET, "line 1: Invalid JSON"),
    "no object": (f'["{SECRET}"]', "line 1: must be an object"),
    "no id": (without("id"), "line 1: id: is missing"),
    "no turns": (without("turns"), "line 1: turns: is missing"),
    "no goals": (without("goals"), "line 1: goals: is missing"),
    "empty turns": (bad(turns=[]), "line 2: turns: must not be empty"),
    "empty goals": (bad(goals=[]), "line 2: goals: must not be empty"),
    "unknown role": (bad(turns=[{"role": SECRET, "text": SECRET}]), "line 2: turns.0.role: must be 'agent'"),
    "turn without text": (bad(turns=[{"role": "user"}]), "line 2: turns.0.text: is missing"),
    "unknown label": (bad(goals=[GOAL | {"label": SECRET}]), "line 2: goals.0.label: must be 'achieved'"),
    "unknown kind": (bad(goals=[GOAL | {"kind": SECRET}]), "line 2: goals.0.kind: must be 'primary'"),
    "after empty lines": ("\n\n" + without("id"), "line 3: id: is missing"),
}


@pytest.mark.parametrize(("content", "told"), BAD.values(), ids=BAD)
def test_the_line_and_the_field_are_named_and_the_words_are_not(terminal: Terminal, content: str, told: str) -> None:
    file = terminal.folder / "bad.jsonl"
    file.write_text(content, encoding="utf-8")
    complaint = terminal.refuses("judge", str(file), "--stand-in", "--output", "out.jsonl")
    assert f"{file}, {told}" in complaint
    assert SECRET not in complaint
    assert not (terminal.folder / "out.jsonl").exists()


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(terminal: Terminal, content: bytes) -> None:
    (terminal.folder / "[red]empty.jsonl").write_bytes(content)
    assert "[red]empty.jsonl holds no conversations" in terminal.refuses("judge", "[red]empty.jsonl", "--stand-in")


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n", json.dumps(GOOD).encode("utf-16")])
def test_a_file_that_is_no_text_is_refused(terminal: Terminal, content: bytes) -> None:
    (terminal.folder / "picture.png").write_bytes(content)
    assert "picture.png, line 1: Invalid JSON" in terminal.refuses("judge", "picture.png", "--stand-in")


@pytest.mark.parametrize("separator", ["\r\n", "\n"])
def test_a_file_from_another_editor_is_read_all_the_same(terminal: Terminal, separator: str) -> None:
    # A byte order mark in front, and a line separator of Unicode that is no end of a line.
    said = GOOD | {"turns": [{"role": "user", "text": "one\u2028two"}]}
    content = separator.join(["\ufeff" + json.dumps(said, ensure_ascii=False), json.dumps(said), ""])
    (terminal.folder / "edited.jsonl").write_bytes(content.encode())
    assert terminal.says("judge", "edited.jsonl", "--stand-in", "--json")["conversations"] == 2


def test_a_missing_file_is_named(terminal: Terminal) -> None:
    assert "'missing.jsonl' does not exist" in terminal.refuses("judge", "missing.jsonl", status=2)


def test_a_folder_is_no_file(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert "'folder' is a directory" in terminal.refuses("judge", "folder", status=2)


def test_a_place_that_cannot_be_written_is_named_before_anything_is_judged(terminal: Terminal) -> None:
    (terminal.folder / "good.jsonl").write_text(json.dumps(GOOD))
    complaint = terminal.refuses("judge", "good.jsonl", "--stand-in", "--output", "nowhere/[red]out.jsonl")
    assert "--output: nowhere/[red]out.jsonl cannot be written: No such file or directory" in complaint
    assert "judged" not in complaint


@pytest.mark.parametrize("option", ["--limit", "--threads"])
def test_a_number_has_to_be_at_least_1(terminal: Terminal, option: str) -> None:
    (terminal.folder / "good.jsonl").write_text(json.dumps(GOOD))
    assert option in terminal.refuses("judge", "good.jsonl", "--stand-in", option, "0", status=2)
