"""Speaks HTTP to a running `goalline serve` byte by byte, for tests of what no client library would send."""

import json
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.running import Running

LONGEST = 60
"""Seconds after which a test gives up on an answer."""


@contextmanager
def connected(goalline: Running) -> Iterator[socket.socket]:
    """Give a connection."""
    host, port = goalline.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), LONGEST) as connection:
        yield connection


def head(goalline: Running, line: str, *headers: str) -> bytes:
    """Return a request line with its headers and this server's admin key; the connection ends with the answer."""
    own = (f"Authorization: Bearer {goalline.key}", "Host: goalline.test", "Connection: close")
    return "\r\n".join([line, *own, *headers, "", ""]).encode("latin-1")


def heard(connection: socket.socket) -> bytes:
    """Return all that is answered until the server closes the connection."""
    answer = b""
    try:
        while received := connection.recv(65_536):
            answer += received
    except ConnectionError:
        # What was still on its way to the server when it closed the connection makes a reset of the close.
        pass
    return answer


def said(goalline: Running, parts: Iterable[bytes], *, half_closed: bool = False) -> bytes:
    """Send a request in parts and return all that is answered; parts that the server does not wait for are not sent."""
    with connected(goalline) as connection:
        try:
            for part in parts:
                connection.sendall(part)
        except ConnectionError:
            pass
        if half_closed:
            connection.shutdown(socket.SHUT_WR)
        return heard(connection)


def statuses(answer: bytes) -> list[int]:
    """Return the status of each response in an answer."""
    return [int(part.split(b" ", 1)[0]) for part in answer.split(b"HTTP/1.1 ")[1:]]


def problem_in(answer: bytes) -> Any:
    """Return the body of an answer that must be one problem."""
    top, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in top.lower(), answer
    return json.loads(body)
