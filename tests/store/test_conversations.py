"""Conversations: stored once, found by either id, listed whole and in a stable order."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import InvalidRequestError

from goalline.domain.evaluation import Status
from goalline.domain.goal import Kind
from goalline.domain.refusal import NotFound
from goalline.domain.transcript import Role, Turn, digest
from goalline.domain.verdict import Outcome
from goalline.store.conversations import conversations, listing
from goalline.store.conversations.listing import ConversationFilter
from goalline.store.conversations.verdicts import verdicts_of
from goalline.store.tables import Conversation, ConversationRollup, Evaluation
from goalline.store.tables import Verdict as VerdictRow
from tests.store.world import EFFORT, HOUR, MINUTE, NOW, World, a_project, at_once, delivery, verdict


def insert(world: World, **more: Any) -> UUID | None:
    received = delivery(**more)
    with world.database.transaction() as session:
        stored = conversations.insert_once(session, world.project, received, digest(received.transcript), NOW)
        return stored[0] if stored else None


def listed(world: World, limit: int = 100, **wanted: Any) -> list[str]:
    with world.database.reading() as session:
        page = listing.page(session, world.project.id, ConversationFilter(**wanted), limit=limit)
        return [row.conversation_id for row in page]


def get(world: World, reference: str | UUID) -> Conversation:
    with world.database.reading() as session:
        return conversations.get(session, world.project.id, reference)


def test_a_conversation_is_read_back_as_it_was_delivered(world: World) -> None:
    metadata = {"queue": "sales", "scores": [1, 2.5, None, True], "ü": {"deep": "日本"}}
    turns = [
        {"role": "agent", "text": "Grüezi 👋", "at": NOW - MINUTE},
        {"role": "user", "text": "line\nbreak \\ \" '"},
    ]
    row_id = insert(
        world, started_at=NOW - HOUR, metadata=metadata, transcript=turns, channel="phone", contact_id="c-1"
    )
    row = get(world, "call-1")
    assert row.id == row_id
    assert row.platform_metadata == metadata
    assert (row.started_at, row.ended_at, row.received_at) == (NOW - HOUR, NOW, NOW)
    assert (row.channel, row.contact_id, row.end_reason) == ("phone", "c-1", None)
    assert list(conversations.turns(row)) == [
        Turn(role=Role.AGENT, text="Grüezi 👋", at=NOW - MINUTE),
        Turn(role=Role.USER, text="line\nbreak \\ \" '"),
    ]


@given(words=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_words_come_back_as_they_were_said(world: World, words: str) -> None:
    world.wipe()
    insert(world, words=words, metadata={"said": words, words: [words]})
    row = get(world, "call-1")
    assert [turn.text for turn in conversations.turns(row)] == [words]
    assert row.platform_metadata == {"said": words, words: [words]}


def test_a_conversation_is_stored_once(world: World) -> None:
    assert insert(world, words="first") is not None
    assert insert(world, words="second") is None
    assert [turn.text for turn in conversations.turns(get(world, "call-1"))] == ["first"]


def test_of_eight_deliveries_at_once_one_is_stored(world: World) -> None:
    stored = at_once(*[lambda: insert(world)] * 8)
    assert [row_id is not None for row_id in stored].count(True) == 1
    assert len(world.rows(Conversation)) == 1


def test_two_projects_may_have_a_conversation_of_one_name(world: World) -> None:
    other = World(world.database, a_project(world.database, "other"))
    assert insert(world) != insert(other)
    assert get(world, "call-1").project_id == world.project.id


def test_an_end_in_the_future_is_stored_as_the_time_of_receipt(world: World) -> None:
    insert(world, ended_at=NOW + HOUR)
    assert get(world, "call-1").ended_at == NOW


def test_a_conversation_is_found_by_the_platforms_id_and_by_ours(world: World) -> None:
    row = world.conversation("call-1")
    assert get(world, "call-1").id == get(world, row.id).id == get(world, str(row.id)).id == row.id


def test_the_platforms_own_id_wins_when_it_is_the_id_of_another_conversation_here(world: World) -> None:
    first = world.conversation("call-1")
    second = world.conversation(str(first.id))
    assert get(world, str(first.id)).id == second.id
    assert get(world, "call-1").id == first.id


@pytest.mark.parametrize("unknown", ["call-2", "", "CALL-1", "call-1 ", "é", "00000000-0000-0000-0000-000000000000"])
def test_an_unknown_conversation_is_not_found(world: World, unknown: str) -> None:
    world.conversation("call-1")
    with pytest.raises(NotFound):
        get(world, unknown)


def test_a_reference_that_no_database_could_store_is_not_found_either(world: World) -> None:
    with pytest.raises(NotFound):
        get(world, "call\x001")


def test_a_project_cannot_reach_the_conversation_of_another(world: World) -> None:
    row = world.conversation("call-1")
    other = World(world.database, a_project(world.database, "other"))
    for reference in ("call-1", row.id):
        with pytest.raises(NotFound):
            get(other, reference)
        with pytest.raises(NotFound), world.database.transaction() as session:
            conversations.remove(session, other.project.id, reference)
    assert listed(other) == []
    assert listed(world) == ["call-1"]


def test_a_list_is_whole_newest_first_and_pages_stably_while_more_arrive(world: World) -> None:
    made = [world.conversation(f"call-{number}", at=NOW - (number // 4) * MINUTE) for number in range(14)]
    pages: list[Conversation] = []
    after = None
    for number in range(5):
        with world.database.reading() as session:
            part = listing.page(session, world.project.id, ConversationFilter(), after=after, limit=3)
        world.conversation(f"new-{number}", at=NOW + MINUTE)
        pages += part
        assert part[-1].ended_at
        after = (part[-1].ended_at, part[-1].id)
    assert {row.id for row in pages} == {row.id for row in made}
    assert len(pages) == len(made)
    keys = [(row.ended_at, row.id.hex) for row in pages]
    assert keys == sorted(keys, reverse=True)


def test_a_list_does_not_load_transcripts(world: World) -> None:
    world.conversation()
    with world.database.reading() as session:
        (row,) = listing.page(session, world.project.id, ConversationFilter(), limit=1)
        with pytest.raises(InvalidRequestError):
            _ = row.transcript


def test_a_list_can_be_narrowed_by_agent_contact_and_time(world: World) -> None:
    world.conversation("today", agent_id="ann", contact_id="c-1")
    world.conversation("yesterday", at=NOW - 24 * HOUR, agent_id="bob", contact_id="c-1")
    assert listed(world) == ["today", "yesterday"]
    assert listed(world, limit=1) == ["today"]
    assert listed(world, agent_id="bob") == ["yesterday"]
    assert listed(world, contact_id="c-1", agent_id="ann") == ["today"]
    assert listed(world, ended_from=NOW) == ["today"]
    assert listed(world, ended_before=NOW) == ["yesterday"]
    assert listed(world, ended_from=NOW - 24 * HOUR, ended_before=NOW + HOUR) == ["today", "yesterday"]
    assert listed(world, agent_id="") == []


def test_a_list_can_be_narrowed_by_the_status_of_the_newest_evaluation(world: World) -> None:
    waiting, judged = world.conversation("waiting"), world.conversation("judged")
    world.judge(world.claim(world.newest(judged).id), [])
    assert listed(world, status=Status.SUCCEEDED) == ["judged"]
    assert listed(world, status=Status.QUEUED) == ["waiting"]
    world.queued(judged, 2)
    assert listed(world, status=Status.SUCCEEDED) == []
    assert sorted(listed(world, status=Status.QUEUED)) == ["judged", waiting.conversation_id]


def test_a_list_can_be_narrowed_by_counted_verdicts(world: World) -> None:
    primary, extra = world.goal("Book"), world.goal("Greet", Kind.SECONDARY)
    for name, first, second in (("a", Outcome.ACHIEVED, Outcome.PARTIAL), ("b", Outcome.PARTIAL, Outcome.ACHIEVED)):
        row = world.conversation(name)
        world.judge(world.claim(world.newest(row).id), [verdict(primary, first), verdict(extra, second)])
    assert listed(world, outcome=Outcome.ACHIEVED) == ["a"]
    assert listed(world, goal_id=extra.id, outcome=Outcome.ACHIEVED) == ["b"]
    assert sorted(listed(world, goal_id=extra.id)) == ["a", "b"]
    again = world.queued(get(world, "a"), 2)
    world.judge(world.claim(again), [verdict(primary, Outcome.NOT_ACHIEVED)])
    assert listed(world, outcome=Outcome.ACHIEVED) == []
    assert listed(world, goal_id=extra.id) == ["b"]


def test_the_primary_verdict_stands_first_under_the_name_its_goal_had(world: World) -> None:
    extra, primary = world.goal("Ask", Kind.SECONDARY), world.goal("Book")
    row, other = world.conversation("call-1"), world.conversation("call-2")
    world.judge(world.claim(world.newest(row).id), [verdict(extra), verdict(primary)])
    with world.database.reading() as session:
        found = verdicts_of(session, [row.id, other.id])
    assert [(named.name, named.model) for named in found[row.id]] == [("Book", EFFORT.model), ("Ask", EFFORT.model)]
    assert found[other.id] == []


def test_deleting_a_conversation_removes_all_that_hangs_on_it_and_nothing_else(world: World) -> None:
    goal = world.goal()
    for name in ("going", "staying"):
        row = world.conversation(name)
        world.judge(world.claim(world.newest(row).id), [verdict(goal)])
        world.judge(world.claim(world.queued(row, 2)), [verdict(goal, Outcome.PARTIAL)])
    with world.database.transaction() as session:
        conversations.remove(session, world.project.id, "going")
    (row,) = world.rows(Conversation)
    assert row.conversation_id == "staying"
    assert {evaluation.conversation_id for evaluation in world.rows(Evaluation)} == {row.id}
    assert {stored.conversation_id for stored in world.rows(VerdictRow)} == {row.id}
    assert [rollup.conversations for rollup in world.rows(ConversationRollup)] == [1]
    assert world.differences() == []
