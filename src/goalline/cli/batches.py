"""Work in batches: the bell that is rung meanwhile, and how far it came where it ends before its time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from goalline import bootstrap
from goalline.cli.console import err, fail
from goalline.settings import Settings
from goalline.store.database import DatabaseUnavailable
from goalline.worker import Bell

_STOPPED = 130


@contextmanager
def ringing(settings: Settings) -> Iterator[Bell]:
    """Give a bell; what was rung for is sent before it goes."""
    bell = Bell(bootstrap.services(settings))
    try:
        yield bell
    finally:
        bell.close(settings.shutdown_seconds)


@contextmanager
def saying_how_far(far: Callable[[], str]) -> Iterator[None]:
    """Where the database goes away, or somebody stops the command, say how far it came, and end it."""
    try:
        yield
    except (DatabaseUnavailable, KeyboardInterrupt) as error:
        came = f"{far()}, run the command again for the others"
        if isinstance(error, DatabaseUnavailable):
            fail(f"the database is not available ({error}); {came}")
        err.print(f"stopped; {came}", soft_wrap=True)
        raise typer.Exit(_STOPPED) from None
