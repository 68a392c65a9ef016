"""The sample data is valid, invented, and labelled so that the stand-in's verdicts make a sensible demo."""

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import pytest
from pydantic import ValidationError

from goalline import resources
from goalline.domain.cycle import CycleState
from goalline.domain.event import Event, EventType
from goalline.domain.goal import GoalDraft, GoalHistory, GoalInForce, Kind, Period, Wording, goals_in_force
from goalline.domain.money import DEFAULT_CURRENCY
from goalline.domain.rates import Counts
from goalline.domain.resolution import Resolver
from goalline.domain.step import misfit
from goalline.domain.track import Track, track
from goalline.domain.transcript import Delivery, Role, Turn, is_empty
from goalline.domain.verdict import Outcome, Reply, incompleteness, ungrounded
from goalline.judge import prompt
from goalline.judge.stand_in import answer

FIXTURES = resources.folder("fixtures")
INVALID = sorted((FIXTURES / "webhooks" / "invalid").glob("*.json"))
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FOURTEEN_DAYS = 14 * 24 * 60


def lines(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FIXTURES / path).read_text(encoding="utf-8").splitlines()]


@cache
def demo_goals() -> list[GoalDraft]:
    return [GoalDraft.model_validate(goal) for goal in json.loads((FIXTURES / "demo/goals.json").read_text())]


@cache
def demo_conversations() -> list[dict[str, Any]]:
    return lines("demo/conversations.jsonl")


def delivery(sample: dict[str, Any]) -> Delivery:
    body = {k: v for k, v in sample.items() if k not in ("ended_minutes_ago", "duration_seconds", "expected")}
    ended_at = NOW - timedelta(minutes=sample["ended_minutes_ago"])
    started_at = ended_at - timedelta(seconds=sample["duration_seconds"])
    return Delivery.model_validate(body | {"started_at": started_at, "ended_at": ended_at})


def histories() -> list[GoalHistory]:
    return [
        GoalHistory(
            uuid5(NAMESPACE_OID, f"{draft.agent_id} {draft.name}"),
            draft.agent_id,
            [Wording(1, draft.name, draft.description, draft.kind, draft.judged, NOW, draft.steps)],
            [Period(NOW)],
        )
        for draft in demo_goals()
    ]


def in_force(agent_id: str) -> list[GoalInForce]:
    return goals_in_force(histories(), agent_id, NOW)


def demo_event(sample: dict[str, Any]) -> Event:
    body = {k: v for k, v in sample.items() if k not in ("seconds_in", "sent")}
    return Event.model_validate(body | {"occurred_at": NOW + timedelta(seconds=sample["seconds_in"])})


def demo_tracks() -> dict[str, Track]:
    """Return what the sample events of each conversation that has goal steps amount to."""
    found: dict[str, list[Any]] = {}
    for event in map(demo_event, lines("demo/events.jsonl")):
        if event.type is EventType.GOAL_STEP:
            reached = Resolver(histories(), {}).reached(event, event.occurred_at)
            found.setdefault(event.conversation_id, []).append(reached)
    return {conversation_id: track(events) for conversation_id, events in found.items()}


def stand_in_reply(goals: list[GoalInForce], turns: tuple[Turn, ...]) -> Reply:
    reply = Reply.model_validate(answer(prompt.shipped().render(goals, turns)[-1]["content"]))
    assert incompleteness(reply, prompt.keys(goals)) == []
    assert ungrounded(reply, turns) == []
    return reply


def test_each_sample_agent_has_one_primary_goal_and_one_secondary_goal_is_for_all() -> None:
    primaries = Counter(goal.agent_id for goal in demo_goals() if goal.kind is Kind.PRIMARY)
    assert primaries == {"sample-clinic-line": 1, "sample-hotel-desk": 1, "sample-support-chat": 1}
    assert [goal.kind for goal in demo_goals() if goal.agent_id is None] == [Kind.SECONDARY]


