"""Sending a message: what arrives, what is kept of the answer, and what is told when there is none."""

import socket
import ssl
import subprocess
import sys
import time
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpcore2
import pytest
from standardwebhooks import Webhook

from goalline import __version__
from goalline.bootstrap import services
from goalline.domain.text import storable
from goalline.sender.error import Error
from goalline.sender.sender import HttpSender
from goalline.settings import Settings
from tests.running import free_port
from tests.sender.conftest import Serve, certified
from tests.sender.receiver import HERE, LONG, Names, goes_on, is_late, post, says, sends, waits

OK = b"HTTP/1.1 200 OK\r\n"


def test_a_message_arrives_as_it_was_signed(serve: Serve) -> None:
    receiver = serve()
    now = int(time.time())
    body = '{"data": "für alle"}'.encode()
    webhook = Webhook("whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signature = webhook.sign("msg_1", datetime.fromtimestamp(now, UTC), body.decode())
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(now), "webhook-signature": signature}
    answer = HttpSender(HERE).post(receiver.url(path="/hook?key=a%20b"), headers, body)
    assert answer.accepted
    [request] = receiver.requests
    webhook.verify(request.body, request.headers)
    assert (request.line, request.body) == ("POST /hook?key=a%20b HTTP/1.1", body)


def test_a_message_says_who_sends_it_and_what_it_is(serve: Serve) -> None:
    receiver = serve()
    post(receiver.url())
    [request] = receiver.requests
    assert request.headers == {
        "host": f"127.0.0.1:{receiver.port}",
        "content-length": str(len(request.body)),
        "content-type": "application/json",
        "user-agent": f"goalline/{__version__}",
        "accept-encoding": "identity",
        "connection": "close",
    }


@pytest.mark.parametrize(
    ("status", "accepted", "gone"),
    [
        ("200 OK", True, False),
        ("204 No Content", True, False),
        ("299 Odd", True, False),
        ("410 Gone", False, True),
        ("400 Bad Request", False, False),
        ("503 Down", False, False),
    ],
)
def test_the_status_is_told(serve: Serve, status: str, accepted: bool, gone: bool) -> None:
    answer = post(serve(says(status)).url())
    assert (answer.status, answer.accepted, answer.gone) == (int(status[:3]), accepted, gone)
    assert answer.error is None
    assert 0 < answer.seconds < LONG


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Again", "308 Moved"])
def test_a_redirect_is_not_followed(serve: Serve, status: str) -> None:
    target = serve()
    answer = post(serve(says(status, location=target.url())).url())
    assert (answer.status, answer.error) == (int(status[:3]), "redirects are not followed")
    assert not answer.accepted
    assert not target.was_called()


def test_what_comes_before_the_answer_is_passed_over(serve: Serve) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n"
    answer = post(serve(sends(early + OK + b"content-length: 2\r\n\r\nok")).url())
    assert (answer.status, answer.body) == (200, "ok")


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b"thank you", "thank you"),
        (b"", ""),
        (b"a\x00b\r\n\tc\x1b[31m d\x7f\xc2\x85e", "ab c [31m d e"),
        (b"\xff\xfe\xed\xa0\x80 next", "\ufffd\ufffd\ufffd\ufffd\ufffd next"),
        ("right\u202eto left\u2028line".encode(), "right to left line"),
        ("ü".encode() * 500, "ü" * 200),
        (b" " * 1_000 + b"x" * 1_000, "x" * 200),
        (b" " * 2_047 + b"xyz", "x"),
    ],
)
def test_the_beginning_of_the_answer_is_kept_as_one_line_that_every_database_stores(
    serve: Serve, body: bytes, kept: str
) -> None:
    answer = post(serve(says(body=body)).url())
    assert answer.body == kept == storable(kept)
    assert kept.isprintable()


@pytest.mark.parametrize("length", [b"content-length: 1000000000", b"transfer-encoding: chunked", b"x-length: none"])
def test_of_an_endless_answer_only_the_beginning_is_read(serve: Serve, length: bytes) -> None:
    piece = b"x" * 65_536
    more = b"10000\r\n" + piece + b"\r\n" if b"chunked" in length else piece
    receiver = serve(goes_on(OK + length + b"\r\n\r\n", more))
    answer = post(receiver.url())
    assert (answer.accepted, answer.error, answer.body) == (True, None, "x" * 200)
    receiver.ending.set()
    # Whatever the buffers between the two hold, and no more.
    assert receiver.sent < 100_000_000


def test_an_answer_that_is_packed_is_not_unpacked(serve: Serve) -> None:
    answer = post(serve(says(body=b"\x1f\x8b\x08\x00", content_encoding="gzip")).url())
    assert (answer.accepted, answer.error) == (True, None)


