"""The page of a conversation: its cycles beside the verdicts, tasks, the path, and what is left of it when erased."""

import re

import pytest

from goalline import upkeep
from goalline.domain.evaluation import Status
from goalline.domain.verdict import Outcome
from goalline.worker import utc_now
from tests.api.tracked import MORNING, attempt, complete, tell, tracked_goal
from tests.api.world import World, delivery, text_of


def shown(world: World, call: str = "call-1") -> str:
    """Return the words of a conversation's page."""
    response = world.client().get(f"/conversations/{call}")
    assert response.status_code == 200
    return text_of(response.text)


def flight(world: World, outcome: Outcome, /, **reached: int) -> str:
    """Track and judge a call that reached these steps; return the words of its page."""
    goal_id = tracked_goal(world, "Flight")
    if reached:
        attempt(world.client(), goal_id, "call-1", MORNING, **reached)
    world.judge.outcomes = {"Flight": outcome}
    world.client().post("/v1/conversations", json=delivery(ended_at=MORNING.format(30, 0)))
    assert world.evaluate() == [Status.SUCCEEDED]
    return shown(world)


def test_shows_a_goals_cycles_beside_its_verdict(world: World) -> None:
    page = flight(world, Outcome.ACHIEVED, start=0, details=60, confirmed=200)
    assert "Because of Flight. Turn 1 I would like to come on Monday. Track Cycle Completed" in page
    assert "Cycle Completed Started 09:00:00 , completed 09:03:20 , after 3 min 20 s" in page
    assert "09:00:00 Wants to pre-book a flight initial 09:01:00 Passenger details given" in page
    assert "09:03:20 Booking confirmed completion 15.00 USD and 00:03:00 saved" in page
    assert "disagree" not in page


DIFFERENT = "Judge and track disagree. The verdict is"


@pytest.mark.parametrize(
    ("outcome", "reached", "told"),
    [
        (Outcome.ACHIEVED, {"start": 0, "details": 1}, "achieved, but no cycle was completed."),
        (Outcome.ACHIEVED, {"start": 0}, "achieved, but no cycle went on from the initial step."),
        (Outcome.PARTIAL, {"start": 0, "confirmed": 1}, "partial, but a cycle was completed."),
        (Outcome.PARTIAL, {"start": 0}, "partial, but no cycle went on from the initial step."),
        (Outcome.NOT_ACHIEVED, {"start": 0, "confirmed": 1}, "not achieved, but a cycle was completed."),
        (Outcome.NOT_ACHIEVED, {"start": 0, "details": 1}, "not achieved, but a cycle went on from the initial step."),
    ],
)
def test_says_in_words_where_judge_and_track_disagree(
    world: World, outcome: Outcome, reached: dict[str, int], told: str
) -> None:
    assert f"{DIFFERENT} {told}" in flight(world, outcome, **reached)


@pytest.mark.parametrize(
    ("outcome", "reached"),
    [(Outcome.PARTIAL, {"start": 0, "details": 1}), (Outcome.NOT_ACHIEVED, {"start": 0})],
)
def test_says_nothing_where_they_agree(world: World, outcome: Outcome, reached: dict[str, int]) -> None:
    page = flight(world, outcome, **reached)
    assert "disagree" not in page
    assert "No cycle" not in page


@pytest.mark.parametrize("outcome", Outcome)
def test_without_a_cycle_there_is_nothing_to_compare(world: World, outcome: Outcome) -> None:
    page = flight(world, outcome)
    assert "disagree" not in page
    assert "No cycle: the initial step of this goal was not reported. So there is nothing to compare" in page


def test_of_several_cycles_the_one_that_came_furthest_is_held_against_the_verdict(world: World) -> None:
    goal_id = tracked_goal(world, "Flight")
    attempt(world.client(), goal_id, "call-1", start=0, confirmed=10)
    attempt(world.client(), goal_id, "call-1", start=20)
    world.client().post("/v1/conversations", json=delivery())
    world.evaluate()
    page = shown(world)
    assert re.search("Cycle 1 Completed .* Cycle 2 Incomplete ", page)
    assert "disagree" not in page


def test_of_a_goal_without_steps_there_is_no_track(judged: World) -> None:
    page = shown(judged)
    assert "Track" not in page
    assert "cycle" not in page


def test_a_goal_that_is_tracked_only_is_shown_without_a_verdict(judged: World) -> None:
    goal_id = tracked_goal(judged, "Identified", judged=False)
    attempt(judged.client(), goal_id, "call-1", start=0)
    page = shown(judged)
    assert "Tracked without a verdict Identified Secondary goal Track Cycle Incomplete Started" in page
    assert "disagree" not in page


