"""Finds quoted words in the text they were quoted from, and cuts the text where marks begin and end."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile

from goalline.domain.text import quotes as stands_in
from goalline.domain.text import words

# What counts as a word is left to the domain; that ASCII white space always ends one is all that is known here.
_PIECE = re.compile(r"[^ \t\n\r\f\v]+")

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
    if not stands_in(quote, text):
        return None
    # Should a rule about words ever reach across white space, too wide a mark beats none.
    return next((span for span in _guesses(quote, text) if stands_in(quote, text[slice(*span)])), (0, len(text)))


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


def _merged(spans: Sequence[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _guesses(quote: str, text: str) -> Iterable[Span]:
    pieces = [(match.group(), match.start(), words(match.group()).split()) for match in _PIECE.finditer(text)]
    placed = [(number, place) for number, (_, _, said) in enumerate(pieces) for place in range(len(said))]
    sought = words(quote)
    said = "".join(f" {word}" for _, _, said in pieces for word in said) + " "
    at = said.find(f" {sought} ")
    if at < 0:
        return
    first = said.count(" ", 0, at)
    (head, place), (tail, last) = placed[first], placed[first + sought.count(" ")]
    start = pieces[head][1] + _front(pieces[head][0], pieces[head][2][place:])
    end = pieces[tail][1] + _back(pieces[tail][0], pieces[tail][2][: last + 1])
    yield _with_signs(quote, text, start, end)
    yield pieces[head][1], pieces[tail][1] + len(pieces[tail][0])


def _front(piece: str, said: Sequence[str]) -> int:
    """Return how much can be cut off the front of `piece` so that it still ends with the words `said`."""
    return bisect_left(range(1, len(piece)), True, key=lambda cut: words(piece[cut:]).split()[-len(said) :] != said)


def _back(piece: str, said: Sequence[str]) -> int:
    """Return how much of `piece` it takes to begin with the words `said`."""
    return bisect_left(range(len(piece)), True, key=lambda cut: words(piece[:cut]).split()[: len(said)] == said)


def _with_signs(quote: str, text: str, start: int, end: int) -> Span:
    """Widen a span to the signs around it that the quote has as well, such as a currency or a full stop."""
    before, after = list(takewhile(_is_sign, quote)), list(takewhile(_is_sign, reversed(quote)))
    while before and start and text[start - 1] == before[-1]:
        start, before = start - 1, before[:-1]
    while after and text[end : end + 1] == after[-1]:
        end, after = end + 1, after[:-1]
    return start, end


def _is_sign(letter: str) -> bool:
    return not letter.isspace() and not words(letter)
