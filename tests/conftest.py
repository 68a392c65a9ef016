"""What every test may use: databases, a queue and a browser, and the rule that CI skips nothing."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import servers

REQUIRED = os.environ.get("GOALLINE_TEST_REQUIRE_SERVICES") == "1"
"""In CI every server and the browser must be there, and a skipped test fails the run."""

# A developer's own settings, key and proxy must not reach the tests.
for _name in [name for name in os.environ if name.startswith(("GOALLINE_", "OPENAI_"))]:
    if not _name.startswith("GOALLINE_TEST_"):
        del os.environ[_name]
for _name in [name for name in os.environ if name.lower() in ("http_proxy", "https_proxy", "all_proxy")]:
    del os.environ[_name]
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"

# Both databases take their time at the first example; CI tries the same examples every time.
settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("local"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a second run, on other servers, leave out what does not depend on them."""
    parser.addoption("--on-servers", action="store_true", help="only the tests that use PostgreSQL or Redis")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what `--on-servers` leaves out."""
    if config.getoption("--on-servers"):
        without = [item for item in items if not _uses_servers(item)]
        config.hook.pytest_deselected(items=without)
        items[:] = [item for item in items if _uses_servers(item)]


def _uses_servers(item: pytest.Item) -> bool:
    # A test that is run on one database after the other asks for its fixture by the name of its parameter.
    names = [item.name, *getattr(item, "fixturenames", ())]
    return any("postgres" in name or "redis" in name for name in names)


def pytest_configure() -> None:
    """Refuse at once, before minutes of tests, when CI lacks the browser."""
    if REQUIRED and servers.chromium() is None:
        raise pytest.UsageError("GOALLINE_TEST_REQUIRE_SERVICES=1, but there is no chromium on the PATH; install one")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run in which CI would have skipped something."""
    reporter: pytest.TerminalReporter | None = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = len(reporter.stats.get("skipped", ())) if reporter else 0
    if REQUIRED and reporter and skipped and exitstatus == pytest.ExitCode.OK:
        reporter.write_line(f"\nGOALLINE_TEST_REQUIRE_SERVICES=1, but {skipped} tests were skipped", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _started(server: AbstractContextManager[str], variable: str) -> Iterator[str]:
    named = os.environ.get(variable)
    if named:
        yield named
        return
    with ExitStack() as stack:
        try:
            url = stack.enter_context(server)
        except servers.ServerUnavailableError as error:
            (pytest.fail if REQUIRED else pytest.skip)(f"{error}; name a running server in {variable}")
        yield url


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL server's own database, in which nothing may be made but other databases."""
    yield from _started(servers.postgres(), "GOALLINE_TEST_DATABASE_URL")


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """The URL of a Redis-protocol server."""
    yield from _started(servers.valkey(), "GOALLINE_TEST_REDIS_URL")


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database, dropped after the test."""
    with servers.fresh_database(postgres_server) as url:
        yield url


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The URL of an empty Redis database."""
    servers.flush(redis_server)
    return redis_server


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database: each test that asks for one runs on both."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'goalline.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a browser for end-to-end tests."""
    path = servers.chromium()
    if path is None:
        pytest.skip("there is no chromium, chromium-browser or google-chrome on the PATH; install one to run this test")
    return path
