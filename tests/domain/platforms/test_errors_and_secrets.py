"""Errors that name a place, and secrets that can be saved."""

import pytest

from goalline.domain.platforms.platform import Options, unreadable
from goalline.domain.platforms.standard_webhooks import STANDARD_WEBHOOKS


def test_what_cannot_be_read_is_named_by_its_place_without_what_stands_there() -> None:
    error = unreadable("says {nothing}", "turns", 3, "text")
    [told] = error.errors(include_url=False)
    assert told == {"type": "unreadable", "loc": ("turns", 3, "text"), "msg": "says {nothing}", "input": None, "ctx": {
        "reason": "says {nothing}"
    }}  # fmt: skip


def test_a_secret_of_standard_webhooks_is_base64() -> None:
    STANDARD_WEBHOOKS.check_secret("whsec_c2FtcGxlLXNlY3JldA==", Options())
    STANDARD_WEBHOOKS.check_secret("c2FtcGxlLXNlY3JldA==", Options())
    for wrong in ("", "whsec_", "sample-secret", "whsec_é", "\ud800"):
        with pytest.raises(ValueError, match="must be base64, with or without whsec_ before it"):
            STANDARD_WEBHOOKS.check_secret(wrong, Options())
