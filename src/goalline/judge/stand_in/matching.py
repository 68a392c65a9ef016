"""Finds verdicts by plain word matching: a stand-in for reading, and never more than that."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from goalline.domain.text import words as plain_words
from goalline.judge.stand_in import words
from goalline.judge.stand_in.reading import AskedGoal, SaidTurn, read

MODEL = "goalline-stand-in"
"""The model name in every answer of the stand-in, whatever model was asked for."""

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_TELLING = re.compile(r"\b(?:given|told|offered|named|mentioned|explained|stated|quoted)\b", re.IGNORECASE)
_OTHER = re.compile(r"\b(?:another|other|alternative)\b", re.IGNORECASE)
_PARTLY = re.compile(r"^(?:partly|partially|partial)\b", re.IGNORECASE)
_NOT_MET = re.compile(r"\b(?:does not|do not|is not|not) (?:meet|count|enough)\b|\balone\b", re.IGNORECASE)
_EDGES = re.compile(r"^\W+|\W+$")
_LONGEST_QUOTE = 300
_MOST_WORDS = 4
_FEWEST_SHARED = 2
"""How many of a goal's words a sentence must share before it counts as telling what the goal names."""
_LOOK_BACK = 8
"""How many turns before a sentence may say what it is about ("I have made the reservation.")."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence of the agent or of a tool, and what it shares with the goals' words."""

    turn: int
    text: str
    stems: frozenset[str]
    context: frozenset[str]
    heard: tuple[str, ...]
    """The turns that `context` is about, the latest one first."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What the rules found for one goal: an outcome, why, and the sentence it rests on."""

    outcome: str
    reason: str
    statement: Statement | None = None


def answer(prompt_text: str) -> dict[str, list[dict[str, Any]]]:
    """Return a reply in the judge's wire format for the goals and turns that a prompt shows.

    Evidence is copied from the turn it names, so it is always grounded. Which rule decides depends on the
    goal's name:

    - another, other or alternative: somebody asks for something else and the agent replies;
    - phone, address or price: a sentence holds something of that shape;
    - given, told, offered, ...: a sentence shares enough words with the goal;
    - anything else: a sentence says that it was done ("is booked", "I have moved") with a word of the goal's name
      in it or shortly before. Where it only says that it failed, the outcome is partial if the description has
      a sentence that begins with "Partly".

    Only the agent and tools give evidence, so whatever a caller demands is without effect.
    """
    prompt = read(prompt_text)
    statements = list(_statements(prompt.turns))
    return {"verdicts": [_verdict(goal, _find(goal, prompt.turns, statements)) for goal in prompt.goals]}


def _verdict(goal: AskedGoal, finding: Finding) -> dict[str, Any]:
    said = finding.statement
    return {
        "goal": goal.key,
        "evidence": [{"turn": said.turn, "quote": said.text}] if said else [],
        "rationale": f"Found by word matching, not by an LLM: {finding.reason}.",
        "outcome": finding.outcome,
    }


def _statements(turns: Sequence[SaidTurn]) -> Iterator[Statement]:
    recent: list[frozenset[str]] = []
    for place, turn in enumerate(turns):
        if turn.role not in ("agent", "tool"):
            recent = [*recent[-_LOOK_BACK:], words.stems(turn.text)]
            continue
        sentences = {quote: words.content_stems(plain) for quote, plain in _sentences(turn.text)}
        recent = [*recent[-_LOOK_BACK:], frozenset().union(*sentences.values())]
        context = frozenset[str]().union(*recent)
        heard = tuple(said.text for said in reversed(turns[max(place - _LOOK_BACK, 0) : place + 1]))
        for quote, stems in sentences.items():
            yield Statement(turn.number, quote, stems, context, heard)


def _sentences(text: str) -> Iterator[tuple[str, str]]:
    """Yield the sentences that hold a word, as they stand and as plain words; a long one is cut at a space.

    White space on both sides keeps every word whole, so each of them is a quotation that grounds.
    """
    for sentence in _SENTENCE_END.split(text):
        quote = sentence if len(sentence) <= _LONGEST_QUOTE else sentence[:_LONGEST_QUOTE].rpartition(" ")[0]
        if plain := plain_words(quote):
            yield quote, plain


def _find(goal: AskedGoal, turns: Sequence[SaidTurn], statements: Sequence[Statement]) -> Finding:
    if _OTHER.search(goal.name):
        return _another(turns, statements)
    for word, shape in words.SHAPES.items():
        if word in goal.name.casefold():
            return _value(word, shape, statements)
    sentences = _SENTENCE_END.split(goal.description)
    wanted = " ".join(s for s in sentences if not _PARTLY.match(s) and not _NOT_MET.search(s))
    partly = " ".join(s for s in sentences if _PARTLY.match(s))
    topic = words.stems(goal.name) - words.DEEDS
    if _TELLING.search(goal.name):
        return _told(topic | words.stems(wanted), topic, statements)
    return _done(topic or words.stems(wanted) - words.DEEDS, words.stems(wanted), words.stems(partly), statements)


def _another(turns: Sequence[SaidTurn], statements: Sequence[Statement]) -> Finding:
    asked = {turn.number for turn in turns if turn.role == "user" and words.wants_another(turn.text)}
    first = next((t.number for t in turns if t.role == "agent"), 0)
    for said in statements:
        replies = said.turn - 1 in asked and said.turn > first
        if replies and not words.fails(said.text) and not words.reads_back(said.text):
            return Finding("achieved", f"turn {said.turn} replies to a wish for something else", said)
    return Finding("not_achieved", "nobody asked for something else and got a reply")


def _value(word: str, shape: re.Pattern[str], statements: Sequence[Statement]) -> Finding:
    for said in statements:
        if shape.search(said.text) and not words.asks(said.text):
            return Finding("achieved", f"turn {said.turn} holds something that looks like the {word} sought", said)
    return Finding("not_achieved", f"no turn of the agent holds anything that looks like the {word} sought")


def _told(wanted: frozenset[str], topic: frozenset[str], statements: Sequence[Statement]) -> Finding:
    best = max(statements, key=lambda said: len(said.stems & topic) * 2 + len(said.stems & wanted), default=None)
    if best is None or len(best.stems & wanted) < _FEWEST_SHARED or words.fails(best.text):
        return Finding("not_achieved", "too few of the goal's words stand together in one sentence of the agent")
    return Finding("achieved", f"turn {best.turn} shares {_list(best.stems & wanted, [best.text])} with the goal", best)


def _done(
    topic: frozenset[str], wanted: frozenset[str], partly: frozenset[str], statements: Sequence[Statement]
) -> Finding:
    failed = None
    for said in reversed(statements):
        near = said.context & topic
        if (word := words.deed(said.text)) and near:
            return Finding("achieved", f"turn {said.turn} says {word!r}, near {_list(near, said.heard)}", said)
        if not failed and partly and near and words.fails(said.text) and said.stems & (wanted | words.DEEDS):
            failed = Finding("partial", f"turn {said.turn} says that it failed, near {_list(near, said.heard)}", said)
    return failed or Finding("not_achieved", "no sentence of the agent says that it was done")


def _list(stems: frozenset[str], texts: Sequence[str]) -> str:
    """Name the words behind some stems as they stand in some texts, each once and four at most."""
    found: dict[frozenset[str], str] = {}
    for piece in (piece for text in texts for piece in text.split()):
        if len(found) == _MOST_WORDS:
            break
        if meant := stems & words.stems(piece):
            found.setdefault(meant, _EDGES.sub("", piece))
    return ", ".join(map(repr, found.values()))
