"""The image and the compose file, as far as they can be checked without a container engine."""

import fnmatch
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from goalline.settings import Settings

ROOT = Path(__file__).parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]
REQUIRED = os.environ.get("GOALLINE_TEST_REQUIRE_SERVICES") == "1"


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, continued lines joined and comments left out."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    pairs = [line.strip().partition(" ") for line in joined.splitlines() if line.strip()]
    return [(name, rest.strip()) for name, _, rest in pairs]


def only(name: str) -> str:
    (rest,) = [rest for instruction, rest in instructions() if instruction == name]
    return rest


def first_stage() -> list[tuple[str, str]]:
    stages = [index for index, (name, _) in enumerate(instructions()) if name == "FROM"]
    return instructions()[: stages[1]]


def in_the_repository() -> list[str]:
    """Return the files that a fresh clone would have."""
    git = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=False) if shutil.which("git") else None
    if listed and listed.returncode == 0:
        return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    folders = [folder for folder in ROOT.iterdir() if folder.is_dir() and not folder.name.startswith(".")]
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [str(path.relative_to(ROOT)) for path in [*ROOT.iterdir(), *found] if path.is_file()]


def sent_to_the_build() -> list[str]:
    """Return the files that .dockerignore lets through: the last pattern that fits a file or a folder above decides."""
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]

    def excluded(name: str) -> bool:
        places = [Path(name), *Path(name).parents]
        verdict = False
        for pattern in patterns:
            path = pattern.removeprefix("!")
            anywhere = path.removeprefix("**/") if path.startswith("**/") else None
            fits = any(fnmatch.fnmatch(place.name if anywhere else str(place), anywhere or path) for place in places)
            verdict = not pattern.startswith("!") if fits else verdict
        return verdict

    return [name for name in in_the_repository() if not excluded(name)]


def copied(rest: str) -> tuple[list[str], str]:
    *sources, target = shlex.split(rest)
    return sources, target


def files_below(source: str) -> list[str]:
    return [name for name in sent_to_the_build() if name == source or name.startswith(f"{source}/")]


def commands() -> Iterator[tuple[str, list[str]]]:
    """Yield every goalline command of the two files, with where it stands."""
    yield "Dockerfile", yaml.safe_load(only("CMD"))
    for name in OURS:
        if "command" in SERVICES[name]:
            yield name, SERVICES[name]["command"]


def health_checks() -> Iterator[tuple[str, list[str]]]:
    yield "Dockerfile", yaml.safe_load(only("HEALTHCHECK").partition("CMD ")[2])
    for name, service in SERVICES.items():
        if not service.get("healthcheck", {}).get("disable"):
            check = service["healthcheck"]["test"]
            assert check[0] == "CMD"
            yield name, check[1:]


def api_paths(folder: Path) -> set[str]:
    from goalline.api.app import create_app
    from goalline.bootstrap import services
    from goalline.worker import Bell

    parts = services(Settings(database_url=f"sqlite:///{folder}/goalline.db"))
    return set(create_app(parts, Bell(parts)).openapi()["paths"])


def test_each_service_runs_one_image_of_ours_or_a_pinned_one() -> None:
    assert set(SERVICES) == {"postgres", "redis", "migrate", "api", "worker"}
    assert {SERVICES[name]["image"] for name in OURS} == {"goalline"}
    for name in set(SERVICES) - set(OURS):
        assert re.search(r":\d", SERVICES[name]["image"]), name


@pytest.mark.parametrize(("place", "command"), list(commands()))
def test_every_command_and_option_exists(place: str, command: list[str]) -> None:
    from goalline.cli import app

    program, name, *arguments = command
    assert program == "goalline", place
    group: Any = typer.main.get_command(app)
    # Both raise a usage error: for a command or an option that does not exist, for a value that does not fit.
    _, found, rest = group.resolve_command(group.make_context("goalline", [name]), [name, *arguments])
    found.make_context(name, rest)


@pytest.mark.parametrize("service", OURS)
def test_every_variable_is_a_setting(service: str) -> None:
    settings = {field.alias or f"GOALLINE_{name.upper()}" for name, field in Settings.model_fields.items()}
    assert set(SERVICES[service]["environment"]) <= settings