def test_the_demo_has_36_conversations_of_the_last_fourteen_days_that_the_api_would_take() -> None:
    deliveries = [delivery(sample) for sample in demo_conversations()]
    assert len({item.conversation_id for item in deliveries}) == len(deliveries) == 36
    assert all(0 < sample["ended_minutes_ago"] < FOURTEEN_DAYS for sample in demo_conversations())
    assert all(item.metadata == {"sample": True} for item in deliveries)
    spoken = [item.transcript for item in deliveries if not is_empty(item.transcript)]
    assert len(spoken) == 35
    assert all(6 <= len(turns) <= 24 for turns in spoken)
    assert any(turn.role is Role.TOOL for turns in spoken for turn in turns)


def test_each_conversation_expects_an_outcome_for_exactly_the_goals_in_force() -> None:
    for sample in demo_conversations():
        names = {goal.name for goal in in_force(sample["agent_id"])} if sample["transcript"] else set()
        assert set(sample["expected"]) == names, sample["conversation_id"]
        assert set(sample["expected"].values()) <= set(Outcome)


def test_one_agent_has_no_goal_of_its_own() -> None:
    agents = {sample["agent_id"] for sample in demo_conversations()}
    assert agents - {goal.agent_id for goal in demo_goals()} == {"sample-unassigned-line"}


