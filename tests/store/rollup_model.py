"""A life full of changes for conversations and goals, and a recount that shares no code with the store's own."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlmodel import Session

from goalline import pipeline, upkeep
from goalline.domain.evaluation import Status
from goalline.domain.goal import GoalEdit, GoalInForce, Kind, goals_in_force
from goalline.domain.refusal import Conflict, NotFound
from goalline.domain.verdict import Outcome, Verdict
from goalline.store import rollups
from goalline.store.conversations import claims, conversations
from goalline.store.conversations.claims import Claim
from goalline.store.conversations.verdicts import store_verdicts
from goalline.store.goals import goals, histories
from goalline.store.goals.goals import CurrentGoal
from goalline.store.tables import Conversation, ConversationRollup, Evaluation, VerdictRollup
from goalline.store.tables import Verdict as VerdictRow
from tests.domain.steps import FLIGHT_STEPS
from tests.store.world import BEFORE, HOUR, LEASE, NOW, SECOND, World, delivery

AGENTS = st.sampled_from(["ann", "bob"])
OUTCOMES = st.lists(st.sampled_from(Outcome), min_size=8, max_size=8)
CALLS = st.sampled_from("abc")
PICK = st.integers(0, 9)
ENDS = st.integers(-48, 2).map(lambda hours: NOW + hours * HOUR)


def recount(world: World) -> tuple[Counter[Any], Counter[Any]]:
    """Count verdicts and conversations row by row, each verdict by the newest success of its conversation."""
    rows = {row.id: row for row in world.rows(Conversation)}
    numbers = {row.id: row.number for row in world.rows(Evaluation) if row.status is Status.SUCCEEDED}
    newest: Counter[UUID] = Counter()
    for evaluation in world.rows(Evaluation):
        if evaluation.id in numbers:
            newest[evaluation.conversation_id] = max(newest[evaluation.conversation_id], evaluation.number)
    judged: Counter[Any] = Counter()
    for found in world.rows(VerdictRow):
        if numbers[found.evaluation_id] == newest[found.conversation_id]:
            row = rows[found.conversation_id]
            judged[row.project_id, row.day, row.agent_id, found.goal_id, found.revision, found.kind, found.outcome] += 1
    return judged, Counter((row.project_id, row.day, row.agent_id) for row in rows.values())


def stored(world: World) -> tuple[Counter[Any], Counter[Any]]:
    """Read the rollups in the form of a recount."""
    judged: Counter[Any] = Counter()
    for row in world.rows(VerdictRollup):
        for outcome in Outcome:
            place = (row.project_id, row.day, row.agent_id, row.goal_id, row.revision, row.kind, outcome)
            judged[place] += getattr(row, outcome)
    held = Counter(
        {(row.project_id, row.day, row.agent_id): row.conversations for row in world.rows(ConversationRollup)}
    )
    return judged, held


class Lives(RuleBasedStateMachine):
    """Everything that can happen to what is counted, in any order; a subclass names the world."""

    world: World

    @initialize()
    def begin_with_a_goal(self) -> None:
        self.world.wipe()
        self.now = NOW
        self.names = 0
        self.thinking: list[tuple[Claim, list[GoalInForce]]] = []
        self.create_goal(Kind.PRIMARY, None)

    def tick(self) -> datetime:
        self.now += SECOND
        return self.now

    @rule(kind=st.sampled_from(Kind), agent_id=st.none() | AGENTS)
    def create_goal(self, kind: Kind, agent_id: str | None) -> None:
        self.names += 1
        with suppress(Conflict):
            self.world.goal(f"Goal {self.names}", kind, agent_id, at=BEFORE)

    @rule(conversation_id=CALLS, words=st.sampled_from("xyz"), agent_id=AGENTS, end=ENDS)
    def receive(self, conversation_id: str, words: str, agent_id: str, end: datetime) -> None:
        received = delivery(conversation_id, words, agent_id, end)
        with suppress(Conflict):
            pipeline.receive(self.world.database, self.world.project, received, self.tick())

    @rule(conversation_id=CALLS)
    def judge_again(self, conversation_id: str) -> None:
        with suppress(NotFound, Conflict):
            pipeline.judge_again(self.world.database, self.world.project.id, conversation_id, self.tick())

    @rule(which=PICK)
    def start_to_think(self, which: int) -> None:
        queued = sorted(row.id for row in self.world.rows(Evaluation) if row.status is Status.QUEUED)
        if not queued:
            return
        now = self.tick()
        with self.world.database.transaction() as session:
            taken = queued[which % len(queued)], now, now + LEASE
            # One that was swept up twice is suspected of killing workers, and taken as such.
            claim = claims.claim(session, *taken) or claims.claim(session, *taken, suspects=True)
            assert claim is not None
            row = conversations.to_judge(session, claim.conversation_id)
            known = histories.histories(session, row.project_id, row.agent_id)
            self.thinking.append((claim, goals_in_force(known, row.agent_id, row.ended_at)))

    @rule(which=PICK, outcomes=OUTCOMES)
    def come_to_a_judgement(self, which: int, outcomes: list[Outcome]) -> None:
        if not self.thinking:
            return
        claim, in_force = self.thinking.pop(which % len(self.thinking))
        found = [
            Verdict(goal.goal_id, goal.revision, goal.kind, outcome, "Because.", [])
            for goal, outcome in zip(in_force, outcomes, strict=False)
        ]
        with self.world.database.transaction() as session:
            row = conversations.lock(session, claim.conversation_id)
            if row and claims.finish(session, claim, Status.SUCCEEDED, self.tick()):
                store_verdicts(session, row, claim, found)

    @rule(which=PICK, first=OUTCOMES, second=OUTCOMES)
    def judge_twice(self, which: int, first: list[Outcome], second: list[Outcome]) -> None:
        for outcomes in (first, second):
            self.judge_again("abc"[which % 3])
            self.start_to_think(which)
            self.come_to_a_judgement(-1, outcomes)

    @rule(which=PICK)
    def fail_to_judge(self, which: int) -> None:
        if self.thinking:
            claim, _ = self.thinking.pop(which % len(self.thinking))
            with self.world.database.transaction() as session:
                claims.finish(session, claim, Status.FAILED, self.tick())

    @rule()
    def sweep_up_what_takes_too_long(self) -> None:
        self.now += LEASE
        pipeline.sweep(self.world.database, self.tick())

    @rule(days=st.integers(1, 2))
    def let_words_go(self, days: int) -> None:
        upkeep.retain(self.world.database, days, self.tick())

    def goal(self, which: int) -> CurrentGoal | None:
        with self.world.database.reading() as session:
            there = goals.listed(session, self.world.project.id)
        return there[which % len(there)] if there else None

    @rule(which=PICK, kind=st.sampled_from(Kind), judged=st.booleans())
    def edit_goal(self, which: int, kind: Kind, judged: bool) -> None:
        goal = self.goal(which)
        self.names += 1
        change = GoalEdit(name=f"Goal {self.names}", kind=kind, judged=judged, steps=FLIGHT_STEPS)
        # In the past, so that conversations which have ended see it.
        at = BEFORE + self.names * HOUR
        if goal:
            with suppress(Conflict), self.world.database.transaction() as session:
                goals.edit(session, self.world.project.id, goal.id, change, at)

    @rule(which=PICK, act=st.sampled_from([goals.archive, goals.restore]))
    def archive_or_restore(self, which: int, act: Callable[[Session, UUID, UUID, datetime], object]) -> None:
        goal = self.goal(which)
        if goal:
            with suppress(Conflict), self.world.database.transaction() as session:
                act(session, self.world.project.id, goal.id, BEFORE + self.names * HOUR)

    @rule(which=PICK)
    def delete_goal(self, which: int) -> None:
        goal = self.goal(which)
        if goal:
            with self.world.database.transaction() as session:
                goals.remove(session, self.world.project.id, goal.id, goal.name)

    @rule(conversation_id=CALLS)
    def delete_conversation(self, conversation_id: str) -> None:
        with suppress(NotFound), self.world.database.transaction() as session:
            conversations.remove(session, self.world.project.id, conversation_id)

    @rule()
    def rebuild(self) -> None:
        with self.world.database.transaction() as session:
            rollups.rebuild(session)

    @invariant()
    def rollups_equal_a_recount(self) -> None:
        judged, held = recount(self.world)
        stored_judged, stored_held = stored(self.world)
        assert +stored_judged == +judged
        assert +stored_held == +held
        assert min([*stored_judged.values(), *stored_held.values()], default=0) >= 0
        assert self.world.differences() == []
        assert {row.id for row in self.world.rows(VerdictRow) if row.counted} == self._newest_verdicts()

    @invariant()
    def words_go_when_all_evaluations_have_ended_and_not_before(self) -> None:
        waiting = {row.conversation_id for row in self.world.rows(Evaluation) if row.finished_at is None}
        for row in self.world.rows(Conversation):
            assert bool(row.transcript) == (row.transcript_deleted_at is None)
            assert not (row.transcript_deleted_at and row.id in waiting)
            said = [one for one in self.world.rows(VerdictRow) if one.conversation_id == row.id and one.rationale]
            assert not (row.transcript_deleted_at and said)

    def _newest_verdicts(self) -> set[UUID]:
        successes = [row for row in self.world.rows(Evaluation) if row.status is Status.SUCCEEDED]
        newest = {
            row.id
            for row in successes
            if row.number == max(one.number for one in successes if one.conversation_id == row.conversation_id)
        }
        return {row.id for row in self.world.rows(VerdictRow) if row.evaluation_id in newest}
