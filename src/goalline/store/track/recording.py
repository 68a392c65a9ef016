"""Recording: events are stored, and whatever they amount to changes with them, in one transaction."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlmodel import Session

from goalline.domain.cycle import StepReached
from goalline.domain.event import Event, EventType
from goalline.domain.outbound.message import MessageType
from goalline.domain.resolution import Resolver, Unwelcome
from goalline.domain.track import StepExecuted, TaskCompleted, Track, Tracked, chronology, track
from goalline.store.contacts import deactivation
from goalline.store.database import Upsert, run
from goalline.store.goals import goals, histories
from goalline.store.outbound import telling
from goalline.store.outbound.telling import News
from goalline.store.tables import Conversation, table
from goalline.store.track import events, rollups
from goalline.store.track.events import Told
from goalline.store.track.settling import Change, settle

_AT_ONCE = 1_000
_MOST_AHEAD = timedelta(days=1)
_conversation = table(Conversation).c
_OPEN_ONCE = Upsert(
    table(Conversation),
    lambda statement: statement.on_conflict_do_nothing(index_elements=["project_id", "conversation_id"]),
)
_HOLD = (
    sa.select(
        _conversation.id,
        _conversation.conversation_id,
        _conversation.agent_id,
        _conversation.contact_id,
        _conversation.contact_tracked,
        _conversation.ended_at,
        _conversation.erased_at,
    )
    .where(
        _conversation.project_id == bindparam("project_id"),
        _conversation.conversation_id.in_(bindparam("conversation_ids", expanding=True)),
    )
    .order_by(_conversation.id)
    .with_for_update()
)
_RENAME = (
    sa.update(table(Conversation))
    .where(_conversation.id == bindparam("row_id"))
    .values(
        agent_id=bindparam("new_agent"), contact_id=bindparam("new_contact"), contact_tracked=bindparam("from_events")
    )
)
_CLOSE = sa.delete(table(Conversation)).where(_conversation.id.in_(bindparam("row_ids", expanding=True)))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of events, by their place in the batch: those refused with the reason, and known ones.

    They led to `told` messages, for those who have subscribed to goals' completion.
    """

    accepted: int
    duplicates: int
    rejected: Mapping[int, str]
    told: int = 0


@dataclass(frozen=True, slots=True)
class _Fresh:
    row_id: UUID
    event: Event
    told: Told


class Vanished(Exception):
    """A conversation was deleted between two looks at it; in a new transaction it is opened anew."""


def record(
    session: Session, project_id: UUID, batch: Mapping[int, Event], now: datetime, most_of_conversation: int
) -> Outcome:
    """Store events, each once, and bring up to date what their conversations amount to.

    A conversation that is not known yet is opened. Those of one batch may be of any number of conversations. What lies
    more than a day in the future happened `now`.

    Args:
        session: a transaction.
        project_id: whose events they are.
        batch: the events, by their place in what was sent.
        now: the time of receipt.
        most_of_conversation: how many events one conversation may have.

    Raises:
        Vanished: a conversation is being deleted just now; do it again.
    """
    if not batch:
        return Outcome(0, 0, {})
    held = _hold(session, project_id, batch.values(), now)
    row_ids = [row.id for row in held.values()]
    resolver = _resolver(session, project_id, batch.values(), row_ids)
    silent = deactivation.deactivated(
        session,
        project_id,
        {event.contact_id for event in batch.values()} | {row.contact_id for row in held.values()},
    )
    told = events.load(session, row_ids)
    known = {one.tracked.event_id for of_one in told.values() for one in of_one}
    room = {row_id: most_of_conversation - len(of_one) for row_id, of_one in told.items()}
    fresh: dict[str, _Fresh] = {}
    rejected: dict[int, str] = {}
    for index, event in batch.items():
        row = held[event.conversation_id]
        if event.id in known or event.id in fresh:
            continue
        try:
            _require_welcome(event, row, silent)
            _require_room(room[row.id], most_of_conversation)
            fresh[event.id] = _Fresh(
                row.id, event, Told(_tracked(event, now, resolver), event.agent_id, event.contact_id)
            )
        except Unwelcome as refusal:
            rejected[index] = str(refusal)
        else:
            room[row.id] -= 1
    stored = events.insert(
        session, [events.row_of(project_id, one.row_id, one.event, one.told, now) for one in fresh.values()]
    )
    added: dict[UUID, list[Told]] = {}
    for event_id in stored:
        added.setdefault(fresh[event_id].row_id, []).append(fresh[event_id].told)
    changed = _settle_added(session, project_id, held.values(), told, added)
    _close_unused(session, [row for row in held.values() if not told[row.id] and row.id not in added])
    messages = telling.completed(session, project_id, [news for change in changed for news in _completed(change)], now)
    return Outcome(len(stored), len(batch) - len(stored) - len(rejected), rejected, messages)


