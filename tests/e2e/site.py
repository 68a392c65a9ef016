"""An application served for browsers, in a thread of the test."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from goalline.api.app import create_app
from goalline.bootstrap import Services
from goalline.worker import Bell


@contextmanager
def served(parts: Services) -> Iterator[str]:
    """Serve an application on a free port of this machine."""
    config = uvicorn.Config(create_app(parts, Bell(parts)), port=0, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    started = threading.Event()
    while not server.started and thread.is_alive():
        started.wait(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)
