"""The judge's words: goals and transcript rendered into the messages that the model reads.

The form of a goal's line, `[g1] primary: NAME`, and of a turn's line, `[7] user: TEXT`, is a public contract.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template
from typing import Self

from goalline import resources
from goalline.domain.goal import GoalInForce
from goalline.domain.text import fold_lines
from goalline.domain.transcript import Turn

Message = dict[str, str]

# A tag of ours in any letter case, with any blanks, slashes or invisible characters inside. What may stand
# between the bracket and the name leaves out further brackets, so that "<<<<..." costs linear time.
_TAG = re.compile(r"[<\uff1c\ufe64](?=[^\w<\uff1c\ufe64]*+(?:goals|transcript))", re.IGNORECASE)
# What looks like the start of a goal's or a turn's line, whatever signs stand before it.
_LABEL = re.compile(r"^([^\w\[]*+)\[([^\w\]]*+g?[^\w\]]*+\d++[^\w\]]*+)\]", re.IGNORECASE)


def keys(goals: Sequence[GoalInForce]) -> list[str]:
    """Return the keys by which the prompt and the reply name the goals: `g1`, `g2`, ... in their order."""
    return [f"g{number}" for number in range(1, len(goals) + 1)]


@dataclass(frozen=True, slots=True)
class Prompt:
    """The two templates of the judge and the digest that pins them to each evaluation."""

    system: str
    user: Template
    digest: str

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read `system.md` and `user.md` from `folder`; the digest is the SHA-256 (hex) of both texts."""
        system, user = ((folder / name).read_text(encoding="utf-8").strip() for name in ("system.md", "user.md"))
        return cls(system, Template(user), hashlib.sha256(f"{system}\0{user}".encode()).hexdigest())

    def render(self, goals: Sequence[GoalInForce], turns: Sequence[Turn]) -> list[Message]:
        """Return the messages for one conversation.

        Instructions come first, then the goals, then the transcript, so that a provider can reuse what it read
        for the last conversation with the same goals.
        """
        names = keys(goals)
        content = self.user.substitute(
            goals="\n\n".join(_goal(key, goal) for key, goal in zip(names, goals, strict=True)),
            transcript="\n".join(_turn(number, turn) for number, turn in enumerate(turns, start=1)),
            keys=", ".join(names),
        )
        return [{"role": "system", "content": self.system}, {"role": "user", "content": content}]


@cache
def shipped() -> Prompt:
    """Return the prompt that this installation judges by, read once."""
    return Prompt.load(resources.folder("prompts"))


def _goal(key: str, goal: GoalInForce) -> str:
    return f"[{key}] {goal.kind}: {_contained(fold_lines(goal.name))}\n{_description(goal.description)}"


def _description(text: str) -> str:
    # Lines stay lines, for an admin's list should reach the model as one; none of them can pose as a label.
    return "\n".join(_LABEL.sub(r"\1(\2)", line) for line in _contained(text).splitlines())


def _turn(number: int, turn: Turn) -> str:
    return f"[{number}] {turn.role}: {_contained(fold_lines(turn.text))}"


def _contained(text: str) -> str:
    """Return `text` so that it can neither open nor close one of the prompt's blocks."""
    return _TAG.sub("\u2039", text)
