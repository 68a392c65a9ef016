"""Resolution: an event means a goal and a step as they were defined when it happened."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from goalline.domain.event import Event
from goalline.domain.goal import GoalHistory, Kind, Period, Wording
from goalline.domain.resolution import Resolver, Unwelcome
from goalline.domain.step import Step
from tests.domain.tracked import CONFIRMED, DETAILS, FLIGHT, HOTEL, NOON, SECOND, START, STEPS

HOUR = timedelta(hours=1)
CREATED = NOON - 24 * HOUR


def wording(number: int = 1, name: str = "Flight", since: datetime = CREATED, steps: Sequence[Step] = STEPS) -> Wording:
    return Wording(number, name, "It is booked.", Kind.SECONDARY, True, since, steps)


def history(
    goal_id: UUID = FLIGHT,
    *revisions: Wording,
    agent_id: str | None = None,
    periods: Sequence[Period] = (Period(CREATED),),
) -> GoalHistory:
    return GoalHistory(goal_id, agent_id, list(revisions or [wording()]), list(periods))


def found(
    *histories: GoalHistory,
    at: datetime = NOON,
    deleted: Mapping[tuple[UUID, str], datetime] | None = None,
    **more: Any,
) -> tuple[UUID, int, str]:
    """Return goal, revision and step that an event means."""
    sent = {"id": "e-1", "type": "goal.step", "conversation_id": "call-1", "goal": "Flight", "step": "details"}
    event = Event.model_validate({**sent, "occurred_at": at, **more})
    reached = Resolver(histories, deleted or {}).reached(event, at)
    assert (reached.event_id, reached.at) == ("e-1", at)
    return reached.goal_id, reached.revision, reached.step.key


def why(*histories: GoalHistory, **more: Any) -> str:
    """Return the sentence with which an event is refused."""
    with pytest.raises(Unwelcome) as caught:
        found(*histories, **more)
    return str(caught.value)


def test_a_goal_is_found_by_its_id() -> None:
    assert found(history(), history(HOTEL), goal=str(HOTEL)) == (HOTEL, 1, "details")


def test_the_letters_of_an_id_may_be_capitals() -> None:
    goal_id = UUID("abcdef00-0000-4000-8000-000000000000")
    assert found(history(goal_id), goal=str(goal_id).upper())[0] == goal_id


def test_a_goal_is_found_by_its_name() -> None:
    assert found(history(), history(HOTEL, wording(name="Hotel")), goal="Hotel") == (HOTEL, 1, "details")


def test_a_name_has_to_be_written_as_it_is() -> None:
    assert why(history(), goal="flight") == (
        "no goal was called 'flight' when this happened; write it as it was then, or name it by its id"
    )


def test_an_id_goes_before_a_name_that_looks_like_it() -> None:
    misleading = history(HOTEL, wording(name=str(FLIGHT)))
    assert found(misleading, history(), goal=str(FLIGHT))[0] == FLIGHT


def test_an_id_that_is_unknown_is_no_goal() -> None:
    unknown = "00000000-0000-4000-8000-000000000009"
    assert why(history(), goal=unknown) == why(history(), goal=f"{{{unknown}}}") == f"there is no goal {unknown}"


RENAMED = history(FLIGHT, wording(), wording(2, "Fly", NOON))
"""A goal that got another name at noon."""


@pytest.mark.parametrize(("name", "at", "revision"), [("Flight", NOON - SECOND, 1), ("Fly", NOON, 2)])
def test_a_goal_is_found_by_the_name_that_it_had_at_that_time(name: str, at: datetime, revision: int) -> None:
    assert found(RENAMED, goal=name, at=at) == (FLIGHT, revision, "details")


@pytest.mark.parametrize(("name", "at"), [("Fly", NOON - SECOND), ("Flight", NOON)])
def test_a_goal_is_not_found_by_a_name_of_another_time(name: str, at: datetime) -> None:
    assert "no goal was called" in why(RENAMED, goal=name, at=at)


@pytest.mark.parametrize(("at", "revision"), [(NOON - SECOND, 1), (NOON, 2), (NOON + HOUR, 2)])
def test_by_its_id_a_goal_is_pinned_to_the_revision_of_that_time(at: datetime, revision: int) -> None:
    assert found(RENAMED, goal=str(FLIGHT), at=at)[1] == revision


def test_a_name_that_another_goal_had_before_means_the_one_that_has_it_then() -> None:
    other = history(HOTEL, wording(name="Flight", since=NOON), periods=[Period(NOON)])
    assert found(RENAMED, other, at=NOON - SECOND)[0] == FLIGHT
    assert found(RENAMED, other, at=NOON)[0] == HOTEL


def test_the_step_is_that_of_the_revision() -> None:
    longer = DETAILS.model_copy(update={"time_saved": timedelta(minutes=5)})
    edited = history(FLIGHT, wording(), wording(2, since=NOON, steps=(START, longer, CONFIRMED)))
    sent = {"id": "e-1", "type": "goal.step", "conversation_id": "call-1", "goal": "Flight", "step": "details"}
    resolver = Resolver([edited], {})
    for at, step in ((NOON, longer), (NOON - SECOND, DETAILS)):
        assert resolver.reached(Event.model_validate({**sent, "occurred_at": at}), at).step == step


def test_of_two_goals_of_one_name_the_event_has_to_say_which() -> None:
    assert why(history(), history(HOTEL)) == (
        "2 goals were called 'Flight' when this happened; name the one you mean by its id"
    )
    assert found(history(), history(HOTEL), goal=str(HOTEL))[0] == HOTEL


def test_two_goals_of_one_name_of_which_one_was_archived_are_told_apart() -> None:
    archived = history(HOTEL, periods=[Period(CREATED, NOON)])
    assert found(history(), archived, at=NOON)[0] == FLIGHT


ANNS = history(HOTEL, agent_id="ann")
"""A goal of one agent, called like the project-wide one."""


def test_an_agents_own_goal_takes_the_place_of_the_project_wide_one() -> None:
    assert found(history(), ANNS, agent_id="ann")[0] == HOTEL


def test_for_another_agent_the_project_wide_goal_is_meant() -> None:
    assert found(history(), ANNS, agent_id="bob")[0] == FLIGHT


def test_without_an_agent_both_may_be_meant() -> None:
    assert "2 goals were called 'Flight'" in why(history(), ANNS)


def test_without_an_agent_the_only_goal_of_that_name_is_meant() -> None:
    assert found(ANNS)[0] == HOTEL


def test_another_agents_goal_is_not_found_by_name() -> None:
    assert why(ANNS, agent_id="bob").endswith("or is another agent's")


def test_another_agents_goal_is_refused_by_id() -> None:
    assert why(ANNS, agent_id="bob", goal=str(HOTEL)) == (
        f"the goal {HOTEL} is for agent 'ann', and the event for another agent"
    )


@pytest.mark.parametrize("agent_id", [None, "ann"])
def test_an_agents_goal_is_found_by_id_for_the_agent_and_for_nobody(agent_id: str | None) -> None:
    assert found(ANNS, agent_id=agent_id, goal=str(HOTEL))[0] == HOTEL


AWAY = history(FLIGHT, periods=[Period(CREATED, NOON - HOUR), Period(NOON)])
"""A goal that was archived from eleven to noon."""


@pytest.mark.parametrize("at", [CREATED, NOON - HOUR - SECOND, NOON])
@pytest.mark.parametrize("goal", ["Flight", str(FLIGHT)])
def test_a_goal_is_meant_while_it_is_active(goal: str, at: datetime) -> None:
    assert found(AWAY, goal=goal, at=at)[0] == FLIGHT


@pytest.mark.parametrize("at", [NOON - HOUR, NOON - SECOND])
def test_a_goal_is_not_meant_while_it_is_archived(at: datetime) -> None:
    assert why(AWAY, goal=str(FLIGHT), at=at) == (
        f"the goal {FLIGHT} was archived when this happened; restore it for what is to count"
    )
    assert "the goal 'Flight' was archived when this happened" in why(AWAY, at=at)


@pytest.mark.parametrize("goal", ["Flight", str(FLIGHT)])
def test_what_happened_before_a_goal_was_made_is_of_its_first_wording(goal: str) -> None:
    assert found(RENAMED, goal=goal, at=CREATED - SECOND) == (FLIGHT, 1, "details")


def test_by_a_later_name_a_goal_is_not_found_before_it_was_made() -> None:
    assert "no goal was called 'Fly'" in why(RENAMED, goal="Fly", at=CREATED - SECOND)


def test_of_goals_that_were_both_made_later_the_event_has_to_say_which() -> None:
    assert "2 goals were called 'Flight'" in why(history(), history(HOTEL), at=CREATED - SECOND)


def test_an_unknown_step_is_told_which_ones_there_were() -> None:
    assert why(history(), step="paid") == (
        "the goal 'Flight' had no step 'paid' when this happened; it had start, details, confirmed"
    )


def test_a_step_of_another_revision_is_unknown() -> None:
    edited = history(FLIGHT, wording(steps=(START, CONFIRMED)), wording(2, since=NOON))
    assert "it had start, confirmed" in why(edited, at=NOON - SECOND)
    assert found(edited, at=NOON)[2] == "details"


def test_a_goal_without_steps_is_told_to_get_some() -> None:
    untracked = history(FLIGHT, wording(steps=()))
    assert why(untracked) == "the goal 'Flight' had no steps when this happened; give it steps first"


DELETED = {(FLIGHT, "details"): NOON}
"""The details were deleted at noon, and made again later."""


def test_what_happened_at_a_step_before_it_was_deleted_does_not_count() -> None:
    assert why(history(), deleted=DELETED, at=NOON - SECOND) == (
        "step 'details' of the goal 'Flight' was deleted with all that happened before"
    )


@pytest.mark.parametrize("at", [NOON, NOON + SECOND])
def test_what_happens_at_a_step_that_was_deleted_and_made_again_counts(at: datetime) -> None:
    assert found(history(), deleted=DELETED, at=at)[2] == "details"


def test_other_steps_and_other_goals_are_not_deleted_with_it() -> None:
    early = NOON - SECOND
    assert found(history(), deleted=DELETED, at=early, step="start")[2] == "start"
    assert found(history(HOTEL), deleted=DELETED, at=early)[0] == HOTEL


def test_the_name_in_the_refusal_is_that_of_the_time() -> None:
    assert "the goal 'Flight' had no step" in why(RENAMED, goal=str(FLIGHT), step="paid", at=NOON - SECOND)
