"""Structured logs, bound to ids and free of what people said."""

import logging
import sys
import traceback

import structlog

_QUIET = ("openai", "instructor", "httpx", "httpx2", "httpcore", "httpcore2", "alembic", "dramatiq", "uvicorn.access")


def configure_logs(level: str, as_json: bool) -> None:
    """Send the log lines of Goalline and of its libraries to standard error.

    Libraries that could print prompts or completions are heard from `WARNING` on only.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    lines = logging.StreamHandler()
    lines.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _without_exception_texts,
                renderer,
            ],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[lines], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def log(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module. Bind ids and counts to it, never names, texts, keys or exceptions' texts."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def place_of(error: BaseException) -> str:
    """Return the kind of an error and where it was raised, as in `KeyError at /.../file.py:12`.

    This is all that a log line may tell of an exception: its text can quote a transcript, a prompt or a row. One that
    was never raised has no place and gives its kind alone.
    """
    frames = list(traceback.walk_tb(error.__traceback__))
    place = f" at {frames[-1][0].f_code.co_filename}:{frames[-1][1]}" if frames else ""
    return f"{type(error).__name__}{place}"


def _without_exception_texts(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    # An exception's text can quote a transcript, a prompt or a row. Its kind and place are enough to find it.
    raised = event.pop("exc_info", None)
    error = sys.exception() if raised is True else raised[1] if isinstance(raised, tuple) else raised
    if isinstance(error, BaseException):
        event["event"] = f"{str(event['event']).strip()} [{place_of(error)}]"
    return event
