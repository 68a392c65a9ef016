"""Upkeep: what admins ask for beside the story, and what is cleared away; each function owns its transactions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from goalline.domain.evaluation import RING_AGAIN_AFTER
from goalline.store.contacts import contacts
from goalline.store.conversations import backlog, claims, evaluations, retention
from goalline.store.conversations.backlog import BacklogFilter, Place
from goalline.store.conversations.claims import Claim
from goalline.store.database import Database
from goalline.store.outbound import log as messages

REDELIVERED_AT_ONCE = 250
"""Most failed messages that are made due in one transaction, for which other writers wait on SQLite."""


@dataclass(frozen=True, slots=True)
class Retained:
    """How many conversations lost their words just now, and where to go on; `then` None: from the oldest one."""

    deleted: int = 0
    then: retention.Place | None = None


@dataclass(frozen=True, slots=True)
class Retried:
    """What became of a batch that is judged again: the evaluations that wait for the bell, and how many got none.

    The list goes on behind `after`, unless that is None.
    """

    evaluation_ids: Sequence[UUID]
    passed_over: int
    after: Place | None


def retry(
    database: Database,
    project_id: UUID,
    wanted: BacklogFilter,
    now: datetime,
    *,
    after: Place | None = None,
    limit: int,
) -> Retried:
    """Queue a new evaluation of up to `limit` conversations whose newest one ended as `wanted`, in one transaction.

    The conversation that ended last comes first; to go through all of them, call it again with the `after` of the
    call before, until there is none. Whatever somebody else has queued or erased meanwhile is passed over, and so
    are conversations of contacts that are deactivated.
    """
    with database.transaction() as session:
        found = backlog.to_retry(session, project_id, wanted, after=after, limit=limit)
        held = backlog.hold(session, project_id, wanted, [row_id for _, row_id in found])
        queued = evaluations.enqueue_next(session, project_id, held, now, now + RING_AGAIN_AFTER)
    return Retried(queued, len(found) - len(queued), found[-1] if len(found) == limit else None)


def redeliver_failed(database: Database, project_id: UUID, subscription_id: UUID, now: datetime) -> Iterator[int]:
    """Let all messages of a subscription that failed be delivered again, each once; yield how many, batch by batch.

    Each batch is a transaction of its own, so that nobody waits for long.

    Raises:
        NotFound: the project has no such subscription.
        Conflict: it is disabled.
    """
    after: int | None = 0
    while after is not None:
        with database.transaction() as session:
            many, after = messages.redeliver_failed(
                session, project_id, subscription_id, now, after=after, limit=REDELIVERED_AT_ONCE
            )
        yield many


def hand_back(database: Database, held: Sequence[Claim], now: datetime) -> list[UUID]:
    """Queue again what this process has begun and will not end; return what has to be rung for elsewhere."""
    with database.transaction() as session:
        return claims.hand_back(session, held, now)


def retain(database: Database, days: int | None, now: datetime, after: retention.Place | None = None) -> Retained:
    """Delete the words of some conversations that ended more than `days` days ago, from `after` on; None keeps all.

    Looking for them holds up nobody, and deleting is one short transaction. Several callers share the work: each
    passes over what another one holds.
    """
    if days is None:
        return Retained()
    with database.reading() as session:
        due = retention.due(session, now - timedelta(days=days), after)
    deleted = 0
    if due.row_ids:
        with database.transaction() as session:
            deleted = retention.delete_words(session, due.row_ids, now)
    return Retained(deleted, due.then)


def erase(database: Database, project_id: UUID, contact_id: str, now: datetime) -> int:
    """Erase all that is stored of a contact, and return how many conversations that changed; what they count stays.

    A few conversations at a time, so that nobody waits for long: cut off in the middle, it can be called again.
    """
    erased = 0
    while True:
        with database.transaction() as session:
            some = contacts.erase_some(session, project_id, contact_id, now)
        if not some:
            return erased
        erased += some
