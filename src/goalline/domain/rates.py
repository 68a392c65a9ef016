"""Rates and agreement: counts, Wilson intervals, confusion matrices and Cohen's kappa."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from goalline.domain.verdict import Outcome

Z_95 = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution: two-sided 95 %."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many verdicts there are of each outcome; they add up and take off like numbers."""

    achieved: int = 0
    partial: int = 0
    not_achieved: int = 0

    @classmethod
    def of(cls, outcome: Outcome) -> "Counts":
        """Return the counts of one single verdict."""
        return cls(**{outcome.value: 1})

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.achieved + other.achieved, self.partial + other.partial, self.not_achieved + other.not_achieved
        )

    def __neg__(self) -> "Counts":
        return Counts(-self.achieved, -self.partial, -self.not_achieved)

    @property
    def evaluated(self) -> int:
        """How many verdicts there are in all."""
        return self.achieved + self.partial + self.not_achieved

    @property
    def rate(self) -> float | None:
        """Achieved / (achieved + partial + not_achieved); None, not 0, where nothing was evaluated."""
        return self.achieved / self.evaluated if self.evaluated else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % Wilson interval of the rate, None where nothing was evaluated."""
        return wilson(self.achieved, self.evaluated)


def wilson(successes: int, trials: int) -> tuple[float, float] | None:
    """Return the two-sided 95 % score interval of a proportion, None for no trials.

    Source: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference",
    Journal of the American Statistical Association 22 (1927), 209-212.
    """
    if not trials:
        return None
    share, z_squared = successes / trials, Z_95**2
    centre = share + z_squared / (2 * trials)
    margin = Z_95 * math.sqrt(share * (1 - share) / trials + z_squared / (4 * trials**2))
    scale = 1 + z_squared / trials
    # At 0 and at 1 the bound is exact; rounding must not push it past them, nor the rate out of its interval.
    low = 0.0 if successes == 0 else min((centre - margin) / scale, share)
    high = 1.0 if successes == trials else max((centre + margin) / scale, share)
    return low, high


def coverage(evaluated: int, conversations: int) -> float | None:
    """Return the share of conversations that were evaluated, None where there were none."""
    return evaluated / conversations if conversations else None


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two raters agree: `matrix[a][b]` counts the cases the first rated `a` and the second `b`."""

    matrix: dict[Outcome, dict[Outcome, int]]

    @classmethod
    def between(cls, pairs: Iterable[tuple[Outcome, Outcome]]) -> "Agreement":
        """Count pairs of (first rater's outcome, second rater's outcome)."""
        matrix = {first: dict.fromkeys(Outcome, 0) for first in Outcome}
        for first, second in pairs:
            matrix[first][second] += 1
        return cls(matrix)

    @property
    def total(self) -> int:
        """How many cases both raters rated."""
        return sum(self._first_totals)

    @property
    def accuracy(self) -> float | None:
        """The share of cases rated alike, None for no cases."""
        return sum(self.matrix[o][o] for o in Outcome) / self.total if self.total else None

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa; None for no cases, or where chance alone explains everything.

        Source: J. Cohen, "A Coefficient of Agreement for Nominal Scales", Educational and Psychological
        Measurement 20 (1960), 37-46.
        """
        observed = self.accuracy
        if observed is None:
            return None
        seconds = [sum(row[o] for row in self.matrix.values()) for o in Outcome]
        expected = sum(a * b for a, b in zip(self._first_totals, seconds, strict=True)) / self.total**2
        return (observed - expected) / (1 - expected) if expected < 1 else None

    @property
    def _first_totals(self) -> Sequence[int]:
        return [sum(self.matrix[o].values()) for o in Outcome]
