"""Standard Webhooks: any sender, with our own conversation shape in `data`.

Confirmed in the specification (standard-webhooks/standard-webhooks, spec/standard-webhooks.md, 1.0.0) and the source
of its Python package `standardwebhooks` 1.1.0: headers `webhook-id`, `webhook-timestamp` (Unix seconds) and
`webhook-signature`, a list of `v1,<base64>` split by spaces; what is signed is `id.timestamp.body`, with HMAC-SHA256
and the bytes that follow `whsec_` in base64. The specification names no tolerance; the packages allow five minutes
either way. An id has no full stop, and several signatures stand side by side while a secret is replaced.
"""

import base64
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from goalline.domain.platforms import signing
from goalline.domain.platforms.platform import Forged, Headers, Heard, Options, Platform, Shape, line
from goalline.domain.transcript import Delivery

ENDED = "conversation.ended"
PREFIX = "whsec_"
_ID = re.compile(r"[!-\-/-~]{1,256}")
_TOLERANCE = 300


def key(secret: str) -> bytes:
    """Return the key that a secret stands for.

    Raises:
        ValueError: it is not base64, with or without `whsec_` before it.
    """
    text = secret.removeprefix(PREFIX)
    # Some show it without the equals signs that fill it up.
    found = signing.from_base64(text + "=" * (-len(text) % 4))
    if not found:
        raise ValueError("must be base64, with or without whsec_ before it")
    return found


def check_secret(secret: str, _options: Options) -> None:
    """Do nothing where a secret stands for a key.

    Raises:
        ValueError: it does not.
    """
    key(secret)


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a body, as it stands in the header."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return f"v1,{base64.b64encode(signing.hmac_digest(key(secret), signed)).decode()}"


def verify(headers: Headers, body: bytes, secrets: Sequence[str], now: float, _options: Options) -> None:
    """Check `webhook-signature`, at most five minutes off."""
    message_id, stamp = signing.header(headers, "webhook-id"), signing.header(headers, "webhook-timestamp")
    given = signing.header(headers, "webhook-signature").split(" ")
    if not _ID.fullmatch(message_id):
        raise Forged("webhook-id is not made of visible ASCII characters other than the full stop")
    timestamp = signing.whole(stamp, "webhook-timestamp")
    signing.require_fresh(timestamp, now, _TOLERANCE, _TOLERANCE)
    try:
        expected = [sign(secret, message_id, timestamp, body) for secret in secrets]
    except ValueError:
        raise Forged("a secret of the source is not base64") from None
    signing.require_match(given, expected)


class _Message(Shape):
    type: str
    data: Any = None


class _Ended(Shape):
    data: Delivery


def parse(payload: Any, _received_at: datetime, _options: Options) -> Heard:
    """Take `conversation.ended`, whose `data` is a conversation as POST /v1/conversations takes it."""
    message = _Message.model_validate(payload)
    if message.type != ENDED:
        return Heard(needless=f"{line(message.type)} tells of no conversation that has ended")
    return Heard(delivery=_Ended.model_validate(payload).data)


STANDARD_WEBHOOKS = Platform("standard_webhooks", verify, parse, makes_secret=True, check_secret=check_secret)
