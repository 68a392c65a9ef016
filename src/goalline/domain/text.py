"""Text that every database can store, and the comparison of a quote with what was said."""

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

_LINE_BREAKS = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
_WORD = re.compile(r"[^\W_]+")


def _refuse_unstorable(text: str) -> str:
    if _UNSTORABLE.search(text):
        raise ValueError("must not contain NUL characters or lone surrogates; remove them")
    return text


def _refuse_control(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("must be one line without control characters; remove them")
    return text


Text = Annotated[str, AfterValidator(_refuse_unstorable)]
"""Any text that both SQLite and PostgreSQL store unchanged."""

Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255), AfterValidator(_refuse_control)
]
"""A name or an id: one line of 1 to 255 characters without control characters."""


def storable(text: str) -> str:
    """Return `text` without the characters that a database would refuse (NUL, lone surrogates)."""
    return _UNSTORABLE.sub("", text)


def fold_lines(text: str) -> str:
    """Return `text` on one line: every kind of line break becomes a space, outer white space goes."""
    return _LINE_BREAKS.sub(" ", text).strip()


def words(text: str) -> str:
    """Return the words of `text` joined by single spaces, without case, punctuation and odd white space.

    Compatibility forms are unified first (Unicode NFKC), so that full-width digits, ligatures and
    typographic variants compare equal to their plain forms.
    """
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def quotes(quote: str, text: str) -> bool:
    """Tell whether `quote` stands in `text` word for word, whole words only; an empty quote never does."""
    sought = words(quote)
    return bool(sought) and f" {sought} " in f" {words(text)} "
