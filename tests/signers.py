"""The platforms as senders: each signs a sample of its own as it does itself, with its own package where that signs."""

import base64
import hashlib
import hmac
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from elevenlabs import ElevenLabs
from elevenlabs.errors import BadRequestError
from retell.lib.webhook_auth import symmetric
from standardwebhooks import Webhook, WebhookVerificationError

from goalline import resources
from goalline.domain.platforms import PlatformName, standard_webhooks

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from telnyx.lib import webhook_verification as telnyx_package

_FIXTURES = resources.folder("fixtures")

Headers = dict[str, str]
Signing = Callable[[str, bytes, float], Headers]
"""Takes a secret, a body and the time of signing."""


@dataclass(frozen=True, eq=False)
class Sender:
    """A platform with a sample of its webhook about a call in which somebody books an appointment.

    `takes` asks the platform's own package whether it takes a webhook, where there is such a package.
    """

    platform: PlatformName
    sample: str
    conversation_id: str
    secret: str
    other: str
    sign: Signing
    tolerance: int | None = None
    options: dict[str, Any] = field(default_factory=dict)
    takes: Callable[[str, bytes, Headers], bool] | None = None

    @property
    def body(self) -> bytes:
        """The sample, as it is sent."""
        return (_FIXTURES / "webhooks" / self.platform / f"{self.sample}.json").read_bytes()

    @property
    def draft(self) -> dict[str, Any]:
        """What its source is created from."""
        return {"name": str(self), "platform": self.platform, "secret": self.secret, "options": self.options}

    def __str__(self) -> str:
        """Return its name among the tests."""
        return f"{self.platform} {self.sample}"


def _retell(secret: str, body: bytes, at: float) -> Headers:
    stamp = int(at * 1000)
    try:
        return {"x-retell-signature": symmetric["sign"](body.decode(), secret, stamp)}
    except UnicodeDecodeError:
        # Its package signs nothing but text.
        return {"x-retell-signature": f"v={stamp},d={_hmac(secret, body + str(stamp).encode()).hex()}"}


def _taken_by_retell(secret: str, body: bytes, headers: Headers) -> bool:
    return bool(symmetric["verify"](body.decode(), secret, headers["x-retell-signature"]))


def _elevenlabs(secret: str, body: bytes, at: float) -> Headers:
    # Its package checks and does not sign.
    digest = _hmac(secret, f"{int(at)}.".encode() + body).hex()
    return {"elevenlabs-signature": f"t={int(at)},v0={digest}"}


def _taken_by_elevenlabs(secret: str, body: bytes, headers: Headers) -> bool:
    hooks = ElevenLabs(api_key="sample").webhooks
    try:
        hooks.construct_event(rawBody=body.decode(), sig_header=headers["elevenlabs-signature"], secret=secret)
    except BadRequestError:
        return False
    return True


def _standard(secret: str, body: bytes, at: float) -> Headers:
    try:
        signature = Webhook(secret).sign("msg_1", datetime.fromtimestamp(int(at), UTC), body.decode())
    except UnicodeDecodeError:
        # Its package signs nothing but text.
        signature = standard_webhooks.sign(secret, "msg_1", int(at), body)
    return {"webhook-id": "msg_1", "webhook-timestamp": str(int(at)), "webhook-signature": signature}


def _taken_by_standard(secret: str, body: bytes, headers: Headers) -> bool:
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


_KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([number] * 32)) for number in (1, 2)]
_PUBLIC = [base64.b64encode(key.public_key().public_bytes_raw()).decode() for key in _KEYS]


def _signed_by_owner(public: str, message: bytes) -> str:
    return base64.b64encode(_KEYS[_PUBLIC.index(public)].sign(message)).decode()


def _telnyx(secret: str, body: bytes, at: float) -> Headers:
    # Its package checks and does not sign.
    signature = _signed_by_owner(secret, f"{int(at)}|".encode() + body)
    return {"telnyx-timestamp": str(int(at)), "telnyx-signature-ed25519": signature}


def _taken_by_telnyx(secret: str, body: bytes, headers: Headers) -> bool:
    try:
        telnyx_package.verify_webhook_signature(body, headers, secret)
    except (telnyx_package.WebhookVerificationError, InvalidSignature):
        return False
    return True


