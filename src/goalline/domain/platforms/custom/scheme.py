"""Schemes: how the webhooks of any other platform are signed."""

import re
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from goalline.domain.platforms import signing
from goalline.domain.platforms.platform import Forged, Headers, Options, check_text

HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")]
"""The name of a header (RFC 9110)."""

_Prefix = Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]{0,50}$")]
_Template = Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e\n]{1,200}$")]
_Encoding = Literal["hex", "base64"]

_PLACEHOLDER = re.compile(r"(\{body\}|\{timestamp\}|\{id\})")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")


def _decoded(text: str, encoding: _Encoding) -> bytes | None:
    if encoding == "base64":
        return signing.from_base64(text)
    return bytes.fromhex(text) if _HEX.fullmatch(text) else None


class _Scheme(Options):
    def check_secret(self, secret: str) -> None:
        """Do nothing where a secret can verify what is signed like this; the API asks before it saves one.

        Raises:
            ValueError: it cannot, or anybody could sign with it.
        """
        check_text(secret)


class Unsigned(_Scheme):
    """No signature: anybody who reaches the address is believed."""

    scheme: Literal["none"]

    def verify(self, headers: Headers, body: bytes, secrets: Sequence[str], now: float) -> None:
        """Take everything."""


class _Headed(_Scheme):
    header: HeaderName = Field(description="The header that carries the secret, or the signature.")
    prefix: _Prefix = Field("", description="What stands before it in the header, such as `Bearer ` or `sha256=`.")

    def _given(self, headers: Headers) -> str:
        value = signing.header(headers, self.header)
        if not value.startswith(self.prefix):
            raise Forged(f"{self.header} does not begin with {self.prefix}")
        return value.removeprefix(self.prefix)


class SharedSecret(_Headed):
    """The secret itself in a header."""

    scheme: Literal["header"]

    def verify(self, headers: Headers, _body: bytes, secrets: Sequence[str], _now: float) -> None:
        """Check that the header carries one of the secrets."""
        signing.require_match([self._given(headers)], secrets)


class _Signed(_Headed):
    encoding: _Encoding = Field("hex", description="How the signature is written.")
    signed: _Template = Field("{body}", description="What is signed, of `{body}`, `{timestamp}` and `{id}`.")
    timestamp_header: HeaderName | None = Field(None, description="The header that carries `{timestamp}`.")
    timestamp_unit: Literal["seconds", "milliseconds"] = Field("seconds", description="What it counts, since 1970.")
    tolerance_seconds: int = Field(300, ge=1, le=86_400, strict=True, description="How far off it may be, either way.")
    id_header: HeaderName | None = Field(None, description="The header that carries `{id}`.")

    @model_validator(mode="after")
    def _signs_what_it_reads(self) -> Self:
        found = _PLACEHOLDER.findall(self.signed)
        if "{" in (rest := _PLACEHOLDER.sub("", self.signed)) or "}" in rest:
            raise ValueError("signed may hold {body}, {timestamp} and {id}, and no other braces")
        if found.count("{body}") != 1:
            raise ValueError("signed must hold {body}, once")
        for placeholder, name in (("{timestamp}", "timestamp_header"), ("{id}", "id_header")):
            if (placeholder in found) != (getattr(self, name) is not None):
                raise ValueError(f"{name} and {placeholder} in signed belong together; give both or neither")
        return self

    def _message(self, headers: Headers, body: bytes, now: float) -> bytes:
        parts = {"{body}": body}
        if self.timestamp_header:
            stamp = signing.header(headers, self.timestamp_header)
            counted = signing.whole(stamp, self.timestamp_header)
            seconds = counted / 1_000 if self.timestamp_unit == "milliseconds" else counted
            signing.require_fresh(seconds, now, self.tolerance_seconds, self.tolerance_seconds)
            parts["{timestamp}"] = stamp.encode()
        if self.id_header:
            parts["{id}"] = signing.header(headers, self.id_header).encode()
        return b"".join(parts.get(piece, piece.encode()) for piece in _PLACEHOLDER.split(self.signed))

    def _signature(self, headers: Headers) -> bytes:
        signature = _decoded(self._given(headers), self.encoding)
        if not signature:
            raise Forged(f"{self.header} is not {self.encoding}")
        return signature


class HmacSigned(_Signed):
    """HMAC-SHA256, keyed with the text of the secret."""

    scheme: Literal["hmac"]

    def verify(self, headers: Headers, body: bytes, secrets: Sequence[str], now: float) -> None:
        """Check the signature, and its time where one is signed."""
        message, signature = self._message(headers, body, now), self._signature(headers)
        digests = signing.hmac_digests(secrets, message)
        signing.require_match([signature.hex()], (digest.hex() for digest in digests))


class Ed25519Signed(_Signed):
    """Ed25519; the secret of the source is the platform's public key."""

    scheme: Literal["ed25519"]
    key_encoding: _Encoding = Field("hex", description="How the public key is written.")

    def check_secret(self, secret: str) -> None:
        """Do nothing where a secret is a public key.

        Raises:
            ValueError: it is none in this encoding, or one for which anybody could sign.
        """
        try:
            signing.public_key(_decoded(secret, self.key_encoding))
        except ValueError as error:
            raise ValueError(f"{error}; copy the platform's public key, in {self.key_encoding}") from None

    def verify(self, headers: Headers, body: bytes, secrets: Sequence[str], now: float) -> None:
        """Check the signature, and its time where one is signed."""
        message, signature = self._message(headers, body, now), self._signature(headers)
        signing.require_ed25519(signature, message, (_decoded(secret, self.key_encoding) for secret in secrets))


Scheme = Annotated[Unsigned | SharedSecret | HmacSigned | Ed25519Signed, Field(discriminator="scheme")]
"""How webhooks are signed."""
