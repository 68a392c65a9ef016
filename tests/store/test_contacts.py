"""Contacts: what is known of them, and what is left when they are erased."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from goalline import pipeline, upkeep
from goalline.domain.cycle import CycleState
from goalline.domain.evaluation import Reason, Status
from goalline.domain.refusal import Conflict, NotFound
from goalline.domain.verdict import Outcome
from goalline.store.contacts import contacts, deactivation, dossiers
from goalline.store.contacts.contacts import Completions, Profile
from goalline.store.conversations import conversations
from goalline.store.conversations.work import begin as begin_work
from goalline.store.goals import goals
from goalline.store.tables import (
    Conversation,
    ConversationRollup,
    Cycle,
    DeactivatedContact,
    ErasedTrackRollup,
    Evaluation,
    PathTaken,
    StepEvent,
    TrackRollup,
    Verdict,
    VerdictRollup,
)
from tests.store.contact_lives import MIA, NOA, activate, begin, deactivate, erase, judgement, move, residue
from tests.store.tracking import at, every_row, everything, flight, receive, step, task, track
from tests.store.world import NOW, World, a_project

WORDS = "Please book flight XQ17"
PERSONAL: dict[str, Any] = {
    "transcript": [{"role": "user", "text": WORDS}],
    "end_reason": "hung-up-XQ17",
    "metadata": {"seat": "XQ17"},
}
COUNTS = (ConversationRollup, VerdictRollup, TrackRollup)


def profile(world: World, contact_id: str = MIA) -> Profile:
    with world.database.reading() as session:
        return contacts.profile(session, world.project.id, contact_id)


def judge_all(world: World) -> None:
    for row in world.rows(Evaluation):
        if row.status is Status.QUEUED:
            work = begin(world, row.id)
            assert pipeline.complete(world.database, work, judgement(work), NOW) is Status.SUCCEEDED


def lived(world: World) -> None:
    """Let a contact have one conversation with everything in it, and another one an ordinary one."""
    flight(world)
    receive(world, "call-1", contact_id=MIA, **PERSONAL)
    track(world, *everything("call-1", contact_id=MIA))
    receive(world, "call-2", contact_id=NOA)
    track(world, *everything("call-2", contact_id=NOA))
    judge_all(world)


def counted(world: World) -> list[list[str]]:
    return [sorted(map(repr, world.rows(kind))) for kind in COUNTS]


def test_a_profile_tells_of_conversations_completed_goals_and_tasks(world: World) -> None:
    goal = flight(world)
    receive(world, "call-1", contact_id=MIA)
    track(world, *everything("call-1"), step("start", 200), step("confirmed", 230), step("start", 240))
    track(world, task("Ticket sent", 50, "call-9", contact_id=MIA), now=NOW + timedelta(seconds=1))
    receive(world, "call-2", contact_id=NOA)
    found = profile(world)
    assert (found.contact_id, found.deactivated_at, found.conversations) == (MIA, None, 2)
    assert [(one.conversation_id, one.agent_id, one.ended_at) for one in found.latest] == [
        ("call-9", None, None),
        ("call-1", "ann", NOW),
    ]
    assert found.goals == [Completions(goal.id, "Flight", 2, at(120), at(230))]
    assert found.tasks == [Completions(None, "Ticket sent", 2, at(50), at(130))]


def test_a_profile_names_the_latest_conversations_and_counts_all(world: World) -> None:
    for number in range(contacts.MOST_SHOWN + 2):
        ended_at = NOW - timedelta(minutes=number)
        receive(world, f"call-{number}", contact_id=MIA, ended_at=ended_at)
    found = profile(world)
    assert found.conversations == contacts.MOST_SHOWN + 2
    assert [one.conversation_id for one in found.latest] == [f"call-{n}" for n in range(contacts.MOST_SHOWN)]


def test_a_contact_of_another_project_is_unknown(world: World) -> None:
    receive(world, contact_id=MIA)
    other = a_project(world.database, "other")
    with world.database.reading() as session, pytest.raises(NotFound):
        contacts.profile(session, other.id, MIA)
    assert upkeep.erase(world.database, other.id, MIA, NOW) == 0
    assert profile(world).conversations == 1


def test_a_deactivated_contact_is_known_without_anything_stored_of_it(world: World) -> None:
    deactivate(world, MIA)
    assert profile(world).deactivated_at == NOW
    assert residue(world, MIA) == []


def test_deactivating_twice_keeps_the_first_time_and_activating_ends_it(world: World) -> None:
    deactivate(world, MIA)
    deactivate(world, MIA, NOW + timedelta(days=1))
    assert profile(world).deactivated_at == NOW
    activate(world, MIA)
    assert world.rows(DeactivatedContact) == []


def test_nothing_that_was_said_or_told_is_left_of_an_erased_contact(world: World) -> None:
    lived(world)
    digests = [row.transcript_digest for row in world.rows(Conversation) if row.contact_id == MIA]
    sent = [*digests, *(event.id for event in everything("call-1"))]
    assert residue(world, MIA, "XQ17", *sent)
    assert erase(world, MIA) == 1
    assert residue(world, MIA, "XQ17", *sent) == []
    assert residue(world, NOA)
    with world.database.reading() as session:
        other = conversations.get(session, world.project.id, "call-2")
    assert [row.conversation_id for row in world.rows(PathTaken)] == [other.id]
    with pytest.raises(NotFound):
        profile(world)


def test_what_an_erased_conversation_counts_stays(world: World) -> None:
    lived(world)
    before = counted(world)
    cycles = sorted(map(repr, world.rows(Cycle)))
    erase(world, MIA)
    assert counted(world) == before
    assert sorted(map(repr, world.rows(Cycle))) == cycles
    assert world.rows(ErasedTrackRollup)
    assert world.differences() == []


def test_outcomes_of_all_verdicts_stay_without_their_reasons(world: World) -> None:
    lived(world)
    pipeline.judge_again(world.database, world.project.id, "call-1", NOW)
    judge_all(world)
    erase(world, MIA)
    with world.database.reading() as session:
        row = conversations.get(session, world.project.id, "call-1")
    found = [one for one in world.rows(Verdict) if one.conversation_id == row.id]
    assert sorted((one.outcome, one.rationale, one.evidence, one.counted) for one in found) == [
        (Outcome.PARTIAL, "", [], False),
        (Outcome.PARTIAL, "", [], True),
    ]
    assert row.erased_at == NOW
    assert (row.conversation_id, row.agent_id, row.ended_at) == ("call-1", "ann", NOW)


def test_a_queued_evaluation_of_an_erased_conversation_is_skipped(world: World) -> None:
    flight(world)
    receive(world, contact_id=MIA)
    erase(world, MIA)
    [run] = world.rows(Evaluation)
    assert (run.status, run.reason, run.finished_at) == (Status.SKIPPED, Reason.ERASED, NOW)
    assert pipeline.sweep(world.database, NOW + timedelta(days=1), forgotten=True) == []


def test_an_open_conversation_is_erased_too_and_stays_known(world: World) -> None:
    flight(world)
    track(world, *everything("call-1", contact_id=MIA))
    before = counted(world)
    erase(world, MIA)
    assert residue(world, MIA) == []
    assert counted(world) == before
    refused = track(world, task("Ticket sent", 500), task("Ticket sent", 501, contact_id=NOA))
    assert (refused.accepted, len(refused.rejected)) == (0, 2)
    assert "erased" in refused.rejected[0]
    assert len(world.rows(Conversation)) == 1
    assert len([cycle for cycle in world.rows(Cycle) if cycle.state is CycleState.COMPLETED]) == 1
    assert world.differences() == []


def test_events_that_name_the_contact_in_conversations_of_others_stay_without_the_name(world: World) -> None:
    lived(world)
    track(world, task("Call passed on", 300, "call-2", contact_id=MIA))
    with world.database.reading() as session:
        [(event, reference)] = dossiers.elsewhere(session, world.project.id, MIA)
    assert (event.name, reference) == ("Call passed on", "call-2")
    assert erase(world, MIA) == 2
    assert residue(world, MIA) == []
    assert [row.contact_id for row in world.rows(StepEvent) if row.name == "Call passed on"] == [None]
    assert len(world.rows(StepEvent)) == 7
    assert world.differences() == []


def test_a_contact_that_only_events_of_others_name_is_erased_from_them(world: World) -> None:
    receive(world, "call-2", contact_id=NOA)
    track(world, task("Call passed on", 300, "call-2", contact_id=MIA))
    assert erase(world, MIA) == 1
    assert residue(world, MIA) == []


def test_many_conversations_are_erased_part_by_part(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contacts, "_AT_ONCE", 3)
    for number in range(7):
        receive(world, f"call-{number}", contact_id=MIA)
    with world.database.transaction() as session:
        assert contacts.erase_some(session, world.project.id, MIA, NOW) == 3
    assert profile(world).conversations == 4
    assert erase(world, MIA) == 4
    assert residue(world, MIA) == []


@pytest.mark.parametrize("first", ["move", "erase"])
def test_counts_stay_right_when_the_project_moves_before_or_after_an_erasure(world: World, first: str) -> None:
    lived(world)
    acts: list[Callable[[], object]] = [lambda: move(world, "Pacific/Auckland"), lambda: erase(world, MIA)]
    for act in acts if first == "move" else reversed(acts):
        act()
    assert world.differences() == []
    track(world, task("Ticket sent", 900, "call-2"))
    assert world.differences() == []


def test_a_step_or_goal_that_is_deleted_after_an_erasure_leaves_the_counts_right(world: World) -> None:
    lived(world)
    erase(world, MIA)
    goal = world.rows(Verdict)[0].goal_id
    with world.database.transaction() as session:
        goals.remove(session, world.project.id, goal, "Flight")
    assert world.differences() == []
    assert not [row for row in world.rows(TrackRollup) if row.goal_id == goal]


def test_an_erased_conversation_cannot_be_deleted_so_that_nothing_of_it_counts_twice(world: World) -> None:
    lived(world)
    erase(world, MIA)
    before = every_row(world, Conversation, TrackRollup)
    with pytest.raises(Conflict, match="was erased"), world.database.transaction() as session:
        conversations.remove(session, world.project.id, "call-1")
    receive(world, "call-1", contact_id=MIA, **PERSONAL)
    assert track(world, *everything("call-1", contact_id=MIA)).accepted == 0
    assert every_row(world, Conversation, TrackRollup) == before
    assert world.differences() == []


def test_a_contact_who_is_deactivated_while_a_webhook_comes_in_is_not_stored(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    flight(world)
    deactivate(world, MIA)
    # The first look was too early to see it.
    monkeypatch.setattr(deactivation, "deactivated", lambda *_: set())
    receive(world, "call-1", contact_id=MIA, **PERSONAL)
    assert residue(world, MIA, "XQ17") == []
    [run] = world.rows(Evaluation)
    with world.database.transaction() as session:
        work = begin_work(session, run.id, NOW, timedelta(minutes=1))
    assert work
    assert work.needless is Reason.ERASED
    assert [row.erased_at for row in world.rows(Conversation)] == [NOW]
    assert world.differences() == []


def test_a_dossier_holds_everything_and_always_in_the_same_order(world: World) -> None:
    lived(world)
    receive(world, "call-3", contact_id=MIA, now=NOW + timedelta(seconds=1))
    with world.database.snapshot() as session:
        row_ids = dossiers.of_contact(session, world.project.id, MIA)
        first, second = dossiers.load(session, world.project.id, MIA, row_ids)
    assert first.conversation.transcript == [{"role": "user", "text": WORDS}]
    assert [(verdict.rationale, name) for verdict, name in first.verdicts] == [(f"Because of: {WORDS}", "Flight")]
    assert [event.event_id for event in first.events] == sorted(
        (event.id for event in everything("call-1")),
        key=lambda event_id: (float(event_id.rpartition("-")[2]), event_id),
    )
    assert [(cycle.state, name) for cycle, name in first.cycles] == [(CycleState.COMPLETED, "Flight")]
    assert [run.number for run in first.evaluations] == [1]
    assert first.track.path == ("greeting", "farewell")
    assert (second.conversation.conversation_id, second.events, second.verdicts) == ("call-3", [], [])


def test_the_tombstone_is_a_digest(world: World) -> None:
    deactivate(world, MIA)
    [row] = world.rows(DeactivatedContact)
    assert row.digest == deactivation.digest(MIA)
    assert sa.inspect(row).mapper.columns.keys() == ["project_id", "digest", "deactivated_at"]
