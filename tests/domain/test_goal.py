"""Goals: what an admin may write, and which goals in which wording apply to a conversation."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from goalline.domain.goal import (
    GoalDraft,
    GoalEdit,
    GoalHistory,
    Kind,
    Period,
    Wording,
    cover,
    goals_in_force,
    overlaps,
)
from tests.domain.steps import FLIGHT, FLIGHT_STEPS
from tests.domain.timeline import AGENTS, START, TICK, TIMELINES, Act, Timeline, telling_times

PRIMARY, SECONDARY = Kind.PRIMARY, Kind.SECONDARY


def wording(number: int, at: datetime = START, kind: Kind = PRIMARY, judged: bool = True) -> Wording:
    return Wording(number, f"name {number}", f"description {number}", kind, judged, at)


def history(goal: int, agent_id: str | None = None, kind: Kind = PRIMARY, judged: bool = True) -> GoalHistory:
    return GoalHistory(UUID(int=goal), agent_id, [wording(1, START, kind, judged)], [Period(START)])


def in_force(histories: list[GoalHistory], agent_id: str = "ann", at: datetime = START) -> list[int]:
    return [goal.goal_id.int for goal in goals_in_force(histories, agent_id, at)]


def test_a_goal_applies_from_the_moment_it_was_created() -> None:
    assert in_force([history(1)], at=START - timedelta(microseconds=1)) == []
    assert in_force([history(1)], at=START) == [1]


def test_a_goal_applies_up_to_the_moment_it_was_archived_and_again_from_its_restoration() -> None:
    archived, restored = START + 5 * TICK, START + 9 * TICK
    goal = GoalHistory(UUID(int=1), None, [wording(1)], [Period(restored), Period(START, archived)])
    assert in_force([goal], at=archived - timedelta(microseconds=1)) == [1]
    assert in_force([goal], at=archived) == []
    assert in_force([goal], at=restored - timedelta(microseconds=1)) == []
    assert in_force([goal], at=restored) == [1]


def test_a_conversation_is_judged_by_the_wording_in_force_when_it_ended() -> None:
    edited = START + 5 * TICK
    goal = GoalHistory(UUID(int=1), None, [wording(2, edited), wording(1)], [Period(START)])
    (before,) = goals_in_force([goal], "ann", edited - timedelta(microseconds=1))
    (after,) = goals_in_force([goal], "ann", edited)
    assert (before.revision, before.name, before.description) == (1, "name 1", "description 1")
    assert (after.revision, after.name, after.description) == (2, "name 2", "description 2")


def test_of_two_wordings_of_one_moment_the_later_one_is_in_force() -> None:
    goal = GoalHistory(UUID(int=1), None, [wording(3), wording(1), wording(2)], [Period(START)])
    assert [one.revision for one in goals_in_force([goal], "ann", START)] == [3]


def test_the_agents_own_primary_goal_takes_the_place_of_the_project_wide_one() -> None:
    goals = [history(1), history(2, "ann"), history(3, "bob")]
    assert in_force(goals, "ann") == [2]
    assert in_force(goals, "bob") == [3]
    assert in_force(goals, "cyd") == [1]


def test_an_agents_own_primary_goal_that_is_not_judged_leaves_the_conversation_without_a_primary_one() -> None:
    assert in_force([history(1), history(2, "ann", judged=False), history(3, kind=SECONDARY)], "ann") == [3]


def test_secondary_goals_of_the_agent_and_of_the_project_all_apply_behind_the_primary_one() -> None:
    goals = [history(1, "ann", SECONDARY), history(2, None, SECONDARY), history(3), history(4, "bob", SECONDARY)]
    assert in_force(goals, "ann") == [3, 1, 2]


def test_a_goal_that_is_not_judged_is_left_out() -> None:
    assert in_force([history(1, judged=False), history(2, kind=SECONDARY, judged=False)]) == []


def as_histories(timeline: Timeline, chance: random.Random) -> list[GoalHistory]:
    """Write down a timeline as the revisions and periods that the rule reads, in no order at all."""
    histories: list[GoalHistory] = []
    for number, life in enumerate(timeline.lives):
        wordings = {
            stage.revision: Wording(stage.revision, stage.name, "?", stage.kind, stage.judged, stage.since)
            for stage in reversed(life.stages)
        }
        periods: list[Period] = []
        for stage in life.stages:
            is_open = bool(periods) and periods[-1].active_until is None
            if stage.active and not is_open:
                periods.append(Period(stage.since))
            elif not stage.active and is_open:
                periods[-1] = Period(periods[-1].active_from, stage.since)
        histories.append(
            GoalHistory(
                UUID(int=number),
                life.agent_id,
                chance.sample(list(wordings.values()), len(wordings)),
                chance.sample(periods, len(periods)),
            )
        )
    return histories


@given(TIMELINES, st.randoms(), st.lists(st.integers(-5, 70 * 60), max_size=5))
def test_the_goals_in_force_are_those_a_replay_of_their_lives_finds(
    timeline: Timeline, chance: random.Random, seconds: list[int]
) -> None:
    histories = as_histories(timeline, chance)
    for at in [*telling_times(timeline), *(START + timedelta(seconds=number) for number in seconds)]:
        for agent_id in AGENTS:
            found = goals_in_force(histories, agent_id, at)
            assert [(goal.goal_id.int, goal.revision, goal.name, goal.kind) for goal in found] == timeline.in_force(
                agent_id, at
            )
            assert [goal.kind for goal in found].count(PRIMARY) <= 1
            assert PRIMARY not in [goal.kind for goal in found[1:]]


@given(TIMELINES)
def test_the_random_lives_keep_to_one_active_primary_goal_in_each_place(timeline: Timeline) -> None:
    for at in telling_times(timeline):
        stages = [(life.agent_id, stage) for life in timeline.lives if (stage := life.at(at))]
        places = [agent_id for agent_id, stage in stages if stage.is_active_primary]
        assert len(places) == len(set(places))
    assert all(event.step.act is Act.CREATE for event in timeline.events[:1])


def draft(**changes: Any) -> GoalDraft:
    plain = {"name": "Book", "description": "A table is booked.", "kind": "primary"}
    return GoalDraft.model_validate(plain | changes)


def test_a_draft_is_project_wide_and_judged_unless_it_says_otherwise() -> None:
    assert (draft().agent_id, draft().judged, draft().steps) == (None, True, ())


@pytest.mark.parametrize("blank", ["", "  ", "\n\t"])
@pytest.mark.parametrize("field", ["name", "description"])
def test_a_goal_has_a_name_and_a_description(field: str, blank: str) -> None:
    with pytest.raises(ValidationError, match=field):
        draft(**{field: blank})
    with pytest.raises(ValidationError, match=field):
        GoalEdit.model_validate({field: blank})


def test_a_description_has_at_most_4000_characters_between_its_ends() -> None:
    assert draft(description=f"  {'x' * 4_000}\n").description == "x" * 4_000
    with pytest.raises(ValidationError, match="4000 characters"):
        draft(description="x" * 4_001)


def test_a_description_that_no_database_could_store_is_refused() -> None:
    with pytest.raises(ValidationError, match="NUL"):
        draft(description="a\x00b")


@pytest.mark.parametrize("wrong", [{"kind": "tertiary"}, {"process": []}, {"agent_id": ""}, {"judged": None}])
def test_a_draft_with_anything_unknown_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        draft(**wrong)


def test_an_edit_names_what_it_changes() -> None:
    assert GoalEdit(judged=False).model_dump(exclude_unset=True) == {"judged": False}
    with pytest.raises(ValidationError, match="at least one of"):
        GoalEdit()


@pytest.mark.parametrize("field", ["name", "description", "kind", "judged", "steps"])
def test_an_edit_cannot_take_anything_away(field: str) -> None:
    with pytest.raises(ValidationError, match=rf"{field}\n.* must not be null"):
        GoalEdit.model_validate({field: None})


def test_an_edit_cannot_move_a_goal_to_another_agent() -> None:
    with pytest.raises(ValidationError, match="agent_id"):
        GoalEdit.model_validate({"agent_id": "ann"})


def hours(*bounds: int) -> list[Period]:
    """Return periods of the day of `cover`, by the hours at which each begins and ends."""
    day = datetime(2026, 11, 21, tzinfo=UTC)
    return [
        Period(day + timedelta(hours=start), day + timedelta(hours=end))
        for start, end in zip(bounds[::2], bounds[1::2], strict=True)
    ]


@pytest.mark.parametrize(
    ("periods", "covered"),
    [
        (hours(), False),
        (hours(-5, 0), False),
        (hours(24, 30), False),
        (hours(0, 24), True),
        (hours(-5, 30), True),
        (hours(-5, 7, 7, 24), True),
        (hours(0, 23), None),
        (hours(1, 24), None),
        (hours(0, 7, 8, 24), None),
        (hours(3, 4), None),
    ],
    ids=str,
)
def test_periods_hold_all_of_a_day_or_none_or_a_part(periods: list[Period], covered: bool | None) -> None:
    [day] = hours(0, 24)
    assert day.active_until
    assert cover(periods, day.active_from, day.active_until) is covered


def test_a_period_that_has_not_ended_holds_all_that_comes() -> None:
    [day, second] = hours(0, 24, 6, 30)
    still = Period(second.active_from)
    assert day.active_until
    assert second.active_until
    assert cover([still], day.active_from, day.active_until) is None
    assert cover([still], second.active_from, second.active_until) is True
    assert overlaps([still], [day]) == hours(6, 24)
    assert overlaps([still], [Period(day.active_from)]) == [still]


def test_a_goal_may_be_judged_or_tracked_or_both() -> None:
    assert draft(judged=True, steps=FLIGHT).steps == draft(judged=False, steps=FLIGHT).steps == FLIGHT_STEPS
    assert draft(judged=True, steps=[]).steps == ()


@pytest.mark.parametrize("without", [{}, {"steps": []}])
def test_a_goal_that_would_measure_nothing_is_refused(without: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="give it steps or set judged to true") as caught:
        draft(judged=False, **without)
    assert caught.value.errors()[0]["loc"] == ("steps",)


def test_steps_that_break_a_rule_are_refused_in_a_draft_and_in_an_edit() -> None:
    with pytest.raises(ValidationError, match="no step is the initial one"):
        draft(steps=FLIGHT[1:])
    with pytest.raises(ValidationError, match="no step is the initial one"):
        GoalEdit.model_validate({"steps": FLIGHT[1:]})


def test_an_edit_may_remove_all_steps() -> None:
    assert GoalEdit(steps=()).model_fields_set == {"steps"}
