"""The stand-in model with a journal: who was asked about, and when, survives even its being killed.

`python -m bench.drill.model PORT LATENCY JOURNAL` is a process of its own. Each completion it is asked for becomes one
line of the journal: the Unix time, the mark of the conversation, and whether a bad answer or none was ordered for it.
"""

import json
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import httpx2

from goalline.cli.signals import ended_by_signals
from goalline.judge.stand_in import Fault, StandIn

SILENCE_SECONDS = 600
"""The delay of an answer that nobody waits for."""

_MARK = re.compile(r"My mark is (\S+)\.")


def mark(name: str, wording: int) -> str:
    """Return the mark of one wording of a conversation."""
    return f"{name}/{wording}"


def said(name: str, wording: int) -> str:
    """Return the sentence by which the model recognises one wording of a conversation."""
    return f"My mark is {mark(name, wording)}."


class Asked(NamedTuple):
    """One completion that was asked for."""

    at: float
    mark: str
    badly_answered: bool


class JournalingStandIn(StandIn):
    """A stand-in that writes down each request before it is answered."""

    def __init__(self, port: int, latency: float, journal: Path) -> None:
        super().__init__(port=port, latency=latency)
        # Unbuffered and appending: each line is with the system before the answer begins, and no two mix.
        self._journal = journal.open("ab", buffering=0)

    def begin(self, request: dict[str, Any]) -> tuple[int, Fault]:
        """Count a request, as any stand-in does, and write it down."""
        number, fault = super().begin(request)
        found = _MARK.search(json.dumps(request["messages"]))
        bad = replace(fault, delay=0, repeat=False) != Fault() or fault.delay >= SILENCE_SECONDS
        line = f"{time.time():.6f} {found[1] if found else '?'} {int(bad)}\n"
        self._journal.write(line.encode())
        return number, fault


def read(journal: Path) -> Iterator[Asked]:
    """Yield what the journal tells of."""
    for line in journal.read_text().splitlines() if journal.exists() else ():
        at, name, faulty = line.split()
        yield Asked(float(at), name, faulty == "1")


def order(url: str, *faults: Fault) -> None:
    """Order faults for the next completions; with none, only good answers from now on."""
    body = {"faults": [_plain(fault) for fault in faults]}
    httpx2.post(f"{url}/control", json=body, timeout=10, trust_env=False).raise_for_status()


def _plain(fault: Fault) -> dict[str, Any]:
    wanted = {name: getattr(fault, name) for name in Fault.__dataclass_fields__}
    return {name: value for name, value in wanted.items() if value != getattr(Fault(), name)}


def main(port: str, latency: str, journal: str) -> None:
    """Serve until a signal ends it."""
    with ended_by_signals():
        JournalingStandIn(int(port), float(latency), Path(journal)).serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