def test_the_database_url_suits_the_database_service(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = SERVICES["api"]["environment"]
    database = SERVICES["postgres"]["environment"]
    url = re.sub(r"\$\{POSTGRES_PASSWORD:\?[^}]+}", "secret", environment["GOALLINE_DATABASE_URL"])
    user, name = database["POSTGRES_USER"], database["POSTGRES_DB"]
    assert url == f"postgresql+psycopg://{user}:secret@postgres:5432/{name}"
    monkeypatch.setenv("GOALLINE_DATABASE_URL", url)
    assert Settings().database_url == url


def test_a_missing_database_password_is_refused() -> None:
    uses = re.findall(r"\$\{?POSTGRES_PASSWORD[^}]*}?", (ROOT / "docker-compose.yml").read_text())
    assert len(uses) == 2
    assert all(use.startswith("${POSTGRES_PASSWORD:?") for use in uses)


def test_the_queue_url_names_the_redis_service() -> None:
    assert SERVICES["api"]["environment"]["GOALLINE_REDIS_URL"] == "redis://redis:6379/0"
    assert "--appendonly" in SERVICES["redis"]["command"]


def test_a_variable_without_a_value_is_handed_through_and_never_set_to_nothing() -> None:
    environment = SERVICES["api"]["environment"]
    assert {"OPENAI_API_KEY", "OPENAI_BASE_URL", "GOALLINE_MODEL"} <= set(environment)
    assert all(value is None or value for value in environment.values())
    assert not re.search(r"\$\{[A-Z_]+:?-}", (ROOT / "docker-compose.yml").read_text())


def test_the_ports_agree() -> None:
    (published,) = SERVICES["api"]["ports"]
    port = published.rpartition(":")[2]
    assert only("EXPOSE") == port
    for place, command in commands():
        if command[1] == "serve":
            assert command[command.index("--port") + 1] == port, place
            assert command[command.index("--host") + 1] == "0.0.0.0", place
    for _, check in health_checks():
        assert all(found == port for found in re.findall(r"http://127\.0\.0\.1:(\d+)/", " ".join(check)))


@pytest.mark.parametrize(("place", "check"), list(health_checks()))
def test_a_health_check_names_what_exists(tmp_path: Path, place: str, check: list[str]) -> None:
    if check[0] == "python":
        assert check[1] == "-c"
        compile(check[2], place, "exec")
        paths = set(re.findall(r"http://127\.0\.0\.1:\d+(/[\w/]*)", check[2]))
        assert paths <= (api_paths(tmp_path) if paths else set())
    else:
        assert (place, check[0]) in {("postgres", "pg_isready"), ("redis", "redis-cli")}


def test_every_service_that_is_waited_for_exists_and_has_a_health_check() -> None:
    for name, service in SERVICES.items():
        for other, wait in service.get("depends_on", {}).items():
            if wait["condition"] == "service_healthy":
                assert "test" in SERVICES[other]["healthcheck"], f"{name} waits for {other}"
            else:
                assert wait["condition"] == "service_completed_successfully"
                assert "unless-stopped" not in SERVICES[other]["restart"], f"{other} would never be complete"


def test_every_named_volume_is_declared() -> None:
    used = {volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())}
    assert used == set(COMPOSE["volumes"])


def test_the_image_does_not_run_as_root() -> None:
    steps = [name for name, _ in instructions()]
    user = only("USER")
    assert user not in {"root", "0"}
    assert re.search(rf"useradd .*\b{user}\b", " ".join(rest for name, rest in instructions() if name == "RUN"))
    assert steps.index("USER") < steps.index("CMD")


def test_everything_the_image_copies_is_in_the_repository_and_reaches_the_build() -> None:
    for name, rest in first_stage():
        if name == "COPY":
            sources, _ = copied(rest)
            for source in sources:
                assert files_below(source), f"COPY {source}: nothing is sent to the build"


def test_nothing_but_what_is_copied_is_sent_to_the_build() -> None:
    sources = [source for name, rest in first_stage() if name == "COPY" for source in copied(rest)[0]]
    assert set(sent_to_the_build()) == {name for source in sources for name in files_below(source)}


@pytest.fixture
def packages(pytestconfig: pytest.Config, tmp_path: Path) -> Path:
    """A folder with the pinned packages, fetched once: later runs need no network."""
    pins = ROOT / "requirements.txt"
    digest = hashlib.sha256(pins.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = pytestconfig.cache.mkdir(f"image-packages-{digest}")
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "fetch")], check=True)
        fetch = [str(tmp_path / "fetch/bin/pip"), "download", "--quiet", "--only-binary", ":all:", "--require-hashes"]
        done = subprocess.run(
            [*fetch, "--requirement", str(pins), "--dest", str(folder)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            reason = f"the image's packages could not be fetched; the first run needs a network: {done.stderr[-500:]}"
            (pytest.fail if REQUIRED else pytest.skip)(reason)
        (folder / "complete").touch()
    return folder


def test_the_install_steps_of_the_image_work_in_an_empty_environment(tmp_path: Path, packages: Path) -> None:
    """Runs the first stage of the Dockerfile line by line, with a folder as its root and the pins as the only index."""
    root = tmp_path / "root"
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(tmp_path)}
    environment |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": packages.as_uri(), "PIP_CONFIG_FILE": os.devnull}
    environment |= {"PIP_ROOT_USER_ACTION": "ignore"}
    here = root
    for name, rest in first_stage():
        inside = rest.replace("/opt/goalline", str(root / "opt/goalline"))
        if name == "ENV":
            for pair in shlex.split(inside):
                key, _, value = pair.partition("=")
                environment[key] = value.replace("$PATH", environment["PATH"])
        elif name == "WORKDIR":
            here = root / rest.lstrip("/")
            here.mkdir(parents=True)
        elif name == "COPY":
            sources, target = copied(rest)
            for file in (file for source in sources for file in files_below(source)):
                place = here / target / file if target == "./" else here / file
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / file, place)
        elif name == "RUN":
            here.mkdir(exist_ok=True)
            shell = ["/bin/sh", "-c", inside]
            done = subprocess.run(shell, cwd=here, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{rest}: {done.stderr}"
    programs = root / "opt/goalline/bin"
    finds = "from goalline.resources import folder; [next(folder(name).iterdir()) for name in ('prompts', 'fixtures')]"
    helps = [[*command[:2], "--help"] for _, command in commands()]
    for program, *arguments in (["pip", "check"], ["python", "-c", finds], *helps):
        done = subprocess.run(
            [programs / program, *arguments],
            cwd=tmp_path,
            env={"PATH": str(programs), "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{program} {arguments}: {done.stdout}{done.stderr}"
