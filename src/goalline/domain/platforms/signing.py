"""Signatures: what the schemes of the platforms have in common."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Iterator

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from goalline.domain.platforms.platform import Forged, Headers

_PUBLIC_KEY_BYTES = 32
_PRIME = 2**255 - 19
_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
# The y of every point whose order is 1, 2, 4 or 8, also as encodings beyond the prime; the top bit is the sign of x.
_SMALL_ORDER = {0, 1, _PRIME - 1, _PRIME, _PRIME + 1, _ORDER_8, _PRIME - _ORDER_8}


def header(headers: Headers, name: str) -> str:
    """Return a header's value.

    Raises:
        Forged: there is none, or it is not ASCII, as all that signatures consist of is.
    """
    value = headers.get(name.lower())
    if not value:
        raise Forged(f"there is no header {name}")
    if not value.isascii():
        raise Forged(f"{name} is not ASCII")
    return value


def hmac_digest(secret: bytes, message: bytes, algorithm: str = "sha256") -> bytes:
    """Return the HMAC (RFC 2104) of a message."""
    return hmac.new(secret, message, getattr(hashlib, algorithm)).digest()


def hmac_digests(secrets: Iterable[str], message: bytes, algorithm: str = "sha256") -> Iterator[bytes]:
    """Yield the HMAC of a message under the text of each secret; an empty one is everybody's and counts for none."""
    return (hmac_digest(secret.encode(), message, algorithm) for secret in secrets if secret)


def require_match(given: Iterable[str], expected: Iterable[str]) -> None:
    """Do nothing where one of the signatures is one of those expected; each comparison takes the same time.

    Raises:
        Forged: none is; nothing at all is no signature.
    """
    wanted = [each.encode() for each in expected if each]
    # What is given may hold anything, lone surrogates too.
    found = [hmac.compare_digest(each.encode(errors="surrogatepass"), other) for each in given for other in wanted]
    if not any(found):
        raise Forged("the signature does not match the body and any secret of the source")


def public_key(encoded: bytes | None) -> Ed25519PublicKey:
    """Return the public key of Ed25519 (RFC 8032) that bytes stand for.

    Raises:
        ValueError: they are not 32, or a point of small order, for which anybody can make signatures that hold.
    """
    if encoded is None or len(encoded) != _PUBLIC_KEY_BYTES:
        raise ValueError(f"must be the {_PUBLIC_KEY_BYTES} bytes of a public key")
    if int.from_bytes(encoded, "little") & (2**255 - 1) in _SMALL_ORDER:
        raise ValueError("is nobody's public key: anybody could sign for it")
    return Ed25519PublicKey.from_public_bytes(encoded)


def require_ed25519(signature: bytes | None, message: bytes, public_keys: Iterable[bytes | None]) -> None:
    """Do nothing where the owner of one of the public keys has signed a message with Ed25519.

    Raises:
        Forged: none has; nobody owns what is no public key.
    """
    if not any(_signed(signature or b"", message, key) for key in public_keys):
        raise Forged("the signature does not match the body and any public key of the source")


def _signed(signature: bytes, message: bytes, encoded: bytes | None) -> bool:
    try:
        public_key(encoded).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def require_fresh(signed_at: float, now: float, past: float, future: float) -> None:
    """Do nothing where a signature is at most `past` seconds old, and at most `future` seconds ahead of our clock.

    Raises:
        Forged: it is older, or further ahead.
    """
    if signed_at < now - past:
        raise Forged(f"the signature is more than {past:.0f} seconds old")
    if signed_at > now + future:
        raise Forged(f"the signature is more than {future:.0f} seconds ahead of this machine's clock")


def whole(text: str, name: str) -> int:
    """Return a header's text as a whole number of at most 15 digits.

    Raises:
        Forged: it is none.
    """
    if not (text.isascii() and text.isdecimal() and len(text) <= 15):
        raise Forged(f"{name} is not a time in digits")
    return int(text)


def from_base64(text: str) -> bytes | None:
    """Return what base64 text stands for; None where it is no base64."""
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return None