def _vapi(secret: str, body: bytes, at: float) -> Headers:
    stamp = str(int(at * 1000))
    return {"x-timestamp": stamp, "x-signature": _hmac(secret, f"{stamp}.".encode() + body).hex()}


def _bland(secret: str, body: bytes, _at: float) -> Headers:
    return {"x-webhook-signature": _hmac(secret, body).hex()}


def _line(secret: str, body: bytes, at: float) -> Headers:
    signature = _hmac(secret, f"{int(at)}.".encode() + body).hex()
    return {"x-line-timestamp": str(int(at)), "x-line-signature": f"sha256={signature}"}


def _session(secret: str, body: bytes, at: float) -> Headers:
    stamp = str(int(at * 1000))
    signature = _signed_by_owner(secret, f"d-1|{stamp}|".encode() + body)
    return {"x-session-delivery": "d-1", "x-session-time": stamp, "x-session-signature": signature}


def _hmac(secret: str, message: bytes) -> bytes:
    return hmac.new(secret.encode(), message, hashlib.sha256).digest()


def _mapped(name: str) -> dict[str, Any]:
    options: dict[str, Any] = json.loads((_FIXTURES / "sources" / f"{name}.json").read_text(encoding="utf-8"))
    return options


_STANDARD_SECRETS = ["whsec_" + base64.b64encode(bytes([number] * 24)).decode() for number in (1, 2)]

RETELL = Sender(
    PlatformName.RETELL,
    "call_ended",
    "call_4f9d2b7c81e64a0fa1c35d07",
    "key_0123456789abcdef",
    "key_fedcba9876543210",
    _retell,
    300,
    takes=_taken_by_retell,
)
ELEVENLABS = Sender(
    PlatformName.ELEVENLABS,
    "post_call_transcription",
    "conv_4801k9q7t2b6e0harbor5sample1",
    "wsec_0123456789abcdef",
    "wsec_fedcba9876543210",
    _elevenlabs,
    1800,
    takes=_taken_by_elevenlabs,
)
STANDARD_WEBHOOKS = Sender(
    PlatformName.STANDARD_WEBHOOKS,
    "conversation.ended",
    "conv-0001",
    _STANDARD_SECRETS[0],
    _STANDARD_SECRETS[1],
    _standard,
    300,
    takes=_taken_by_standard,
)
TELNYX = Sender(
    PlatformName.TELNYX,
    "call.conversation.ended",
    "5f1d7f2c-3b60-4f5e-9a3a-7d0c1e2b4a69",
    _PUBLIC[0],
    _PUBLIC[1],
    _telnyx,
    300,
    takes=_taken_by_telnyx,
)
VAPI = Sender(
    PlatformName.VAPI,
    "end-of-call-report",
    "7b0d9c5e-3a41-4f6a-9d0e-2c8f5b6a1e77",
    "vapi-0123456789abcdef",
    "vapi-fedcba9876543210",
    _vapi,
    300,
)
BLAND = Sender(
    PlatformName.BLAND,
    "post_call",
    "6f0c1e52-8a47-4d3b-9b51-2f7a90c4e1d8",
    "bland-0123456789abcdef",
    "bland-fedcba9876543210",
    _bland,
)
LINE = Sender(
    PlatformName.CUSTOM,
    "call.finished",
    "480117",
    "line-0123456789abcdef",
    "line-fedcba9876543210",
    _line,
    300,
    options=_mapped("call.finished"),
)
SESSION = Sender(
    PlatformName.CUSTOM,
    "session.closed",
    "7d0c1e2b-4a69-4f5e-9a3a-5f1d7f2c3b60",
    _PUBLIC[0],
    _PUBLIC[1],
    _session,
    300,
    options=_mapped("session.closed"),
)

SENDERS = (RETELL, ELEVENLABS, STANDARD_WEBHOOKS, TELNYX, VAPI, BLAND, LINE, SESSION)
"""Every platform, with both shapes of no platform that exists."""

OFFICIAL = tuple(sender for sender in SENDERS if sender.takes)
"""Those whose own package can tell whether a webhook is theirs."""

every_sender = pytest.mark.parametrize("sender", SENDERS, ids=str)
every_official = pytest.mark.parametrize("sender", OFFICIAL, ids=str)
