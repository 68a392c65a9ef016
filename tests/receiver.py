"""A real receiver of outbound webhooks, which checks signatures as the specification's own package does."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook


@dataclass
class Receiver:
    """A receiver on this machine: answers as it is told, and keeps what it accepts where the signature is right."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    secret: str = ""
    accepted: list[dict[str, Any]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    requests: int = 0
    url: str = ""
    silent: threading.Event = field(default_factory=threading.Event)
    ending: threading.Event = field(default_factory=threading.Event)

    def take(self, headers: dict[str, str], body: bytes) -> int:
        self.requests += 1
        if self.silent.is_set():
            self.ending.wait()
        if self.status != 200:
            return self.status
        # Raises where anything about the signature is not right, and is answered 500 then.
        self.accepted.append(Webhook(self.secret).verify(body, headers))
        self.ids.append(headers["webhook-id"])
        return 200

    def calls(self, kind: str = "evaluation.completed") -> list[str]:
        """Return the conversations that were told of, each once."""
        told = (each for each in self.accepted if each["type"] == kind)
        return sorted({each["data"]["conversation"]["conversation_id"] for each in told})


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            try:
                status = receiver.take({name.lower(): value for name, value in self.headers.items()}, body)
            except Exception:  # told to the sender, as any receiver would
                status = 500
            self.send_response(status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    try:
        yield receiver
    finally:
        receiver.ending.set()
        server.shutdown()
        server.server_close()
