"""The server of `goalline serve`: uvicorn's, which ends in a bounded time and lets judging end meanwhile."""

import asyncio
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import uvicorn

_CANCEL_SECONDS = 5
"""How long requests may go on whose client was cut off, such as one that waits for the database."""


class Server(uvicorn.Server):
    """A server that says when it begins to end, and then waits for open connections no longer than it was told."""

    def __init__(self, config: uvicorn.Config, seconds: int, on_ending: Callable[[], None]) -> None:
        """Wait `seconds` at most for connections; `on_ending` must not block, as the connections would wait for it."""
        super().__init__(config)
        self._seconds, self._on_ending = seconds, on_ending

    # The one coroutine among this code: it is uvicorn's own way to begin its end. In a signal's handler, on_ending
    # could wait for a lock that the interrupted code holds.
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, and end when all connections have."""
        self._on_ending()
        asyncio.get_running_loop().call_later(self._seconds, self._cut_off)
        await super().shutdown(sockets)

    def _cut_off(self) -> None:
        # To the application, each of these is a client that went away. uvicorn itself would cancel it with a traceback.
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def run(app: Any, seconds: int, on_ending: Callable[[], None], **options: Any) -> None:
    """Serve an application until a signal ends it; connections that are busy then have `seconds` left.

    Args:
        app: the application.
        seconds: how long connections are waited for at the end.
        on_ending: called when the end begins.
        options: those of uvicorn.Config.
    """
    config = uvicorn.Config(app, timeout_graceful_shutdown=seconds + _CANCEL_SECONDS, **options)
    server = Server(config, seconds, on_ending)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(1)
