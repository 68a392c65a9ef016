"""Many at once: whoever judges, edits, deletes and recounts at the same time waits for each other, never in a ring."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import count
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from goalline import pipeline
from goalline.domain.evaluation import Judgement
from goalline.domain.goal import GoalEdit, GoalInForce, Kind
from goalline.domain.refusal import NotFound
from goalline.domain.transcript import Turn
from goalline.domain.verdict import Outcome, Verdict
from goalline.store import rollups
from goalline.store.conversations import conversations
from goalline.store.goals import goals
from goalline.store.tables import Conversation, Evaluation
from tests.domain.steps import FLIGHT_STEPS
from tests.store.rollup_model import recount, stored
from tests.store.world import BEFORE, EFFORT, HOUR, LEASE, NOW, SECOND, World, at_once, delivery, verdict


def when_blocked(world: World, monkeypatch: pytest.MonkeyPatch, function: str, first: Any, second: Any) -> None:
    """Run `second` while `first` stands before its first call of a rollup function, until `second` waits for it."""
    reached, ended, in_first = threading.Event(), threading.Event(), threading.local()
    original = getattr(rollups, function)

    def somebody_waits() -> bool:
        with world.database.reading() as session:
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            return bool(session.execute(sa.text(waiting)).scalar_one())

    def paused(*arguments: Any) -> Any:
        if getattr(in_first, "here", False) and not reached.is_set():
            reached.set()
            deadline = time.monotonic() + 20
            while not ended.is_set() and not somebody_waits():
                assert time.monotonic() < deadline
                ended.wait(0.01)
        return original(*arguments)

    def run_first() -> None:
        in_first.here = True
        first()

    def run_second() -> None:
        assert reached.wait(20)
        try:
            second()
        finally:
            ended.set()

    monkeypatch.setattr(rollups, function, paused)
    at_once(run_first, run_second)
    assert world.differences() == []


@pytest.fixture
def judged(postgres_world: World) -> World:
    """A world with a goal and a conversation judged by it."""
    goal = postgres_world.goal("Book")
    row = postgres_world.conversation("call-1")
    postgres_world.judge(postgres_world.claim(postgres_world.newest(row).id), [verdict(goal)])
    return postgres_world


def remove_goal(world: World) -> None:
    with world.database.transaction() as session:
        (goal,) = goals.listed(session, world.project.id)
        goals.remove(session, world.project.id, goal.id, goal.name)


def remove_conversation(world: World) -> None:
    with world.database.transaction() as session:
        conversations.remove(session, world.project.id, "call-1")


def rebuild(world: World) -> None:
    with world.database.transaction() as session:
        rollups.rebuild(session)


def judge_another(world: World) -> None:
    with world.database.reading() as session:
        (goal,) = goals.listed(session, world.project.id)
    row = world.conversation("call-2", agent_id="bob")
    world.judge(world.claim(world.newest(row).id), [verdict(goal)])


@pytest.mark.parametrize(
    ("function", "first", "second"),
    [
        ("count_verdicts", judge_another, remove_goal),
        ("count_verdicts", judge_another, rebuild),
        ("count_conversations", remove_conversation, rebuild),
        ("count_verdicts", remove_conversation, remove_goal),
        ("forget_goal", remove_goal, rebuild),
        ("forget_goal", remove_goal, judge_another),
        ("forget_goal", remove_goal, remove_conversation),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_two_changes_that_meet_do_not_wait_for_each_other(
    judged: World,
    monkeypatch: pytest.MonkeyPatch,
    function: str,
    first: Callable[[World], None],
    second: Callable[[World], None],
) -> None:
    when_blocked(judged, monkeypatch, function, lambda: first(judged), lambda: second(judged))


class Dice:
    """A judge that throws dice."""

    def judge(self, goals: Sequence[GoalInForce], turns: Sequence[Turn]) -> Judgement:  # noqa: ARG002
        return Judgement(
            [
                Verdict(goal.goal_id, goal.revision, goal.kind, random.choice(list(Outcome)), "By chance.", [])
                for goal in goals
            ],
            EFFORT,
        )


class Crowd:
    """What several people and platforms do at the same time."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.seconds = count(1)

    def now(self) -> datetime:
        return NOW + next(self.seconds) * SECOND

    def evaluate(self, evaluation_id: UUID) -> None:
        if work := pipeline.claim(self.world.database, evaluation_id, self.now(), 100 * LEASE):
            pipeline.evaluate(self.world.database, Dice(), work, self.now, give_up_after=HOUR)

    def deliver(self, number: int) -> None:
        words = random.choice(["Hello there", "Good bye"])
        received = delivery(f"call-{number % 4}", words, agent_id="ann")
        self.evaluate(pipeline.receive(self.world.database, self.world.project, received, self.now()).evaluation_id)

    def judge_again(self, number: int) -> None:
        with suppress(NotFound):
            project_id, reference = self.world.project.id, f"call-{number % 4}"
            self.evaluate(pipeline.judge_again(self.world.database, project_id, reference, self.now()).evaluation_id)

    def replace_goals(self, number: int) -> None:
        name = f"Goal {number} {threading.get_ident()}"
        made = self.world.goal(name, Kind.SECONDARY, at=BEFORE)
        self.judge_again(number)
        with self.world.database.transaction() as session:
            goals.edit(session, self.world.project.id, made.id, GoalEdit(judged=False, steps=FLIGHT_STEPS), self.now())
        with self.world.database.transaction() as session:
            goals.remove(session, self.world.project.id, made.id, name)

    def delete_conversations(self, number: int) -> None:
        with suppress(NotFound), self.world.database.transaction() as session:
            conversations.remove(session, self.world.project.id, f"call-{number % 4}")

    def recount(self, number: int) -> None:  # noqa: ARG002
        assert self.world.differences() == []
        rebuild(self.world)
        pipeline.sweep(self.world.database, self.now())


def test_a_crowd_gets_in_nobodys_way_and_the_rollups_stay_right(world: World) -> None:
    crowd = Crowd(world)
    world.goal("Book")
    acts = [crowd.deliver, crowd.judge_again, crowd.replace_goals] * 2 + [crowd.delete_conversations, crowd.recount]

    def repeat(act: Callable[[int], None]) -> None:
        for number in range(12):
            act(number)

    at_once(*(lambda act=act: repeat(act) for act in acts))
    assert world.differences() == []
    assert [+part for part in stored(world)] == [+part for part in recount(world)]
    for evaluation in world.rows(Evaluation):
        crowd.evaluate(evaluation.id)
    judged_last = {row.conversation_id: row for row in sorted(world.rows(Evaluation), key=lambda row: row.number)}
    for row in world.rows(Conversation):
        assert judged_last[row.id].transcript_digest == row.transcript_digest
