"""The drill's result: as a table for people, as JSON for machines."""

import statistics
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.drill.faults import Injected
from bench.drill.ledger import Ledger
from bench.drill.promises import Found

_MOST_IDS = 20


@dataclass(frozen=True, slots=True)
class Recovery:
    """How many seconds after the end of a fault something was accepted, was judged, and all from before was judged.

    None where nothing of the kind came any more.
    """

    accepted: float | None
    judged: float | None
    caught_up: float | None


def summary(seed: int, seconds: float, injected: Sequence[Injected], ledger: Ledger, found: Found) -> dict[str, Any]:
    """Return the whole result, ready for JSON."""
    accepted = len(ledger.conversations)
    excess = found.asked - found.needed
    return {
        "seed": seed,
        "seconds": round(seconds, 1),
        "faults": {kind: _times(recoveries) for kind, recoveries in _by_kind(injected, ledger, found).items()},
        "accepted": {"conversations": accepted, "events": len(ledger.events)},
        "answers": dict(ledger.answers.most_common()),
        "states": dict(found.statuses.most_common()),
        "judged": found.statuses["succeeded"],
        "lost": len(found.broken["no accepted conversation is lost"]) + len(found.broken["no accepted event is lost"]),
        "double_counted": len(found.broken["no verdict is counted twice"]),
        "calls": {
            "asked": found.asked,
            "needed": found.needed,
            "excess": excess,
            "excess_share": round(excess / found.needed, 4) if found.needed else None,
            "excess_without_bad_answer": found.repeated,
        },
        "broken": {promise: ids for promise, ids in found.broken.items() if ids},
    }


def show(result: dict[str, Any], write: Callable[[str], object]) -> None:
    """Write the result as a table."""
    write(f"{'fault':24}{'times':>6}  {'accepts again':>15}  {'judges again':>15}  {'caught up':>15}")
    for kind, told in result["faults"].items():
        cells = (f"{_spread(told[name]):>15}" for name in ("accepted", "judged", "caught_up"))
        write(f"{kind:24}{told['times']:>6}  {'  '.join(cells)}")
    write(
        "seconds from the end of a fault, median / most; caught up: all that was accepted before it ended is judged\n"
    )
    accepted, calls = result["accepted"], result["calls"]
    facts = [
        ("conversations accepted", accepted["conversations"]),
        ("events accepted", accepted["events"]),
        *((f"  {state}", number) for state, number in result["states"].items()),
        ("lost", result["lost"]),
        ("double counted", result["double_counted"]),
        ("calls of the model", calls["asked"]),
        ("  more than one each", f"{calls['excess']:,} ({calls['excess_share'] or 0:.1%})"),
        ("  of them after no bad answer", calls["excess_without_bad_answer"]),
        *((f"answered {answer}", number) for answer, number in result["answers"].items()),
    ]
    for name, number in facts:
        write(f"{name:32}{number if isinstance(number, str) else f'{number:,}':>16}")
    write(f"\nseed {result['seed']}, {result['seconds']:.0f} s")
    for promise, ids in result["broken"].items():
        more = f" and {len(ids) - _MOST_IDS:,} more" if len(ids) > _MOST_IDS else ""
        write(f"BROKEN: {promise}: {', '.join(ids[:_MOST_IDS])}{more}")
    if not result["broken"]:
        write("every promise was kept")


def _by_kind(injected: Sequence[Injected], ledger: Ledger, found: Found) -> dict[str, list[Recovery]]:
    accepts: dict[str, list[float]] = {"": sorted(at for at, _ in ledger.moments)}
    for at, api in sorted(ledger.moments):
        accepts.setdefault(f"api-{api + 1}", []).append(at)
    ends = sorted(end for _, end in found.finished)
    by_kind: dict[str, list[Recovery]] = {}
    for fault in injected:
        # That the other API goes on accepting tells nothing of the one that was killed.
        of_it = accepts.get(fault.target, accepts[""])
        before = [end for queued, end in found.finished if queued <= fault.ended]
        recovery = Recovery(
            _next(of_it, fault.ended), _next(ends, fault.ended), max(0.0, max(before, default=0) - fault.ended)
        )
        by_kind.setdefault(fault.kind, []).append(recovery)
    return by_kind


def _next(moments: Sequence[float], after: float) -> float | None:
    place = bisect_right(moments, after)
    return moments[place] - after if place < len(moments) else None


def _times(recoveries: Sequence[Recovery]) -> dict[str, Any]:
    told: dict[str, Any] = {"times": len(recoveries)}
    for name in ("accepted", "judged", "caught_up"):
        seconds = [each for recovery in recoveries if (each := getattr(recovery, name)) is not None]
        told[name] = {
            "median": round(statistics.median(seconds), 2) if seconds else None,
            "most": round(max(seconds), 2) if seconds else None,
        }
    return told


def _spread(told: dict[str, float | None]) -> str:
    return "-" if told["median"] is None else f"{told['median']:.1f} / {told['most']:.1f}"
