"""Receivers of webhooks on this machine, as good and as bad as a test wants them; and the names that lead to them."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

from goalline.domain.outbound.message import Answer
from goalline.sender.sender import HttpSender

HERE = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
"""The networks of an operator whose receivers are on the same machine."""

LONG = 60.0
"""More seconds than any exchange takes here, on however slow a machine."""

_MARK = b"MARK"


@dataclass(frozen=True, slots=True)
class Request:
    """What a receiver was sent."""

    line: str
    headers: dict[str, str]
    body: bytes


Reply = Callable[["Receiver", socket.socket], None]
"""Answers on a connection whose request has been read."""


def says(status: str = "200 OK", body: bytes = b"", **headers: Any) -> Reply:
    """Return a reply as it should be; underscores in the names of headers stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named.setdefault("content-length", str(len(body)))
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return sends(f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body)


def sends(content: bytes) -> Reply:
    """Return a reply of just these bytes, after which the connection is closed."""
    return lambda _, connection: connection.sendall(content)


def waits(receiver: "Receiver", _: socket.socket) -> None:
    """Answer nothing until the test ends."""
    receiver.ending.wait()


def goes_on(start: bytes, more: bytes, pause: float = 0.0) -> Reply:
    """Return a reply that begins like this and never ends."""

    def reply(receiver: "Receiver", connection: socket.socket) -> None:
        connection.sendall(start)
        while not receiver.ending.wait(pause):
            connection.sendall(more)
            receiver.sent += len(more)

    return reply


@dataclass
class Receiver:
    """A server on 127.0.0.1 that keeps what it is sent."""

    reply: Reply = field(default_factory=says)
    tls: ssl.SSLContext | None = None
    reads: bool = True
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    sent: int = 0
    ending: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._marked = threading.Event()

    def __enter__(self) -> "Receiver":
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self._mark()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def url(self, host: str = "127.0.0.1", path: str = "/hook", scheme: str = "http") -> str:
        """Return an address of this receiver, under a name that leads to it."""
        return f"{scheme}://{host}:{self.port}{path}"

    def was_called(self) -> bool:
        """Tell whether anybody has connected, one who is still in the queue included."""
        self._mark()
        assert self._marked.wait(LONG)
        return self.connections > 0

    def _mark(self) -> None:
        # Connections are accepted in the order in which they were made: behind this one there are no earlier ones.
        with _connect(("127.0.0.1", self.port), LONG) as mark:
            mark.sendall(_MARK)

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            connection.settimeout(LONG)
            try:
                first = connection.recv(len(_MARK), socket.MSG_PEEK)
            except OSError:
                first = b""
            if first == _MARK:
                connection.close()
                self._marked.set()
                if self.ending.is_set():
                    return
                continue
            self.connections += 1
            self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.closing(connection), contextlib.suppress(OSError):
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with contextlib.closing(connection):
                if not self.reads or self._read(connection):
                    self.reply(self, connection)

    def _read(self, connection: socket.socket) -> bool:
        with connection.makefile("rb") as stream:
            line = stream.readline().decode().strip()
            headers = {}
            while text := stream.readline().decode().strip():
                name, _, value = text.partition(":")
                assert name.lower() not in headers, f"two headers {name}"
                headers[name.lower()] = value.strip()
            body = stream.read(int(headers.get("content-length", "0")))
        if line:
            self.requests.append(Request(line, headers, body))
        return bool(line)


_resolve, _connect = socket.getaddrinfo, socket.create_connection


class Names:
    """Names and the addresses that they lead to, which may be another one each time; and who was looked up."""

    def __init__(self) -> None:
        self._answers: dict[str, Iterator[list[str]]] = {}
        self.asked: list[str] = []

    def leads(self, name: str, *answers: list[str]) -> None:
        """Let a name lead to some addresses: to the first ones when it is asked for first, and so on."""
        self._answers[name] = iter(answers)

    def getaddrinfo(self, host: str, port: int, *arguments: Any, **options: Any) -> list[Any]:
        """Stand in for `socket.getaddrinfo`."""
        if host not in self._answers:
            return _resolve(host, port, *arguments, **options)
        self.asked.append(host)
        return [entry for address in next(self._answers[host]) for entry in _resolve(address, port, **options)]


class Net:
    """A network in which public addresses lead to receivers here; what was connected to, and how patiently."""

    def __init__(self) -> None:
        self._receivers: dict[str, Receiver | type[OSError]] = {}
        self.tried: list[str] = []
        self.patience: list[float] = []

    def leads(self, address: str, to: Receiver | type[OSError]) -> None:
        """Let an address lead to a receiver, or nowhere."""
        self._receivers[address] = to

    def create_connection(self, address: tuple[str, int], timeout: float, **options: Any) -> socket.socket:
        """Stand in for `socket.create_connection`."""
        self.tried.append(address[0])
        self.patience.append(timeout)
        match self._receivers[address[0]]:
            case Receiver() as receiver:
                return _connect(("127.0.0.1", receiver.port), timeout, **options)
            case failure:
                raise failure


def is_late(answer: Answer) -> bool:
    """Tell whether an exchange was ended by its deadline of less than a second, on however slow a machine."""
    return answer.error == "took too long" and answer.seconds < LONG / 2


def post(url: str, seconds: float = LONG, allowed: Any = HERE, **headers: str) -> Answer:
    """Send a message as most tests do."""
    return HttpSender(allowed, seconds).post(url, headers, b'{"type":"subscription.tested"}')
