"""Nothing is left: every column of every table, and every byte of the file, is searched for what people said.

Each marker is a word that stands nowhere else. What may be left of it after each act is written down here with its
reason; a table or a column that is added later is searched without being named.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from goalline import bootstrap, pipeline
from goalline.domain.evaluation import Judge, Judgement, Status
from goalline.domain.goal import GoalInForce
from goalline.domain.outbound.message import Answer
from goalline.domain.transcript import Turn
from goalline.judge.stand_in import MODEL, StandIn
from goalline.settings import Settings
from goalline.store.conversations import conversations
from goalline.store.tables import Row
from tests.pipeline.outbound import Outbound, Receiver
from tests.store.ageing import LATER, retain_all
from tests.store.contact_lives import erase
from tests.store.tracking import everything, passed, receive, task, track
from tests.store.world import HOUR, NOW, World, delivery

CALL, AGENT, CONTACT, CHANNEL = "qcall", "qdesk", "qcontact", "qchannel"
USER, REPLY, TOOL, OLDER, THOUGHT = "qusersaid", "qagentsaid", "qtoolsaid", "qoldersaid", "qthought"
METADATA, END_REASON, TASK, STEP, EVENT = "qmetadata", "qendreason", "qtask", "qstep", "qevent"

SAID = (USER, REPLY, TOOL, OLDER, THOUGHT)
MARKERS = (*SAID, CALL, AGENT, CONTACT, CHANNEL, METADATA, END_REASON, TASK, STEP, EVENT)

# Counts name the agent, who is no person; those of a conversation that was deleted are zero.
_COUNTED_BY_AGENT = {
    *("conversation_rollup.agent_id", "verdict_rollup.agent_id", "track_rollup.agent_id"),
    "rate_alarm.agent_id",
}
# Names of tasks and analytics steps are names of things, and the keys of what is counted. Paths of one project share
# their row, and nobody counts who uses it.
_COUNTED_BY_NAME = {TASK: {"track_rollup.key"}, STEP: {"path.steps"}}

AFTER_DELETION = {AGENT: _COUNTED_BY_AGENT, **_COUNTED_BY_NAME}
AFTER_ERASURE = {
    # A webhook or an event that is sent again has to find that this one was erased.
    CALL: {"conversation.conversation_id"},
    AGENT: _COUNTED_BY_AGENT | {"conversation.agent_id", "erased_track_rollup.agent_id"},
    CHANNEL: {"conversation.channel"},
    # A recount of what was counted begins with what was erased.
    TASK: {"track_rollup.key", "erased_track_rollup.key"},
    STEP: {"path.steps"},
}


class ThinkingJudge:
    """The stand-in, whose rationale repeats what was said: a model may well do so."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    def judge(self, goals: Sequence[GoalInForce], turns: Sequence[Turn]) -> Judgement:
        found = self._judge.judge(goals, turns)
        words = " ".join(turn.text for turn in turns)
        verdicts = [replace(one, rationale=f"{one.rationale} {THOUGHT}: {words}") for one in found.verdicts]
        return replace(found, verdicts=verdicts)


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with StandIn() as stand_in:
        settings = Settings.model_validate({"model": MODEL, "openai_base_url": stand_in.url})
        with closing(bootstrap.judge(settings, 1)) as judging:
            yield ThinkingJudge(judging)


def say(world: World, judge: Judge, reply: str) -> None:
    turns = [
        {"role": "user", "text": f"Can I have an appointment on Monday? {USER}"},
        {"role": "tool", "text": f"free {TOOL}"},
        {"role": "agent", "text": f"Your appointment {reply} is booked."},
    ]
    more: dict[str, Any] = {
        "contact_id": CONTACT,
        "channel": CHANNEL,
        "end_reason": END_REASON,
        "metadata": {METADATA: [METADATA]},
    }
    received = delivery(CALL, agent_id=AGENT, transcript=turns, **more)
    receipt = pipeline.receive(world.database, world.project, received, NOW)
    work = pipeline.claim(world.database, receipt.evaluation_id, NOW, HOUR)
    assert work
    judged = pipeline.evaluate(world.database, judge, work, lambda: NOW, give_up_after=HOUR)
    assert judged is Status.SUCCEEDED
    # A receiver that answers with what it was told; what it is told next waits.
    Outbound(world, Receiver([Answer(0.1, 200, f"{USER} {REPLY} {OLDER} {THOUGHT}")])).deliver()


