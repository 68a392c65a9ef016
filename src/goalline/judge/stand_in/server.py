"""The stand-in's HTTP side: chat completions, a list of models, and a control address for tests."""

import json
import socket
import sys
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Lock, Thread
from typing import Any, Self, cast

from pydantic import ValidationError

from goalline.judge.stand_in.completion import completion, error
from goalline.judge.stand_in.control import Control
from goalline.judge.stand_in.faults import Fault
from goalline.judge.stand_in.matching import MODEL

_LONGEST_BODY = 32 * 1024 * 1024


class StandIn(Control):
    """A model server without a model, running on a background thread between `start` and `stop`.

    Each answer takes `latency` seconds. `url` is what OPENAI_BASE_URL wants. With `record`, the bodies of all
    requests are kept in `requests`.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0, latency: float = 0.0, *, record: bool = False) -> None:
        super().__init__(latency, record=record)
        self._serving = False
        self._server = _Server((host, port), self)

    @property
    def url(self) -> str:
        """The address to give to an OpenAI client; it ends in /v1."""
        host, port = cast("tuple[str, int]", self._server.server_address[:2])
        return f"http://{host}:{port}/v1"

    def start(self) -> Self:
        """Serve on a background thread."""
        self._serving = True
        Thread(target=self.serve, name="stand-in", daemon=True).start()
        return self

    def serve(self) -> None:
        """Serve on this thread until `stop` is called on another one."""
        self._serving = True
        self._server.serve_forever(poll_interval=0.05)

    def stop(self) -> None:
        """Stop listening and cut every open connection, also those that wait for an answer."""
        self.release()
        if self._serving:  # Otherwise `shutdown` would wait for a loop that never began.
            self._server.shutdown()
        self._server.server_close()
        self._server.cut_connections()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # A burst of workers connects at once; the kernel caps this at its own maximum.
    request_queue_size = 1024

    def __init__(self, address: tuple[str, int], control: Control) -> None:
        self.control = control
        self._open: set[socket.socket] = set()
        self._open_lock = Lock()
        super().__init__(address, _Connection)

    def server_bind(self) -> None:
        # HTTPServer would look up the host's full name here, which can hang where there is no DNS.
        TCPServer.server_bind(self)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, client = super().get_request()
        with self._open_lock:
            self._open.add(connection)
        return connection, client

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def cut_connections(self) -> None:
        with self._open_lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # The client was faster.

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that hung up, by time-out or by kill, is no error of this server.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Connection(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024  # Head and body of an answer leave in one packet.

    def do_GET(self) -> None:
        if self._path.endswith("/models"):
            self._send(200, {"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "goalline"}]})
        elif self._path == "/control":
            self._send(200, self.server.control.state())
        else:
            self._send(404, error(404, "the stand-in has nothing at this address"))

    def do_POST(self) -> None:
        arrived = time.monotonic()
        body = self._body()
        if body is None:
            return
        if self._path.endswith("/chat/completions"):
            self._complete(body, arrived)
        elif self._path == "/control":
            try:
                self._send(200, self.server.control.change(body))
            except ValidationError as problem:
                self._send(400, error(400, str(problem)))
        else:
            self._send(404, error(404, "the stand-in has nothing at this address"))

    def _complete(self, body: bytes, arrived: float) -> None:
        control = self.server.control
        try:
            request = json.loads(body)
            messages = request["messages"]
            if not (messages and all(isinstance(message, dict) for message in messages)):
                raise TypeError
        except (ValueError, KeyError, TypeError):
            self._send(400, error(400, "the body must be a JSON object with messages"))
            return
        if request.get("stream"):
            self._send(400, error(400, "the stand-in does not stream; leave out stream"))
            return
        number, fault = control.begin(request)
        try:
            content = self._answer(request, fault, number)
        except (KeyError, TypeError, AttributeError):
            self._send(400, error(400, "the messages or tools are not in the form of chat completions"))
            return
        if not control.wait_until(arrived + control.latency + fault.delay) or fault.drop:
            self.close_connection = True
        else:
            self._send(fault.status, content, fault.headers)

    def _answer(self, request: dict[str, Any], fault: Fault, number: int) -> bytes | dict[str, Any]:
        if fault.body is not None:
            return fault.body.encode()
        if fault.status >= HTTPStatus.BAD_REQUEST:
            return error(fault.status, f"the stand-in was told to answer {fault.status}")
        return completion(request, fault, number, int(time.time()))

    @property
    def _path(self) -> str:
        return self.path.partition("?")[0]

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) <= _LONGEST_BODY:
            return self.rfile.read(int(length))
        # What follows on this connection cannot be told from the body that was not read.
        self.close_connection = True
        self._send(413 if length.isdecimal() else 411, error(411, "send a Content-Length of at most 32 MiB"))
        return None

    def _send(self, status: int, content: bytes | dict[str, Any], headers: Mapping[str, str] | None = None) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        plain = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        for name, value in (plain | dict(headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        return MODEL

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parent's word
        """Log nothing: a request's own line would be most of the work."""


def serve_forever(
    host: str = "127.0.0.1", port: int = 8090, latency: float = 0.0, announce: Callable[[str], object] | None = None
) -> None:
    """Serve on this thread until interrupted; `announce` is told the address once it is open.

    Raises:
        OSError: the port is taken or not allowed.
    """
    stand_in = StandIn(host, port, latency)
    try:
        if announce:
            announce(stand_in.url)
        stand_in.serve()
    except KeyboardInterrupt:
        pass
    finally:
        stand_in.stop()
