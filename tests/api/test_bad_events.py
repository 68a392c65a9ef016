"""What is wrong with an event is said in a sentence, and what is wrong with the request as a problem."""

from typing import Any

import pytest

from tests.api.calls import problem, raw, stored
from tests.api.test_events import EVENTS, JSON, event, send, step
from tests.api.world import World

MOMENT = "occurred_at: must be an RFC 3339 time with zone, such as 2026-11-21T09:30:00Z"
TYPES = "type: must be one of 'goal.step', 'task.completed' or 'step.executed'"
ONE_LINE = "must be one line without control characters; remove them"

BAD: dict[str, tuple[object, str]] = {
    "nothing": (None, "must be a JSON object"),
    "text": ("e-1", "must be a JSON object"),
    "a number": (7, "must be a JSON object"),
    "a list": ([], "must be a JSON object"),
    "no id": ({**event(), "id": None}, "id: must be a string"),
    "an id that is a number": (event(id=7), "id: must be a string"),
    "an id that is true": (event(id=True), "id: must be a string"),
    "an id that is a list": (event(id=["e-1"]), "id: must be a string"),
    "an id that is an object": (event(id={"$ne": ""}), "id: must be a string"),
    "an empty id": (event(id=" "), "id: must not be empty"),
    "an id of 256 characters": (event(id="e" * 256), "id: must have at most 255 characters"),
    "an id with NUL": (event(id="e\x00"), f"id: {ONE_LINE}"),
    "an id of two lines": (event(id="e\n1"), f"id: {ONE_LINE}"),
    "half a character": (event(id="\ud83d"), "id: must not contain lone surrogates; remove them"),
    "a name with NUL": (event(name="a\x00b"), f"name: {ONE_LINE}"),
    "a name with half a character": (event(name="a\udc00"), "name: must not contain lone surrogates; remove them"),
    "a type of nobody's": (event(type="task.complete"), TYPES),
    "a type that is a list": (event(type=["task.completed"]), TYPES),
    "a conversation that is a number": (event(conversation_id=1), "conversation_id: must be a string"),
    "a contact that is a number": (event(contact_id=1.5), "contact_id: must be a string"),
    "an agent that is empty": (event(agent_id=""), "agent_id: must not be empty"),
    "a time without zone": (event(occurred_at="2026-11-21T09:30:00"), MOMENT),
    "a time in seconds": (event(occurred_at=1_763_715_000), MOMENT),
    "a time that is NaN": (event(occurred_at=float("nan")), MOMENT),
    "a time that is no time": (event(occurred_at="2026-02-30T09:30:00Z"), MOMENT),
    "a time before all time": (
        event(occurred_at="0001-01-01T00:00:00+14:00"),
        "occurred_at: must lie between the years 2000 and 9000",
    ),
    "a field of nobody's": (event(sentiment=1), "sentiment: is not a known field; remove it or check its spelling"),
    "a step without step": (step(step=None), "goal.step needs step"),
    "a step without goal": (step(goal=None), "goal.step needs goal"),
    "a step with a name": (step(name="x"), "goal.step has no name beside goal and step; leave it out"),
    "a task without name": (event(name=None), "task.completed needs name"),
    "a task with a step": (event(step="x"), "task.completed has no step beside name; leave it out"),
    "an analytics step without name": (event(type="step.executed", name=None), "step.executed needs name"),
    "a goal of nobody's": (
        step(goal="Nobody's"),
        'no goal was called "Nobody\'s" when this happened; write it as it was then, or name it by its id',
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_event_is_rejected_in_a_sentence_and_the_good_one_beside_it_is_kept(world: World, name: str) -> None:
    bad, sentence = BAD[name]
    answer = send(world.client(), bad, event(2))
    assert answer["rejected"] == [{"index": 0, "detail": sentence}]
    assert answer["accepted"] == 1


@pytest.mark.parametrize("field", ["id", "type", "conversation_id", "occurred_at"])
def test_what_every_event_needs_is_missed(untouched: World, field: str) -> None:
    body = event()
    del body[field]
    assert send(untouched.client(), body)["rejected"] == [{"index": 0, "detail": f"{field}: is missing"}]


def test_several_faults_of_one_event_are_named_together(untouched: World) -> None:
    [rejected] = send(untouched.client(), event(id=1, conversation_id=2, more=3))["rejected"]
    assert rejected["detail"] == (
        "id: must be a string; conversation_id: must be a string; "
        "more: is not a known field; remove it or check its spelling"
    )


def test_an_event_full_of_faults_gets_a_short_sentence(untouched: World) -> None:
    [rejected] = send(untouched.client(), {f"{'x' * 300}-{number}": 1 for number in range(1_000)})["rejected"]
    assert len(rejected["detail"]) < 2_000


BODIES: dict[str, tuple[bytes, int, str]] = {
    "nothing at all": (b"", 422, "body"),
    "a list of events": (raw([event()]), 422, "body"),
    "null": (b"null", 422, "body"),
    "no events": (b"{}", 422, "events"),
    "events that are null": (b'{"events": null}', 422, "events"),
    "events that are an object": (raw({"events": event()}), 422, "events"),
    "events that are text": (b'{"events": "e-1"}', 422, "events"),
    "a field of nobody's": (raw({"events": [event()], "more": 1}), 422, "more"),
    "half of it": (raw({"events": [event()]})[:-5], 400, "body"),
    "single quotes": (b"{'events': []}", 400, "body"),
    "a bare NUL": (b"\x00", 400, "body"),
    "Latin-1": ('{"events": ["é"]}'.encode("latin-1"), 400, "body"),
    "lists in lists in lists": (b'{"events": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "body"),
    "a number of five thousand digits": (b'{"events": [' + b"9" * 5_000 + b"]}", 400, "body"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_request_that_is_no_batch_is_refused(untouched: World, name: str) -> None:
    content, status, field = BODIES[name]
    before = stored(untouched.database)
    problem(untouched.client().post(EVENTS, content=content, headers=JSON), status, field)
    assert stored(untouched.database) == before


def test_a_batch_that_is_not_called_json_is_refused(untouched: World) -> None:
    before = stored(untouched.database)
    response = untouched.client().post(EVENTS, content=raw({"events": [event()]}), headers={"Content-Type": "text/xml"})
    problem(response, 422, "body")
    assert stored(untouched.database) == before


def test_an_event_of_the_far_future_is_of_now(world: World) -> None:
    far: Any = event(occurred_at="8999-12-31T23:59:59Z")
    assert send(world.client(), far)["accepted"] == 1
