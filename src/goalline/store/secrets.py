"""Secrets that are valid side by side for a while, so that one can be replaced without a gap; sealed in the vault."""

import base64
import secrets as randomness
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from goalline.domain.platforms.standard_webhooks import PREFIX
from goalline.domain.refusal import Conflict
from goalline.store.vault import Unreadable, Vault

MOST_SECRETS = 5
"""Most secrets of one owner that are valid at once."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret; with `until`, it is valid until then."""

    text: str = field(repr=False)
    until: datetime | None = None


def new() -> str:
    """Return a new secret as Standard Webhooks writes them: `whsec_` and 32 random bytes as base64."""
    return PREFIX + base64.b64encode(randomness.token_bytes(32)).decode()


def seal(vault: Vault, owner: UUID, kept: Sequence[Secret]) -> str:
    """Return secrets as they are stored.

    Raises:
        Conflict: the vault has no key.
    """
    return vault.seal(owner, [[each.text, each.until and each.until.isoformat()] for each in kept])


def valid(vault: Vault, owner: UUID, sealed: str, now: datetime) -> list[Secret]:
    """Return those of the stored secrets that are valid, the newest first.

    Raises:
        Unreadable: no key opens them.
    """
    found = [
        Secret(text, datetime.fromisoformat(until) if until else None) for text, until in vault.open(owner, sealed)
    ]
    return [each for each in found if each.until is None or each.until > now]


def are_readable(vault: Vault, owner: UUID, sealed: str) -> bool:
    """Tell whether some key opens what is stored."""
    try:
        vault.open(owner, sealed)
    except Unreadable:
        return False
    return True


def rotated(vault: Vault, owner: UUID, sealed: str, new: str, now: datetime, overlap: timedelta) -> str:
    """Return what is stored once a new secret is there; those before stay valid for `overlap` at most.

    Raises:
        Conflict: too many are valid at once, or secrets cannot be kept or read.
    """
    until = now + overlap
    try:
        before = valid(vault, owner, sealed, now) if overlap else []
    except Unreadable:
        raise Conflict(
            "the secrets before cannot be read with GOALLINE_ENCRYPTION_KEYS as it is; add the key that they were "
            "stored with, or rotate without overlap"
        ) from None
    old = [replace(each, until=min(each.until, until) if each.until else until) for each in before if each.text != new]
    if len(old) >= MOST_SECRETS:
        raise Conflict(f"{MOST_SECRETS} secrets are valid at once; rotate with a shorter overlap, or with none")
    return seal(vault, owner, [Secret(new), *old])
