"""The connections of `goalline serve`: uvicorn's, with bounds on how long and how large a request may become."""

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from goalline.api.problems import problem

MOST_HEAD_BYTES = 65_536
"""Most bytes of a request's line and headers; also of what a body in chunks may carry beside its content."""

MOST_ARRIVING = 500
"""Most connections on which a request is awaited or arrives; past that, one that has had a tenth of its time goes."""

_BAD = "this is no HTTP request, or its headers contradict each other"
_LARGE = f"the request line and the headers are too large; the limit is {MOST_HEAD_BYTES:,} bytes"


class _TooLarge(Exception):
    pass


class _NoProxy(Exception):
    pass


class Bounded(HttpToolsProtocol):
    """A connection that is closed where a request does not arrive, or an answer is not taken, in time.

    uvicorn itself waits for both for ever. Nor does it bound the size of headers, and it loses the body of a request
    that offers another protocol, as some clients do with each request; here such an offer is passed over.
    """

    seconds: float
    arriving: dict["Bounded", asyncio.TimerHandle]

    _in_body = False
    _beside_bodies = 0
    _taking: asyncio.TimerHandle | None = None
    _answering: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Await the first request."""
        super().connection_made(transport)
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._await_nothing()
        self._was_taken()
        super().connection_lost(exc)
        if self._answering is not None:
            self._answering.disconnected = True
            self._answering.message_event.set()

    def data_received(self, data: bytes) -> None:
        """Take bytes of a request, which has to be whole in time."""
        self._unset_keepalive_if_required()
        if self._is_idle():
            self._await_request()
        self._beside_bodies += len(data)
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            too_large = isinstance(error.__context__, _TooLarge)
            self._refuse(431 if too_large else 400, _LARGE if too_large else _BAD)
        else:
            if self._beside_bodies > MOST_HEAD_BYTES:
                self._refuse(431, _LARGE)

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._await_request()
        self._in_body = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Begin to answer, unless the headers are too large."""
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > MOST_HEAD_BYTES:
            raise _TooLarge
        if self.parser.get_method() == b"CONNECT":
            raise _NoProxy
        if not self.parser.should_upgrade():
            super().on_headers_complete()
            self._in_body, self._beside_bodies = True, 0

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._beside_bodies = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Await nothing more: the request is whole."""
        if not self.parser.should_upgrade():
            self._await_nothing()
            self._in_body, self._beside_bodies = False, 0
            super().on_message_complete()

    def pause_writing(self) -> None:
        """Give the client time to take what was answered so far."""
        super().pause_writing()
        if self._taking is None:
            self._taking = self.loop.call_later(self.seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on answering."""
        super().resume_writing()
        self._was_taken()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        # Of requests one behind the other, uvicorn tells only the last one that the client is gone.
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # The parser takes what follows for the other protocol. So another one is fed the head without the offer.
            head = [b"%s %s HTTP/1.1\r\n" % (self.parser.get_method(), self.url)]
            head += [b"%s: %s\r\n" % header for header in self.headers if header[0] != b"upgrade"]
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            self._feed(b"".join([*head, b"\r\n", data[upgrade.args[0] :]]))

    def _is_idle(self) -> bool:
        # uvicorn has no cycle before the first request, whatever its types say.
        return self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]

    def _await_request(self) -> None:
        if self in self.arriving or self.transport.is_closing():
            return
        self.arriving[self] = self.loop.call_later(self.seconds, self._is_too_slow)
        if len(self.arriving) > MOST_ARRIVING:
            # A thousand honest clients may well come at once; they have hardly begun when the last one is there.
            oldest, timer = next(iter(self.arriving.items()))
            if timer.when() - self.loop.time() < 0.9 * self.seconds:
                oldest._close()

    def _await_nothing(self) -> None:
        if timer := self.arriving.pop(self, None):
            timer.cancel()

    def _was_taken(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None

    def _is_too_slow(self) -> None:
        if self._beside_bodies or self._in_body:
            self._refuse(408, f"the request did not arrive whole within {self.seconds:g} seconds")
        else:
            # Said to a client that has asked for nothing yet, it would be taken for the answer to what it asks next.
            self._close()

    def _refuse(self, status: int, detail: str) -> None:
        if not self._is_idle() and (not self._in_body or self.cycle.response_started):
            # An answer is due first. It is the last one, and uvicorn closes the connection behind it.
            self.cycle.keep_alive = False
            self._await_nothing()
            return
        answered = self._in_body and self.cycle.response_started
        if not (answered or self.pipeline or self.transport.is_closing()):
            answer = problem(status, detail, headers={"Connection": "close"})
            headers = [*self.server_state.default_headers, *answer.raw_headers]
            lines = [STATUS_LINE[status], *(b"%s: %s\r\n" % header for header in headers), b"\r\n", bytes(answer.body)]
            self.transport.write(b"".join(lines))
        self._close()

    def _close(self) -> None:
        self._await_nothing()
        self.transport.close()


def bounded(seconds: float) -> type[Bounded]:
    """Return the kind of connection for one server, with the time in which a request has to arrive."""
    arriving: dict[Any, Any] = {}
    return type("BoundedConnection", (Bounded,), {"seconds": seconds, "arriving": arriving})