def test_times_of_another_day_are_told_with_their_day(judged: World) -> None:
    complete(judged.client(), "call-1", "Mail sent")
    assert "2 May 2025, 09:00:00 Mail sent" in shown(judged)


def test_shows_tasks_and_the_path_in_order(judged: World) -> None:
    client = judged.client()
    complete(client, "call-1", "Mail sent")
    step = {"type": "step.executed", "conversation_id": "call-1"}
    for name, second in (("Farewell", 9), ("Greeting", 0)):
        tell(client, {**step, "name": name, "occurred_at": MORNING.format(0, second)})
    page = shown(judged)
    assert "Tasks completed 1 2 May 2025, 09:00:00 Mail sent Path 2" in page
    assert re.search("Path 2 .* Greeting .* Farewell", page)


def test_steps_that_count_nowhere_are_shown_with_the_reason(world: World) -> None:
    page = flight(world, Outcome.ACHIEVED, details=10, confirmed=20)
    assert "was not reported; others were, and stand below." in page
    assert (
        "Steps that count nowhere 2 They came before any initial step of their goal, so they belong to no cycle."
        in page
    )
    assert "09:00:10 Passenger details given Flight 09:00:20 Booking confirmed Flight" in page


def test_a_long_path_and_many_cycles_are_folded_up(world: World) -> None:
    goal_id, client = tracked_goal(world, "Flight"), world.client()
    for second in range(4):
        attempt(client, goal_id, "call-1", start=second)
    step = {"type": "step.executed", "conversation_id": "call-1", "occurred_at": MORNING.format(0, 0)}
    tell(client, *({**step, "name": f"Step {number}"} for number in range(13)))
    complete(client, "call-1", "Mail sent")
    html = client.get("/conversations/call-1").text
    folded = {text_of(name).strip() for name in re.findall(r"<details>\s*<summary>(.*?)</summary>", html)}
    open_ = {text_of(name).strip() for name in re.findall(r"<details open>\s*<summary>(.*?)</summary>", html)}
    assert (folded, open_) == ({"4 cycles", "Path 13"}, {"Tasks completed 1"})


def test_a_conversation_that_has_not_ended_is_shown_as_far_as_it_is_known(world: World) -> None:
    attempt(world.client(), tracked_goal(world, "Flight"), "call-1", start=0)
    page = shown(world)
    assert "This conversation has not ended yet." in page
    assert "Ended not yet" in page
    assert "Verdicts None yet: a conversation is judged when it has ended." in page
    assert "Flight Secondary goal Track Cycle Incomplete" in page
    assert "Transcript There is none yet." in page
    assert "Evaluations" not in page


def test_an_agent_that_no_event_has_named_yet_is_not_known(world: World) -> None:
    complete(world.client(), "call-1", "Mail sent", agent_id=None)
    assert "Agent not known yet" in shown(world)


def test_of_an_erased_conversation_what_is_counted_is_shown(world: World) -> None:
    attempt(world.client(), tracked_goal(world, "Flight"), "call-1", start=0, confirmed=10)
    world.client().post("/v1/conversations", json=delivery(contact_id="sample-contact"))
    world.evaluate()
    upkeep.erase(world.database, world.project.id, "sample-contact", utc_now())
    page = shown(world)
    assert re.search(r"Erased on \d+ \w+ \d{4}, \d\d:\d\d : only what is counted is left\.", page)
    assert "A Flight Achieved Secondary goal, revision 1 Track Cycle Completed" in page
    assert "This transcript was erased." in page
    assert "sample-contact" not in page
    assert "replaced" not in page


@pytest.mark.parametrize("nasty", ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>"])
def test_names_in_events_are_never_taken_for_html(world: World, nasty: str) -> None:
    steps = [{"key": "a", "name": nasty, "initial": True}, {"key": "b", "name": nasty, "completion": True}]
    goal_id, client = tracked_goal(world, nasty, steps), world.client()
    attempt(client, goal_id, "call-1", b=0, a=1)
    complete(client, "call-1", nasty)
    step = {"type": "step.executed", "conversation_id": "call-1", "occurred_at": MORNING.format(0, 0)}
    tell(client, {**step, "name": nasty})
    html = client.get("/conversations/call-1").text
    assert nasty not in html
    assert html.count(nasty.replace("<", "&lt;").replace(">", "&gt;")) == 6
