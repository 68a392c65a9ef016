"""Signs outbound webhooks and sends them over HTTP, each once, and says what came of it."""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network

from goalline.domain.outbound.message import Answer


class HttpSender:
    """Sends messages to public addresses over https, and to others inside `allowed` networks; see `sender/guard.py`."""

    def __init__(self, allowed: Sequence[IPv4Network | IPv6Network], seconds: float = 15.0) -> None:
        self._allowed = tuple(allowed)
        self._seconds = seconds

    def send(self, url: str, secrets: Sequence[str], message_id: str, at: datetime, body: bytes) -> Answer:
        """Sign a message as Standard Webhooks does, with each secret, send it, and return what came of it.

        It ends within the sender's seconds. `at` is the time of this attempt, in UTC.
        """
        # Only what sends has to load it.
        from standardwebhooks import Webhook

        # The package signs text, and must not be given bytes: it would sign how Python prints them.
        signatures = [Webhook(secret).sign(message_id, at, body.decode()) for secret in secrets]
        headers = {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": " ".join(signatures),
        }
        return self.post(url, headers, body)

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a JSON body and return what came of it within the sender's seconds, whatever that is."""
        # Loading the HTTP library takes a moment, which commands that send nothing must not pay for.
        from goalline.sender.exchange import exchange

        return exchange(url, headers, body, self._allowed, time.monotonic() + self._seconds)