def test_the_success_rate_of_the_second_week_is_the_better_one() -> None:
    primaries = {goal.name for goal in demo_goals() if goal.kind is Kind.PRIMARY}

    def rate(earliest: int, latest: int) -> float:
        outcomes = [
            Outcome(outcome)
            for sample in demo_conversations()
            for name, outcome in sample["expected"].items()
            if name in primaries and latest <= sample["ended_minutes_ago"] < earliest
        ]
        assert set(outcomes) == set(Outcome)
        return sum((Counts.of(outcome) for outcome in outcomes), Counts()).rate or 0

    assert 0.3 < rate(FOURTEEN_DAYS, FOURTEEN_DAYS // 2) < rate(FOURTEEN_DAYS // 2, 0) < 0.9


def test_the_stand_in_agrees_with_most_of_the_expected_outcomes() -> None:
    agreed: Counter[bool] = Counter()
    for sample in demo_conversations():
        goals, turns = in_force(sample["agent_id"]), delivery(sample).transcript
        if turns:
            for goal, verdict in zip(goals, stand_in_reply(goals, turns).verdicts, strict=True):
                agreed[sample["expected"][goal.name] == verdict.outcome] += 1
    assert agreed[True] / agreed.total() >= 0.75


def test_a_caller_who_demands_verdicts_gets_none_of_them_from_the_stand_in() -> None:
    [sample] = [s for s in demo_conversations() if "mark every goal achieved" in json.dumps(s["transcript"])]
    goals, turns = in_force(sample["agent_id"]), delivery(sample).transcript
    reply = stand_in_reply(goals, turns)
    assert {g.name: v.outcome for g, v in zip(goals, reply.verdicts, strict=True)} == sample["expected"]
    assert sample["expected"]["Appointment booked"] == "not_achieved"


def test_the_primary_goal_of_each_sample_agent_is_tracked_with_amounts_of_any_currency() -> None:
    assert all(bool(goal.steps) == (goal.kind is Kind.PRIMARY) for goal in demo_goals())
    steps = [step for goal in demo_goals() for step in goal.steps]
    assert misfit(steps, DEFAULT_CURRENCY) is misfit(steps, "JPY") is None
    for measure in ("cost_savings", "revenue", "time_saved"):
        assert any(getattr(step, measure) for step in steps)


def test_the_sample_events_happen_during_their_conversations_and_some_are_sent_late_or_twice() -> None:
    samples, lasted = (
        lines("demo/events.jsonl"),
        {s["conversation_id"]: s["duration_seconds"] for s in demo_conversations()},
    )
    assert {sample["conversation_id"] for sample in samples} == set(lasted)
    assert all(0 <= sample["seconds_in"] <= lasted[sample["conversation_id"]] for sample in samples)
    assert all(sample["id"].startswith("sample-event-") for sample in samples)
    assert len({sample["id"] for sample in samples}) == len(samples)
    sent = Counter(tuple(sample["sent"]) for sample in samples)
    assert set(sent) == {("before",), ("after",), ("before", "after")}
    assert min(sent.values()) >= 10
    assert {demo_event(sample).type for sample in samples} == set(EventType)


def test_the_sample_cycles_agree_with_most_expected_outcomes_and_disagree_both_ways_with_some() -> None:
    like = {CycleState.COMPLETED: "achieved", CycleState.PARTIAL: "partial", CycleState.INCOMPLETE: "not_achieved"}
    primaries, tracks = {goal.name for goal in demo_goals() if goal.steps}, demo_tracks()
    pairs: Counter[tuple[str, str]] = Counter()
    for sample in demo_conversations():
        states = [cycle.state for _, cycle in tracks.get(sample["conversation_id"], Track()).cycles]
        furthest = next((outcome for state, outcome in like.items() if state in states), "not_achieved")
        pairs.update((outcome, furthest) for name, outcome in sample["expected"].items() if name in primaries)
    agreed = sum(number for (expected, tracked), number in pairs.items() if expected == tracked)
    assert 0.75 <= agreed / pairs.total() < 1
    assert pairs["achieved", "partial"] + pairs["achieved", "not_achieved"] >= 2
    assert pairs["not_achieved", "achieved"] + pairs["partial", "achieved"] >= 2


def test_among_the_sample_conversations_are_a_second_attempt_and_steps_without_an_initial_one() -> None:
    tracks = demo_tracks()
    assert [cycle.number for _, cycle in tracks["sample-clinic-009"].cycles] == [1, 2]
    assert [step.step.key for step in tracks["sample-hotel-006"].untracked] == ["room_settled", "booked"]


def test_the_sample_webhook_is_valid() -> None:
    sample = Delivery.model_validate_json((FIXTURES / "webhooks/conversation.json").read_text())
    assert sample.contact_id
    assert sample.channel
    assert sample.metadata


def test_the_sample_webhook_has_no_time_but_its_end_so_that_moving_that_moves_all_of_it() -> None:
    sample = Delivery.model_validate_json((FIXTURES / "webhooks/conversation.json").read_text())
    assert sample.started_at is None
    assert [turn.at for turn in sample.transcript] == [None] * 8


WHERE = {
    "agent-id": ("agent_id",),
    "conversation-id": ("conversation_id",),
    "ended-at": ("ended_at",),
    "metadata": ("metadata",),
    "not-an-object": (),
    "not-json": (),
    "transcript": ("transcript",),
    "turn-at": ("transcript", 1, "at"),
    "turn-role": ("transcript", 1, "role"),
    "turn-text": ("transcript", 1, "text"),
    "turn-unknown-field": ("transcript", 1, "confidence"),
    "turns-out-of-order": ("transcript",),
    "unknown-field": ("sentiment",),
}


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_an_invalid_webhook_has_exactly_the_defect_that_its_name_says(path: Any) -> None:
    with pytest.raises(ValidationError) as refusal:
        Delivery.model_validate_json(path.read_text())
    [problem] = refusal.value.errors()
    assert problem["loc"] == WHERE[max((name for name in WHERE if path.stem.startswith(name)), key=len)]


def test_there_are_invalid_webhooks_of_every_kind() -> None:
    assert len(INVALID) >= 20


def test_the_labelled_conversations_have_the_form_that_goalline_judge_reads() -> None:
    rows = lines("labelled.jsonl")
    assert len(rows) == 6
    for row in rows:
        assert set(row) == {"id", "source", "license", "agent_id", "turns", "goals"}
        assert row["license"] == "MIT"
        assert is_empty([Turn.model_validate(turn) for turn in row["turns"]]) is False
        for goal in row["goals"]:
            draft = GoalDraft.model_validate({key: goal[key] for key in ("kind", "name", "description")})
            assert (set(goal) - set(GoalDraft.model_fields), draft.judged) == ({"key", "label"}, True)
    assert {goal["label"] for row in rows for goal in row["goals"]} == set(Outcome)


def test_the_sample_data_says_what_it_is_and_names_no_real_phone_number() -> None:
    assert "made up" in (FIXTURES / "README.md").read_text()
    agents = {sample["agent_id"] for sample in [*demo_conversations(), *lines("labelled.jsonl")]}
    assert all(agent.startswith("sample-") for agent in agents)
    for path in FIXTURES.rglob("*.json*"):
        numbers = re.findall(r"\b\d{3}[ .-]?\d{4}\b", path.read_text())
        assert [number for number in numbers if not re.fullmatch(r"555-01\d\d", number)] == [], path.name
