"""API keys: how they look, how they are kept, and what they allow."""

import hashlib
import hmac
import re
from enum import StrEnum

_KEY = re.compile(r"gl_([A-Za-z0-9]{12})_[A-Za-z0-9_-]{32,64}")


class Scope(StrEnum):
    """What a key may do; `admin` includes the other two."""

    INGEST = "ingest"
    READ = "read"
    ADMIN = "admin"

    def allows(self, needed: "Scope") -> bool:
        """Tell whether a key of this scope may do what `needed` stands for."""
        return self is Scope.ADMIN or self is needed


def assemble(prefix: str, secret: str) -> str:
    """Return the key as its owner sees it; the prefix (12 letters and digits) finds it, the secret proves it."""
    return f"gl_{prefix}_{secret}"


def prefix_of(key: str) -> str | None:
    """Return the part of a key that is not secret, or None where this is no key of Goalline."""
    match = _KEY.fullmatch(key)
    return match.group(1) if match else None


def digest(key: str) -> str:
    """Return what is stored of a key: its SHA-256. A fast hash will do, as the secret is 192 random bits."""
    return hashlib.sha256(key.encode()).hexdigest()


def matches(key: str, stored_digest: str) -> bool:
    """Tell in constant time whether a key is the one whose digest is stored."""
    return hmac.compare_digest(digest(key), stored_digest)
