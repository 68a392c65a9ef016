"""The stage for the story: a fresh world on each database, and a judge that does as it is told."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from goalline import pipeline
from goalline.domain.evaluation import Effort, Judgement, Status
from goalline.domain.goal import GoalInForce
from goalline.domain.transcript import Turn
from goalline.domain.verdict import Evidence, Outcome, Verdict
from goalline.store.intake import Receipt
from goalline.store.tables import Evaluation
from goalline.store.tables import Verdict as VerdictRow
from tests.store.world import EFFORT, HOUR, LEASE, NOW, SECOND, World, delivery
from tests.store.worlds import migrated_file, migrated_server, postgres_world, sqlite_world, world

__all__ = ["migrated_file", "migrated_server", "postgres_world", "sqlite_world", "world"]


@dataclass(slots=True)
class ScriptedJudge:
    """Gives every goal the same outcome, or raises; `meanwhile` happens while it thinks."""

    outcome: Outcome = Outcome.ACHIEVED
    error: Exception | None = None
    meanwhile: Callable[[], object] = lambda: None
    effort: Effort = EFFORT
    goals: list[list[GoalInForce]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def judge(self, goals: Sequence[GoalInForce], turns: Sequence[Turn]) -> Judgement:
        self.goals.append(list(goals))
        self.words.append(" ".join(turn.text for turn in turns))
        self.meanwhile()
        if self.error:
            raise self.error
        evidence = [Evidence(turn=1, quote=turns[0].text)]
        return Judgement(
            [Verdict(goal.goal_id, goal.revision, goal.kind, self.outcome, "As told.", evidence) for goal in goals],
            self.effort,
        )


@dataclass(frozen=True, slots=True)
class Stage:
    """A world, and the pipeline's functions with times passed by hand."""

    world: World

    def receive(
        self, conversation_id: str = "call-1", words: str = "Hello there", at: datetime = NOW, **more: Any
    ) -> Receipt:
        received = delivery(conversation_id, words, **({"ended_at": at} | more))
        return pipeline.receive(self.world.database, self.world.project, received, at)

    def judge_again(self, reference: str = "call-1", at: datetime = NOW + SECOND) -> Receipt:
        return pipeline.judge_again(self.world.database, self.world.project.id, reference, at)

    def evaluate(
        self,
        judge: ScriptedJudge,
        evaluation_id: UUID,
        at: datetime = NOW + SECOND,
        give_up_after: timedelta = 6 * HOUR,
    ) -> Status | None:
        work = pipeline.claim(self.world.database, evaluation_id, at, LEASE)
        if work is None:
            return None
        return pipeline.evaluate(self.world.database, judge, work, lambda: at, give_up_after=give_up_after)

    def sweep(self, at: datetime, *, forgotten: bool = False, idle: int = 0) -> list[UUID]:
        return pipeline.sweep(self.world.database, at, forgotten=forgotten, idle=idle)

    def verdicts(self) -> dict[int, tuple[Outcome, bool]]:
        """Return outcome and whether it counts, by the number of the evaluation."""
        numbers = {row.id: row.number for row in self.world.rows(Evaluation)}
        return {numbers[row.evaluation_id]: (row.outcome, row.counted) for row in self.world.rows(VerdictRow)}


@pytest.fixture
def stage(world: World) -> Iterator[Stage]:
    """A fresh stage; whatever was played on it, the rollups must be right in the end."""
    yield Stage(world)
    assert world.differences() == []
