"""The connections of `goalline serve`, with an application that answers at once, late, or before it was told all."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn

from goalline.cli.connections import bounded
from tests.running import wait_until

SECONDS = 2
KEEP_ALIVE = 1
LONGEST = 30
LARGE = 40_000
"""Bytes of an answer that fits into what uvicorn writes without a pause, and not into the sockets of these tests."""

PLAIN = b"GET /plain HTTP/1.1\r\nHost: goalline.test\r\n\r\n"
CHUNKED = b"POST /body HTTP/1.1\r\nHost: goalline.test\r\nTransfer-Encoding: chunked\r\n\r\n"
OFFER = b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    said = b"." * LARGE if scope["path"] == "/large" else b"."
    if scope["path"] == "/late":
        await asyncio.sleep(2 * KEEP_ALIVE)
    if scope["path"] == "/body":
        while (await receive()).get("more_body"):
            pass
        said = b",".join(name for name, _ in scope["headers"])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(said))]})
    await send({"type": "http.response.body", "body": said})


@dataclass(frozen=True)
class Site:
    server: uvicorn.Server
    address: tuple[str, int]

    def connected(self, receives: int | None = None) -> socket.socket:
        connection = socket.socket()
        if receives:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
        connection.settimeout(LONGEST)
        connection.connect(self.address)
        return connection

    def says(self, request: bytes) -> bytes:
        """Return all that a request is answered until the server closes the connection."""
        with self.connected() as connection:
            connection.sendall(request)
            return heard(connection)


def heard(connection: socket.socket) -> bytes:
    answer = b""
    while received := connection.recv(65_536):
        answer += received
    return answer


def statuses(answer: bytes) -> list[int]:
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    options: dict[str, Any] = {"ws": "none", "lifespan": "off", "log_config": None, "access_log": False}
    config = uvicorn.Config(app, http=bounded(SECONDS), timeout_keep_alive=KEEP_ALIVE, **options)
    with socket.socket() as listener:
        # What is accepted inherits this. Else the kernel would take in what nobody reads.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            wait_until(lambda: server.started)
            yield Site(server, listener.getsockname())
        finally:
            server.should_exit = True
            thread.join()


def test_a_small_answer_that_nobody_takes_is_given_up_as_well(site: Site) -> None:
    wait_until(lambda: not site.server.server_state.connections)
    with site.connected(receives=4_096) as connection:
        connection.sendall(PLAIN.replace(b"plain", b"large"))
        wait_until(lambda: bool(site.server.server_state.connections))
        wait_until(lambda: not site.server.server_state.connections, seconds=LONGEST)


def test_an_answer_that_is_taken_bit_by_bit_in_time_arrives_whole(site: Site) -> None:
    with site.connected(receives=4_096) as connection:
        connection.sendall(PLAIN.replace(b"plain", b"large"))
        assert len(heard(connection)) > LARGE


def test_a_connection_whose_body_came_after_the_answer_is_closed_like_any_other(site: Site) -> None:
    with site.connected() as connection:
        connection.sendall(PLAIN[:-2] + b"Content-Length: 1\r\n\r\n")
        assert statuses(connection.recv(65_536)) == [200]
        connection.sendall(b"x")
        assert heard(connection) == b""


def test_a_request_right_behind_such_a_body_has_all_the_time_it_takes(site: Site) -> None:
    with site.connected() as connection:
        connection.sendall(PLAIN[:-2] + b"Content-Length: 1\r\n\r\n")
        assert statuses(connection.recv(65_536)) == [200]
        connection.sendall(b"x" + PLAIN.replace(b"plain", b"late"))
        assert statuses(heard(connection)) == [200]


def test_offers_of_another_protocol_one_behind_the_other_are_all_passed_over(site: Site) -> None:
    assert statuses(site.says((PLAIN[:-2] + OFFER) * 3_000)) == [200] * 3_000


def test_an_offer_in_an_old_version_of_http_is_answered_in_that(site: Site) -> None:
    # Its clients take the end of the connection for the end of the answer.
    answer = site.says(PLAIN[:-2].replace(b"1.1", b"1.0") + OFFER)
    assert b"connection: close" in answer
    assert statuses(answer) == [200]


def test_what_follows_a_body_is_no_header(site: Site) -> None:
    answer = site.says(CHUNKED + b"1\r\n.\r\n0\r\nAuthorization: Bearer gl_sample\r\n\r\n")
    assert answer.endswith(b"host,transfer-encoding")


@pytest.mark.parametrize("before", [1, 3])
def test_a_bad_body_takes_no_answer_from_the_requests_before_it(site: Site, before: int) -> None:
    answer = site.says(PLAIN * before + CHUNKED + b"nonsense\r\n")
    assert statuses(answer) == [200] * before


def test_a_bad_body_on_its_own_is_answered_400(site: Site) -> None:
    assert statuses(site.says(CHUNKED + b"nonsense\r\n")) == [400]
