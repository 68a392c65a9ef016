"""Expressions: JMESPath, held so small that no body makes them slow or large.

Tried with jmespath 1.1.0: `compile` finds wrong syntax only, so functions and their arguments are checked here. Lists
of `@` in lists of `@` double what they are given as often as they are written, lists between backticks multiply in
filters, and `join` and `to_string` build texts as long as the product of what they are given. Besides its own errors
the library lets Python's through: to order a text and a number is a TypeError, to round infinity an OverflowError.
"""

import json
import math
from collections.abc import Iterator
from typing import Annotated, Any

import jmespath  # type: ignore[import-untyped]
from jmespath.exceptions import JMESPathError, JMESPathTypeError, LexerError  # type: ignore[import-untyped]
from jmespath.functions import Functions  # type: ignore[import-untyped]
from jmespath.lexer import Lexer  # type: ignore[import-untyped]
from jmespath.visitor import TreeInterpreter  # type: ignore[import-untyped]
from pydantic import AfterValidator, WithJsonSchema

from goalline.domain.platforms.platform import unreadable
from goalline.domain.text import storable

_MOST_CHARACTERS = 256
_MOST_PARTS = 50
_WIDEST = 16
_MOST_STEPS = 500_000
_CHARACTERS_A_STEP = 8
_FUNCTIONS: dict[str, Any] = Functions.FUNCTION_TABLE
_NOT_NEEDED = {
    "join": "texts in a list are joined by spaces without it",
    "to_string": "what is no text is written as JSON without it",
}

_Node = dict[str, Any]


def _checked(text: str) -> str:
    if len(text) > _MOST_CHARACTERS:
        raise ValueError(
            f"{text[:40]!r}... has {len(text):,} characters; shorten the expression to {_MOST_CHARACTERS} or fewer"
        )
    if storable(text) != text:
        raise ValueError(f"{text!r} has NUL characters or lone surrogates; remove them")
    nodes = list(_nodes(_parsed(text)))
    if len(nodes) > _MOST_PARTS:
        raise ValueError(f"{text!r} has {len(nodes)} parts; shorten the expression to {_MOST_PARTS} or fewer")
    for parent, node in nodes:
        fault = _fault(parent, node)
        if fault:
            raise ValueError(f"{text!r} {fault}")
    made = [len(node["children"]) for _, node in nodes if node["type"].startswith("multi_select")]
    if math.prod(made) > _WIDEST:
        raise ValueError(
            f"{text!r} makes up to {math.prod(made):,} values of one; "
            f"leave out some of what stands in brackets and braces, until it makes {_WIDEST} or fewer"
        )
    return text


def _parsed(text: str) -> _Node:
    try:
        tree: _Node = jmespath.compile(text).parsed
        if any(_is_bare(token, text) for token in Lexer().tokenize(text)):
            raise LexerError(0, text, "text between backticks that is no JSON")
    except (JMESPathError, RecursionError, Warning) as error:
        place = getattr(error, "lex_position", None)
        where = "" if place is None else f" from character {place + 1} on"
        raise ValueError(
            f"{text!r} is no JMESPath expression{where}; correct it, for instance by trying it at jmespath.org"
        ) from None
    return tree


def _is_bare(token: dict[str, Any], text: str) -> bool:
    # The library takes what is no JSON between backticks for a text, and at most warns, which depends on who runs it.
    literal = token["type"] == "literal" and text[token["start"]] == "`" and isinstance(token["value"], str)
    return literal and not text[token["start"] + 1 :].lstrip().startswith('"')


def _nodes(tree: _Node) -> Iterator[tuple[_Node | None, _Node]]:
    rest: list[tuple[_Node | None, _Node]] = [(None, tree)]
    while rest:
        parent, node = rest.pop()
        yield parent, node
        # The children of a slice are numbers.
        rest += [(node, child) for child in node["children"] if isinstance(child, dict)]


def _fault(parent: _Node | None, node: _Node) -> str | None:
    if node["type"] == "literal" and isinstance(node["value"], list | dict):
        return "has a list or an object between backticks; compare with one value at a time, and join these by ||"
    if node["type"] == "slice" and node["children"][2] == 0:
        return "has a slice that goes on by 0; let it go on by 1, or another number"
    if node["type"] == "expref" and (parent is None or parent["type"] != "function_expression"):
        return "has an & outside of a function; leave it out"
    return _fault_of_call(node) if node["type"] == "function_expression" else None


