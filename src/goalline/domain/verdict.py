"""Verdicts, and the rule that they rest on words which were really said."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict

from goalline.domain.goal import Kind
from goalline.domain.text import stands_in, storable, words
from goalline.domain.transcript import Turn

_KEY = re.compile(r"g[0-9]{1,4}")
_Said = Annotated[str, AfterValidator(storable)]


class Outcome(StrEnum):
    """The three-way result for one goal."""

    ACHIEVED = "achieved"
    PARTIAL = "partial"
    NOT_ACHIEVED = "not_achieved"


# The judge's wire format: no defaults and no extra fields, as schema-constrained decoding demands, and
# evidence before rationale before outcome, so that a model finds its reasons before it decides.
class Evidence(BaseModel):
    """A turn, numbered from 1, and words quoted from it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    turn: int
    quote: _Said


class GoalReply(BaseModel):
    """What the judge answers for one goal; `goal` is its key in the prompt, such as `g1`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    goal: str
    evidence: list[Evidence]
    rationale: _Said
    outcome: Outcome


class Reply(BaseModel):
    """The judge's whole answer for one conversation."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    verdicts: list[GoalReply]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge found for one goal of one conversation, pinned to the goal's revision."""

    goal_id: UUID
    revision: int
    kind: Kind
    outcome: Outcome
    rationale: str
    evidence: Sequence[Evidence]


def incompleteness(reply: Reply, keys: Sequence[str]) -> list[str]:
    """Say which goals the reply leaves out, repeats or makes up; an empty list means none."""
    answered = Counter(verdict.goal for verdict in reply.verdicts)
    return [
        *(f"goal {key} has no verdict; give exactly one" for key in keys if not answered[key]),
        *(f"goal {key} has {answered[key]} verdicts; give exactly one" for key in keys if answered[key] > 1),
        *("a verdict names a goal that was not asked for" for key in answered if key not in keys),
    ]


def ungrounded(reply: Reply, turns: Sequence[Turn]) -> list[str]:
    """Say where the reply's evidence does not hold against the transcript; an empty list means it does.

    `achieved` and `partial` need evidence, and whatever is quoted, for any outcome, must stand in the turn it
    names: word for word, after normalising case, white space and punctuation. The messages name goals and
    turns and repeat nobody's words.
    """
    faults = []
    quoted = {item.turn for verdict in reply.verdicts for item in verdict.evidence if 1 <= item.turn <= len(turns)}
    # Once for each turn: a long one may be quoted many times.
    said = {turn: words(turns[turn - 1].text) for turn in quoted}
    for verdict in reply.verdicts:
        # A key that a model made up may be anybody's words.
        goal = f"goal {verdict.goal}" if _KEY.fullmatch(verdict.goal) else "a goal"
        if verdict.outcome is not Outcome.NOT_ACHIEVED and not verdict.evidence:
            faults.append(f"{goal} is {verdict.outcome} without evidence; quote the turn that shows it")
        for item in verdict.evidence:
            if item.turn not in said:
                faults.append(f"{goal} quotes turn {item.turn}; turns run from 1 to {len(turns)}")
            elif not stands_in(item.quote, said[item.turn]):
                faults.append(
                    f"{goal} quotes turn {item.turn} with words that do not stand in it; "
                    "copy them word for word from that one turn"
                )
    return faults
