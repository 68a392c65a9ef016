"""The import rule: it holds, and a violation of any part of it is found."""

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "goalline"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTRACTS = {contract["id"]: contract for contract in PROJECT["tool"]["importlinter"]["contracts"]}
DEPENDENCIES = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
HOMES = {
    "database": {"store"},
    "llm": {"judge"},
    "client": {"judge", "sender"},
    "web": {"api"},
    "terminal": {"cli"},
    "queue": {"bootstrap", "worker"},
    "metrics": {"telemetry"},
}
VIOLATIONS = [
    ("layers", "domain", "import goalline.store"),
    ("layers", "store", "import goalline.pipeline"),
    ("layers", "api", "import goalline.cli"),
    ("layers", "judge", "import goalline.store"),
    ("layers", "sender", "import goalline.store"),
    ("layers", "pipeline", "import goalline.bootstrap"),
    ("layers", "upkeep", "import goalline.pipeline"),
    ("layers", "a_module_without_a_place", "import goalline.settings"),
    ("leaves", "settings", "import goalline.domain"),
    ("leaves", "telemetry", "import goalline.store"),
    ("leaves", "resources", "import goalline.judge"),
    ("domain", "domain", "import goalline.settings"),
    ("domain", "domain", "from structlog import get_logger"),
    ("domain", "domain", "import time"),
    ("database", "pipeline", "from sqlalchemy import text"),
    ("database", "api", "import sqlmodel"),
    ("llm", "api", "import openai"),
    ("llm", "worker", "import instructor"),
    ("client", "pipeline", "import httpx2"),
    ("client", "bootstrap", "import httpcore2"),
    ("web", "cli", "from fastapi import FastAPI"),
    ("web", "judge", "import jinja2"),
    ("web", "bootstrap", "import limits"),
    ("terminal", "api", "import typer"),
    ("terminal", "worker", "import uvicorn"),
    ("queue", "pipeline", "import dramatiq"),
    ("queue", "store", "import redis"),
    ("metrics", "pipeline", "from prometheus_client import Counter"),
]


def lint_imports(source: Path, *options: str) -> subprocess.CompletedProcess[str]:
    linter = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", linter, "--config", str(ROOT / "pyproject.toml"), "--no-cache", *options],
        env={**os.environ, "PYTHONPATH": str(source)},
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )


def modules() -> set[str]:
    return {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()} - {
        "__init__"
    }


def python_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def test_the_import_rule_holds() -> None:
    result = lint_imports(ROOT / "src")
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(("contract", "module", "line"), VIOLATIONS)
def test_a_broken_import_rule_is_found(tmp_path: Path, contract: str, module: str, line: str) -> None:
    shutil.copytree(PACKAGE, tmp_path / "goalline", ignore=shutil.ignore_patterns("__pycache__"))
    target = tmp_path / "goalline" / module / "__init__.py"
    if not target.exists():
        target = tmp_path / "goalline" / f"{module}.py"
    with target.open("a") as file:
        file.write(f"\n{line}\n")
    result = lint_imports(tmp_path, "--contract", contract)
    assert result.returncode == 1, result.stdout
    assert f"{CONTRACTS[contract]['name']} BROKEN" in result.stdout


def test_every_import_contract_has_a_planted_violation() -> None:
    assert {contract for contract, _, _ in VIOLATIONS} == set(CONTRACTS)


@pytest.mark.parametrize("contract", HOMES)
def test_a_library_is_forbidden_everywhere_but_at_its_home(contract: str) -> None:
    strangers = {f"goalline.{module}" for module in modules() - HOMES[contract]}
    assert set(CONTRACTS[contract]["source_modules"]) == strangers


def test_the_domain_is_forbidden_every_dependency_but_those_that_only_compute() -> None:
    pure = {"cryptography", "jmespath", "pydantic"}
    forbidden = set(CONTRACTS["domain"]["forbidden_modules"])
    names_of: dict[str, set[str]] = {}
    for module, distributions in packages_distributions().items():
        for distribution in distributions:
            names_of.setdefault(canonicalize_name(distribution), set()).add(module)
    allowed = [
        dependency.name
        for dependency in DEPENDENCIES
        if dependency.name not in pure and not names_of[canonicalize_name(dependency.name)] & forbidden
    ]
    assert not allowed


def test_every_library_the_package_imports_is_declared() -> None:
    # Starlette is FastAPI's foundation, rich is Typer's and pydantic-core is pydantic's; their versions are those
    # libraries' choice.
    foundations = {"starlette", "rich", "pydantic-core"}
    declared = {canonicalize_name(dependency.name) for dependency in DEPENDENCIES} | foundations
    owners = packages_distributions()
    undeclared = set()
    for path in python_files():
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in (full.split(".")[0] for full in names):
                if name not in sys.stdlib_module_names | {"goalline"}:
                    distributions = {canonicalize_name(owner) for owner in owners.get(name, [name])}
                    if not distributions & declared:
                        undeclared.add(f"{path.relative_to(ROOT)}: {name}")
    assert not undeclared