def adopt(session: Session, project_id: UUID, row_id: UUID, agent_before: str, agent_id: str) -> None:
    """Count what the events of a held conversation, whose goals are held, amount to for the agent that it is of."""
    tracked = load(session, row_id)
    settle(session, project_id, [Change(row_id, agent_before, tracked, agent_id, tracked)])


def load(session: Session, row_id: UUID) -> Track:
    """Return what the events of a conversation amount to."""
    return track(one.tracked for one in events.load(session, [row_id])[row_id])


def forget(session: Session, project_id: UUID, row_id: UUID, agent_id: str) -> None:
    """Take what the events of a held conversation, whose goals are held, amount to out of the counts.

    The events go with its row.
    """
    settle(session, project_id, [Change(row_id, agent_id, load(session, row_id), agent_id, Track())])


def forget_step(session: Session, project_id: UUID, goal_id: UUID, key: str) -> None:
    """Delete the events of a step of a held goal, and take what they amount to out of cycles and counts."""
    rows = session.execute(
        sa.select(_conversation.id, _conversation.agent_id)
        .where(_conversation.id.in_(events.conversations_at(goal_id, key)))
        .order_by(_conversation.id)
    ).all()
    for part in (rows[start : start + _AT_ONCE] for start in range(0, len(rows), _AT_ONCE)):
        told = events.load(session, [row.id for row in part], goal_id)
        changed = []
        for row in part:
            before = [one.tracked for one in told[row.id]]
            after = [one for one in before if not (isinstance(one, StepReached) and one.step.key == key)]
            changed.append(Change(row.id, row.agent_id, track(before), row.agent_id, track(after)))
        settle(session, project_id, changed)
    events.delete_step(session, goal_id, key)
    rollups.forget_erased_step(session, project_id, goal_id, key)


def hold_goals(session: Session, row_ids: Sequence[UUID]) -> None:
    """Keep the goals that some conversations' events are of from being deleted until the transaction ends."""
    goals.lock_existing(session, sorted(events.goals_of(session, row_ids)))


def _hold(session: Session, project_id: UUID, batch: Iterable[Event], now: datetime) -> dict[str, Any]:
    named = sorted({event.conversation_id for event in batch})
    # Tried even where all are there: it waits for whoever moves the project to another time zone, which a lock of
    # rows would not.
    _OPEN_ONCE.run(
        session,
        [
            {
                "id": uuid4(),
                "project_id": project_id,
                "conversation_id": conversation_id,
                "agent_id": "",
                "contact_tracked": False,
                "received_at": now,
                "transcript": [],
                "transcript_digest": "",
                "evaluations": 0,
            }
            for conversation_id in named
        ],
    )
    held = {row.conversation_id: row for row in run(session, _HOLD, project_id=project_id, conversation_ids=named)}
    if len(held) < len(named):
        # Not simply opened here: who holds some conversations must not wait for others to be opened.
        raise Vanished
    return held


