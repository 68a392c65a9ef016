"""Evaluations: their states, why they end as they do, and what the judge is to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from goalline.domain.goal import GoalInForce
from goalline.domain.transcript import Turn
from goalline.domain.verdict import Verdict


class Status(StrEnum):
    """The state of one evaluation; the last three are terminal."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"


class Reason(StrEnum):
    """Why an evaluation was skipped, failed, or still waits; `explanation` says it to a person."""

    EMPTY_TRANSCRIPT = "empty_transcript"
    NO_GOAL_IN_FORCE = "no_goal_in_force"
    CONTACT_DEACTIVATED = "contact_deactivated"
    ERASED = "erased"
    UNGROUNDED = "ungrounded"
    INVALID_ANSWER = "invalid_answer"
    REFUSED = "refused"
    CONTENT_FILTER = "content_filter"
    TRUNCATED = "truncated"
    TOO_LONG = "too_long"
    BAD_REQUEST = "bad_request"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    UNAVAILABLE = "unavailable"
    POISON = "poison"
    INTERNAL_ERROR = "internal_error"

    @property
    def explanation(self) -> str:
        """What happened and what to do about it, in one sentence or two."""
        return _EXPLANATIONS[self]


_EXPLANATIONS = {
    Reason.EMPTY_TRANSCRIPT: "Nobody said anything in this conversation, so there was nothing to judge.",
    Reason.NO_GOAL_IN_FORCE: "No judged goal was active for this agent when the conversation ended.",
    Reason.CONTACT_DEACTIVATED: "The contact of this conversation is deactivated, so its words were not stored and not"
    " judged.",
    Reason.ERASED: "The words of this conversation were erased before it was judged.",
    Reason.UNGROUNDED: "The model kept quoting words that do not stand in the transcript. Judge again, or use a"
    " stronger model.",
    Reason.INVALID_ANSWER: "The model kept answering in a form that is not the expected one. Check that it supports"
    " structured output (GOALLINE_OUTPUT_MODE), or use a stronger model.",
    Reason.REFUSED: "The model refused to judge this conversation.",
    Reason.CONTENT_FILTER: "The provider's content filter stopped the answer.",
    Reason.TRUNCATED: "The model ran out of output tokens before it finished. Raise GOALLINE_MAX_OUTPUT_TOKENS if it"
    " is set, or use a model with a larger output limit.",
    Reason.TOO_LONG: "The transcript and the goals are longer than the model's context window. Use a model with a"
    " larger one.",
    Reason.BAD_REQUEST: "The provider refused the request (400). Check GOALLINE_MODEL and GOALLINE_OUTPUT_MODE.",
    Reason.UNAUTHORIZED: "The provider refused the key (401). Check OPENAI_API_KEY and start again. A waiting"
    " evaluation is tried again by itself; a failed one has to be judged again.",
    Reason.FORBIDDEN: "The provider does not allow this key to use the model (403). Check the key's rights.",
    Reason.NOT_FOUND: "The provider knows no such model or address (404), or sends elsewhere (3xx): no transcript"
    " follows a redirect to another host. Check GOALLINE_MODEL and OPENAI_BASE_URL.",
    Reason.UNAVAILABLE: "The provider was overloaded, slow or out of reach. A waiting evaluation is tried again by"
    " itself; a failed one has waited as long as GOALLINE_GIVE_UP_AFTER_SECONDS allows.",
    Reason.POISON: "Whatever judged this conversation was killed each time before it had finished, so it is not tried"
    " any more. Look for workers that ran out of memory, then judge again.",
    Reason.INTERNAL_ERROR: "Goalline met an error of its own; the log names it by this evaluation's id.",
}


@dataclass(frozen=True, slots=True)
class Usage:
    """What an evaluation asked of the model: tokens and calls, re-asks included.

    Tokens are None where the provider did not report them.
    """

    calls: int = 0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.calls + other.calls,
            _sum(self.prompt_tokens, other.prompt_tokens),
            _sum(self.completion_tokens, other.completion_tokens),
        )


def _sum(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else one + other


@dataclass(frozen=True, slots=True)
class Effort:
    """What one run of the judge took: by which model and prompt, how much usage, at what cost.

    `cost` is in US dollars, None where the price of the model is unknown.
    """

    model: str
    prompt_digest: str
    usage: Usage = Usage()
    cost: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """A complete answer of the judge: one grounded verdict for each goal, and the effort it took."""

    verdicts: Sequence[Verdict]
    effort: Effort


class JudgementFailed(Exception):
    """The judge cannot judge this conversation, now or later; carries no word of the transcript."""

    def __init__(self, reason: Reason, effort: Effort) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.effort = effort


class JudgeUnavailable(Exception):
    """The judge cannot be reached, is overloaded, or is refused to everybody alike: try again later.

    `retry_after` is the delay in seconds that the provider asked for, if it asked for one.
    """

    def __init__(self, effort: Effort, retry_after: float | None = None, reason: Reason = Reason.UNAVAILABLE) -> None:
        super().__init__(reason.value)
        self.effort = effort
        self.retry_after = retry_after
        self.reason = reason


class Judge(Protocol):
    """Turns a transcript and goal revisions into verdicts."""

    def judge(self, goals: Sequence[GoalInForce], turns: Sequence[Turn]) -> Judgement:
        """Return one verdict for each goal, in the order of `goals`.

        Raises:
            JudgementFailed: this conversation cannot be judged; trying again as it is would not help.
            JudgeUnavailable: the model cannot be reached for now.
        """
        ...


RING_AGAIN_AFTER = timedelta(seconds=60)
"""How long a bell may go unanswered before the sweep rings again."""

MOST_INTERRUPTIONS = 5
"""How often a worker may die over an evaluation before it is given up: it may be what kills them."""

SUSPECT_AFTER = 2
"""After how many interruptions an evaluation is judged by its worker only while no other such one is.

What dies together with the one that kills would be given up with it, if they were begun together each time.
"""

_LONGEST_SILENCE = timedelta(minutes=10)
_FIRST_DELAY = timedelta(seconds=15)
_LONGEST_DELAY = timedelta(minutes=30)


def release_delay(waited: timedelta, retry_after: float | None = None) -> timedelta:
    """Return how long an evaluation that has waited for `waited` in vain waits until its next attempt.

    15 seconds more than it has waited so far, which doubles the delay from attempt to attempt; at most 30 minutes,
    and never less than the provider asked for (of which at most a day is believed).
    """
    grown = min(_FIRST_DELAY + max(waited, timedelta(0)), _LONGEST_DELAY)
    return max(grown, timedelta(seconds=min(retry_after or 0, 86_400)))


def ring_again_delay(overdue: timedelta) -> timedelta:
    """Return how long the sweep waits until it rings again for an evaluation that has been due for `overdue`.

    As long again as it has been due, so that a backlog that nobody has time for does not fill the broker; at least
    `RING_AGAIN_AFTER`, at most 10 minutes.
    """
    return min(max(overdue, RING_AGAIN_AFTER), _LONGEST_SILENCE)
