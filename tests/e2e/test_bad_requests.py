"""Requests that no client library sends, to a running server: each gets a 2xx or a 4xx, and the server goes on."""

import gzip
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.e2e.wire import connected, head, heard, problem_in, said, statuses
from tests.running import Running, conversation, environment, serving

LIMIT = 4_194_304
MIB = bytes(1_048_576)


@pytest.fixture(scope="module")
def goalline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server on a fresh database; at the end its log must hold no error and nothing of what was sent."""
    folder = tmp_path_factory.mktemp("bad-requests")
    with serving(environment(GOALLINE_LOG_FORMAT="json"), folder) as running:
        yield running
    log = (folder / "serve.log").read_text()
    assert not re.search(r"Traceback|Exception in|request_failed|\"level\": ?\"error\"", log), log
    assert "sample-" not in log


POST = "POST /v1/conversations HTTP/1.1"
JSON = "Content-Type: application/json"
CHUNKED = "Transfer-Encoding: chunked"

HEADS = {
    "two lengths": ([POST, JSON, "Content-Length: 2", "Content-Length: 3"], b"{}", 400),
    "a length below zero": ([POST, JSON, "Content-Length: -2"], b"{}", 400),
    "a length in words": ([POST, JSON, "Content-Length: two"], b"{}", 400),
    "a length beyond all bounds": ([POST, JSON, f"Content-Length: {'9' * 400}"], b"{}", 400),
    "a length over the limit": ([POST, JSON, f"Content-Length: {LIMIT + 1}"], b"", 413),
    "a length, and chunks": ([POST, JSON, "Content-Length: 2", CHUNKED], b"2\r\n{}\r\n0\r\n\r\n", 400),
    "no length": ([POST, JSON], b"", 422),
    "a chunk of no size": ([POST, JSON, CHUNKED], b"zz\r\n{}\r\n0\r\n\r\n", 400),
    "a chunk of endless size": ([POST, JSON, CHUNKED], b"f" * 40 + b"\r\n{}\r\n0\r\n\r\n", 400),
    "an unknown transfer coding": ([POST, JSON, "Transfer-Encoding: gzip"], b"{}", 400),
    "HTTP/0.9": (["GET /healthz"], b"", 200),
    "HTTP/9.9": (["GET /healthz HTTP/9.9"], b"", 400),
    "HTTP/2 out of the blue": (["PRI * HTTP/2.0"], b"SM\r\n\r\n", 400),
    "an unknown method": (["FOO /healthz HTTP/1.1"], b"", 400),
    "TRACE": (["TRACE /healthz HTTP/1.1"], b"", 405),
    "QUERY": (["QUERY /v1/goals HTTP/1.1"], b"", 405),
    "HEAD of what takes GET": (["HEAD /v1/goals HTTP/1.1"], b"", 405),
    "HEAD of a probe": (["HEAD /healthz HTTP/1.1"], b"", 200),
    "OPTIONS of one address": (["OPTIONS /v1/goals HTTP/1.1"], b"", 405),
    "OPTIONS of everything": (["OPTIONS * HTTP/1.1"], b"", 404),
    "CONNECT": (["CONNECT other.test:443 HTTP/1.1"], b"", 400),
    "CONNECT to an address": (["CONNECT /healthz HTTP/1.1"], b"", 400),
    "an absolute target": (["GET http://other.test/healthz HTTP/1.1"], b"", 200),
    "an absolute target without path": (["GET http://other.test HTTP/1.1"], b"", 400),
    "a target that is no path": (["GET healthz HTTP/1.1"], b"", 400),
    "raw bytes in a path": (["GET /v1/conversations/\xff HTTP/1.1"], b"", 400),
    "no UTF-8 in a path": (["GET /v1/conversations/%FF HTTP/1.1"], b"", 404),
    "NUL in a path": (["GET /v1/conversations/%00 HTTP/1.1"], b"", 404),
    "NUL in the path of a page": (["GET /conversations/%00 HTTP/1.1"], b"", 404),
    "NUL in the path of a contact": (["GET /v1/contacts/%00 HTTP/1.1"], b"", 422),
    "half an escape in a path": (["GET /v1/conversations/%z% HTTP/1.1"], b"", 404),
    "a way up in a path": (["GET /static/..%2f..%2fapp.py HTTP/1.1"], b"", 404),
    "NUL in a query": (["GET /v1/conversations?agent=%00 HTTP/1.1"], b"", 422),
    "no UTF-8 in a query": (["GET /v1/conversations?agent=%ff&cursor=%ff HTTP/1.1"], b"", 422),
    "raw bytes in a header": (["GET /v1/goals HTTP/1.1", "Cookie: \xff\xfe"], b"", 200),
    "NUL in a header": (["GET /healthz HTTP/1.1", "X: a\x00b"], b"", 400),
    "a header on two lines": (["GET /healthz HTTP/1.1", "X: a\r\n b"], b"", 400),
    "a header without colon": (["GET /healthz HTTP/1.1", "X"], b"", 400),
    "a header of 2 MB": (["GET /healthz HTTP/1.1", f"X: {'a' * 2_000_000}"], b"", 431),
    "a header of 70 kB": (["GET /healthz HTTP/1.1", f"X: {'a' * 70_000}"], b"", 431),
    "a header of 60 kB": (["GET /healthz HTTP/1.1", f"X: {'a' * 60_000}"], b"", 200),
    "a request line of 200 kB": ([f"GET /v1/goals?agent={'a' * 200_000} HTTP/1.1"], b"", 431),
    "20,000 headers": (["GET /healthz HTTP/1.1", *(f"X-{n}: a" for n in range(20_000))], b"", 431),
    "a chunk with endless extension": ([POST, JSON, CHUNKED], b"2;" + b"a" * 2_000_000, 431),
    "trailers without end": ([POST, JSON, CHUNKED], b"2\r\n{}\r\n0\r\n" + b"X: a\r\n" * 300_000, 431),
    "a greeting of TLS": (["\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"], b"", 400),
}
"""Line and headers, body, and the status of the answer."""


@pytest.mark.parametrize("name", HEADS)
def test_a_bad_request_is_answered_and_the_server_goes_on(goalline: Running, name: str) -> None:
    (line, *headers), body, status = HEADS[name]
    answer = said(goalline, [head(goalline, line, *headers), body])
    assert statuses(answer) == [status], answer[:500]
    if status >= 400 and not name.startswith("HEAD") and "page" not in name:
        assert problem_in(answer)["status"] == status
    assert goalline.get("/healthz") == {"status": "ok"}


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "GZIP", "identity, gzip"])
def test_a_packed_body_is_refused_by_name_and_never_unpacked(goalline: Running, coding: str) -> None:
    packed = _bomb()
    before = _most_memory(goalline)
    headers = {"Content-Encoding": coding, "Content-Type": "application/json"}
    answer = goalline.client.post("/v1/conversations", content=packed, headers=headers)
    assert answer.status_code == 415
    assert "Content-Encoding" in answer.json()["detail"]
    assert answer.headers["Accept-Encoding"] == "identity"
    assert _most_memory(goalline) - before < 64 * len(MIB)


def test_a_body_in_chunks_is_refused_as_soon_as_it_is_over_the_limit(goalline: Running) -> None:
    chunk = b"%x\r\n%s\r\n" % (len(MIB), MIB)
    before = _most_memory(goalline)
    answer = said(goalline, [head(goalline, POST, JSON, CHUNKED), *[chunk] * 200])
    assert statuses(answer) == [413]
    assert f"{LIMIT:,} bytes" in problem_in(answer)["detail"]
    assert _most_memory(goalline) - before < 64 * len(MIB)


@pytest.mark.parametrize("length", [f"Content-Length: {LIMIT}", CHUNKED])
def test_a_body_without_a_key_is_refused_unread(goalline: Running, length: str) -> None:
    top = head(goalline, POST, JSON, length).replace(b"Authorization", b"X-Other")
    answer = said(goalline, [top])
    assert statuses(answer) == [401]
    assert "send an API key" in problem_in(answer)["detail"]


@pytest.mark.parametrize("name", ["a length", "chunks"])
def test_a_body_that_ends_early_stores_nothing(goalline: Running, name: str) -> None:
    body = json.dumps(conversation(1)).encode()
    length, start = {
        "a length": (f"Content-Length: {len(body) + 1}", body),
        "chunks": (CHUNKED, b"%x\r\n%s\r\n" % (len(body), body)),
    }[name]
    assert said(goalline, [head(goalline, POST, JSON, length), start], half_closed=True) == b""
    assert goalline.get("/v1/conversations", contact="nobody")["items"] == []
    assert goalline.client.get("/v1/conversations/sample-1").status_code == 404


def test_a_request_that_offers_another_protocol_keeps_its_body(goalline: Running) -> None:
    # Java's own client asks for HTTP/2 like this with every request that is not encrypted.
    body = json.dumps(conversation(2)).encode()
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAA")
    top = head(goalline, POST, JSON, *offer, f"Content-Length: {len(body)}")
    with connected(goalline) as connection:
        connection.sendall(top)
        connection.sendall(body)
        assert statuses(heard(connection)) == [202]
    assert goalline.get("/v1/conversations/sample-2")["transcript"]


def test_an_answer_that_is_due_comes_before_the_refusal_of_what_follows_it(goalline: Running) -> None:
    top = head(goalline, "GET /v1/goals HTTP/1.1").replace(b"Connection: close\r\n", b"")
    assert statuses(said(goalline, [top + b"nonsense\r\n\r\n"])) == [200]


def test_requests_one_behind_the_other_are_all_answered(goalline: Running) -> None:
    top = head(goalline, "GET /healthz HTTP/1.1").replace(b"Connection: close\r\n", b"")
    assert statuses(said(goalline, [top * 9 + head(goalline, "GET /healthz HTTP/1.1")])) == [200] * 10


@cache
def _bomb() -> bytes:
    return gzip.compress(MIB * 128, 6)


def _most_memory(goalline: Running) -> int:
    status = Path(f"/proc/{goalline.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024
