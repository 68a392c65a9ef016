"""A small world to test in: a migrated database, one project, and short ways to fill it with sample data."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Table, delete
from sqlmodel import select

from goalline.domain.calendar import local_day
from goalline.domain.evaluation import SUSPECT_AFTER, Effort, Status, Usage
from goalline.domain.goal import GoalDraft, Kind
from goalline.domain.step import Step
from goalline.domain.transcript import Delivery, digest
from goalline.domain.verdict import Evidence, Outcome, Verdict
from goalline.store import projects, rollups
from goalline.store.conversations import claims, conversations, evaluations
from goalline.store.conversations.claims import Claim
from goalline.store.conversations.verdicts import store_verdicts
from goalline.store.database import Database
from goalline.store.goals import goals
from goalline.store.goals.goals import CurrentGoal
from goalline.store.rollups import ConversationPlace
from goalline.store.tables import Conversation, Evaluation, Project, Row, table

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
BEFORE = NOW - timedelta(days=30)
"""When sample goals are created: before any sample conversation ends."""

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
LEASE = 2 * MINUTE
EFFORT = Effort("sample-model", "sample-prompt", Usage(1, 100, 10), Decimal("0.000125"))

T = TypeVar("T")
RowT = TypeVar("RowT", bound=Row)


def draft(
    name: str = "Book",
    kind: Kind = Kind.PRIMARY,
    agent_id: str | None = None,
    *,
    judged: bool = True,
    steps: Sequence[Step] = (),
) -> GoalDraft:
    description = f"{name}: it is done."
    return GoalDraft(
        name=name, description=description, kind=kind, agent_id=agent_id, judged=judged, steps=tuple(steps)
    )


def delivery(
    conversation_id: str = "call-1",
    words: str = "Hello there",
    agent_id: str = "ann",
    ended_at: datetime = NOW,
    **more: Any,
) -> Delivery:
    turns = [{"role": "user", "text": words}]
    return Delivery.model_validate(
        {"conversation_id": conversation_id, "agent_id": agent_id, "ended_at": ended_at, "transcript": turns} | more
    )


def verdict(goal: CurrentGoal, outcome: Outcome = Outcome.ACHIEVED) -> Verdict:
    evidence = [Evidence(turn=1, quote="Hello")]
    return Verdict(goal.id, goal.revision, goal.kind, outcome, f"It is {outcome}.", evidence)


@dataclass(frozen=True, slots=True)
class World:
    """A database, and a project in it."""

    database: Database
    project: Project

    def goal(
        self,
        name: str = "Book",
        kind: Kind = Kind.PRIMARY,
        agent_id: str | None = None,
        *,
        at: datetime = BEFORE,
        **more: Any,
    ) -> CurrentGoal:
        with self.database.transaction() as session:
            return goals.create(session, self.project.id, draft(name, kind, agent_id, **more), at)

    def conversation(self, conversation_id: str = "call-1", at: datetime = NOW, **more: Any) -> Conversation:
        """Store a conversation with its first evaluation queued."""
        received = delivery(conversation_id, **({"ended_at": at} | more))
        with self.database.transaction() as session:
            stored = conversations.insert_once(session, self.project, received, digest(received.transcript), at)
            assert stored is not None
            row_id, day = stored
            evaluations.enqueue(session, self.project.id, row_id, 1, at, at + MINUTE)
            rollups.count_conversations(session, ConversationPlace(self.project.id, day, received.agent_id), 1)
            return conversations.get(session, self.project.id, row_id)

    def queued(self, row: Conversation, number: int, at: datetime = NOW) -> UUID:
        """Store a further evaluation of a conversation."""
        with self.database.transaction() as session:
            return evaluations.enqueue(session, row.project_id, row.id, number, at, at + MINUTE)

    def claim(self, evaluation_id: UUID, at: datetime = NOW) -> Claim:
        with self.database.transaction() as session:
            suspects = session.get_one(Evaluation, evaluation_id).interruptions >= SUSPECT_AFTER
            claim = claims.claim(session, evaluation_id, at, at + LEASE, suspects=suspects)
        assert claim is not None
        return claim

    def judge(self, claim: Claim, verdicts: Sequence[Verdict], at: datetime = NOW, model: str = EFFORT.model) -> bool:
        """End a claimed evaluation with verdicts."""
        with self.database.transaction() as session:
            row = conversations.lock(session, claim.conversation_id)
            assert row is not None
            if not claims.finish(session, claim, Status.SUCCEEDED, at, effort=replace(EFFORT, model=model)):
                return False
            store_verdicts(session, row, claim, verdicts)
            return True

    def evaluation(self, evaluation_id: UUID) -> Evaluation:
        with self.database.reading() as session:
            return session.exec(select(Evaluation).where(Evaluation.id == evaluation_id)).one()

    def newest(self, row: Conversation) -> Evaluation:
        with self.database.reading() as session:
            return evaluations.newest(session, conversations.get(session, row.project_id, row.id))

    def rows(self, kind: type[RowT]) -> list[RowT]:
        """Return every row of a table."""
        with self.database.reading() as session:
            return list(session.exec(select(kind)).all())

    def differences(self) -> list[rollups.Difference]:
        with self.database.snapshot() as session:
            return list(rollups.differences(session))

    def wipe(self) -> None:
        """Empty every table but the project's."""
        wipe(self.database, keep=table(Project))


@contextmanager
def a_world(database_url: str, time_zone: str = "Europe/Berlin") -> Iterator[World]:
    """Empty a migrated database and put a project into it."""
    database = Database(database_url)
    try:
        wipe(database)
        yield World(database, a_project(database, "sample", time_zone))
    finally:
        database.close()


def wipe(database: Database, keep: Table | None = None) -> None:
    with database.transaction() as session:
        for emptied in reversed(Row.metadata.sorted_tables):
            if emptied is not keep:
                session.execute(delete(emptied))


def a_project(database: Database, name: str, time_zone: str = "UTC", currency: str = "USD") -> Project:
    with database.transaction() as session:
        return projects.create(session, name, time_zone, BEFORE, currency=currency)


def at_once(*tasks: Callable[[], T], seconds: float = 60) -> list[T]:
    """Run tasks in threads that start together; return their results in order, or raise what the first failed with."""
    barrier = threading.Barrier(len(tasks))
    futures: list[Future[T]] = [Future() for _ in tasks]

    def run(task: Callable[[], T], future: Future[T]) -> None:
        try:
            barrier.wait(seconds)
            future.set_result(task())
        except BaseException as error:
            future.set_exception(error)

    # Threads that nobody waits for: one that hangs fails its test and not the whole run.
    for task, future in zip(tasks, futures, strict=True):
        threading.Thread(target=run, args=(task, future), daemon=True).start()
    wait(futures, seconds)
    return [future.result(0) for future in futures]


def day_of(world: World, at: datetime = NOW) -> date:
    return local_day(at, world.project.time_zone)
