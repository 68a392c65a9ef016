"""Lives of contacts: events, webhooks and judgements in any order, among them erasures and deactivations."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from goalline import pipeline, upkeep
from goalline.domain.evaluation import Judgement, Status
from goalline.domain.goal import GoalInForce, goals_in_force
from goalline.domain.refusal import Conflict, NotFound
from goalline.domain.verdict import Evidence, Outcome, Verdict
from goalline.store import projects, rollups
from goalline.store.contacts import deactivation
from goalline.store.conversations import claims, conversations
from goalline.store.conversations.work import Work
from goalline.store.goals import histories
from goalline.store.tables import Conversation, Evaluation, Row
from tests.domain.tracked import STEPS
from tests.store.tracking import passed, step, task, track
from tests.store.world import EFFORT, LEASE, NOW, SECOND, World, delivery

MIA, NOA = "mia-4711", "noa-4712"
SAID_BY = {"call-1": MIA, "call-2": NOA, "call-3": None, "call-4": None}
"""Whom the webhook of each conversation names; events may name anybody."""

CALLS, CONTACTS = st.sampled_from(sorted(SAID_BY)), st.sampled_from([MIA, NOA])
AGENTS = st.none() | st.sampled_from(["ann", "bob"])


def residue(world: World, *words: str) -> list[str]:
    """Return where in the database any of some words stands."""
    found = []
    with world.database.reading() as session:
        for stored in Row.metadata.sorted_tables:
            for row in session.execute(sa.select(stored)):
                found += [f"{stored.name}: {row}" for word in words if word in repr(tuple(row))]
    return found


def deactivate(world: World, contact_id: str, now: datetime = NOW, *, delete: bool = True) -> None:
    with world.database.transaction() as session:
        deactivation.deactivate(session, world.project.id, contact_id, now)
    if delete:
        erase(world, contact_id, now)


def activate(world: World, contact_id: str) -> None:
    with world.database.transaction() as session:
        deactivation.activate(session, world.project.id, contact_id)


def erase(world: World, contact_id: str, now: datetime = NOW) -> int:
    return upkeep.erase(world.database, world.project.id, contact_id, now)


def move(world: World, time_zone: str) -> None:
    """Give the project another time zone, as the command does."""
    with world.database.transaction() as session:
        projects.move(session, world.project, time_zone)
        conversations.redate(session, world.project.id, time_zone)
        rollups.rebuild(session)


def begin(world: World, evaluation_id: UUID, now: datetime = NOW) -> Work:
    """Claim an evaluation and read what there is to judge."""
    with world.database.transaction() as session:
        claim = claims.claim(session, evaluation_id, now, now + LEASE)
        assert claim is not None
        said = conversations.to_judge(session, claim.conversation_id)
        known = histories.histories(session, said.project_id, said.agent_id)
        in_force = goals_in_force(known, said.agent_id, said.ended_at)
    return Work(claim, said.turns, said.transcript_digest, in_force)


def judgement(work: Work) -> Judgement:
    """Return a judgement that repeats the first turn's words wherever it can."""
    words = work.turns[0].text if work.turns else ""

    def found(goal: GoalInForce) -> Verdict:
        evidence = [Evidence(turn=1, quote=words)]
        return Verdict(goal.goal_id, goal.revision, goal.kind, Outcome.PARTIAL, f"Because of: {words}", evidence)

    return Judgement([found(goal) for goal in work.goals], EFFORT)


class Lives(RuleBasedStateMachine):
    """What can happen to what is stored of contacts, in any order; a subclass names the world."""

    world: World

    @initialize()
    def begin_with_goals(self) -> None:
        self.world.wipe()
        self.now, self.events = NOW, 0
        self.thinking: list[Work] = []
        self.gone: set[str] = set()
        move(self.world, "Europe/Berlin")
        self.world.goal("Book", steps=STEPS)

    def tick(self) -> datetime:
        self.now += SECOND
        return self.now

    @rule(
        call=CALLS,
        contact=st.none() | CONTACTS,
        agent=AGENTS,
        what=st.sampled_from(["start", "details", "confirmed", "task", "passed"]),
        hours=st.integers(0, 60),
    )
    def tell(self, call: str, contact: str | None, agent: str | None, what: str, hours: int) -> None:
        self.events += 1
        # No second is told of twice: ids follow from what events say.
        more: dict[str, Any] = {"call": call, "contact_id": contact, "agent_id": agent}
        second = -(timedelta(hours=hours) // SECOND) - self.events
        if what == "task":
            event = task("Ticket sent", second, **more)
        elif what == "passed":
            event = passed("greeting", second, **more)
        else:
            event = step(what, second, goal="Book", **more)
        track(self.world, event, now=self.tick())

    @rule(call=CALLS, agent=st.sampled_from(["ann", "bob"]), words=st.sampled_from("xyz"), hours=st.integers(0, 60))
    def receive(self, call: str, agent: str, words: str, hours: int) -> None:
        contact = SAID_BY[call]
        said = f"{contact} says {words}" if contact else words
        received = delivery(
            call,
            said,
            agent,
            NOW - timedelta(hours=hours),
            contact_id=contact,
            end_reason=said,
            metadata={"said": said},
        )
        with suppress(Conflict):
            pipeline.receive(self.world.database, self.world.project, received, self.tick())

    @rule(call=CALLS)
    def judge_again(self, call: str) -> None:
        with suppress(NotFound, Conflict):
            pipeline.judge_again(self.world.database, self.world.project.id, call, self.tick())

    @rule()
    def start_to_think(self) -> None:
        queued = [row.id for row in self.world.rows(Evaluation) if row.status is Status.QUEUED]
        self.thinking += [begin(self.world, evaluation_id, self.tick()) for evaluation_id in queued]

    @rule()
    def come_to_judgements(self) -> None:
        while self.thinking:
            work = self.thinking.pop()
            pipeline.complete(self.world.database, work, judgement(work), self.tick())

    @rule(contact=CONTACTS)
    def erase(self, contact: str) -> None:
        erase(self.world, contact, self.tick())
        assert residue(self.world, contact) == []

    @rule(contact=CONTACTS, delete=st.booleans())
    def deactivate(self, contact: str, delete: bool) -> None:
        deactivate(self.world, contact, self.tick(), delete=delete)
        if delete:
            self.gone.add(contact)

    @rule(contact=CONTACTS)
    def activate(self, contact: str) -> None:
        activate(self.world, contact)
        self.gone.discard(contact)

    @rule(days=st.integers(1, 2))
    def let_words_go(self, days: int) -> None:
        upkeep.retain(self.world.database, days, self.tick())

    @rule(time_zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Pacific/Auckland"]))
    def move(self, time_zone: str) -> None:
        move(self.world, time_zone)

    @rule(call=CALLS)
    def delete_conversation(self, call: str) -> None:
        with suppress(NotFound, Conflict), self.world.database.transaction() as session:
            conversations.remove(session, self.world.project.id, call)

    @invariant()
    def all_counts_equal_a_recount(self) -> None:
        assert self.world.differences() == []

    @invariant()
    def who_is_gone_leaves_no_trace(self) -> None:
        assert residue(self.world, *self.gone) == []

    @invariant()
    def what_was_erased_is_blank(self) -> None:
        for row in self.world.rows(Conversation):
            if row.erased_at:
                assert (row.transcript, row.transcript_digest, row.contact_id) == ([], "", None)
                assert (row.end_reason, row.platform_metadata, row.contact_tracked) == (None, None, False)
            if row.transcript_deleted_at:
                assert row.transcript == []
