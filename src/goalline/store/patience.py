"""Patience with a database that is away, for what must not be lost because of it."""

import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from goalline.store.database import DatabaseUnavailable
from goalline.telemetry import log

_AGAIN_SECONDS = (0.5, 1.0, 2.0, *[5.0] * 720)
"""Pauses between the attempts to store what the judge found, where the database cannot: an hour of them."""

_log = log(__name__)

P = ParamSpec("P")
T = TypeVar("T")


def insisting(store: Callable[P, T]) -> Callable[P, T]:
    """Try again where the database cannot store how an evaluation ended: the model has been paid, and has answered.

    A commit whose answer got lost is not made twice: the claim has ended with it.
    """

    @wraps(store)
    def insist(*args: P.args, **kwargs: P.kwargs) -> T:
        for pause in _AGAIN_SECONDS:
            try:
                return store(*args, **kwargs)
            except DatabaseUnavailable as error:
                if pause == _AGAIN_SECONDS[0]:
                    _log.warning("result_waits_for_database", cause=str(error))
                time.sleep(pause)
        return store(*args, **kwargs)

    return insist
