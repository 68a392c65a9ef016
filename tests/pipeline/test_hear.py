"""What platforms send: one call told by several webhooks, with words or without, is stored and judged once."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from goalline import pipeline, resources
from goalline.domain import platforms
from goalline.domain.evaluation import Reason, Status
from goalline.domain.event import EventType
from goalline.domain.platforms import PlatformName
from goalline.domain.platforms.platform import Heard
from goalline.domain.source import ToolEvent, events_of
from goalline.store.intake import Receipt
from goalline.store.tables import Conversation, Evaluation, StepEvent
from goalline.store.track.recording import Outcome
from tests.pipeline.conftest import ScriptedJudge, Stage
from tests.store.world import NOW

FOLDER = resources.folder("fixtures") / "webhooks"
BOOKED = ToolEvent(tool="book_appointment", type=EventType.TASK_COMPLETED, name="Appointment booked")

Body = dict[str, Any]


def body(platform: PlatformName, name: str) -> Body:
    sample: Body = json.loads((FOLDER / platform / f"{name}.json").read_bytes())
    return sample


def parsed(platform: PlatformName, sent: Body) -> Heard:
    adapter = platforms.BY_NAME[platform]
    return adapter.parse(sent, NOW, adapter.options())


def hear(stage: Stage, platform: PlatformName, sent: Body, *meant: ToolEvent) -> Receipt:
    """Hear one webhook, as the route does once its signature was checked."""
    heard = parsed(platform, sent)
    assert heard.delivery
    events = list(events_of(heard, meant))
    return pipeline.hear(stage.world.database, stage.world.project, heard.delivery, events, NOW, 1_000)


def call(name: str) -> Body:
    return body(PlatformName.RETELL, name)


def without(sent: Body, *place: str) -> Body:
    """Return a webhook in which some fields of its call are missing."""
    return sent | {"call": {name: value for name, value in sent["call"].items() if name not in place}}


def emptied(sent: Body) -> Body:
    """Return a webhook of Retell in which nobody says anything."""
    return sent | {"call": sent["call"] | {"transcript_with_tool_calls": [], "transcript_object": [], "transcript": ""}}


def no_words_of_vapi(sent: Body) -> Body:
    message = sent["message"]
    return {"message": message | {"artifact": {**message["artifact"], "messages": []}}}


def no_words_of_elevenlabs(sent: Body) -> Body:
    return sent | {"data": {name: value for name, value in sent["data"].items() if name != "transcript"}}


def no_words_of_bland(sent: Body) -> Body:
    left_out = {"transcripts": [], "concatenated_transcript": "", "corrected_transcript": []}
    return sent | left_out


def no_words_of_telnyx(sent: Body) -> Body:
    data = sent["data"]
    return {"data": data | {"payload": {k: v for k, v in data["payload"].items() if k != "messages"}}}


def no_words_of_retell(sent: Body) -> Body:
    return without(sent, "transcript_with_tool_calls", "transcript_object", "transcript")


WORDLESS = [
    (PlatformName.RETELL, "call_ended", no_words_of_retell),
    (PlatformName.RETELL, "call_ended", emptied),
    (PlatformName.VAPI, "end-of-call-report", no_words_of_vapi),
    (PlatformName.ELEVENLABS, "post_call_transcription", no_words_of_elevenlabs),
    (PlatformName.BLAND, "post_call", no_words_of_bland),
    (PlatformName.TELNYX, "call.conversation.ended", no_words_of_telnyx),
]
told = pytest.mark.parametrize(
    ("platform", "name", "wordless"), WORDLESS, ids=lambda value: getattr(value, "__name__", None)
)


@pytest.fixture(autouse=True)
def _with_a_goal(stage: Stage) -> None:
    # The samples ended weeks ago.
    stage.world.goal(at=NOW - timedelta(days=100))


def stored(stage: Stage) -> Conversation:
    (row,) = stage.world.rows(Conversation)
    return row


@pytest.mark.parametrize(("platform", "name"), [*dict.fromkeys(case[:2] for case in WORDLESS)])
def test_sent_again_it_changes_nothing(stage: Stage, platform: PlatformName, name: str) -> None:
    first = hear(stage, platform, body(platform, name))
    assert stage.evaluate(ScriptedJudge(), first.evaluation_id) is Status.SUCCEEDED
    again = hear(stage, platform, body(platform, name))
    assert (again.evaluation_id, again.duplicate, again.ring) == (first.evaluation_id, True, False)
    assert len(stage.world.rows(Evaluation)) == 1


@told
def test_a_webhook_without_words_takes_none_away_and_nothing_is_judged_again(
    stage: Stage, platform: PlatformName, name: str, wordless: Callable[[Body], Body]
) -> None:
    first = hear(stage, platform, body(platform, name))
    assert stage.evaluate(ScriptedJudge(), first.evaluation_id) is Status.SUCCEEDED
    before = stored(stage)
    again = hear(stage, platform, wordless(body(platform, name)))
    assert (again.evaluation_id, again.duplicate, again.ring) == (first.evaluation_id, True, False)
    assert stored(stage).transcript == before.transcript
    assert len(stage.world.rows(Evaluation)) == 1
    assert [counted for _, counted in stage.verdicts().values()] == [True]


@told
def test_words_that_come_after_a_webhook_without_them_are_judged(
    stage: Stage, platform: PlatformName, name: str, wordless: Callable[[Body], Body]
) -> None:
    first = hear(stage, platform, wordless(body(platform, name)))
    assert stage.evaluate(ScriptedJudge(), first.evaluation_id) is Status.SKIPPED
    assert stage.world.evaluation(first.evaluation_id).reason is Reason.EMPTY_TRANSCRIPT
    second = hear(stage, platform, body(platform, name))
    assert second.ring
    assert stage.evaluate(ScriptedJudge(), second.evaluation_id) is Status.SUCCEEDED
    assert stored(stage).transcript
    # And nothing is undone by the first one, sent once more.
    assert not hear(stage, platform, wordless(body(platform, name))).ring


@told
def test_words_that_come_before_anybody_has_looked_are_judged_by_the_evaluation_that_waits(
    stage: Stage, platform: PlatformName, name: str, wordless: Callable[[Body], Body]
) -> None:
    first = hear(stage, platform, wordless(body(platform, name)))
    second = hear(stage, platform, body(platform, name))
    assert second.evaluation_id == first.evaluation_id
    assert stage.evaluate(ScriptedJudge(), second.evaluation_id) is Status.SUCCEEDED
    assert len(stage.world.rows(Evaluation)) == 1


@pytest.mark.parametrize("order", [*permutations(("call_ended", "call_analyzed"))], ids="-".join)
def test_both_events_of_retell_about_a_call_are_one_conversation_whichever_comes_first(
    stage: Stage, order: tuple[str, str]
) -> None:
    judge = ScriptedJudge()
    for name in order:
        stage.evaluate(judge, hear(stage, PlatformName.RETELL, call(name), BOOKED).evaluation_id)
    assert len(judge.words) == 1
    assert stored(stage).agent_id == call("call_ended")["call"]["agent_id"]
    assert [row.name for row in stage.world.rows(StepEvent)] == ["Appointment booked"]


UPDATES = [
    (PlatformName.RETELL, "transcript_updated", "call_ended"),
    (PlatformName.VAPI, "conversation-update", "end-of-call-report"),
]


def follow(stage: Stage, platform: PlatformName, sent: Body, *meant: ToolEvent) -> Outcome:
    """Track what a webhook tells of a conversation under way, as the route does."""
    events = events_of(parsed(platform, sent), meant)
    return pipeline.track(stage.world.database, stage.world.project.id, dict(enumerate(events)), NOW, 1_000)


@pytest.mark.parametrize("late", [False, True], ids=["in order", "the update late"])
@pytest.mark.parametrize(("platform", "update", "end"), UPDATES, ids=[platform for platform, *_ in UPDATES])
def test_a_tool_told_of_during_a_call_and_at_its_end_is_one_event_of_one_conversation(
    stage: Stage, platform: PlatformName, update: str, end: str, late: bool
) -> None:
    def run() -> None:
        assert follow(stage, platform, body(platform, update), BOOKED).accepted == (0 if late else 1)
        assert follow(stage, platform, body(platform, update), BOOKED).accepted == 0

    if not late:
        run()
        assert stored(stage).ended_at is None
    receipt = hear(stage, platform, body(platform, end), BOOKED)
    assert stage.evaluate(ScriptedJudge(), receipt.evaluation_id) is Status.SUCCEEDED
    if late:
        run()
    assert stored(stage).ended_at
    (event,) = stage.world.rows(StepEvent)
    (at_the_end,) = events_of(parsed(platform, body(platform, end)), [BOOKED])
    assert (event.name, event.occurred_at) == ("Appointment booked", at_the_end.occurred_at)


def test_of_both_events_five_times_each_at_once_there_is_one_conversation_and_one_evaluation(stage: Stage) -> None:
    sent = [call(name) for name in ("call_ended", "call_analyzed")] * 5
    with ThreadPoolExecutor(len(sent)) as pool:
        receipts = list(pool.map(lambda one: hear(stage, PlatformName.RETELL, one, BOOKED), sent))
    assert sorted(receipt.duplicate for receipt in receipts) == [False] + [True] * 9
    assert len({receipt.evaluation_id for receipt in receipts}) == 1
    assert len(stage.world.rows(Conversation)) == len(stage.world.rows(Evaluation)) == 1
    assert len(stage.world.rows(StepEvent)) == 1


def test_words_that_a_platform_corrects_later_are_judged_again(stage: Stage) -> None:
    judge = ScriptedJudge()
    first = body(PlatformName.BLAND, "delayed_with_corrected_transcript")
    as_heard = first | {"transcripts": [{"user": "user", "text": "I would like to go."}]}
    for sent in (as_heard, first):
        stage.evaluate(judge, hear(stage, PlatformName.BLAND, sent).evaluation_id)
    assert len(judge.words) == 2
