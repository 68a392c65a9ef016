"""Finds verdicts by plain word matching: a stand-in for reading, and never more than that."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from goalline.domain.text import quotes
from goalline.judge.stand_in import words
from goalline.judge.stand_in.reading import AskedGoal, SaidTurn, read

MODEL = "goalline-stand-in"
"""The model name in every answer of the stand-in, whatever model was asked for."""

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_TELLING = re.compile(r"\b(?:given|told|offered|named|mentioned|explained|stated|quoted)\b", re.IGNORECASE)
_OTHER = re.compile(r"\b(?:another|other|alternative)\b", re.IGNORECASE)
_PARTLY = re.compile(r"^(?:partly|partially|partial)\b", re.IGNORECASE)
_NOT_MET = re.compile(r"\b(?:does not|do not|is not|not) (?:meet|count|enough)\b|\balone\b", re.IGNORECASE)
_LONGEST_QUOTE = 300
_LOOK_BACK = 14
"""How many turns before a sentence may say what it is about ("I have made the reservation.")."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence of the agent or of a tool, and what it shares with the goals' words."""

    turn: int
    text: str
    stems: frozenset[str]
    context: frozenset[str]


@dataclass(frozen=True, slots=True)
class Finding:
    """What the rules found for one goal: an outcome, why, and the sentence it rests on."""

    outcome: str
    reason: str
    statement: Statement | None = None


def answer(prompt_text: str) -> dict[str, object]:
    """Return a reply in the judge's wire format for the goals and turns that a prompt shows.

    Evidence is copied from the turn it names, so it is always grounded; the outcome comes from word lists.
    """
    prompt = read(prompt_text)
    statements = list(_statements(prompt.turns))
    return {"verdicts": [_verdict(goal, _find(goal, prompt.turns, statements), prompt.turns) for goal in prompt.goals]}


def _verdict(goal: AskedGoal, finding: Finding, turns: Sequence[SaidTurn]) -> dict[str, object]:
    evidence = []
    if said := finding.statement:
        evidence = [{"turn": said.turn, "quote": said.text}]
    return {
        "goal": goal.key,
        "evidence": evidence,
        "rationale": f"Found by word matching, not by an LLM: {finding.reason}.",
        "outcome": finding.outcome,
    }


def _statements(turns: Sequence[SaidTurn]) -> Iterator[Statement]:
    recent: list[frozenset[str]] = []
    for turn in turns:
        recent = [*recent[-_LOOK_BACK:], words.stems(turn.text)]
        if turn.role not in ("agent", "tool"):
            continue
        context = frozenset[str]().union(*recent)
        for sentence in _SENTENCE_END.split(turn.text):
            quote = sentence if len(sentence) <= _LONGEST_QUOTE else sentence[:_LONGEST_QUOTE].rpartition(" ")[0]
            if quotes(quote, turn.text):
                yield Statement(turn.number, quote, words.stems(quote), context)


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
        if said.turn - 1 in asked and said.turn > first and not (words.fails(said.text) or words.reads_back(said.text)):
            return Finding("achieved", f"turn {said.turn - 1} asks for something else and turn {said.turn} replies", said)
    return Finding("not_achieved", "nobody asked for something else and got a reply")


def _value(word: str, shape: re.Pattern[str], statements: Sequence[Statement]) -> Finding:
    for said in statements:
        if shape.search(said.text) and not words.asks(said.text):
            return Finding("achieved", f"turn {said.turn} holds something that looks like the {word} sought", said)
    return Finding("not_achieved", f"no turn of the agent holds anything that looks like the {word} sought")


def _told(wanted: frozenset[str], topic: frozenset[str], statements: Sequence[Statement]) -> Finding:
    best = max(statements, key=lambda said: (len(said.stems & topic) * 2 + len(said.stems & wanted)), default=None)
    if best is None or len(best.stems & wanted) < 2 or words.fails(best.text):
        return Finding("not_achieved", "too few of the goal's words stand together in one sentence of the agent")
    return Finding("achieved", f"turn {best.turn} shares {_list(best.stems & wanted)} with the goal", best)


def _done(
    topic: frozenset[str], wanted: frozenset[str], partly: frozenset[str], statements: Sequence[Statement]
) -> Finding:
    failed = None
    for said in reversed(statements):
        near = said.context & topic
        if (word := words.deed(said.text)) and near:
            return Finding("achieved", f"turn {said.turn} says {word!r}, near {_list(near)}", said)
        if not failed and partly and near and words.fails(said.text) and said.stems & (wanted | words.DEEDS):
            failed = Finding("partial", f"turn {said.turn} says that it failed, near {_list(near)}", said)
    return failed or Finding("not_achieved", "no sentence of the agent says that it was done")


def _list(stems: frozenset[str]) -> str:
    return ", ".join(repr(stem) for stem in sorted(stems)[:4])
