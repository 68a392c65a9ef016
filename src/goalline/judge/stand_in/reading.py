"""Reads goals and turns back out of a prompt; nothing else of the prompt is looked at."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_GOAL = re.compile(r"\[(g\d+)\] (?:primary|secondary): (.*)")
_TURN = re.compile(r"\[(\d+)\] (agent|user|tool|system):(.*)")


@dataclass(frozen=True, slots=True)
class AskedGoal:
    """A goal as the prompt shows it: its key, such as `g1`, its name and its description."""

    key: str
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class SaidTurn:
    """A turn as the prompt shows it, on one line."""

    number: int
    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a prompt asks about: some goals, and the turns to judge them by."""

    goals: Sequence[AskedGoal]
    turns: Sequence[SaidTurn]


def read(prompt_text: str) -> Prompt:
    """Return the goals and turns that stand in a prompt; lines in any other form are passed over."""
    lines = prompt_text.split("\n")
    # A turn is one line, so nobody in the transcript can begin another one. A goal's description is free text
    # above the transcript and may well contain such a line: the last turn 1 is the real one.
    first_turns = [i for i, line in enumerate(lines) if (found := _TURN.match(line)) and found[1] == "1"]
    start = first_turns[-1] if first_turns else len(lines)
    return Prompt(_goals(lines[:start]), _turns(lines[start:]))


def _goals(lines: Sequence[str]) -> list[AskedGoal]:
    goals: list[AskedGoal] = []
    description: list[str] = []
    for line in lines:
        found = _GOAL.match(line)
        if found and found[1] == f"g{len(goals) + 1}":
            description = []
            goals.append(AskedGoal(found[1], found[2].strip(), ""))
        elif goals and line.startswith("</"):
            break
        elif goals:
            description.append(line.strip())
            goals[-1] = AskedGoal(goals[-1].key, goals[-1].name, " ".join(description).strip())
    return goals


def _turns(lines: Sequence[str]) -> list[SaidTurn]:
    turns: list[SaidTurn] = []
    for line in lines:
        found = _TURN.match(line)
        if found and found[1] == str(len(turns) + 1):
            turns.append(SaidTurn(len(turns) + 1, found[2], found[3].strip()))
    return turns


def prompt_of(request: Mapping[str, object]) -> str:
    """Return the first message of a chat-completions request that shows a goal, or an empty text.

    Later messages are re-asks; they repeat errors and change neither goals nor turns.
    """
    messages = request.get("messages")
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, list):
            content = "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
        if isinstance(content, str) and any(_GOAL.match(line) for line in content.split("\n")):
            return content
    return ""
