"""Which addresses may be called, and connections that lead to no others and end in time."""

import socket
import ssl
import time
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

import httpcore2

from goalline.sender.error import Error, Unsent
from goalline.telemetry.bounded import within

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_CONNECT_SECONDS = 5.0
_MOST_TRIED = 4
_PIECE = 4_096

_NAT64 = IPv6Network("64:ff9b::/96")
# All that IANA hands out for use on the Internet; what else is written as an IPv6 address is something special.
_UNICAST = IPv6Network("2000::/3")
# Special addresses that `is_global` lets through, in this patch version of Python or in another.
_SPECIAL: tuple[Network, ...] = (
    IPv4Network("0.0.0.0/8"),
    IPv4Network("100.64.0.0/10"),
    IPv4Network("168.63.129.16/32"),  # inside Azure, the platform's own services
    IPv4Network("192.0.0.0/24"),  # with .192, inside Oracle's cloud the metadata of the machine
    IPv4Network("192.88.99.0/24"),
    IPv4Network("198.18.0.0/15"),
    IPv4Network("224.0.0.0/3"),
    IPv6Network("2001::/23"),
    IPv6Network("2001:db8::/32"),
    IPv6Network("3fff::/20"),
)


def permitted(address: Address, allowed: Sequence[Network], *, plain: bool) -> bool:
    """Tell whether an address may be called: with `plain` text in an allowed network only, else a public one too.

    IPv4 inside IPv6 (mapped, 6to4, NAT64) leads where the IPv4 address does and is judged as that.
    """
    reached = _reached(address)
    return _inside(reached, allowed) or (not plain and _is_public(reached))


def _reached(address: Address) -> Address:
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address) and address not in _UNICAST:
        return False
    return address.is_global and not _inside(address, _SPECIAL)


def _inside(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


class Guard(httpcore2.NetworkBackend):
    """Makes the connection for one message.

    The name is resolved once and every address of the answer is looked at: one that may not be called refuses them
    all. The connection is made to an address and not to the name, which could lead elsewhere the next time; the name
    is still what the certificate has to be for. Everything together has to end by the deadline, a moment of
    `time.monotonic`.
    """

    def __init__(self, allowed: Sequence[Network], *, plain: bool, deadline: float) -> None:
        self._allowed = allowed
        self._plain = plain
        self._deadline = deadline
        self._network = httpcore2.SyncBackend()
        self.closed = False
        """Whether the other end has closed the connection."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect to an address that a name or a literal stands for.

        Raises:
            Unsent: the name does not resolve, leads to an address that may not be called, or to none that answers.
        """
        failure: Exception = Unsent(Error.NAME)
        for address in self._checked(host, port)[:_MOST_TRIED]:
            seconds = min(self.left(timeout), _CONNECT_SECONDS)
            try:
                stream = self._network.connect_tcp(address, port, seconds, local_address, socket_options)
            except httpcore2.ConnectTimeout as error:
                failure = error
            except httpcore2.ConnectError as error:
                refused = isinstance(error.__cause__, ConnectionRefusedError)
                failure = Unsent(Error.REFUSED if refused else Error.UNREACHABLE)
            else:
                return _Stream(stream, self)
        raise failure

    def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002
        timeout: float | None = None,  # noqa: ARG002
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore2.NetworkStream:
        """Refuse: no message goes to a socket in the file system."""
        raise Unsent(Error.ADDRESS)

    def left(self, timeout: float | None = None) -> float:
        """Return the seconds until the deadline, or `timeout` where that is less.

        Raises:
            TimeoutException: there are none.
        """
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise httpcore2.TimeoutException
        return seconds if timeout is None else min(timeout, seconds)

    def _checked(self, host: str, port: int) -> list[str]:
        try:
            # In a thread of its own, as nothing else bounds the time that a look-up takes.
            found = within(self.left(), lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except TimeoutError:
            raise httpcore2.TimeoutException from None
        except (OSError, ValueError):  # the latter for what cannot be a name, as it has a label of over 63 characters
            raise Unsent(Error.NAME) from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if not all(permitted(ip_address(address), self._allowed, plain=self._plain) for address in addresses):
            raise Unsent(Error.ADDRESS)
        return addresses


class _Stream(httpcore2.NetworkStream):
    """A connection whose every step has to end by the guard's deadline, however little each of them moves."""

    def __init__(self, stream: httpcore2.NetworkStream, guard: Guard) -> None:
        self._stream = stream
        self._guard = guard

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what has come; nothing when the other end has closed."""
        try:
            read = self._stream.read(max_bytes, self._guard.left(timeout))
        except httpcore2.ReadError as error:
            raise _unsent(error) from None
        self._guard.closed = self._guard.closed or not read
        return read

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send bytes, in pieces: the time-out holds for each part that the other end takes."""
        for start in range(0, len(buffer), _PIECE):
            self._stream.write(buffer[start : start + _PIECE], self._guard.left(timeout))

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        """Return this connection with TLS on it."""
        try:
            stream = self._stream.start_tls(ssl_context, server_hostname, self._guard.left(timeout))
        except httpcore2.ConnectError as error:
            raise _unsent(error) from None
        return _Stream(stream, self._guard)

    def get_extra_info(self, info: str) -> Any:
        """Return what the library wants to know of the connection."""
        return self._stream.get_extra_info(info)


def _unsent(error: httpcore2.NetworkError) -> Unsent:
    # Looked at here, as the library's pool takes the cause away.
    return Unsent(Error.TLS if isinstance(error.__cause__, ssl.SSLError) else Error.BROKEN)