def live(world: World, judge: Judge) -> None:
    """Have a conversation with everything in it, judged twice, among many others."""
    world.goal("Appointment booked")
    rate = {"threshold": 0.5, "conversations": 5}
    Outbound(world).subscribe("evaluation.completed", "goal.achieved", "rate.dropped", rate=rate)
    named = {"contact_id": CONTACT, "agent_id": AGENT}
    for number in range(40):
        receive(world, f"other-{number}", words="Something else. " * 20)
        track(world, *everything(f"other-{number}", goal="Appointment booked"))
        if number == 20:
            events = [task(f"Sent {TASK}", 1, CALL, **named), passed(f"Greeting {STEP}", 2, CALL, **named)]
            track(world, *(one.model_copy(update={"id": f"{EVENT}-{one.id}"}) for one in events))
            say(world, judge, OLDER)
            say(world, judge, REPLY)


@pytest.fixture
def lived(world: World, judge: Judge) -> World:
    live(world, judge)
    return world


def left(world: World) -> dict[str, set[str]]:
    """Return in which columns each marker stands."""
    found: dict[str, set[str]] = {}
    with world.database.reading() as session:
        for table in Row.metadata.sorted_tables:
            for row in session.execute(sa.select(table)).mappings():
                for column, value in row.items():
                    for marker in MARKERS:
                        if marker in repr(value):
                            found.setdefault(marker, set()).add(f"{table.name}.{column}")
    return found


def delete(world: World) -> None:
    with world.database.transaction() as session:
        conversations.remove(session, world.project.id, CALL)


def erase_contact(world: World) -> None:
    assert erase(world, CONTACT) == 1


def let_words_go(world: World) -> None:
    assert retain_all(world, LATER) == 1


def test_before_anything_is_deleted_every_marker_is_found(lived: World) -> None:
    found = left(lived)
    assert found.keys() == set(MARKERS)
    assert found[REPLY] == {"conversation.transcript", "verdict.evidence", "verdict.rationale", "attempt.answer"}
    assert found[OLDER] == {"verdict.evidence", "verdict.rationale", "attempt.answer"}
    assert found[THOUGHT] == {"verdict.rationale", "attempt.answer"}
    assert found[CONTACT] == {"conversation.contact_id", "step_event.contact_id"}


def test_of_a_deleted_conversation_only_names_of_things_are_left(lived: World) -> None:
    delete(lived)
    assert left(lived) == AFTER_DELETION
    assert lived.differences() == []


def test_of_an_erased_contact_only_what_counts_and_the_ids_of_conversations_are_left(lived: World) -> None:
    erase_contact(lived)
    assert left(lived) == AFTER_ERASURE
    assert lived.differences() == []


def test_when_words_have_gone_nothing_that_was_said_is_left_and_all_else_is(lived: World) -> None:
    before = left(lived)
    let_words_go(lived)
    # Contact, metadata, end reason and events were not said in the conversation: erasing and deleting take them.
    assert left(lived) == {marker: places for marker, places in before.items() if marker not in SAID}
    assert lived.differences() == []


@pytest.mark.parametrize("first", [let_words_go, erase_contact])
def test_one_way_of_deleting_does_not_stand_in_the_way_of_another(lived: World, first: Callable[[World], None]) -> None:
    first(lived)
    if first is let_words_go:
        erase_contact(lived)
        assert left(lived) == AFTER_ERASURE
    else:
        assert retain_all(lived, LATER) == 0
    assert lived.differences() == []


@pytest.mark.parametrize(
    ("act", "may_stay"),
    [(delete, AFTER_DELETION.keys()), (erase_contact, AFTER_ERASURE.keys()), (let_words_go, set(MARKERS) - set(SAID))],
)
def test_sqlite_writes_over_what_was_deleted(
    sqlite_world: World, judge: Judge, act: Callable[[World], None], may_stay: set[str]
) -> None:
    world = sqlite_world
    file = Path(world.database.engine.url.database or "")
    live(world, judge)
    act(world)
    # What was written lately stands in the file beside it until a checkpoint.
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    stored = b"".join(path.read_bytes() for path in file.parent.glob(f"{file.name}*"))
    assert CALL.encode() in stored or CALL not in may_stay
    assert {marker for marker in MARKERS if marker.encode() in stored} <= set(may_stay)
