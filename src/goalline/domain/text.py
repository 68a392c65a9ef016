"""Text that every database can store, and the comparison of a quote with what was said."""

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, StringConstraints, WithJsonSchema

_LINE_BREAKS = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")


def _refuse_unstorable(text: str) -> str:
    if _UNSTORABLE.search(text):
        raise ValueError("must not contain NUL characters or lone surrogates; remove them")
    return text


def _refuse_control(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("must be one line without control characters; remove them")
    return text


_NUL, _CONTROLS = r"\u0000", r"\u0000-\u001f\u007f-\u009f\u2028\u2029"


def _shown(most: int, forbidden: str) -> WithJsonSchema:
    # What the schema tells of text that is not blank. The validators decide: they cut off white space around it first.
    pattern = rf"^[^{forbidden}]*[^\s{forbidden}][^{forbidden}]*$"
    return WithJsonSchema({"type": "string", "minLength": 1, "maxLength": most, "pattern": pattern})


Text = Annotated[
    str, AfterValidator(_refuse_unstorable), WithJsonSchema({"type": "string", "pattern": f"^[^{_NUL}]*$"})
]
"""Any text that both SQLite and PostgreSQL store unchanged."""

Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=255),
    AfterValidator(_refuse_control),
    _shown(255, _CONTROLS),
]
"""A name or an id: one line of 1 to 255 characters without control characters."""

Paragraph = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=4_000),
    AfterValidator(_refuse_unstorable),
    _shown(4_000, _NUL),
]
"""A description: 1 to 4,000 characters, line breaks allowed."""


def storable(text: str) -> str:
    """Return `text` without the characters that a database would refuse (NUL, lone surrogates)."""
    return _UNSTORABLE.sub("", text)


def fold_lines(text: str) -> str:
    """Return `text` on one line: every kind of line break becomes a space, outer white space goes."""
    return _LINE_BREAKS.sub(" ", text).strip()


def words(text: str) -> str:
    """Return the words of `text` joined by single spaces, without case, punctuation and odd white space.

    Compatibility forms are unified (Unicode NFKC), so that full-width digits, ligatures and typographic variants
    compare equal to their plain forms. In scripts that put no spaces between words, each character is a word.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", _with_short_clusters(text)).casefold())
    return " ".join(folded.translate(_WORDS).split())


def _with_short_clusters(text: str) -> str:
    # Normalising takes quadratic time in the number of marks on one letter. No writing has more than 30, the bound
    # of Unicode's stream-safe text format (UAX 15), so what goes beyond is somebody's attack.
    if text.isascii():
        return text
    kept, marks = [], 0
    for character in text:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= _MOST_MARKS:
            kept.append(character)
    return "".join(kept)


class _Words(dict[int, str]):
    """Maps characters to themselves where they make up words, else to a space or to nothing; grows as it is used."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kind = unicodedata.category(character)
        if any(code in block for block in _VARIATIONS) or (kind == "Cf" and character != "\u200b"):
            mapped = ""
        elif kind[0] not in "LMN":
            mapped = " "
        else:
            mapped = f" {character} " if any(code in block for block in _UNSPACED) else character
        self[code] = mapped
        return mapped


_WORDS = _Words()
_MOST_MARKS = 30
_VARIATIONS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
# Thai and Lao, Myanmar, Khmer; kana; Han characters, their radicals and extensions.
_UNSPACED = (
    range(0x0E00, 0x0F00),
    range(0x1000, 0x10A0),
    range(0x1780, 0x1800),
    range(0x2E80, 0x2FE0),
    range(0x3040, 0x3100),
    range(0x31F0, 0x3200),
    range(0x3400, 0x4DC0),
    range(0x4E00, 0xA000),
    range(0xF900, 0xFB00),
    range(0x20000, 0x40000),
)


def quotes(quote: str, text: str) -> bool:
    """Tell whether `quote` stands in `text` word for word, whole words only; an empty quote never does."""
    return stands_in(quote, words(text))


def stands_in(quote: str, said: str) -> bool:
    """Tell the same of text that is normalised already, by `words`: who asks of many quotes does that once."""
    sought = words(quote)
    return bool(sought) and f" {sought} " in f" {said} "