@pytest.mark.parametrize(
    "start",
    [
        OK + b"content-length: 1000\r\n\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n1000\r\n",
        OK + b"x: ",
        b"",
        OK[:9],
    ],
    ids=["body", "chunked body", "headers", "status", "half a status"],
)
def test_an_answer_that_drips_ends_in_time(serve: Serve, tls: ssl.SSLContext, start: bytes) -> None:
    drips = goes_on(start, b".", pause=0.05)
    assert is_late(post(serve(drips).url(), seconds=0.5))
    assert is_late(post(serve(drips, tls=tls).url(scheme="https"), seconds=0.5))


def test_early_answers_without_end_take_no_longer(serve: Serve) -> None:
    receiver = serve(goes_on(b"", b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.05))
    assert is_late(post(receiver.url(), seconds=0.5))


def test_a_receiver_that_never_answers_ends_in_time(serve: Serve) -> None:
    assert is_late(post(serve(waits).url(), seconds=0.2))


def test_a_receiver_that_never_says_hello_in_tls_ends_in_time(serve: Serve) -> None:
    assert is_late(post(serve(waits, reads=False).url(scheme="https"), seconds=0.2))


def test_a_receiver_that_takes_a_message_in_drips_ends_in_time(serve: Serve) -> None:
    def drips(_: object, connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        while connection.recv(65_536):
            time.sleep(0.02)

    receiver = serve(drips, reads=False)
    answer = HttpSender(HERE, 0.5).post(receiver.url(), {}, b"x" * 50_000_000)
    assert is_late(answer)
    assert answer.status is None


def test_an_answer_that_breaks_off_has_its_status_nevertheless(serve: Serve) -> None:
    answer = post(serve(says(body=b"partly", content_length="1000")).url())
    assert (answer.status, answer.body, answer.error) == (200, "partly", "connection broken")
    assert answer.accepted


def test_a_connection_that_nobody_takes_is_told() -> None:
    answer = post(f"http://127.0.0.1:{free_port()}/")
    assert (answer.error, answer.status, answer.accepted, answer.gone) == ("connection refused", None, False, False)


def test_a_network_without_a_way_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def create_connection(*_: object, **__: object) -> None:
        raise OSError(113, "No route to host")

    monkeypatch.setattr(socket, "create_connection", create_connection)
    assert post("http://127.0.0.1/").error == "not reachable"


@pytest.mark.parametrize("content", [b"", OK, OK[:5]], ids=["nothing", "half the headers", "half a status"])
def test_a_connection_that_is_closed_without_an_answer_is_told(serve: Serve, content: bytes) -> None:
    assert post(serve(sends(content)).url()).error == "connection broken"


def test_a_connection_that_is_cut_off_is_told(serve: Serve) -> None:
    def cuts(_: object, connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    assert post(serve(cuts).url()).error == "connection broken"


@pytest.mark.parametrize(
    "content",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x16",
        OK + b"no colon\r\n\r\n",
        OK + b"x: " + b"y" * 200_000,
    ],
    ids=["ssh", "tls", "a bad header", "endless headers"],
)
def test_what_is_no_http_is_told(serve: Serve, content: bytes) -> None:
    assert post(serve(sends(content)).url()).error == "not HTTP"


def test_another_protocol_is_no_success(serve: Serve) -> None:
    answer = post(serve(sends(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\nhello")).url())
    assert not answer.accepted


def test_tls_is_asked_for_the_name_and_not_for_the_address(serve: Serve, names: Names, tls: ssl.SSLContext) -> None:
    asked = []
    tls.sni_callback = lambda _, name, __: asked.append(name)
    names.leads("hooks.example.test", ["127.0.0.1"])
    receiver = serve(tls=tls)
    assert post(receiver.url("hooks.example.test", scheme="https")).accepted
    assert asked == ["hooks.example.test"]
    assert receiver.requests[0].headers["host"] == f"hooks.example.test:{receiver.port}"


def test_a_certificate_for_another_name_is_refused(serve: Serve, names: Names, tls: ssl.SSLContext) -> None:
    names.leads("other.example.test", ["127.0.0.1"])
    receiver = serve(tls=tls)
    assert post(receiver.url("other.example.test", scheme="https")).error == "TLS failed"
    assert receiver.requests == []


@pytest.mark.usefixtures("tls")
def test_a_certificate_that_nobody_vouches_for_is_refused(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "another").mkdir()
    receiver = serve(tls=certified(tmp_path / "another", "hooks.example.test", "127.0.0.1"))
    assert post(receiver.url(scheme="https")).error == "TLS failed"
    assert receiver.requests == []


def test_a_receiver_without_tls_is_told(serve: Serve) -> None:
    receiver = serve(sends(OK + b"\r\n"), reads=False)
    assert post(receiver.url(scheme="https")).error == "TLS failed"


def test_certificates_are_read_once(serve: Serve, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = serve(tls=tls)
    assert post(receiver.url(scheme="https")).accepted
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    assert post(receiver.url(scheme="https")).accepted


@pytest.mark.parametrize("name", ["http_proxy", "https_proxy", "all_proxy"])
def test_proxies_in_the_environment_are_not_used(serve: Serve, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    proxy, receiver = serve(), serve()
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    for each in (name, name.upper()):
        monkeypatch.setenv(each, proxy.url(path=""))
    assert post(receiver.url()).accepted
    assert post("https://192.0.2.1/").error == "address not allowed"
    assert not proxy.was_called()


def test_no_cookie_is_kept(serve: Serve) -> None:
    receiver = serve(says(set_cookie="session=1"))
    sender = HttpSender(HERE)
    for _ in range(2):
        assert sender.post(receiver.url(), {}, b"{}").accepted
    assert all("cookie" not in request.headers for request in receiver.requests)


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        ({"retry_after": "120"}, 120, 120),
        ({"retry_after": "0"}, 0, 0),
        ({"retry_after": "-5"}, 0, 0),
        ({"retry_after": formatdate(time.time() + 36_000, usegmt=True)}, 1, 36_000),
        ({"retry_after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0, 0),
        ({"Retry_After": "7"}, 7, 7),
    ],
)
def test_the_delay_that_the_receiver_asks_for_is_told(
    serve: Serve, asked: dict[str, Any], least: float, most: float
) -> None:
    delay = post(serve(says("429 Too Many Requests", **asked)).url()).retry_after
    assert delay is not None
    assert least <= delay <= most


@pytest.mark.parametrize("asked", [{}, {"retry_after": "soon"}, {"retry_after": "Mon, 01 Jan " + "9" * 20}])
def test_a_delay_that_cannot_be_read_is_none(serve: Serve, asked: dict[str, Any]) -> None:
    answer = post(serve(says("503 Down", **asked)).url())
    assert (answer.status, answer.retry_after, answer.error) == (503, None, None)


@pytest.mark.parametrize(
    "headers",
    [
        {"webhook-id": "msg_1\r\nevil: 1"},
        {"webhook-id": "msg_1\nevil: 1"},
        {"webhook-id": "msg_1\x00"},
        {"webhook-id\r\nevil": "1"},
        {"webhook-id": "münze"},
    ],
)
def test_no_value_can_forge_a_header(serve: Serve, headers: dict[str, str]) -> None:
    receiver = serve()
    answer = HttpSender(HERE, LONG).post(receiver.url(), headers, b"{}")
    assert (answer.error, answer.status, receiver.requests) == ("headers not valid", None, [])


@pytest.mark.parametrize("name", ["Host", "Content-Type", "USER-AGENT", "Accept-Encoding", "Connection"])
def test_the_senders_own_headers_cannot_be_replaced(serve: Serve, name: str) -> None:
    receiver = serve()
    assert HttpSender(HERE, LONG).post(receiver.url(), {name: "evil"}, b"{}").accepted
    assert "evil" not in receiver.requests[0].headers.values()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.test",
        "ftp://hooks.example.test/",
        "file:///etc/passwd",
        "http://",
        "http:///path",
        "https://[::1",
        "http://0177.0.0.1/",
        "http://127.0.0.1/\r\nevil: 1",
        "http://127.0.0.1/\x00",
        "http://xn--\udcff/",
    ],
)
def test_what_is_no_web_address_is_told(url: str) -> None:
    assert post(url).error == "not a web address"


def test_whatever_goes_wrong_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def pool(**_: object) -> None:
        raise RuntimeError("https://hooks.example.test/secret")

    monkeypatch.setattr(httpcore2, "ConnectionPool", pool)
    answer = post("https://hooks.example.test/secret")
    assert (answer.error, answer.status, answer.body) == ("could not be sent", None, "")


def test_what_is_told_is_text_and_no_enumeration(serve: Serve) -> None:
    answers = [post(serve(says("301 Moved")).url()), post("")]
    assert all(type(answer.error) is str and answer.error in set(Error) for answer in answers)


def test_the_setting_says_which_networks_are_reached(serve: Serve, tmp_path: Path) -> None:
    receiver = serve()
    database_url = f"sqlite:///{tmp_path / 'goalline.db'}"
    closed = services(Settings(database_url=database_url))
    opened = services(Settings(database_url=database_url, outbound_networks="10.0.0.0/8, 127.0.0.0/8"))
    secret, now = "whsec_" + "A" * 44, datetime.now(UTC)
    answers = [parts.sender.send(receiver.url(), [secret], "m-1", now, b"{}") for parts in (closed, opened)]
    assert [answer.accepted for answer in answers] == [False, True]


def test_a_sender_that_sends_nothing_loads_no_http_library(tmp_path: Path) -> None:
    script = (
        "import sys; from goalline.bootstrap import services; from goalline.settings import Settings; "
        "services(Settings()); print(sorted({'httpcore2', 'httpx2'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"