def _resolver(session: Session, project_id: UUID, batch: Iterable[Event], row_ids: Sequence[UUID]) -> Resolver:
    named = {event.goal for event in batch if event.goal}
    meant = histories.called(session, project_id, sorted(named))
    for name in named:
        with suppress(ValueError):
            meant.add(UUID(name))
    # First held, then read: nobody deletes a goal or a step of it between the two.
    goals.lock_existing(session, sorted(meant | events.goals_of(session, row_ids)))
    if not meant:
        return Resolver((), {})
    ids = sorted(meant)
    return Resolver(histories.histories_of(session, project_id, ids), histories.deleted_steps(session, ids))


def _require_welcome(event: Event, row: Any, silent: set[str]) -> None:
    if row.erased_at is not None:
        raise Unwelcome("this conversation was erased; nothing more is recorded of it")
    if event.contact_id in silent or row.contact_id in silent:
        raise Unwelcome("this contact is deactivated; nothing more is recorded of it")


def _require_room(room: int, most: int) -> None:
    if room <= 0:
        raise Unwelcome(
            f"this conversation has {most:,} events, and that is the limit (GOALLINE_MAX_EVENTS_PER_CONVERSATION)"
        )


def _close_unused(session: Session, without_events: Iterable[Any]) -> None:
    # One that was opened and erased has no events either, and stays: what comes of it later must find it erased.
    unused = [row.id for row in without_events if row.ended_at is None and row.erased_at is None]
    if unused:
        run(session, _CLOSE, row_ids=unused)


def _tracked(event: Event, now: datetime, resolver: Resolver) -> Tracked:
    # A clock that is a little ahead is taken at its word: to put its events at the time of receipt would make their
    # order depend on that of their arrival. What lies further ahead is no time at which anything happened.
    at = event.occurred_at if event.occurred_at <= now + _MOST_AHEAD else now
    match event.type:
        case EventType.GOAL_STEP:
            return resolver.reached(event, at)
        case EventType.TASK_COMPLETED:
            return TaskCompleted(event.id, at, event.label)
        case EventType.STEP_EXECUTED:
            return StepExecuted(event.id, at, event.label)


def _settle_added(
    session: Session,
    project_id: UUID,
    held: Iterable[Any],
    told: Mapping[UUID, Sequence[Told]],
    added: Mapping[UUID, Sequence[Told]],
) -> list[Change]:
    changed, renamed = [], []
    for row in held:
        if row.id not in added:
            continue
        before, after = told[row.id], [*told[row.id], *added[row.id]]
        chronicle = sorted(after, key=lambda one: chronology(one.tracked))
        # Who talked is for the webhook to say; until it has come, the earliest event that names somebody is believed.
        agent_id, contact_id, from_events = row.agent_id, row.contact_id, row.contact_tracked
        if row.ended_at is None:
            agent_id = next((one.agent_id for one in chronicle if one.agent_id), agent_id)
        if contact_id is None or from_events:
            contact_id = next((one.contact_id for one in chronicle if one.contact_id), contact_id)
            from_events = contact_id is not None
        if (agent_id, contact_id) != (row.agent_id, row.contact_id):
            renamed.append(
                {"row_id": row.id, "new_agent": agent_id, "new_contact": contact_id, "from_events": from_events}
            )
        changed.append(
            Change(
                row.id,
                row.agent_id,
                track(one.tracked for one in before),
                agent_id,
                track(one.tracked for one in after),
            )
        )
    if renamed:
        session.connection().execute(_RENAME, renamed)
    if changed:
        settle(session, project_id, changed)
    return changed


def _completed(change: Change) -> Iterator[News]:
    # A cycle is known by its beginning: its number changes where an earlier one is told of late.
    def of(tracked: Track) -> dict[tuple[UUID, datetime], datetime]:
        return {(goal_id, one.started_at): one.completed_at for goal_id, one in tracked.cycles if one.completed_at}

    before, after = of(change.before), of(change.after)
    for (goal_id, started_at), _ in sorted(after.items(), key=lambda item: item[1]):
        if (goal_id, started_at) not in before:
            facts = {"started_at": started_at.isoformat()}
            yield News(
                MessageType.GOAL_COMPLETED, change.agent_after, change.conversation_id, goal_id=goal_id, facts=facts
            )
