"""Any other platform: where things stand in its webhooks and how these are signed is told, not programmed.

Confirmed by trial with jmespath 1.1.0 and cryptography 50.0.2; what a particular platform sends is for its own
documentation to say. Three kinds of webhooks cannot be told: those signed over more than timestamp, id and body,
those that carry several signatures or the timestamp in one header, and those keyed with a secret in base64, of which
Standard Webhooks has an adapter of its own.
"""

from collections.abc import Sequence

from goalline.domain.platforms.custom.mapping import Mapping, parse
from goalline.domain.platforms.custom.scheme import Scheme, Unsigned
from goalline.domain.platforms.platform import Headers, Platform

__all__ = ["CUSTOM", "CustomOptions", "parse", "verify"]


class CustomOptions(Mapping):
    """What a webhook's parts are called and how it is signed."""

    signature: Scheme


def verify(headers: Headers, body: bytes, secrets: Sequence[str], now: float, options: CustomOptions) -> None:
    """Check a webhook as the source's options say that it is signed."""
    options.signature.verify(headers, body, secrets, now)


def check_secret(secret: str, options: CustomOptions) -> None:
    """Do nothing where a secret can verify what is signed as the options say.

    Raises:
        ValueError: it cannot, or anybody could sign with it.
    """
    options.signature.check_secret(secret)


def is_open(options: CustomOptions) -> bool:
    """Tell whether nothing is signed."""
    return isinstance(options.signature, Unsigned)


CUSTOM = Platform(
    "custom", verify, parse, options=CustomOptions, makes_secret=True, check_secret=check_secret, is_open=is_open
)
