"""The worker: a bell that asks for evaluations to be run, those who answer it, and the ticker beside them."""

import os
import sys
from typing import NoReturn

import dramatiq

from goalline.bootstrap import Services, services
from goalline.settings import LogFormat, Settings
from goalline.telemetry import configure_logs, exposition
from goalline.worker.bell import Bell
from goalline.worker.clock import utc_now

__all__ = ["Bell", "boot", "embedded_worker", "run", "utc_now"]


def embedded_worker(parts: Services) -> dramatiq.Worker:
    """Return a worker for this process, to be started and stopped by the caller; its bell must exist already."""
    return dramatiq.Worker(parts.broker, worker_threads=parts.threads)


def run(processes: int, threads: int, shutdown_seconds: int, metrics_at: tuple[str, int] | None = None) -> NoReturn:
    """Become Dramatiq's own command line, which starts, watches and stops the worker processes.

    Args:
        processes: how many.
        threads: how many judgements at once in each.
        shutdown_seconds: how long they wait, told to stop, for judgements under way; then they hand them back.
        metrics_at: the host and the port at which the metrics of all of them are served; None for nowhere.
    """
    environment = os.environ | {
        "GOALLINE_WORKER_THREADS": str(threads),
        # A few messages more than threads, so that a thread that has ended finds the next one; with many more, one
        # process would hoard what another could be working on.
        "dramatiq_queue_prefetch": str(threads + max(1, threads // 4)),
    }
    arguments = ["--processes", str(processes), "--threads", str(threads), "--skip-logging", "--path", ""]
    arguments += ["--worker-shutdown-timeout", str(shutdown_seconds * 1000)]
    if metrics_at:
        more_environment, more_arguments = exposition.prepared(*metrics_at)
        environment |= more_environment
        arguments += more_arguments
    # Without a shell is what is wanted: this very Python, with arguments that are numbers and names of ours.
    os.execve(  # noqa: S606  # nosec B606
        sys.executable, [sys.executable, "-m", "dramatiq", "goalline.worker:boot", *arguments], environment
    )


def boot() -> None:
    """Set up one worker process; Dramatiq's command line calls this in each."""
    settings = Settings()
    configure_logs(settings.log_level, settings.log_format is LogFormat.JSON)
    parts = services(settings, threads=settings.worker_threads)
    Bell(parts, parent=os.getppid())
    dramatiq.set_broker(parts.broker)
