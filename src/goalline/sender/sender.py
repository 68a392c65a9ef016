"""Sends outbound webhooks over HTTP, each once, and says what came of it."""

import time
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network

from goalline.domain.outbound.message import Answer


class HttpSender:
    """Sends messages to public addresses over https, and to others inside `allowed` networks; see `sender/guard.py`."""

    def __init__(self, allowed: Sequence[IPv4Network | IPv6Network], seconds: float = 15.0) -> None:
        self._allowed = tuple(allowed)
        self._seconds = seconds

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a JSON body and return what came of it within the sender's seconds, whatever that is."""
        # Loading the HTTP library takes a moment, which commands that send nothing must not pay for.
        from goalline.sender.exchange import exchange

        return exchange(url, headers, body, self._allowed, time.monotonic() + self._seconds)
