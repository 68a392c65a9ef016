"""The vault: secrets that have to be read again, encrypted at rest under keys that are not in the database."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from goalline.domain.refusal import Conflict

NO_KEY = (
    "secrets cannot be kept: GOALLINE_ENCRYPTION_KEYS is not set; `goalline sources key` makes one, "
    "which belongs into the environment of every server and worker"
)


class Unreadable(Exception):
    """What is sealed cannot be opened by any key there is."""


class Vault:
    """Seals small values for one owner each; the first key seals, and every key opens."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Take keys as `new_key` makes them, the newest first.

        Raises:
            ValueError: one of them is no such key.
        """
        self._ciphers = MultiFernet([Fernet(key) for key in keys]) if keys else None

    def seal(self, owner: UUID, value: Any) -> str:
        """Return the sealed form of a value that JSON can hold.

        Raises:
            Conflict: there is no key.
        """
        if self._ciphers is None:
            raise Conflict(NO_KEY)
        # With its owner: moved to another row by somebody who can write to the database, it does not open.
        return self._ciphers.encrypt(json.dumps([str(owner), value]).encode()).decode()

    def open(self, owner: UUID, sealed: str) -> Any:
        """Return what was sealed for this owner.

        Raises:
            Unreadable: none of the keys opens it, or it is somebody else's.
        """
        if self._ciphers is None:
            raise Unreadable
        try:
            whose, value = json.loads(self._ciphers.decrypt(sealed))
        except (InvalidToken, ValueError):
            raise Unreadable from None
        if whose != str(owner):
            raise Unreadable
        return value


def new_key() -> str:
    """Return a new key: 32 random bytes as URL-safe base64."""
    return Fernet.generate_key().decode()


def is_key(text: str) -> bool:
    """Tell whether a text is a key as `new_key` makes them."""
    try:
        Fernet(text)
    except ValueError:
        return False
    return True
