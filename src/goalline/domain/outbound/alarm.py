"""The alarm of a success rate: raised once when it drops, and not again before it has recovered."""

from dataclasses import dataclass

from goalline.domain.outbound.subscription import RateRule
from goalline.domain.rates import Counts


@dataclass(frozen=True, slots=True)
class Alarm:
    """Whether an agent's rate counts as dropped, and whether that is news."""

    raised: bool
    news: bool = False


def watch(rule: RateRule, window: Counts, *, raised: bool) -> Alarm:
    """Return what an agent's newest verdicts mean for an alarm that is `raised` or not.

    It is raised where the rate over a full window is below the threshold, and taken back where the rate has come up to
    `recovery`: what swings around the threshold is told once. A window that is not full changes nothing.
    """
    rate = window.rate
    if rate is None or window.evaluated < rule.conversations:
        return Alarm(raised)
    if raised:
        return Alarm(rate < rule.recovers_at)
    dropped = rate < rule.threshold
    return Alarm(dropped, news=dropped)
