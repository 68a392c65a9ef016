"""Rollups: counted in the transaction that changes what they count, and recounted to prove it."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import Any
from uuid import UUID

from sqlalchemy import Table, delete, func, select, text
from sqlmodel import Session

from goalline.domain.goal import Kind
from goalline.domain.rates import Counts
from goalline.domain.verdict import Outcome
from goalline.store.database import Upsert
from goalline.store.tables import Conversation, ConversationRollup, Cycle, StepEvent, Verdict, VerdictRollup, table
from goalline.store.track import recount
from goalline.store.track import rollups as track_rollups
from goalline.store.track.recount import CyclePlace, PathPlace
from goalline.store.track.rollups import TrackPlace

_verdicts, _conversations = table(VerdictRollup), table(ConversationRollup)


def _adding(table: Table, *columns: str) -> Upsert:
    return Upsert(
        table,
        lambda statement: statement.on_conflict_do_update(
            index_elements=table.primary_key,
            set_={name: table.c[name] + statement.excluded[name] for name in columns},
        ),
    )


_COUNT_VERDICTS = _adding(_verdicts, "achieved", "partial", "not_achieved")
_COUNT_CONVERSATIONS = _adding(_conversations, "conversations")


@dataclass(frozen=True, slots=True)
class VerdictPlace:
    """Where a verdict is counted."""

    project_id: UUID
    day: date
    agent_id: str
    goal_id: UUID
    revision: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class ConversationPlace:
    """Where a conversation is counted."""

    project_id: UUID
    day: date
    agent_id: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A rollup that is not what a recount finds."""

    place: VerdictPlace | ConversationPlace | TrackPlace | CyclePlace | PathPlace
    stored: Any
    recounted: Any


def count_verdicts(session: Session, changes: Iterable[tuple[VerdictPlace, Counts]]) -> None:
    """Add counts (negative ones to take them off) to the verdict rollups."""
    sums: dict[VerdictPlace, Counts] = {}
    for place, counts in changes:
        sums[place] = sums.get(place, Counts()) + counts
    # One order for everybody: two transactions that count the same goals cannot wait for each other in a ring.
    rows = [_row(place) | _row(sums[place]) for place in sorted(sums, key=_order) if sums[place] != Counts()]
    if rows:
        _COUNT_VERDICTS.run(session, rows)


def count_conversations(session: Session, place: ConversationPlace, change: int) -> None:
    """Add to (or take off) the number of conversations."""
    _COUNT_CONVERSATIONS.run(session, _row(place) | {"conversations": change})


def forget_goal(session: Session, project_id: UUID, goal_id: UUID) -> None:
    """Remove a goal's verdicts, events and cycles, and all that was counted of them."""
    for found in (table(Verdict), _verdicts, table(StepEvent), table(Cycle)):
        session.execute(delete(found).where(found.c.goal_id == goal_id))
    track_rollups.forget_goal(session, project_id, goal_id)


def differences(session: Session) -> Iterator[Difference]:
    """Recount everything and yield each rollup that does not say the same; none means that the rates are right."""
    verdicts = recount.differing(_stored_verdicts(session), _recounted_verdicts(session), Counts())
    conversations = recount.differing(_stored_conversations(session), _recounted_conversations(session), 0)
    for found in chain(verdicts, conversations, recount.differences(session)):
        yield Difference(*found)


def rebuild(session: Session) -> int:
    """Replace all rollups by a recount and return how many rows that made."""
    if session.get_bind().dialect.name == "postgresql":
        # Whoever is counting finishes first, whoever wants to count waits: so nothing is counted twice or lost.
        # In the order in which everybody counts, see conversations.remove.
        names = (_verdicts.name, _conversations.name, *recount.TABLES)
        session.execute(text(f"LOCK TABLE {', '.join(names)} IN EXCLUSIVE MODE"))
    session.execute(delete(_verdicts))
    session.execute(delete(_conversations))
    verdicts, conversations = _recounted_verdicts(session), _recounted_conversations(session)
    count_verdicts(session, verdicts.items())
    for place, number in conversations.items():
        count_conversations(session, place, number)
    return len(verdicts) + len(conversations) + recount.rebuild(session)


def _row(value: VerdictPlace | ConversationPlace | Counts) -> dict[str, Any]:
    # dataclasses.asdict copies deeply and takes ten times as long.
    return {name: getattr(value, name) for name in value.__slots__}


def _order(place: VerdictPlace) -> tuple[Any, ...]:
    return place.project_id, place.day, place.agent_id, place.goal_id, place.revision


def _stored_verdicts(session: Session) -> dict[VerdictPlace, Counts]:
    columns = _verdicts.c
    return {
        VerdictPlace(*place): Counts(achieved, partial, not_achieved)
        for *place, achieved, partial, not_achieved in session.execute(
            select(
                columns.project_id,
                columns.day,
                columns.agent_id,
                columns.goal_id,
                columns.revision,
                columns.kind,
                columns.achieved,
                columns.partial,
                columns.not_achieved,
            )
        )
    }


def _recounted_verdicts(session: Session) -> dict[VerdictPlace, Counts]:
    verdict, conversation = table(Verdict).c, table(Conversation).c
    groups = (
        conversation.project_id,
        conversation.day,
        conversation.agent_id,
        verdict.goal_id,
        verdict.revision,
        verdict.kind,
        verdict.outcome,
    )
    found: dict[VerdictPlace, Counts] = {}
    for *place, outcome, number in session.execute(
        select(*groups, func.count())
        .join_from(table(Verdict), table(Conversation), verdict.conversation_id == conversation.id)
        .where(verdict.counted)
        .group_by(*groups)
    ):
        key = VerdictPlace(*place)
        found[key] = found.get(key, Counts()) + Counts(**{Outcome(outcome).value: number})
    return found


def _stored_conversations(session: Session) -> dict[ConversationPlace, int]:
    columns = _conversations.c
    rows = session.execute(select(columns.project_id, columns.day, columns.agent_id, columns.conversations))
    return {ConversationPlace(*place): number for *place, number in rows}


def _recounted_conversations(session: Session) -> dict[ConversationPlace, int]:
    columns = table(Conversation).c
    groups = (columns.project_id, columns.day, columns.agent_id)
    rows = session.execute(select(*groups, func.count()).where(columns.ended_at.is_not(None)).group_by(*groups))
    return Counter({ConversationPlace(*place): number for *place, number in rows})
