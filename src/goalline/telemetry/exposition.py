"""Serves the metrics of all processes of a `goalline worker` on one port, from a process of its own.

The processes write their numbers into files of one private folder; here the files are added up. The settings come as
environment variables, as `serve` is a function that Dramatiq's command line forks.
"""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_HOST, _PORT = "GOALLINE_METRICS_HOST", "GOALLINE_METRICS_PORT"
_LOOK_SECONDS = 0.5


def prepared(host: str, port: int) -> tuple[dict[str, str], Sequence[str]]:
    """Make the folder; return the variables and the arguments with which Dramatiq's command line serves from it.

    The variables have to be set before prometheus_client is imported. `serve` removes the folder.
    """
    variables = {_FOLDER: tempfile.mkdtemp(prefix="goalline-metrics-"), _HOST: host, _PORT: str(port)}
    return variables, ("--fork-function", f"{__name__}:serve")


def serve() -> int:
    """Serve until the workers have ended, then remove the folder; return the status to exit with.

    SIGTERM comes to the workers and to this process alike. What they count while they finish their work is to be seen,
    so this process ends after them. Where the parent was killed, nobody tells it to end.
    """
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: told.append(number))
    parent, folder = os.getppid(), Path(os.environ[_FOLDER])
    try:
        _listen(os.environ[_HOST], int(os.environ[_PORT]))
        while os.getppid() == parent and not (told and not _somebody_writes(folder)):
            time.sleep(_LOOK_SECONDS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _listen(host: str, port: int) -> None:
    from prometheus_client import CollectorRegistry, start_http_server
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    start_http_server(port, host, registry)


def _somebody_writes(folder: Path) -> bool:
    # Each file's name ends in the id of the process that writes it.
    for writer in {file.stem.rpartition("_")[2] for file in folder.glob("*.db")}:
        with suppress(ProcessLookupError, ValueError):
            os.kill(int(writer), 0)
            return True
    return False
