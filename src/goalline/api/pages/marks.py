"""Finds quoted words in the text they were quoted from, and cuts the text where marks begin and end."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from goalline.domain.text import words

# The words as `goalline.domain.text.words` sees them, but with their places.
_WORD = re.compile(r"[^\W_]+")

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a text, with the goals that quote it and those whose quote ends with it (numbered from 0)."""

    text: str
    goals: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()


def locate(quote: str, text: str) -> Span | None:
    """Return where `quote` first stands in `text`, as (start, end); None where it does not.

    It finds exactly what `goalline.domain.text.quotes` accepts: case, white space, punctuation and compatibility
    forms may differ.
    """
    sought = words(quote)
    placed = _placed_words(text)
    said = "".join(f" {word}" for word, _ in placed) + " "
    at = said.find(f" {sought} ") if sought else -1
    if at < 0:
        return None
    first = said.count(" ", 0, at)
    return _with_punctuation(quote, text, placed[first][1][0], placed[first + sought.count(" ")][1][1])


def segments(text: str, quotes: Iterable[tuple[int, str]]) -> list[Segment]:
    """Cut `text` so that each piece is quoted by the same goals throughout; the pieces joined are `text`.

    Args:
        text: what was said in one turn.
        quotes: (number of the goal, words it quotes); words that do not stand in the text are left out.
    """
    spans: dict[int, list[Span]] = {}
    for goal, quote in quotes:
        span = locate(quote, text)
        if span:
            spans.setdefault(goal, []).append(span)
    marked = {goal: _merged(found) for goal, found in sorted(spans.items())}
    edges = sorted({0, len(text), *(edge for found in marked.values() for span in found for edge in span)})
    return [
        Segment(
            text[start:end],
            tuple(goal for goal, found in marked.items() if any(a <= start and end <= b for a, b in found)),
            tuple(goal for goal, found in marked.items() if any(b == end for _, b in found)),
        )
        for start, end in pairwise(edges)
    ]


def _with_punctuation(quote: str, text: str, start: int, end: int) -> Span:
    """Widen a span to the signs around it that the quote has as well, such as a currency or a full stop."""
    lettered = [place for place, letter in enumerate(quote) if words(letter)] or [0]
    before, after = quote[: lettered[0]], quote[lettered[-1] + 1 :]
    while before and start and text[start - 1] == before[-1] and not before[-1].isspace():
        start, before = start - 1, before[:-1]
    while after and text[end : end + 1] == after[0] and not after[0].isspace():
        end, after = end + 1, after[1:]
    return start, end


def _merged(spans: Sequence[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _placed_words(text: str) -> list[tuple[str, Span]]:
    folded, origins = [], []
    for form, span in _normalised(text):
        letters = form.casefold()
        folded.append(letters)
        origins.extend([span] * len(letters))
    return [
        (match.group(), (origins[match.start()][0], origins[match.end() - 1][1]))
        for match in _WORD.finditer("".join(folded))
    ]


def _normalised(text: str) -> list[tuple[str, Span]]:
    """Return the NFKC form of `text` in pieces, each with the place it comes from."""
    pieces: list[tuple[str, Span]] = []
    start = 0
    for end in range(1, len(text) + 1):
        if end == len(text) or _breaks(text, start, end):
            pieces.append((_nfkc(text[start:end]), (start, end)))
            start = end
    whole = _nfkc(text)
    # Should Unicode ever join what was cut here, the whole text is one piece: marked too widely beats not at all.
    return pieces if "".join(form for form, _ in pieces) == whole else [(whole, (0, len(text)))]


def _breaks(text: str, start: int, at: int) -> bool:
    """Tell whether what stands from `at` on never joins with text[start:at]."""
    letter = text[at]
    if letter.isascii():
        return True
    if unicodedata.combining(unicodedata.normalize("NFKD", letter)[0]):
        return False
    # Some letters, such as those of a Hangul syllable, join without being combining marks.
    return _nfkc(text[start : at + 1]) == _nfkc(text[start:at]) + _nfkc(letter)


def _nfkc(text: str) -> str:
    return unicodedata.normalize("NFKC", text)
