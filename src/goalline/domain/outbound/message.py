"""Messages: what a subscription is told, how it is sent, and what follows from the answer.

The schedule of the attempts follows Standard Webhooks 1.0.0, section "Operational considerations": a growing delay with
some chance in it over several days, 410 as the receiver's wish to be left alone, and `Retry-After` obeyed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

GONE = 410

TOLD_FOR = timedelta(days=3)
"""How long a message is tried until it fails, and a receiver must take none at all until it is told no more."""

_FIRST_DELAY = timedelta(seconds=5)
_LONGEST_DELAY = timedelta(hours=8)
_LONGEST_REST = timedelta(minutes=15)
_MOST_CHANCE = 0.2


class MessageType(StrEnum):
    """What happened. The last one is sent on request, so that somebody can try a receiver."""

    EVALUATION_COMPLETED = "evaluation.completed"
    EVALUATION_FAILED = "evaluation.failed"
    GOAL_ACHIEVED = "goal.achieved"
    GOAL_COMPLETED = "goal.completed"
    RATE_DROPPED = "rate.dropped"
    SUBSCRIPTION_TESTED = "subscription.tested"


class MessageStatus(StrEnum):
    """The state of one message; the last three are terminal.

    Dropped is what cannot be told any more, as what it is about was deleted.
    """

    WAITING = "waiting"
    RUNNING = "running"
    DELIVERED = "delivered"
    FAILED = "failed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one attempt: a status and the first characters of the body, or the error that prevented them.

    Both stand there where a body broke off, or a redirect was not followed; then the status decides. `retry_after` is
    the delay in seconds that the receiver asked for, if it asked for one.
    """

    seconds: float
    status: int | None = None
    body: str = ""
    error: str | None = None
    retry_after: float | None = None
    ours: bool = False
    """Whether nothing was sent for a reason of our own, which says nothing about the receiver."""

    @property
    def accepted(self) -> bool:
        """Whether the receiver has it."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """Whether the receiver wants no more of these, ever."""
        return self.status == GONE


class Sender(Protocol):
    """Sends webhooks over HTTP."""

    def send(self, url: str, secrets: Sequence[str], message_id: str, at: datetime, body: bytes) -> Answer:
        """Sign a message with every one of the secrets, send it once, and return what came of it, whatever that is.

        It takes a bounded time and never raises. `at` is the time of the attempt, which is signed too.
        """
        ...


def retry_delay(waited: timedelta, retry_after: float | None, chance: float) -> timedelta:
    """Return how long a message that was first tried `waited` ago waits until its next attempt.

    As long again as it has waited, which doubles the delay from attempt to attempt; at least 5 seconds, at most 8
    hours, and up to a fifth more by `chance` (0 to 1), so that what failed at once does not come back at once. Never
    less than the receiver asked for, of which at most a day is believed.
    """
    grown = min(max(waited, _FIRST_DELAY), _LONGEST_DELAY) * (1 + _MOST_CHANCE * chance)
    return max(grown, timedelta(seconds=min(retry_after or 0, 86_400)))


def rest(failing: timedelta, retry_after: float | None) -> timedelta:
    """Return how long a receiver that has been failing for a time is left alone, whatever waits for it.

    As long again, at least 5 seconds and at most 15 minutes: then one message is tried, and where it is accepted all
    others follow. Never less than the receiver asked for, of which at most a day is believed.
    """
    grown = min(max(failing, _FIRST_DELAY), _LONGEST_REST)
    return max(grown, timedelta(seconds=min(retry_after or 0, 86_400)))
