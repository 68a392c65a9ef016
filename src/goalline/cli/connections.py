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
    _unread_since_body = 0
    _untaken: asyncio.TimerHandle | None = None
    _answering: RequestResponseCycle | None = None
    _hears_no_more = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Await the first request."""
        # So writing pauses while anything is left that the client has not taken, however little.
        transport.set_write_buffer_limits(high=0)
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
        if self._hears_no_more:
            return
        self._unset_keepalive_if_required()
        if self._is_idle():
            self._await_request()
        self._unread_since_body += len(data)
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            too_large = isinstance(error.__context__, _TooLarge)
            self._refuse(431 if too_large else 400, _LARGE if too_large else _BAD)
        else:
            if self._unread_since_body > MOST_HEAD_BYTES:
                self._refuse(431, _LARGE)

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._unset_keepalive_if_required()
        self._await_request()
        self._in_body = False
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; what follows a body in chunks (trailers) is none, whatever its name."""
        if not self._in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer, unless the headers are too large."""
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > MOST_HEAD_BYTES:
            raise _TooLarge
        if self.parser.get_method() == b"CONNECT":
            raise _NoProxy
        if not self.parser.should_upgrade():
            super().on_headers_complete()
            self._in_body, self._unread_since_body = True, 0

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._unread_since_body = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Await nothing more: the request is whole."""
        if not self.parser.should_upgrade():
            self._await_nothing()
            self._in_body, self._unread_since_body = False, 0
            super().on_message_complete()
            if self.cycle.response_complete and not self.transport.is_closing():
                # It was answered before its body was there, and the body has stopped the timer for the next request.
                self._unset_keepalive_if_required()
                self.timeout_keep_alive_task = self.loop.call_later(
                    self.timeout_keep_alive, self.timeout_keep_alive_handler
                )

    def pause_writing(self) -> None:
        """Give the client time to take what was answered so far."""
        super().pause_writing()
        if self._untaken is None:
            self._untaken = self.loop.call_later(self.seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on answering."""
        super().resume_writing()
        self._was_taken()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        # Of requests one behind the other, uvicorn tells only the last one that the client is gone.
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _feed(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                self.parser.feed_data(rest)
                return
            except httptools.HttpParserUpgrade as upgrade:
                rest = rest[upgrade.args[0] :]
                self._pass_over_offer()

    def _pass_over_offer(self) -> None:
        # The parser takes what follows for the other protocol. So another one is fed the head without the offer.
        version = self.parser.get_http_version().encode()
        head = [b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, version)]
        head += [b"%s: %s\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.parser.feed_data(b"".join([*head, b"\r\n"]))

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
        if self._untaken is not None:
            self._untaken.cancel()
            self._untaken = None

    def _is_too_slow(self) -> None:
        if self._unread_since_body or self._in_body:
            self._refuse(408, f"the request did not arrive whole within {self.seconds:g} seconds")
        else:
            # Said to a client that has asked for nothing yet, it would be taken for the answer to what it asks next.
            self._close()

    def _refuse(self, status: int, detail: str) -> None:
        """Hear no more on this connection; say why, unless an answer is due first or was given already."""
        self._hears_no_more = True
        self._await_nothing()
        if self._in_body and self.pipeline:
            self._drop_last()
        if self._owes_an_answer():
            # It is the last one, and uvicorn closes the connection behind it.
            self.cycle.keep_alive = False
            return
        if not (self._has_answered_early() or self.transport.is_closing()):
            answer = problem(status, detail, headers={"Connection": "close"})
            headers = [*self.server_state.default_headers, *answer.raw_headers]
            lines = [STATUS_LINE[status], *(b"%s: %s\r\n" % header for header in headers), b"\r\n", bytes(answer.body)]
            self.transport.write(b"".join(lines))
        self._close()

    def _drop_last(self) -> None:
        # The request at fault waits behind others, of which the application knows already.
        self.pipeline.popleft()
        last = self.pipeline[0][0] if self.pipeline else self._answering
        if last is not None:
            self.cycle, self._in_body = last, False

    def _owes_an_answer(self) -> bool:
        # To a request before the one at fault; or it has begun to answer that one.
        return not self._is_idle() and (not self._in_body or self.cycle.response_started)

    def _has_answered_early(self) -> bool:
        # Before the body was whole that is at fault.
        return self._in_body and self._is_idle()

    def _close(self) -> None:
        self._await_nothing()
        self.transport.close()


def bounded(seconds: float) -> type[Bounded]:
    """Return the kind of connection for one server, with the time in which a request has to arrive."""
    arriving: dict[Any, Any] = {}
    return type("BoundedConnection", (Bounded,), {"seconds": seconds, "arriving": arriving})
