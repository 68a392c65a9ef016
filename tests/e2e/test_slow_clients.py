"""Clients that take their time, on purpose: each loses its connection in the end, and nobody else waits for them."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from goalline.cli.connections import MOST_ARRIVING
from tests.e2e.wire import connected, head, heard, problem_in, statuses
from tests.running import Running, conversation, environment, serving

POST = "POST /v1/conversations HTTP/1.1"
JSON = "Content-Type: application/json"
SECONDS = 5


@pytest.fixture(scope="module")
def goalline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that closes slow connections soon, and whose log must hold no error at the end."""
    folder = tmp_path_factory.mktemp("slow-clients")
    with serving(environment(GOALLINE_REQUEST_SECONDS=SECONDS, GOALLINE_MAX_CHARACTERS=3_000_000), folder) as running:
        yield running
    log = (folder / "serve.log").read_text()
    assert not any(word in log for word in ("Traceback", "Exception in", "request_failed", "[error")), log


def _dribble(connection: socket.socket, ended: threading.Event) -> None:
    # A byte at a time, for as long as the server listens.
    while not ended.wait(0.1):
        try:
            connection.sendall(b" ")
        except OSError:
            return


def test_slow_requests_are_cut_off_and_nobody_waits_for_them(goalline: Running) -> None:
    beginnings = {
        "head": head(goalline, POST, JSON)[:-2] + b"X:",
        "body": head(goalline, POST, JSON, "Content-Length: 4000000"),
        "chunks": head(goalline, POST, JSON, "Transfer-Encoding: chunked") + b"fffff\r\n",
    }
    ended = threading.Event()
    with ExitStack() as stack:
        stack.callback(ended.set)
        slow = {}
        for name, beginning in beginnings.items():
            slow[name] = [stack.enter_context(connected(goalline)) for _ in range(20)]
            for connection in slow[name]:
                connection.sendall(beginning)
                threading.Thread(target=_dribble, args=(connection, ended), daemon=True).start()
        silent = [stack.enter_context(connected(goalline)) for _ in range(20)]
        for number in range(20):
            assert not goalline.post("/v1/conversations", conversation(number))["duplicate"]
        for connections in slow.values():
            for connection in connections:
                answer = heard(connection)
                # A reset may take the words along: the client was still sending.
                if answer:
                    assert statuses(answer) == [408]
                    assert f"{SECONDS} seconds" in problem_in(answer)["detail"]
        # One that has asked for nothing is told nothing.
        assert [heard(connection) for connection in silent] == [b""] * len(silent)


def test_a_body_that_stops_in_its_middle_is_answered_408_and_stores_nothing(goalline: Running) -> None:
    body = json.dumps(conversation(100)).encode()
    with connected(goalline) as connection:
        connection.sendall(head(goalline, POST, JSON, f"Content-Length: {len(body)}") + body[:-1])
        assert statuses(heard(connection)) == [408]
    assert goalline.client.get("/v1/conversations/sample-100").status_code == 404


def test_connections_without_number_make_room_once_they_have_had_time(tmp_path: Path) -> None:
    seconds = 60
    with serving(environment(GOALLINE_REQUEST_SECONDS=seconds), tmp_path) as goalline, ExitStack() as stack:
        silent = [stack.enter_context(connected(goalline)) for _ in range(MOST_ARRIVING)]
        # All at once is no reason to close any.
        several = [stack.enter_context(connected(goalline)) for _ in range(20)]
        for connection in several:
            connection.sendall(head(goalline, "GET /healthz HTTP/1.1"))
        assert [statuses(heard(connection)) for connection in several] == [[200]] * len(several)
        time.sleep(seconds / 10 + 0.1)
        later = [stack.enter_context(connected(goalline)) for _ in range(20)]
        assert [heard(connection) for connection in silent[:10]] == [b""] * 10
        assert not _has_ended(silent[-1])
        later[0].sendall(head(goalline, "GET /healthz HTTP/1.1"))
        assert statuses(heard(later[0])) == [200]


def _has_ended(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False


def test_an_answer_that_nobody_takes_is_given_up(goalline: Running) -> None:
    words = [{"role": "user", "text": "a" * 2_900_000}]
    goalline.post("/v1/conversations", conversation(200, transcript=words))
    with connected(goalline) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        # More of it than any kernel keeps for two sockets.
        ask = head(goalline, "GET /v1/conversations/sample-200 HTTP/1.1").replace(b"Connection: close\r\n", b"")
        connection.sendall(ask * 20)
        _wait_until_gone(goalline, connection)
    assert goalline.get("/healthz") == {"status": "ok"}


def _wait_until_gone(goalline: Running, connection: socket.socket) -> None:
    own = connection.getsockname()[1]
    for _ in range(600):
        peers = Path(f"/proc/{goalline.process.pid}/net/tcp").read_text()
        established = [line.split() for line in peers.splitlines()[1:] if line.split()[3] == "01"]
        if not any(int(fields[2].split(":")[1], 16) == own for fields in established):
            return
        threading.Event().wait(0.1)
    pytest.fail("the connection is still there")
