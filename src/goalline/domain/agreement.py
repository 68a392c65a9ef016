"""Agreement of the two instruments: what the judge found for a goal, against how far its cycles came."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from goalline.domain import rates
from goalline.domain.cycle import CycleState
from goalline.domain.rates import Agreement
from goalline.domain.verdict import Outcome

OUTCOME_OF = {
    CycleState.COMPLETED: Outcome.ACHIEVED,
    CycleState.PARTIAL: Outcome.PARTIAL,
    CycleState.INCOMPLETE: Outcome.NOT_ACHIEVED,
}
"""The outcome that agrees with a state, from the furthest state to the least."""

Cell = tuple[Outcome | None, CycleState | None]
"""An outcome, None without a verdict, and the state of the cycle that came furthest, None without a cycle."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How many conversations there are of each outcome and state, for one goal.

    Only those with a verdict and a cycle are compared. A conversation without a cycle is none in which the process
    came to nothing: nobody told of it. It has a place of its own and is in no rate and no kappa, and so has one with
    cycles that was not judged.
    """

    cells: Mapping[Cell, int]

    def number(self, outcome: Outcome | None, state: CycleState | None) -> int:
        """Return how many conversations there are of an outcome and a state."""
        return self.cells.get((outcome, state), 0)

    @property
    def matrix(self) -> Agreement:
        """The judge's outcomes against those that the states stand for."""
        return Agreement(
            {
                outcome: {stood_for: self.number(outcome, state) for state, stood_for in OUTCOME_OF.items()}
                for outcome in Outcome
            }
        )

    @property
    def judged(self) -> int:
        """How many have a verdict, with a cycle or without one."""
        return sum(number for (outcome, _), number in self.cells.items() if outcome)

    @property
    def compared(self) -> int:
        """How many have a verdict and a cycle."""
        return self.matrix.total

    @property
    def agreeing(self) -> int:
        """How many have a verdict and a cycle that say the same."""
        return sum(self.number(outcome, state) for state, outcome in OUTCOME_OF.items())

    @property
    def rate(self) -> float | None:
        """The share of those compared that agree; None, not 0, where there are none."""
        return self.matrix.accuracy

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % Wilson interval of the rate; None where there are none to compare."""
        return rates.wilson(self.agreeing, self.compared)

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa; None where there are none to compare, or where all are of one and the same outcome."""
        return self.matrix.kappa

    @property
    def kappa_interval(self) -> tuple[float, float] | None:
        """The 95 % interval of kappa; None where kappa is, or where its error cannot be estimated.

        That is so where all agree, or one of the two says the same of all: an error of 0 would claim a certainty that
        nobody has after a few conversations.
        """
        found = self.matrix
        error = kappa_error([list(row.values()) for row in found.matrix.values()])
        if found.kappa is None or not error:
            return None
        return max(found.kappa - rates.Z_95 * error, -1.0), min(found.kappa + rates.Z_95 * error, 1.0)


def kappa_error(matrix: Sequence[Sequence[int]]) -> float | None:
    """Return the standard error of Cohen's kappa in large samples; None where kappa is undefined.

    Source: J. L. Fleiss, J. Cohen, B. S. Everitt, "Large Sample Standard Errors of Kappa and Weighted Kappa",
    Psychological Bulletin 72 (1969), 323-327: the error of unweighted kappa that does not suppose that it is 0.

    Args:
        matrix: a square one; `matrix[a][b]` counts the cases that one rater rated `a` and the other `b`.
    """
    total = sum(map(sum, matrix))
    if not total:
        return None
    shares = [[number / total for number in row] for row in matrix]
    ones, others = [sum(row) for row in shares], [sum(column) for column in zip(*shares, strict=True)]
    rated = range(len(matrix))
    observed = sum(shares[a][a] for a in rated)
    expected = sum(ones[a] * others[a] for a in rated)
    # In whole numbers, as rounding must not make a rater who never varies look like one who does.
    if sum(sum(matrix[a]) * sum(row[a] for row in matrix) for a in rated) == total**2:
        return None
    kappa = (observed - expected) / (1 - expected)
    alike = sum(shares[a][a] * (1 - (ones[a] + others[a]) * (1 - kappa)) ** 2 for a in rated)
    apart = sum(shares[a][b] * (others[a] + ones[b]) ** 2 for a in rated for b in rated if a != b)
    variance = alike + (1 - kappa) ** 2 * apart - (kappa - expected * (1 - kappa)) ** 2
    # What is left of nothing after rounding is nothing.
    return math.sqrt(variance / total) / (1 - expected) if variance > 1e-12 else 0.0
