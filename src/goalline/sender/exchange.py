"""One message and its answer over HTTP: bounded in time, in size, and in where it goes."""

import time
from collections.abc import Mapping, Sequence
from functools import cache
from ssl import SSLContext

import httpcore2
import httpx2

from goalline import __version__
from goalline.domain.outbound.message import Answer
from goalline.domain.retry_after import retry_after
from goalline.domain.text import storable
from goalline.sender.error import Error, Unsent
from goalline.sender.guard import Guard, Network

_MOST_BYTES = 2_048
_MOST_CHARACTERS = 200

_OWN_HEADERS = {
    "accept-encoding": "identity",  # nothing is unpacked, so a small answer cannot become a large one
    "connection": "close",
    "content-type": "application/json",
    "user-agent": f"goalline/{__version__}",
}


def exchange(url: str, headers: Mapping[str, str], body: bytes, allowed: Sequence[Network], deadline: float) -> Answer:
    """Send a body and return what came back until the deadline, a moment of `time.monotonic`; never raises.

    Each message has a connection of its own. A kept one would lead to where its name led some time ago, and a receiver
    is told something so seldom that little would be saved.
    """
    began = time.monotonic()
    status, asked, seen, error = None, None, bytearray(), None
    guard: Guard | None = None
    try:
        target = _target(url)
        plain = target.scheme == "http"
        guard = Guard(allowed, plain=plain, deadline=deadline)
        # The library's pool, without its client: that one would have to be kept from proxies, redirects and cookies,
        # logs the address, and takes no backend of ours.
        with (
            httpcore2.ConnectionPool(ssl_context=None if plain else _tls(), network_backend=guard) as pool,
            pool.stream(
                "POST",
                httpcore2.URL(scheme=target.raw_scheme, host=target.raw_host, port=target.port, target=target.raw_path),
                headers=_headers(target, headers),
                content=body,
            ) as response,
        ):
            status = response.status
            asked = retry_after(_read(response.headers), time.time())
            for part in response.iter_stream():
                seen += part
                if len(seen) >= _MOST_BYTES:
                    break
    except Exception as failure:  # whatever it is, the message is tried again, and what is told of it is one of ours
        error = _error(failure, closed=guard is not None and guard.closed)
    if error is None and status is not None and 300 <= status < 400:
        error = Error.REDIRECT
    return Answer(
        seconds=time.monotonic() - began,
        status=status,
        body=_line(bytes(seen[:_MOST_BYTES])),
        error=error and error.value,
        retry_after=asked,
    )


@cache
def _tls() -> SSLContext:
    # One for the process: reading the system's certificates takes longer than sending.
    return httpx2.create_ssl_context()


def _target(url: str) -> httpx2.URL:
    try:
        target = httpx2.URL(url)
    except (httpx2.InvalidURL, TypeError, ValueError):
        raise Unsent(Error.URL) from None
    if target.scheme not in ("http", "https") or not target.raw_host:
        raise Unsent(Error.URL)
    return target


def _headers(target: httpx2.URL, headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    given = {name.lower(): value for name, value in headers.items()}
    named = given | _OWN_HEADERS | {"host": target.netloc.decode("ascii")}
    try:
        return [(name.encode("ascii"), value.encode("ascii")) for name, value in named.items()]
    except UnicodeError:
        raise Unsent(Error.HEADERS) from None


def _read(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}


def _line(body: bytes) -> str:
    text = storable(body.decode(errors="replace"))
    visible = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(visible.split())[:_MOST_CHARACTERS]


def _error(failure: Exception, *, closed: bool) -> Error:
    match failure:
        case Unsent():
            return failure.error
        case httpcore2.TimeoutException():
            return Error.TIME
        case httpcore2.RemoteProtocolError():
            return Error.BROKEN if closed else Error.PROTOCOL
        case httpcore2.NetworkError():
            return Error.BROKEN
        case httpcore2.LocalProtocolError():
            return Error.HEADERS
    return Error.UNKNOWN
