"""Retention: the words of old conversations go, a few conversations at a time; what they counted stays."""

import pytest

from goalline import pipeline, upkeep
from goalline.domain.goal import Kind
from goalline.domain.verdict import Evidence, Outcome, Verdict
from goalline.store.conversations import retention
from goalline.store.tables import (
    Conversation,
    ConversationRollup,
    Cycle,
    Evaluation,
    PathTaken,
    Row,
    StepEvent,
    TrackRollup,
    VerdictRollup,
)
from goalline.store.tables import Verdict as VerdictRow
from tests.store.ageing import DAY, DAYS, LATER, PERSONAL, WORDS, get, judged, retain, retain_all, without_words
from tests.store.contact_lives import MIA, erase, residue
from tests.store.tracking import everything, flight, track
from tests.store.world import NOW, SECOND, World


def snapshot(world: World, *kinds: type[Row]) -> list[list[str]]:
    return [sorted(map(repr, world.rows(kind))) for kind in kinds]


def test_transcript_rationale_and_quotes_go_and_turn_numbers_stay(world: World) -> None:
    row = judged(world)
    assert residue(world, "XQ17")
    assert retain(world).deleted == 1
    assert residue(world, "XQ17") == []
    kept = get(world)
    assert (kept.transcript, kept.transcript_deleted_at) == ([], LATER)
    [found] = world.rows(VerdictRow)
    assert (found.rationale, found.evidence, found.outcome) == ("", [{"turn": 2, "quote": ""}], Outcome.PARTIAL)
    assert kept.transcript_digest == row.transcript_digest


def test_everything_else_of_the_conversation_stays(world: World) -> None:
    flight(world)
    before = judged(world)
    track(world, *everything("call-1"))
    others = (Evaluation, StepEvent, Cycle, PathTaken, ConversationRollup, VerdictRollup, TrackRollup)
    kept = snapshot(world, *others)
    retain(world)
    assert snapshot(world, *others) == kept
    after = get(world)
    changed = {"transcript", "transcript_deleted_at"}
    same = Conversation.model_fields.keys() - changed
    assert {name: getattr(after, name) for name in same} == {name: getattr(before, name) for name in same}
    assert (after.contact_id, after.end_reason, after.platform_metadata) == (MIA, "hung-up", {"seat": "4A"})
    assert world.differences() == []


def test_verdicts_that_no_longer_count_lose_their_words_too(world: World) -> None:
    row = judged(world)
    goal = world.rows(VerdictRow)[0]
    again = Verdict(goal.goal_id, 1, Kind.PRIMARY, Outcome.ACHIEVED, WORDS, [Evidence(turn=2, quote=WORDS)])
    assert world.judge(world.claim(world.queued(row, 2)), [again])
    retain(world)
    assert residue(world, "XQ17") == []
    assert sorted((one.outcome, one.counted) for one in world.rows(VerdictRow)) == [
        (Outcome.ACHIEVED, True),
        (Outcome.PARTIAL, False),
    ]


def test_words_are_kept_for_as_many_days_as_was_said_and_no_longer(world: World) -> None:
    judged(world)
    assert retain(world, NOW + DAYS * DAY).deleted == 0
    assert retain(world, NOW + DAYS * DAY + SECOND).deleted == 1


def test_without_a_number_of_days_words_are_kept_for_ever(world: World) -> None:
    judged(world)
    assert upkeep.retain(world.database, None, NOW + 3_650 * DAY) == upkeep.Retained()
    assert without_words(world) == []


def test_open_and_erased_conversations_are_left_as_they_are(world: World) -> None:
    flight(world)
    judged(world)
    track(world, *everything("call-2"))
    erase(world, MIA)
    before = snapshot(world, Conversation)
    assert retain_all(world) == 0
    assert snapshot(world, Conversation) == before


def test_an_evaluation_that_is_queued_or_running_keeps_the_words_until_it_has_ended(world: World) -> None:
    goal, row = world.goal(), world.conversation(**PERSONAL)
    with world.database.reading() as session:
        # Not even tried: on SQLite that would take the writer's place for nothing.
        assert retention.due(session, LATER, None).row_ids == []
    assert retain(world).deleted == 0
    claim = world.claim(world.newest(row).id)
    assert retain(world).deleted == 0
    assert get(world).transcript == PERSONAL["transcript"]
    world.judge(claim, [Verdict(goal.id, 1, goal.kind, Outcome.ACHIEVED, WORDS, [])])
    assert retain(world).deleted == 1
    assert residue(world, "XQ17") == []


def test_an_evaluation_that_is_queued_between_looking_and_deleting_keeps_the_words(world: World) -> None:
    row = judged(world)
    with world.database.reading() as session:
        due = retention.due(session, LATER - DAYS * DAY, None)
    assert due.row_ids == [row.id]
    pipeline.judge_again(world.database, world.project.id, "call-1", NOW)
    with world.database.transaction() as session:
        assert retention.delete_words(session, due.row_ids, LATER) == 0
    assert get(world).transcript == PERSONAL["transcript"]


def test_the_oldest_go_first_and_a_few_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 3)
    for number in range(7):
        judged(world, f"call-{number}", NOW - number * SECOND)
    first = retain(world)
    assert (first.deleted, without_words(world)) == (3, ["call-4", "call-5", "call-6"])
    second = retain(world, after=first.then)
    third = retain(world, after=second.then)
    assert (second.deleted, third.deleted, third.then) == (3, 1, None)
    assert retain(world) == upkeep.Retained()


def test_many_that_wait_for_the_judge_do_not_stand_in_the_way_of_those_behind(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    for number in range(5):
        world.conversation(f"waits-{number}", NOW - DAY + number * SECOND)
    judged(world)
    assert retain_all(world) == 1
    assert without_words(world) == ["call-1"]


def test_what_is_left_to_do_is_counted(world: World) -> None:
    judged(world)
    judged(world, "young", LATER)
    world.conversation("waits")
    with world.database.reading() as session:
        assert retention.count(session, LATER - DAYS * DAY) == 2
    retain(world)
    with world.database.reading() as session:
        assert retention.count(session, LATER - DAYS * DAY) == 1
