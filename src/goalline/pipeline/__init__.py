"""The story: a conversation is received, evaluated, and counted; what gets lost on the way is found again.

    track      receive ──► evaluate ──► complete          sweep ──► (evaluate)

Each function owns its transactions and returns what comes next; ringing the bell for it is left to the edge, after
the commit. The row is the job: whatever happens to the bell, a queued row is found by `sweep`. No transaction is
open while the judge thinks.
"""

from goalline.pipeline.judging import SWEEP_LIMIT, Clock, Holding, Work, complete, evaluate, sweep
from goalline.pipeline.receiving import Receipt, erase, judge_again, receive, track

__all__ = [
    "SWEEP_LIMIT",
    "Clock",
    "Holding",
    "Receipt",
    "Work",
    "complete",
    "erase",
    "evaluate",
    "judge_again",
    "receive",
    "sweep",
    "track",
]
