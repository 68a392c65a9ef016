"""Settling: cycles, paths and counts are made to say what the events of conversations amount to now.

Whoever changes what a conversation's events amount to holds, in this order: the conversation, the goals that its events
are of, its cycles and its path, and the counts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlmodel import Session

from goalline.domain.cycle import Cycle, CycleState, Savings
from goalline.domain.track import Place, Tally, Track, changes, differing, gather, path_digest, tallies
from goalline.store import projects
from goalline.store.database import Upsert
from goalline.store.tables import Cycle as CycleRow
from goalline.store.tables import Path, PathTaken, table
from goalline.store.track import rollups

_cycle, _path, _taken = table(CycleRow), table(Path), table(PathTaken)
_NOTHING = Savings()
_DROP_CYCLE = sa.delete(_cycle).where(
    _cycle.c.conversation_id == bindparam("of"),
    _cycle.c.goal_id == bindparam("goal"),
    _cycle.c.number == bindparam("nth"),
)
_DROP_TAKEN = sa.delete(_taken).where(_taken.c.conversation_id == bindparam("of"))


def _replacing(replaced: sa.Table) -> Upsert:
    names = [column.name for column in replaced.c if not column.primary_key]
    return Upsert(
        replaced,
        lambda statement: statement.on_conflict_do_update(
            index_elements=replaced.primary_key, set_={name: statement.excluded[name] for name in names}
        ),
    )


_STORE_CYCLE, _STORE_TAKEN = _replacing(_cycle), _replacing(_taken)
_NAME_PATH = Upsert(_path, lambda statement: statement.on_conflict_do_nothing(index_elements=_path.primary_key))


@dataclass(frozen=True, slots=True)
class CycleContent:
    """What is stored of a cycle; `state` None: there is none."""

    state: CycleState | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    savings: Savings = _NOTHING

    @classmethod
    def of(cls, cycle: Cycle) -> "CycleContent":
        """Return what is stored of a cycle."""
        return cls(cycle.state, cycle.started_at, cycle.completed_at, cycle.savings)

    def row(self, conversation_id: UUID, goal_id: UUID, number: int) -> dict[str, Any]:
        """Return it as it is stored."""
        place = {"conversation_id": conversation_id, "goal_id": goal_id, "number": number}
        times = {"started_at": self.started_at, "completed_at": self.completed_at}
        return {**place, "state": self.state, **times, **rollups.saved(self.savings)}


@dataclass(frozen=True, slots=True)
class Change:
    """What a held conversation's events amounted to, and amount to now; and for which agent they are counted."""

    conversation_id: UUID
    agent_before: str
    before: Track
    agent_after: str
    after: Track


def settle(session: Session, project_id: UUID, changed: Iterable[Change]) -> None:
    """Store the cycles and paths of held conversations as they are now, and count the difference."""
    zone = projects.time_zone(session, project_id)
    ledger = _Ledger()
    for change in sorted(changed, key=lambda change: change.conversation_id):
        ledger.compare_counts(change, zone)
        ledger.compare_cycles(change)
        ledger.compare_paths(change)
    ledger.write(session, project_id)


@dataclass(slots=True)
class _Ledger:
    counted: dict[Place, Tally] = field(default_factory=dict)
    cycles: list[dict[str, Any]] = field(default_factory=list)
    cycles_gone: list[dict[str, Any]] = field(default_factory=list)
    taken: list[tuple[UUID, datetime, tuple[str, ...]]] = field(default_factory=list)
    untaken: list[dict[str, Any]] = field(default_factory=list)

    def compare_counts(self, change: Change, zone: str) -> None:
        before, after = change.before, change.after
        if change.agent_before == change.agent_after:
            before, after = differing(before, after)
        old, new = tallies(before, change.agent_before, zone), tallies(after, change.agent_after, zone)
        gather(self.counted, changes(old, new))

    def compare_cycles(self, change: Change) -> None:
        row_id = change.conversation_id
        old = {(goal_id, cycle.number): cycle for goal_id, cycle in change.before.cycles}
        new = {(goal_id, cycle.number): cycle for goal_id, cycle in change.after.cycles}
        self.cycles += [
            CycleContent.of(cycle).row(row_id, goal_id, number)
            for (goal_id, number), cycle in new.items()
            if old.get((goal_id, number)) != cycle
        ]
        self.cycles_gone += [
            {"of": row_id, "goal": goal_id, "nth": number} for goal_id, number in old.keys() - new.keys()
        ]

    def compare_paths(self, change: Change) -> None:
        steps = change.after.steps
        if steps and steps != change.before.steps:
            self.taken.append((change.conversation_id, steps[0].at, change.after.path))
        elif change.before.steps and not steps:
            self.untaken.append({"of": change.conversation_id})

    def write(self, session: Session, project_id: UUID) -> None:
        connection = session.connection()
        if self.cycles_gone:
            connection.execute(_DROP_CYCLE, self.cycles_gone)
        if self.cycles:
            _STORE_CYCLE.run(session, self.cycles)
        if self.taken:
            take_paths(session, project_id, self.taken)
        if self.untaken:
            connection.execute(_DROP_TAKEN, self.untaken)
        rollups.count(session, project_id, {place: tally for place, tally in self.counted.items() if tally != Tally()})


def take_paths(session: Session, project_id: UUID, taken: Sequence[tuple[UUID, datetime, tuple[str, ...]]]) -> None:
    """Store which paths held conversations took: each with the time of its first step, and the names of all steps."""
    digests = {path: path_digest(path) for _, _, path in taken}
    # Two transactions may name the same new paths: in one order, neither waits for the other in a ring.
    named = sorted((digest, list(path)) for path, digest in digests.items())
    _NAME_PATH.run(session, [{"project_id": project_id, "digest": digest, "steps": steps} for digest, steps in named])
    _STORE_TAKEN.run(
        session,
        [{"conversation_id": row_id, "digest": digests[path], "began_at": at} for row_id, at, path in taken],
    )
