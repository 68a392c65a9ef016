"""A life full of changes for conversations and goals, and a recount that shares no code with the store's own."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from goalline import pipeline
from goalline.domain.evaluation import Status
from goalline.domain.goal import GoalEdit, Kind, goals_in_force
from goalline.domain.refusal import Conflict, NotFound
from goalline.domain.verdict import Outcome, Verdict
from goalline.store import conversations, evaluations, goals
from goalline.store.evaluations import Claim
from goalline.store.tables import Conversation, ConversationRollup, Evaluation, VerdictRollup
from goalline.store.tables import Verdict as VerdictRow
from tests.store.world import BEFORE, HOUR, LEASE, NOW, World, delivery

AGENTS = st.sampled_from(["ann", "bob"])
OUTCOMES = st.lists(st.sampled_from(Outcome), min_size=8, max_size=8)
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
    calls = Bundle("calls")
    wanted = Bundle("wanted")
    rung = Bundle("rung")
    held = Bundle("held")

    @initialize()
    def empty(self) -> None:
        self.world.wipe()
        self.now = NOW
        self.names = 0

    def tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    @rule(target=wanted, kind=st.sampled_from(Kind), agent_id=st.none() | AGENTS)
    def create_goal(self, kind: Kind, agent_id: str | None) -> Any:
        self.names += 1
        try:
            return self.world.goal(f"Goal {self.names}", kind, agent_id, at=BEFORE).id
        except Conflict:
            return multiple()

    @rule(target=rung, conversation_id=st.sampled_from("abc"), words=st.sampled_from("xyz"), agent_id=AGENTS, end=ENDS)
    def receive(self, conversation_id: str, words: str, agent_id: str, end: datetime) -> Any:
        try:
            receipt = pipeline.receive(
                self.world.database, self.world.project, delivery(conversation_id, words, agent_id, end), self.tick()
            )
        except Conflict:
            return multiple()
        return receipt.evaluation_id

    @rule(target=rung, conversation_id=st.sampled_from("abc"))
    def judge_again(self, conversation_id: str) -> Any:
        try:
            world = self.world
            return pipeline.judge_again(world.database, world.project.id, conversation_id, self.tick()).evaluation_id
        except NotFound:
            return multiple()

    @rule(target=held, evaluation_id=rung)
    def begin(self, evaluation_id: UUID) -> Any:
        now = self.tick()
        with self.world.database.transaction() as session:
            claim = evaluations.claim(session, evaluation_id, now, now + LEASE)
            if claim is None:
                return multiple()
            row = conversations.find(session, claim.conversation_id)
            histories = goals.histories(session, row.project_id, row.agent_id)
            return claim, goals_in_force(histories, row.agent_id, row.ended_at)

    @rule(work=consumes(held), outcomes=OUTCOMES)
    def succeed(self, work: tuple[Claim, list[Any]], outcomes: list[Outcome]) -> None:
        claim, in_force = work
        found = [
            Verdict(goal.goal_id, goal.revision, goal.kind, outcome, "Because.", [])
            for goal, outcome in zip(in_force, outcomes, strict=False)
        ]
        with self.world.database.transaction() as session:
            row = conversations.lock(session, claim.conversation_id)
            if row and evaluations.finish(session, claim, Status.SUCCEEDED, self.tick()):
                evaluations.store_verdicts(session, row, claim, found)

    @rule(work=consumes(held))
    def fail(self, work: tuple[Claim, list[Any]]) -> None:
        with self.world.database.transaction() as session:
            evaluations.finish(session, work[0], Status.FAILED, self.tick())

    @rule(target=rung)
    def sweep_after_every_worker_died(self) -> Any:
        self.now += LEASE
        return multiple(*pipeline.sweep(self.world.database, self.tick()))

    @rule(goal_id=wanted, kind=st.sampled_from(Kind), judged=st.booleans())
    def edit_goal(self, goal_id: UUID, kind: Kind, judged: bool) -> None:
        self.names += 1
        change = GoalEdit(name=f"Goal {self.names}", kind=kind, judged=judged)
        # In the past, so that conversations which have ended see it.
        at = BEFORE + self.names * HOUR
        try:
            with self.world.database.transaction() as session:
                goals.edit(session, self.world.project.id, goal_id, change, at)
        except (Conflict, NotFound):
            pass

    @rule(goal_id=wanted, restore=st.booleans())
    def archive_or_restore(self, goal_id: UUID, restore: bool) -> None:
        act = goals.restore if restore else goals.archive
        try:
            with self.world.database.transaction() as session:
                act(session, self.world.project.id, goal_id, self.tick())
        except (Conflict, NotFound):
            pass

    @rule(goal_id=consumes(wanted))
    def delete_goal(self, goal_id: UUID) -> None:
        with self.world.database.transaction() as session:
            name = goals.get(session, self.world.project.id, goal_id).name
            goals.remove(session, self.world.project.id, goal_id, name)

    @rule(conversation_id=st.sampled_from("abc"))
    def delete_conversation(self, conversation_id: str) -> None:
        try:
            with self.world.database.transaction() as session:
                conversations.remove(session, self.world.project.id, conversation_id)
        except NotFound:
            pass

    @invariant()
    def rollups_equal_a_recount(self) -> None:
        judged, held = recount(self.world)
        stored_judged, stored_held = stored(self.world)
        assert +stored_judged == +judged
        assert +stored_held == +held
        assert min([*stored_judged.values(), *stored_held.values()], default=0) >= 0
        assert self.world.differences() == []
        assert {row.id for row in self.world.rows(VerdictRow) if row.counted} == self._newest_verdicts()

    def _newest_verdicts(self) -> set[UUID]:
        successes = [row for row in self.world.rows(Evaluation) if row.status is Status.SUCCEEDED]
        newest = {
            row.id
            for row in successes
            if row.number == max(one.number for one in successes if one.conversation_id == row.conversation_id)
        }
        return {row.id for row in self.world.rows(VerdictRow) if row.evaluation_id in newest}
