"""The documentation: what it names exists, and what has to be in it is."""

import ast
import re
import shlex
from collections.abc import Iterator
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import typer
from fastapi.testclient import TestClient
from pydantic import SecretStr

from goalline.api.app import create_app
from goalline.bootstrap import services
from goalline.cli import app as cli
from goalline.domain.evaluation import Reason, Status
from goalline.domain.event import EventType
from goalline.domain.outbound.message import MessageType
from goalline.domain.platforms import standard_webhooks
from goalline.settings import FILES, Settings
from goalline.worker import Bell

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "goalline"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
ARCHITECTURE = ROOT / "docs" / "architecture.md"
OPERATING = ROOT / "docs" / "operating.md"
NAMES = {*EventType, *MessageType, standard_webhooks.ENDED}
"""What looks like a place in the code and is the name of something that happens."""

ENDINGS = ("css", "db", "html", "jsonl", "json", "lock", "md", "py", "svg", "toml", "txt", "yml")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
every_decision = pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.name)


def blocks(page: Path) -> list[str]:
    """Return a page's blocks of code."""
    return re.findall(r"^```\w*\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def spans(text: str) -> list[str]:
    """Return what stands between back quotes, on one line each."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)]


def code(page: Path) -> str:
    """Return all code of a page, each span on a line of its own, without comments, continued lines joined."""
    text = "\n".join([*spans(prose(page)), *blocks(page)])
    return re.sub(r"(^|\s)#.*$", "", re.sub(r"\\\n\s*", "", text), flags=re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, made as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def section(page: Path, title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}$\n(.*?)(?=^## |\Z)", page.read_text(), flags=re.M | re.S)
    assert found, f"{page.name} has no section {title!r}"
    return found.group(1)


def rows(text: str) -> list[list[str]]:
    """Return the cells of a text's tables, heads and rulers included."""
    lines = [line.strip() for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def variable(name: str) -> str:
    return Settings.model_fields[name].alias or f"GOALLINE_{name.upper()}"


def written(value: object) -> str:
    """Return a setting's default as a person would write it into the environment."""
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, Enum):
        value = value.value
    return "none" if value in (None, ()) else str(value).lower() if isinstance(value, bool) else str(value)


@cache
def definitions() -> dict[str, set[str]]:
    """Return what each module (by its path) and each class (by its name) of the package defines."""
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        found[str(path.relative_to(PACKAGE))] = names_in(tree)
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, set()).update(names_in(node))
    return found


def names_in(parent: ast.Module | ast.ClassDef) -> set[str]:
    names = set()
    for node in parent.body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.Assign(targets=targets):
                names |= {each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)}
    return names


def defined_in(owner: str) -> set[str] | None:
    """Return what a module (named by the end of its path) or a class defines; None where there is none."""
    places = [names for place, names in definitions().items() if f"/{place}".endswith(f"/{owner}")]
    return set().union(*places) if places else None


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the words of each goalline command on a page, without the program's name."""
    for line in code(page).splitlines():
        for found in re.finditer(r"(?:^|[\s/(])goalline ((?:[a-z]|--)[^|&;>)]*)", line):
            yield shlex.split(found.group(1))


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """Return the command that some words call, and the words behind its name."""
    command: Any = typer.main.get_command(cli)
    context = command.make_context("goalline", [], resilient_parsing=True)
    while words and not words[0].startswith("-") and hasattr(command, "resolve_command"):
        name, command, words = command.resolve_command(context, words)
        context = command.make_context(name, [], resilient_parsing=True, parent=context)
    return command, words


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    parts = services(Settings(database_url=f"sqlite:///{tmp_path_factory.mktemp('docs')}/goalline.db"))
    return TestClient(create_app(parts, Bell(parts)), follow_redirects=False)


@every_page
def test_every_link_leads_to_a_file_and_a_heading_that_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not re.match(r"https?:", target):
            path, _, anchor = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            assert file.exists(), target
            assert not anchor or anchor in anchors(file), target


@every_page
def test_every_command_option_and_sample_file_exists(page: Path) -> None:
    for words in commands(page):
        command, rest = command_of(words)
        options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        named = {word.partition("=")[0] for word in rest if word.startswith("-")}
        assert named <= options, f"goalline {' '.join(words)}"
    for file in re.findall(r"(?<![\w/])fixtures/[\w./-]+", code(page)):
        assert (ROOT / file).exists(), file


def test_every_command_has_its_place_in_the_changelog() -> None:
    listed = re.search(r"^- Commands: (.*?)\.$", (ROOT / "CHANGELOG.md").read_text(), flags=re.M | re.S)
    group: Any = typer.main.get_command(cli)
    assert listed
    assert spans(listed.group(1)) == group.list_commands(None)


@pytest.mark.parametrize(
    "file", [*PAGES, ROOT / "docker-compose.yml", ROOT / "Dockerfile"], ids=lambda file: str(file.relative_to(ROOT))
)
def test_every_variable_is_a_setting(file: Path) -> None:
    named = set(re.findall(r"\b(?:GOALLINE|OPENAI)_[A-Z_]+\b", file.read_text()))
    assert named <= {variable(name) for name in Settings.model_fields} | set(FILES)


def test_the_table_of_settings_has_each_one_once_with_its_default_a_unit_and_a_meaning() -> None:
    listed = [row for row in rows(section(OPERATING, "Settings")) if re.match(r"`(GOALLINE|OPENAI)_", row[0])]
    fields = Settings.model_fields.items()
    expected = [[f"`{variable(name)}`", f"`{written(field.default)}`"] for name, field in fields]
    expected += [[f"`{name}`", "`none`"] for name in FILES]
    assert sorted(row[:2] for row in listed) == sorted(expected)
    assert all(len(row) == 4 and all(row) for row in listed)


