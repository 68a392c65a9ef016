"""The worker: a bell that asks for evaluations to be run, those who answer it, and the ticker beside them."""

import os
import sys
from typing import NoReturn

import dramatiq

from goalline.bootstrap import Services, services
from goalline.settings import LogFormat, Settings
from goalline.telemetry import configure_logs
from goalline.worker.bell import Bell
from goalline.worker.clock import utc_now

__all__ = ["Bell", "boot", "embedded_worker", "run", "utc_now"]


def embedded_worker(parts: Services) -> dramatiq.Worker:
    """Return a worker for this process, to be started and stopped by the caller; its bell must exist already."""
    return dramatiq.Worker(parts.broker, worker_threads=parts.threads)


def run(processes: int, threads: int, shutdown_seconds: int) -> NoReturn:
    """Become Dramatiq's own command line, which starts, watches and stops the worker processes.

    Told to stop, they wait `shutdown_seconds` for judgements under way, and hand back what has not ended by then.
    """
    environment = os.environ | {
        "GOALLINE_WORKER_THREADS": str(threads),
        # A few messages more than threads, so that a thread that has ended finds the next one; with many more, one
        # process would hoard what another could be working on.
        "dramatiq_queue_prefetch": str(threads + max(1, threads // 4)),
    }
    arguments = ["--processes", str(processes), "--threads", str(threads), "--skip-logging", "--path", ""]
    arguments += ["--worker-shutdown-timeout", str(shutdown_seconds * 1000)]
    os.execve(  # noqa: S606
        sys.executable, [sys.executable, "-m", "dramatiq", "goalline.worker:boot", *arguments], environment
    )


def boot() -> None:
    """Set up one worker process; Dramatiq's command line calls this in each."""
    settings = Settings()
    configure_logs(settings.log_level, settings.log_format is LogFormat.JSON)
    parts = services(settings, threads=settings.worker_threads)
    Bell(parts)
    dramatiq.set_broker(parts.broker)
