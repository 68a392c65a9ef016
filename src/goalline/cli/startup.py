"""The line with which `goalline serve` and `goalline worker` say what they run on."""

from goalline import __version__
from goalline.bootstrap import Services, has_model, queue_answers, redis_client, services
from goalline.cli.console import AS_IS, err, out
from goalline.cli.opening import place
from goalline.settings import Settings

WITHOUT_MODEL = "no model is set"
ADVICE = "set OPENAI_API_KEY or OPENAI_BASE_URL and start again"

_REDIS_SECONDS = 2.0


def announce_server(settings: Settings, host: str, port: int) -> None:
    """Say where the server listens and what it runs on; point out what keeps it from judging."""
    parts = services(settings)
    try:
        address = web_address(host, port) if port else f"http://{_bracketed(host)}, at a free port"
        _print(f"Goalline {__version__} at {address}", place(parts.database), *_judging(parts))
        if not parts.embedded:
            _warn_of_silence(parts, "conversations are stored, and judged when it is back")
        elif not has_model(settings):
            err.print(f"{WITHOUT_MODEL}: conversations are stored and wait; {ADVICE}", **AS_IS)
    finally:
        parts.database.close()


def announce_worker(settings: Settings, processes: int, threads: int) -> None:
    """Say what the worker processes run on; point out a queue that does not answer."""
    parts = services(settings)
    try:
        ready = f"worker ready: {processes} process{'' if processes == 1 else 'es'} x {threads} threads"
        seen = (
            (f"metrics {web_address(settings.metrics_host, settings.metrics_port)}metrics",)
            if settings.metrics_port
            else ()
        )
        _print(ready, redis_place(parts), place(parts.database), f"judge {settings.model}", *seen)
        _warn_of_silence(parts, "the worker goes on trying")
    finally:
        parts.database.close()


def redis_place(parts: Services) -> str:
    """Return where the queue is, without user and password: `redis://HOST:PORT/NUMBER` or `unix://PATH`."""
    pool = redis_client(parts).connection_pool
    options = pool.connection_kwargs
    if "path" in options:
        return f"unix://{options['path']}"
    scheme = "rediss" if pool.connection_class.__name__.startswith("SSL") else "redis"
    host = options.get("host", "localhost")
    return f"{scheme}://{_bracketed(host)}:{options.get('port', 6379)}/{options.get('db') or 0}"


def web_address(host: str, port: int) -> str:
    """Return the address of a server of Goalline's: `http://HOST:PORT/`."""
    return f"http://{_bracketed(host)}:{port}/"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _judging(parts: Services) -> tuple[str, str]:
    settings = parts.settings
    if not parts.embedded:
        return f"queue {redis_place(parts)}", "judged by goalline worker"
    threads = f"{settings.embedded_threads} threads" if settings.embedded_threads else "no threads: nothing is judged"
    return f"queue in this process, {threads}", f"judge {settings.model if has_model(settings) else 'none'}"


def _warn_of_silence(parts: Services, consequence: str) -> None:
    if not queue_answers(parts, _REDIS_SECONDS):
        err.print(f"warning: {redis_place(parts)} does not answer; {consequence}", **AS_IS)


def _print(*facts: str) -> None:
    out.print(" | ".join(facts), **AS_IS)
