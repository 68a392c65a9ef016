"""The word lists and the single-sentence tests behind the stand-in's verdicts; English only."""

import re
from functools import lru_cache

from goalline.domain.text import words

_ENDING = re.compile(r"(?:ations?|ions?|ments?|ings?|ies|ed|es|s|e|y)$")
_SHORTEST_STEM = 3
_STOPS = frozenset(
    """a about after all alone also an and any are as asked asks at be been before but by call called caller can
    chat contact could customer did do does each for from gave get give given guest had has have he her him his how
    i if in into is it its line may meet met more my named no not of on one only or other our out partly person
    said say says she should so some stated than that the their them then there these they this those to told until
    up user was way we were what when where whether which who whose will with would yes you your agent visitor
    conversation""".split()  # noqa: SIM905 - a hundred quoted words would be hard to read
)

_DEED = re.compile(
    # "is booked", "have now been moved", "I made": an auxiliary or a first person, then a participle.
    r"\b(?:have|has|is|are|was|were|been|now|i|we|successfully|(?:i|we|it|that|they)['’](?:ve|s|re))\s+"
    r"(?:(?:just|also|now|already|successfully|been|all|both)\s+)*"
    r"(?:(\w{2,}ed|made|set|bought|sent|done|complete|successful|paid|put)\b)"
    r"|\bable to (\w+)"
    r"|\ball (set|booked|done|confirmed)\b"
    r"|\b(yours)\b",
    re.IGNORECASE,
)
_FAILURE = re.compile(
    r"\b(?:unfortunately|sorry|apolog\w+|unable|fail(?:s|ed|ure)?|unsuccessful|error|went wrong|declined|rejected"
    r"|fully booked|sold out|can(?:no|['’])t|can not|(?:could|was|were|is|are|did|does|do|has|have)(?: not|n['’]?t)"
    r"|not able|unavailable|no longer|impossible)\b"
    r"|\bno (?:\w+ ){0,3}(?:available|left|openings?|match\w*|free)\b",
    re.IGNORECASE,
)
_QUESTION = re.compile(
    r"\?\W*$|\b(?:shall i|should i|would you like|do you want|with your approval|if you)\b", re.IGNORECASE
)
_READING_BACK = re.compile(
    r"\b(?:please confirm|to confirm|confirm:|confirm (?:the following|that|you|if))", re.IGNORECASE
)
_ANOTHER = re.compile(
    r"\b(?:another|others?|else|different|alternatives?|instead|rather|more (?:options|choices))\b", re.IGNORECASE
)
_CLOSING = re.compile(r"\b(?:that['’]s|that is|that will be) all\b|\bthanks?\b|\bgood ?bye\b", re.IGNORECASE)
_PHONE = re.compile(r"\d[\d ().-]{5,}\d")
_STREET = re.compile(
    r"\b\d+(?:-\d+)? (?:\w+\.? ){0,4}(?:street|st|avenue|ave|road|rd|boulevard|blvd|drive|dr|lane|ln|way|court|ct|place"
    r"|highway|parkway|square|plaza|circle|terrace|real|broadway)\b",
    re.IGNORECASE,
)
_PRICE = re.compile(r"[$€£]\s?\d|\b\d+(?:\.\d\d)? (?:dollars|euros?|pounds)\b", re.IGNORECASE)


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """Return a word without its commonest endings, so that `booked`, `booking` and `book` compare equal."""
    shorter = _ENDING.sub("", word)
    if len(shorter) < _SHORTEST_STEM:
        return word
    return shorter[:-1] if shorter[-1] == shorter[-2] else shorter


def stems(text: str) -> frozenset[str]:
    """Return the stems of the content words of a text."""
    return content_stems(words(text))


def content_stems(plain: str) -> frozenset[str]:
    """Return the same for a text that `domain.text.words` has gone over already."""
    return frozenset(stem(word) for word in plain.split() if word not in _STOPS)


DEEDS = frozenset(
    stem(word)
    for word in """added arranged available booked bought cancelled changed collected completed confirmed created
    delivered done extended fixed initiated issued made moved noted opened openings ordered paid placed possible
    processed purchased rebooked refunded registered replaced rescheduled reserved resolved restored scheduled sent set
    shared shipped slots submitted success successful transferred unblocked updated upgraded yours""".split()  # noqa: SIM905 - as above
)
"""Stems of words by which an agent says that it did something, or could not."""


def deed(sentence: str) -> str | None:
    """Return the word by which a sentence says that something was done, if it does."""
    if fails(sentence) or asks(sentence):
        return None
    said = (word for found in _DEED.finditer(sentence) for word in found.groups() if word)
    return next((word for word in said if stem(word.casefold()) in DEEDS), None)


def fails(sentence: str) -> bool:
    """Tell whether a sentence says that something could not be done."""
    return _FAILURE.search(sentence) is not None


def asks(sentence: str) -> bool:
    """Tell whether a sentence asks for something rather than stating it."""
    return _QUESTION.search(sentence) is not None or reads_back(sentence)


def reads_back(sentence: str) -> bool:
    """Tell whether a sentence only repeats what was understood, to have it confirmed."""
    return _READING_BACK.search(sentence) is not None


def wants_another(text: str) -> bool:
    """Tell whether somebody asks for something else than what they were told."""
    return _ANOTHER.search(text) is not None and _CLOSING.search(text) is None


SHAPES = {"phone": _PHONE, "telephone": _PHONE, "address": _STREET, "price": _PRICE, "cost": _PRICE}
"""How a value looks that a goal names, by the word that names it."""
