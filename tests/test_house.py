"""The house: the pinned dependencies, the wheel, and the set-up of a fresh checkout."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "goalline"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
DEPENDENCIES = [Requirement(text) for text in PROJECT["project"]["dependencies"]]


def pins(file: str) -> dict[str, Version]:
    found = re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / file).read_text(), flags=re.MULTILINE)
    return {name: Version(version) for name, version in found}


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt", "requirements-audit.txt"])
def test_the_pins_hold_names_versions_and_hashes_and_no_address(file: str) -> None:
    pin = r"[a-z0-9-]+==[a-z0-9.+!]+( ; [a-z_<>=!'0-9. ()]+)? \\"
    a_hash = r"    --hash=sha256:[0-9a-f]{64}( \\)?"
    strange = [
        line for line in (ROOT / file).read_text().splitlines() if not re.fullmatch(f"{pin}|{a_hash}", line, re.I)
    ]
    assert not strange


def test_every_direct_dependency_is_pinned_within_its_bounds() -> None:
    groups = PROJECT["dependency-groups"]
    dev = DEPENDENCIES + [Requirement(text) for name in ("test", "lint", "build") for text in groups[name]]
    build = [Requirement(text) for text in PROJECT["build-system"]["requires"]]
    audit = [Requirement(text) for text in groups["audit"]]
    files = {"requirements.txt": DEPENDENCIES + build, "requirements-dev.txt": dev, "requirements-audit.txt": audit}
    for file, wanted in files.items():
        pinned = pins(file)
        for requirement in wanted:
            name = canonicalize_name(requirement.name)
            assert name in pinned, f"{file}: {requirement}"
            assert pinned[name] in requirement.specifier, f"{file}: {requirement} is pinned to {pinned[name]}"


def test_every_direct_dependency_has_a_lower_bound() -> None:
    unbounded = [
        str(dependency)
        for dependency in DEPENDENCIES
        if not any(specifier.operator == ">=" for specifier in dependency.specifier)
    ]
    assert not unbounded


def test_the_tests_run_on_the_versions_that_are_shipped() -> None:
    shipped, tested = pins("requirements.txt"), pins("requirements-dev.txt")
    assert shipped.items() <= tested.items()


def test_the_wheel_carries_everything_the_package_reads(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("goalline-*.whl")
    carried = {name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/")}
    for folder in (PACKAGE, ROOT / "prompts", ROOT / "fixtures"):
        place = "goalline" if folder == PACKAGE else f"goalline/{folder.name}"
        files = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        assert files
        assert {f"{place}/{path.relative_to(folder).as_posix()}" for path in files} <= carried
    for part in ("goalline/store/migrations/", "goalline/api/templates/", "goalline/api/static/", "goalline/py.typed"):
        assert any(name.startswith(part) for name in carried), part


def test_make_help_names_every_target() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    shown = subprocess.run(["make"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert targets == {line.split()[1] for line in shown.splitlines() if line.startswith("make ") and line.split()[2:]}


def checkout(folder: Path) -> Path:
    pins = ("requirements.txt", "requirements-dev.txt", "requirements-audit.txt")
    for name in (".ci/audit", ".ci/venv", "Makefile", "pyproject.toml", *pins):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "PYTHON"))}
    return subprocess.run(["make", *arguments], cwd=folder, env=clean, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("target", ["demo", "test", "drill", "check", "audit", "format"])
def test_make_refuses_an_old_python_in_one_clear_sentence(tmp_path: Path, target: str) -> None:
    old = tmp_path / "old-python"
    old.write_text('#!/bin/sh\n[ "$1" != -V ] || { echo Python 3.9.2; exit 0; }\nexit 1\n')
    old.chmod(0o755)
    result = make(checkout(tmp_path), target, f"PYTHON={old}")
    assert result.returncode != 0
    assert "Python 3.9.2, but Python 3.11 or newer is needed" in result.stderr
    assert not list(tmp_path.glob(".venv*"))


def test_make_names_a_python_that_is_not_there(tmp_path: Path) -> None:
    result = make(checkout(tmp_path), "test", "PYTHON=python-that-is-not-there")
    assert result.returncode != 0
    assert "there is no python-that-is-not-there; install Python 3.11 or newer" in result.stderr


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        ("echo 'No known vulnerabilities found' >&2", 0, "No known vulnerabilities found"),
        ("echo 'Found 1 known vulnerability' >&2; echo 'sample 1.0 PYSEC-0'; exit 1", 1, "sample 1.0 PYSEC-0"),
        ("echo 'ERROR: no connection' >&2; exit 1", 2, "nothing was checked: no advisory service could be reached"),
    ],
    ids=["clean", "vulnerable", "out of reach"],
)
def test_an_audit_says_what_it_found_and_when_it_could_not_look(
    tmp_path: Path, answer: str, status: int, said: str
) -> None:
    program = tmp_path / ".venv-audit" / "bin" / "pip-audit"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\n{answer}\n")
    program.chmod(0o755)
    result = subprocess.run(["sh", ROOT / ".ci" / "audit"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == status
    assert said in result.stdout + result.stderr


def test_the_code_has_nothing_that_bandit_calls_insecure() -> None:
    bandit = [sys.executable, "-m", "bandit", "--quiet", "--configfile", "pyproject.toml", "--recursive", "src"]
    result = subprocess.run(bandit, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_every_exception_from_bandit_names_its_rule() -> None:
    for path in PACKAGE.rglob("*.py"):
        for line in path.read_text().splitlines():
            assert "nosec" not in line or re.search(r"# nosec B\d{3}$", line), f"{path}: {line}"