def _fault_of_call(node: _Node) -> str | None:
    name, given = node["value"], node["children"]
    if name in _NOT_NEEDED:
        return f"calls {name}(), which can make texts of any length; leave it out: {_NOT_NEEDED[name]}"
    if name not in _FUNCTIONS:
        known = ", ".join(sorted(set(_FUNCTIONS) - set(_NOT_NEEDED)))
        return f"calls {name}(), which JMESPath does not have; it has {known}"
    taken = _FUNCTIONS[name]["signature"]
    variadic = taken[-1].get("variadic")
    if len(given) < len(taken) or (len(given) > len(taken) and not variadic):
        least = "at least " if variadic else ""
        return f"calls {name}() with {len(given)} values; it takes {least}{len(taken)}"
    for number, child in enumerate(given):
        types = taken[min(number, len(taken) - 1)]["types"]
        if (child["type"] == "expref") != (types == ["expref"]):
            need = "needs" if types == ["expref"] else "takes no"
            return f"calls {name}(), whose value {number + 1} {need} & before it"
    return None


Expression = Annotated[
    str,
    AfterValidator(_checked),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": _MOST_CHARACTERS, "title": "JMESPath expression"}),
]
"""A JMESPath expression of at most 256 characters and 50 parts, whose functions and arguments are right."""


class _TooMuch(Exception):
    pass


class _Interpreter(TreeInterpreter):  # type: ignore[misc]
    """Evaluates as the library does, and counts what that takes."""

    def __init__(self) -> None:
        super().__init__()
        self._left = _MOST_STEPS

    def visit(self, node: _Node, *arguments: Any, **named: Any) -> Any:
        found = super().visit(node, *arguments, **named)
        self.spend(1 + len(found) if isinstance(found, list) else 1)
        return found

    def spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise _TooMuch


class Reading:
    """One body as expressions find it; all of them share half a million steps, which take about half a second."""

    def __init__(self) -> None:
        self._interpreter = _Interpreter()

    def find(self, expression: str, within: Any, *place: str | int) -> Any:
        """Return what an expression finds in a value; None where there is nothing.

        Raises:
            ValidationError: it cannot be evaluated there; the error names the place, which is an option's.
        """
        try:
            return self._interpreter.visit(jmespath.compile(expression).parsed, within)
        except _TooMuch:
            raise unreadable(f"{expression!r}: this body is too large for the expressions", *place) from None
        except JMESPathTypeError as error:
            expected = " or ".join(error.expected_types)
            given = f"{error.function_name}() was given {error.actual_type}, not {expected}"
            raise unreadable(f"{expression!r}: {given}", *place) from None
        except (JMESPathError, TypeError, ValueError, ArithmeticError, RecursionError):
            raise unreadable(f"{expression!r} cannot be evaluated on this body", *place) from None

    def text(self, expression: str, within: Any, *place: str | int) -> str | None:
        """Return the text that an expression finds: texts in a list joined by spaces, all else as JSON.

        Raises:
            ValidationError: as of `find`.
        """
        found = self.find(expression, within, *place)
        if found is None or isinstance(found, str):
            return found
        written = self.written(found, expression, *place)
        texts = isinstance(found, list) and all(isinstance(each, str) for each in found)
        return " ".join(found) if texts else written

    def written(self, found: Any, expression: str, *place: str | int) -> str:
        """Return what an expression has found as JSON; that takes steps too, as many as it is long.

        Raises:
            ValidationError: it is too large, or too deep, for JSON to be made of it.
        """
        try:
            text = json.dumps(found, ensure_ascii=False)
            self._interpreter.spend(len(text) // _CHARACTERS_A_STEP)
        except (_TooMuch, RecursionError, ValueError):
            raise unreadable(f"{expression!r} finds what is too large or too deep", *place) from None
        return text


def holds(found: Any) -> bool:
    """Tell whether JMESPath takes a value for true: all but false, null and what is empty."""
    return found is not False and found not in (None, "", [], {})
