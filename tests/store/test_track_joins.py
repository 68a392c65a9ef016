"""Webhook and events join in one conversation: who talked, and with whom, is the same whichever comes first."""

from collections.abc import Callable
from itertools import permutations

import pytest

from goalline.store.conversations import conversations
from goalline.store.tables import Conversation, TrackRollup
from tests.store.tracking import everything, flight, outcome, receive, task, track
from tests.store.world import World


@pytest.fixture
def tracked(world: World) -> World:
    """A world with a goal of which events tell."""
    flight(world)
    return world


def conversation(world: World) -> Conversation:
    [row] = world.rows(Conversation)
    return row


@pytest.mark.parametrize("contact", [None, "c-9"])
def test_webhook_and_events_lead_to_the_same_whichever_comes_first(tracked: World, contact: str | None) -> None:
    events = everything(agent_id="ann", contact_id="c-1")
    acts: list[Callable[[], object]] = [
        lambda: track(tracked, *events[:2]),
        lambda: receive(tracked, contact_id=contact),
        lambda: track(tracked, *events[2:]),
    ]
    found = []
    for order in permutations(acts):
        for act in order:
            act()
        assert tracked.differences() == []
        found.append(outcome(tracked))
        with tracked.database.transaction() as session:
            conversations.remove(session, tracked.project.id, "call-1")
    assert all(one == found[0] for one in found)
    assert found[0]


def test_events_of_an_agent_count_for_the_agent_that_the_webhook_names(tracked: World) -> None:
    track(tracked, *everything(agent_id="bob"))
    assert {row.agent_id for row in tracked.rows(TrackRollup)} == {"bob"}
    receive(tracked, agent_id="ann")
    assert conversation(tracked).agent_id == "ann"
    assert {row.agent_id for row in tracked.rows(TrackRollup) if row.number} == {"ann"}
    assert tracked.differences() == []


def test_once_the_webhook_has_come_events_do_not_change_the_agent(tracked: World) -> None:
    receive(tracked, agent_id="ann")
    track(tracked, *everything(agent_id="bob"))
    assert conversation(tracked).agent_id == "ann"
    assert {row.agent_id for row in tracked.rows(TrackRollup)} == {"ann"}


def test_until_the_webhook_comes_the_earliest_event_that_names_an_agent_is_believed(tracked: World) -> None:
    events = [task("a", 0), task("b", 10, agent_id="bob"), task("c", 20, agent_id="cyd")]
    for order in permutations(events):
        for event in order:
            track(tracked, event)
        assert conversation(tracked).agent_id == "bob"
        assert {row.agent_id for row in tracked.rows(TrackRollup) if row.number} == {"bob"}
        assert tracked.differences() == []
        tracked.wipe()


def test_the_contact_is_that_of_the_earliest_event_that_names_one(tracked: World) -> None:
    events = [task("a", 0), task("b", 10, contact_id="early"), task("c", 20, contact_id="late")]
    for order in permutations(events):
        for event in order:
            track(tracked, event)
        assert (conversation(tracked).contact_id, conversation(tracked).contact_tracked) == ("early", True)
        tracked.wipe()


def test_the_webhooks_contact_takes_the_place_of_the_events(tracked: World) -> None:
    track(tracked, task("a", contact_id="told"))
    receive(tracked, contact_id="known")
    track(tracked, task("b", -10, contact_id="earlier"))
    assert (conversation(tracked).contact_id, conversation(tracked).contact_tracked) == ("known", False)


def test_a_webhook_without_contact_leaves_it_to_the_events(tracked: World) -> None:
    receive(tracked)
    track(tracked, task("a", 10, contact_id="late"))
    track(tracked, task("b", 0, contact_id="early"))
    assert conversation(tracked).contact_id == "early"