def test_every_status_and_reason_is_explained() -> None:
    table = rows(section(OPERATING, "Evaluations: states and reasons"))
    explained = {row[0]: row for row in table if row[0].startswith("`") and all(row)}
    assert set(explained) == {f"`{word.value}`" for word in (*Status, *Reason)}
    for row in table:
        if row[0] in {f"`{reason.value}`" for reason in Reason}:
            assert row[1].strip("`") in set(Status), row


def test_the_table_of_log_lines_has_each_event_with_its_level_and_what_it_tells() -> None:
    table = rows(section(OPERATING, "Logs"))[2:]
    # One line is a library's own.
    listed = {row[0].strip("`"): row[1] for row in table if not row[0].startswith("`Consumer")}
    assert all(len(row) == 3 and all(row) for row in table)
    written_down = [re.findall(r"_log\.(\w+)\(\s*\"(\w+)\"", path.read_text()) for path in PACKAGE.rglob("*.py")]
    assert listed == {event: level for found in written_down for level, event in found}


@every_page
def test_every_place_in_the_code_exists(page: Path) -> None:
    for span in spans(prose(page)):
        path, _, names = span.partition(": ")
        if re.fullmatch(r"[\w./-]*(/|\.py)", path) and not path.startswith(("/", "-")):
            assert (ROOT / path).exists() or (PACKAGE / path).exists(), span
            if path.endswith(".py") and re.fullmatch(r"\w+(\.\w+)*", names) and not path.startswith("tests/"):
                owner, _, name = names.rpartition(".")
                place = defined_in(path) or set()
                assert (owner in place and name in (defined_in(owner) or set())) if owner else name in place, span
        elif re.fullmatch(r"[A-Za-z]\w*\.\w+", span) and not span.endswith(ENDINGS) and span not in NAMES:
            owner, _, name = span.partition(".")
            defined = [names for names in (defined_in(f"{owner}.py"), defined_in(owner)) if names is not None]
            assert not defined or any(name in names for names in defined), span


def test_every_folder_and_layer_of_the_architecture_exists() -> None:
    text = prose(ARCHITECTURE)
    layers = [row[0].strip("`") for row in rows(section(ARCHITECTURE, "The layers"))[2:]]
    for layer in layers:
        assert (PACKAGE / layer).is_dir() or (PACKAGE / f"{layer}.py").is_file(), layer
    for span in spans(text):
        if re.fullmatch(r"[a-z_]+(/[a-z_]+)+", span):
            assert (PACKAGE / span).is_dir() or (ROOT / span).is_dir(), span


@every_decision
def test_what_keeps_a_decision_true_exists(page: Path) -> None:
    kept = section(page, "What keeps it true")
    assert re.search(r"`(tests|\.ci|bench)/", kept)
    for item in re.split(r"^- ", kept, flags=re.MULTILINE):
        files = [ROOT / span for span in spans(item) if re.fullmatch(r"(tests|bench|\.ci)/\S+", span)]
        assert all(file.exists() for file in files), item
        tests = [span for span in spans(item) if span.startswith("test_")]
        assert not tests or len(files) == 1, f"name one file of tests: {item}"
        for test in tests:
            assert f"def {test}(" in files[0].read_text(), test
    for contract in re.findall(r'contracts? "([^"]+)"', " ".join(kept.split())):
        assert f'name = "{contract}"' in (ROOT / "pyproject.toml").read_text(), contract


def test_what_the_threat_model_rests_on_exists() -> None:
    text = prose(ROOT / "SECURITY.md")
    named = [span for span in spans(text) if re.fullmatch(r"(tests/\S+\.py|test_\w+)", span)]
    files = [name for name in named if name.startswith("tests/")]
    assert len(named) > len(files) > 0
    defined = "".join((ROOT / file).read_text() for file in files)
    for test in set(named) - set(files):
        assert f"def {test}(" in defined, test


def test_the_list_of_decisions_has_each_one_with_its_title() -> None:
    listed = re.findall(r"^(\d+)\. \[(.*)\]\(decisions/(.*)\)$", section(ARCHITECTURE, "Decisions"), flags=re.M)
    expected = []
    for page in DECISIONS:
        number, _, title = page.read_text().splitlines()[0].removeprefix("# ").partition(". ")
        assert page.name.startswith(f"{int(number):04}-")
        expected.append((number, title, page.name))
    assert listed == expected


@every_decision
def test_a_decision_says_why_what_and_what_follows(page: Path) -> None:
    headings = re.findall(r"^## (.*)$", page.read_text(), flags=re.M)
    assert headings == ["Context", "Decision", "Consequences", "What keeps it true"]


@every_page
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    assert set(re.findall(r"^make ([a-z]+)", code(page), flags=re.M)) <= targets


@every_page
def test_every_address_of_the_api_exists(page: Path, api: TestClient) -> None:
    named = re.findall(r"(?:^([A-Z]+) |\$URL|^)(/[\w./{}$-]*)(?=[\s?\"]|$)", code(page), flags=re.MULTILINE)
    named += [("", path) for path in re.findall(r"//127\.0\.0\.1:8000(/[^\s>]*)", page.read_text())]
    for method, path in named:
        if path == "/v1":
            continue
        # A command that sends something posts it, and says so with -d and no method.
        tried = [method] if method else ["GET", "POST"]
        # An id that is none leads nowhere, where no key is asked for first.
        answers = {api.request(one, re.sub(r"\{\w+}|\$\w+", str(uuid4()), path)).status_code for one in tried}
        # What exists asks for a key, or answers; what does not is a 404, and a wrong method is a 405.
        assert answers & {200, 303, 401, 503}, f"{method} {path}: {answers}"
