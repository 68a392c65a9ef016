"""An agent's rate is watched with every verdict; when it drops, that is told once until it has recovered."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from goalline import pipeline
from goalline.domain.evaluation import Status
from goalline.domain.goal import Kind
from goalline.domain.outbound.subscription import SubscriptionEdit
from goalline.domain.verdict import Outcome
from goalline.store.outbound import subscriptions
from goalline.store.tables import RateAlarm
from tests.pipeline.conftest import ScriptedJudge, Stage
from tests.pipeline.outbound import Outbound
from tests.store.world import LEASE, MINUTE, NOW, SECOND, World, at_once

RULE = {"threshold": 0.6, "conversations": 5}


@pytest.fixture
def outbound(world: World) -> Outbound:
    return Outbound(world)


def play(stage: Stage, outcomes: str, agent_id: str = "ann", first: int = 0) -> None:
    """Judge one conversation for each letter: `a` is achieved, anything else is not."""
    for number, letter in enumerate(outcomes, first):
        at = NOW + number * MINUTE
        receipt = stage.receive(f"{agent_id}-{number}", at=at, agent_id=agent_id)
        outcome = Outcome.ACHIEVED if letter == "a" else Outcome.NOT_ACHIEVED
        assert stage.evaluate(ScriptedJudge(outcome), receipt.evaluation_id, at + SECOND) is Status.SUCCEEDED


def told(outbound: Outbound) -> list[tuple[str, float]]:
    outbound.deliver_all(NOW + timedelta(days=1))
    found = [(sent.told["data"]["agent_id"], sent.told["data"]["success_rate"]) for sent in outbound.receiver.sent]
    outbound.receiver.sent.clear()
    return found


def test_a_rate_that_drops_is_told_once_until_it_has_recovered(stage: Stage, outbound: Outbound) -> None:
    stage.world.goal()
    outbound.subscribe("rate.dropped", rate=RULE)
    play(stage, "aaaa")
    play(stage, "xx", first=4)
    assert told(outbound) == []
    play(stage, "x", first=6)
    assert told(outbound) == [("ann", 0.4)]
    play(stage, "xx", first=7)
    assert told(outbound) == []
    # At 0.6 it swings around the threshold; at 0.8 it has recovered.
    play(stage, "aaaax", first=9)
    play(stage, "x", first=14)
    assert told(outbound) == []
    play(stage, "x", first=15)
    assert told(outbound) == [("ann", 0.4)]


def test_it_says_what_was_counted(stage: Stage, outbound: Outbound) -> None:
    stage.world.goal()
    outbound.subscribe("rate.dropped", rate=RULE)
    play(stage, "axxax")
    outbound.deliver_all(NOW + timedelta(days=1))
    (sent,) = outbound.receiver.sent
    assert sent.told["data"] == {
        "agent_id": "ann",
        "success_rate": 0.4,
        "achieved": 2,
        "partial": 0,
        "not_achieved": 3,
        "conversations": 5,
        "threshold": 0.6,
        "recovers_at": 0.65,
    }


def test_too_few_conversations_raise_no_alarm(stage: Stage, outbound: Outbound) -> None:
    stage.world.goal()
    outbound.subscribe("rate.dropped", rate=RULE)
    play(stage, "xxxx")
    assert told(outbound) == []


def test_each_agent_has_an_alarm_of_its_own(stage: Stage, outbound: Outbound) -> None:
    stage.world.goal()
    outbound.subscribe("rate.dropped", rate=RULE)
    play(stage, "xxxxx", "ann")
    play(stage, "aaaaa", "bob")
    play(stage, "xxxxx", "cy")
    assert told(outbound) == [("ann", 0.0), ("cy", 0.0)]


def test_a_subscription_to_one_agent_watches_no_other(stage: Stage, outbound: Outbound) -> None:
    stage.world.goal()
    outbound.subscribe("rate.dropped", rate=RULE, agent_id="bob")
    play(stage, "xxxxx", "ann")
    assert told(outbound) == []
    assert stage.world.rows(RateAlarm) == []


def test_secondary_goals_do_not_move_it(stage: Stage, outbound: Outbound) -> None:
    stage.world.goal("Be kind", Kind.SECONDARY)
    outbound.subscribe("rate.dropped", rate=RULE)
    play(stage, "xxxxxx")
    assert told(outbound) == []


def test_a_verdict_that_was_replaced_counts_no_more(stage: Stage, outbound: Outbound) -> None:
    stage.world.goal()
    outbound.subscribe("rate.dropped", rate=RULE)
    play(stage, "aaaxx")
    again = stage.judge_again("ann-0", NOW + 30 * MINUTE)
    stage.evaluate(ScriptedJudge(Outcome.NOT_ACHIEVED), again.evaluation_id, NOW + 31 * MINUTE)
    assert told(outbound) == [("ann", 0.4)]


def test_the_last_conversations_are_those_that_ended_last(stage: Stage, outbound: Outbound) -> None:
    stage.world.goal()
    outbound.subscribe("rate.dropped", rate=RULE)
    play(stage, "aaaaa", first=10)
    # Webhooks that come late tell of older conversations.
    play(stage, "xxxxx", first=0)
    assert told(outbound) == []


def test_verdicts_that_come_together_raise_one_alarm(stage: Stage, outbound: Outbound) -> None:
    stage.world.goal()
    outbound.subscribe("rate.dropped", rate=RULE)
    work = []
    for number in range(8):
        receipt = stage.receive(f"call-{number}")
        work.append(pipeline.claim(stage.world.database, receipt.evaluation_id, NOW, LEASE))
    judge = ScriptedJudge(Outcome.NOT_ACHIEVED)
    tasks = [
        partial(pipeline.complete, stage.world.database, each, judge.judge(each.goals, each.turns), NOW)
        for each in work
        if each
    ]
    assert at_once(*tasks) == [Status.SUCCEEDED] * 8
    assert len(told(outbound)) == 1


@pytest.mark.parametrize(
    ("changes", "news"),
    [
        ([{"rate": {"threshold": 0.9, "conversations": 5}}], True),
        ([{"enabled": False}, {"enabled": True}], True),
        ([{"enabled": True}, {"rate": RULE}, {"types": ["rate.dropped"]}, {"name": "other"}], False),
    ],
    ids=["another rule", "a pause", "what changes nothing"],
)
def test_by_another_rule_or_after_a_pause_a_dropped_rate_is_news(
    stage: Stage, outbound: Outbound, changes: list[dict[str, Any]], news: bool
) -> None:
    stage.world.goal()
    row = outbound.subscribe("rate.dropped", rate=RULE)
    play(stage, "xxxxx")
    assert told(outbound) == [("ann", 0.0)]
    for change in changes:
        with stage.world.database.transaction() as session:
            subscriptions.edit(session, row.project_id, row.id, SubscriptionEdit.model_validate(change), NOW)
    play(stage, "x", first=5)
    assert told(outbound) == ([("ann", 0.0)] if news else [])
