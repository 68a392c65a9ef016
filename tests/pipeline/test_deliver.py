"""Delivery: at least once, in order within a conversation, patiently, and never to a receiver that wants no more."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import pytest
from sqlmodel import Session
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from goalline import pipeline
from goalline.domain.outbound.message import TOLD_FOR, Answer, MessageStatus
from goalline.domain.outbound.payload import Payload
from goalline.domain.outbound.subscription import SubscriptionEdit
from goalline.domain.refusal import Conflict
from goalline.store.conversations import retention
from goalline.store.outbound import dispatch, log, subscriptions, telling, wording
from goalline.store.outbound.dispatch import AT_ONCE, LEASE
from goalline.store.tables import Message, Subscription
from goalline.store.vault import Vault, new_key
from tests.pipeline.conftest import ScriptedJudge, Stage
from tests.pipeline.outbound import DOWN, GONE, OK, SOON, VAULT, Outbound, statuses
from tests.store.world import HOUR, MINUTE, NOW, SECOND, World, at_once

WAITING, DELIVERED, FAILED = MessageStatus.WAITING, MessageStatus.DELIVERED, MessageStatus.FAILED


@pytest.fixture
def outbound(world: World) -> Outbound:
    return Outbound(world)


@pytest.fixture
def told(stage: Stage, outbound: Outbound) -> Outbound:
    """One subscription with two messages, of two conversations, due."""
    stage.world.goal()
    outbound.subscribe("evaluation.completed")
    judge(stage, "call-1")
    judge(stage, "call-2")
    return outbound


def judge(stage: Stage, call: str, words: str = "Hello there") -> None:
    stage.evaluate(ScriptedJudge(), stage.receive(call, words).evaluation_id)


def edit(outbound: Outbound, at: datetime = SOON, **change: object) -> Subscription:
    with outbound.world.database.transaction() as session:
        edited = SubscriptionEdit.model_validate(change)
        return subscriptions.edit(session, outbound.world.project.id, subscriptions.every(session)[0].id, edited, at)


def times(outbound: Outbound, until: timedelta, step: timedelta = MINUTE) -> Iterator[datetime]:
    """Yield moments from the first delivery on, and deliver what is due at each."""
    at = SOON
    while at <= SOON + until:
        outbound.deliver_all(at)
        yield at
        at += step


def test_a_message_that_was_accepted_is_sent_once(told: Outbound) -> None:
    assert told.deliver_all() == [DELIVERED, DELIVERED]
    assert told.deliver_all(SOON + HOUR) == []
    assert [sent.call for sent in told.receiver.sent] == ["call-1", "call-2"]
    assert [(each.status, each.answer, each.milliseconds) for each in told.attempts()] == [(200, "thanks", 250)] * 2


def test_each_message_is_signed_with_every_secret_that_is_valid(told: Outbound) -> None:
    told.deliver()
    (first,) = told.receiver.sent[-1].secrets
    with told.world.database.transaction() as session:
        row = subscriptions.every(session)[0]
        _, made = subscriptions.rotate(session, VAULT, row.project_id, row.id, None, SOON, HOUR)
    told.deliver()
    assert told.receiver.sent[-1].secrets == [made, first]


def test_a_message_keeps_its_id_and_gets_a_new_time_with_each_attempt(told: Outbound) -> None:
    told.receiver.answers[:] = [DOWN, OK]
    told.deliver(SOON)
    while len(told.receiver.sent) < 3:
        told.deliver_all(told.receiver.sent[-1].at + MINUTE)
    first, *_, again = (sent for sent in told.receiver.sent if sent.call == "call-1")
    assert first.message_id == again.message_id
    assert first.at < again.at
    assert first.told["timestamp"] == again.told["timestamp"]


def test_what_was_refused_is_tried_again_later(told: Outbound) -> None:
    told.receiver.answers[:] = [DOWN]
    assert told.deliver() == WAITING
    assert told.deliver(SOON + 4 * SECOND) is None
    assert told.deliver(SOON + 5 * SECOND) == WAITING


@pytest.mark.parametrize(
    "answer",
    [
        Answer(0.1, 301, error="redirects are not followed"),
        Answer(0.1, 400),
        Answer(0.1, 404),
        Answer(0.1, 500),
        Answer(15.0, error="took too long"),
        Answer(0.0, error="address not allowed"),
    ],
    ids=lambda answer: answer.error or str(answer.status),
)
def test_anything_but_acceptance_is_logged_and_tried_again(told: Outbound, answer: Answer) -> None:
    told.receiver.answers[:] = [answer]
    assert told.deliver() == WAITING
    (attempt,) = told.attempts()
    assert (attempt.number, attempt.status, attempt.error) == (1, answer.status, answer.error)
    assert told.subscription().failures == 1


def test_a_receiver_that_asks_for_time_gets_it(told: Outbound) -> None:
    told.receiver.answers[:] = [Answer(0.1, 429, retry_after=3_600.0)]
    told.deliver()
    assert told.deliver(SOON + HOUR - SECOND) is None
    told.receiver.answers[:] = [OK]
    assert told.deliver_all(SOON + HOUR) == [DELIVERED, DELIVERED]


def test_a_receiver_that_is_down_gets_one_message_at_a_time_and_ever_fewer(told: Outbound) -> None:
    told.receiver.answers[:] = [DOWN]
    for _ in times(told, 6 * HOUR):
        pass
    # Without a rest it would be both of them each time.
    moments = [sent.at for sent in told.receiver.sent]
    assert len(moments) == len(set(moments))
    assert 10 <= len(moments) <= 15


def test_one_message_that_is_refused_again_and_again_does_not_stand_in_the_way_of_others(told: Outbound) -> None:
    poison = told.messages()[0].id

    def answer() -> None:
        told.receiver.answers[:] = [DOWN if told.receiver.sent[-1].message_id == poison else OK]

    told.receiver.meanwhile = answer
    assert told.deliver_all(SOON) == [WAITING]
    assert told.deliver_all(SOON + 5 * SECOND) == [DELIVERED, WAITING]


def test_many_messages_that_are_always_refused_do_not_stand_in_the_way_of_others(told: Outbound) -> None:
    row = told.subscription()
    with told.world.database.transaction() as session:
        poison = {telling.test(session, row, NOW) for _ in range(20)}

    def answer() -> None:
        told.receiver.answers[:] = [DOWN if told.receiver.sent[-1].message_id in poison else OK]

    told.receiver.meanwhile = answer
    others = {}
    for at in times(told, 6 * HOUR, 15 * MINUTE):
        with told.world.database.transaction() as session:
            others[telling.test(session, row, at)] = at
    sent = [each for each in told.receiver.sent if each.message_id in others]
    took = {each.message_id: each.at - others[each.message_id] for each in sent}
    assert len(took) >= len(others) - 2
    assert max(took.values()) <= 30 * MINUTE
    assert sum(each.message_id in poison for each in told.receiver.sent) <= len(poison) * 6


def test_once_it_is_back_everything_follows_at_once(told: Outbound, stage: Stage) -> None:
    told.receiver.answers[:] = [DOWN]
    for _ in times(told, 6 * HOUR, step=5 * MINUTE):
        pass
    judge(stage, "call-3")
    told.receiver.answers[:] = [OK]
    back = SOON + 7 * HOUR
    assert told.deliver_all(back) == [DELIVERED] * 3
    assert told.subscription().failures == 0
    assert told.subscription().resting_until is None


def test_after_three_days_a_message_fails_and_a_receiver_that_took_none_is_disabled(told: Outbound) -> None:
    told.receiver.answers[:] = [DOWN]
    for _ in times(told, TOLD_FOR + 9 * HOUR, step=15 * MINUTE):
        pass
    row = told.subscription()
    assert not row.enabled
    assert row.disabled_because == "its receiver has accepted nothing for 3 days"
    assert FAILED in statuses(told.messages())
    made = len(told.receiver.sent)
    assert told.deliver_all(SOON + 30 * TOLD_FOR) == []
    assert len(told.receiver.sent) == made


def test_a_receiver_that_was_not_asked_for_days_is_not_disabled_by_one_failure(told: Outbound) -> None:
    told.receiver.answers[:] = [DOWN]
    told.deliver()
    later = SOON + 2 * TOLD_FOR
    told.deliver(later)
    row = told.subscription()
    assert (row.enabled, row.failing_since) == (True, later)


def test_a_message_that_fails_alone_disables_nobody(told: Outbound) -> None:
    poison = told.messages()[0].id

    def answer() -> None:
        told.receiver.answers[:] = [DOWN if told.receiver.sent[-1].message_id == poison else OK]

    told.receiver.meanwhile = answer
    for at in times(told, TOLD_FOR + 9 * HOUR, step=15 * MINUTE):
        # Others arrive all the time.
        with told.world.database.transaction() as session:
            telling.test(session, told.subscription(), at)
    assert told.messages()[0].status == FAILED
    assert told.subscription().enabled


def test_a_disabled_subscription_is_logged_without_its_address(told: Outbound) -> None:
    told.receiver.answers[:] = [GONE]
    with capture_logs([merge_contextvars]) as logs:
        told.deliver()
    ids = {"subscription_id": str(told.subscription().id), "message_id": str(told.messages()[0].id)}
    assert logs == [
        {"event": "not_delivered", "log_level": "info", "status": "failed", "answered": 410} | ids,
        {
            "event": "subscription_disabled",
            "log_level": "warning",
            "why": "its receiver answered 410: it wants no more",
        }
        | ids,
    ]


def test_a_receiver_that_answers_410_is_told_no_more(told: Outbound, stage: Stage) -> None:
    told.receiver.answers[:] = [GONE]
    assert told.deliver_all(SOON) == [FAILED]
    assert not told.subscription().enabled
    judge(stage, "call-3")
    assert statuses(told.messages()) == ["failed", "waiting"]
    assert told.deliver_all(SOON + HOUR) == []


def test_enabled_again_it_is_told_what_has_been_waiting(told: Outbound) -> None:
    told.receiver.answers[:] = [GONE]
    told.deliver()
    told.receiver.answers[:] = [OK]
    row = edit(told, enabled=True)
    assert (row.enabled, row.disabled_because, row.failures) == (True, None, 0)
    assert told.deliver_all() == [DELIVERED]


def test_at_another_address_nothing_waits_for_the_old_one_to_recover(told: Outbound) -> None:
    told.receiver.answers[:] = [DOWN]
    told.deliver()
    told.receiver.answers[:] = [OK]
    edit(told, url="https://new.example.com/")
    assert told.deliver_all() == [DELIVERED, DELIVERED]
    assert told.receiver.sent[-1].url == "https://new.example.com/"


@pytest.mark.parametrize("answer", [GONE, DOWN], ids=["gone", "down"])
def test_what_the_old_address_answers_late_says_nothing_about_the_new_one(told: Outbound, answer: Answer) -> None:
    told.receiver.answers[:] = [answer, OK]
    told.receiver.meanwhile = lambda: edit(told, url="https://new.example.com/")
    assert told.deliver() == WAITING
    row = told.subscription()
    assert (row.enabled, row.failures, row.resting_until) == (True, 0, None)
    told.receiver.meanwhile = lambda: None
    assert told.deliver_all() == [DELIVERED, DELIVERED]


def test_while_it_is_disabled_by_hand_nothing_is_sent_and_nothing_added(told: Outbound, stage: Stage) -> None:
    edit(told, enabled=False)
    judge(stage, "call-3")
    assert told.deliver_all() == []
    assert statuses(told.messages()) == ["waiting", "waiting"]


def test_messages_of_one_conversation_come_in_their_order(stage: Stage, outbound: Outbound) -> None:
    stage.world.goal()
    outbound.subscribe()
    judge(stage, "call-1")
    judge(stage, "call-2")
    judge(stage, "call-1", "Other words")
    outbound.receiver.answers[:] = [DOWN, OK]
    outbound.deliver(SOON)
    outbound.deliver_all(SOON + MINUTE)
    order = [(sent.call, sent.type) for sent in outbound.receiver.sent]
    both = ["evaluation.completed", "goal.achieved"]
    # The first attempt failed and is made again before anything else of that conversation.
    assert [kind for call, kind in order if call == "call-1"] == [both[0], *both, *both]
    assert [kind for call, kind in order if call == "call-2"] == both


def test_nothing_of_a_conversation_overtakes_what_is_on_its_way(stage: Stage, outbound: Outbound) -> None:
    stage.world.goal()
    outbound.subscribe()
    judge(stage, "call-1")
    with outbound.world.database.transaction() as session:
        assert dispatch.claim(session, SOON) is not None
        assert dispatch.claim(session, SOON) is None


def test_a_message_whose_sender_died_is_sent_again(told: Outbound) -> None:
    with told.world.database.transaction() as session:
        held = dispatch.claim(session, SOON)
    assert held is not None
    assert told.deliver_all(SOON) == [DELIVERED]
    assert told.deliver_all(SOON + LEASE - SECOND) == []
    assert told.deliver_all(SOON + LEASE) == [DELIVERED]
    assert told.receiver.sent[-1].message_id == held.id


def test_a_sender_that_comes_back_too_late_changes_nothing(told: Outbound) -> None:
    with told.world.database.transaction() as session:
        held = dispatch.claim(session, SOON)
    assert held is not None
    told.deliver_all(SOON + LEASE)
    with told.world.database.transaction() as session:
        late = dispatch.finish(session, held, DOWN, SOON + LEASE + SECOND, 0.0)
    assert late.status is None
    assert statuses(told.messages()) == ["delivered", "delivered"]
    assert told.subscription().failures == 0


def test_a_receiver_gets_a_few_at_the_same_time(stage: Stage, outbound: Outbound) -> None:
    stage.world.goal()
    outbound.subscribe("evaluation.completed")
    for number in range(AT_ONCE + 3):
        judge(stage, f"call-{number}")
    with outbound.world.database.transaction() as session:
        claimed = [dispatch.claim(session, SOON) for _ in range(AT_ONCE + 3)]
    assert sum(held is not None for held in claimed) == AT_ONCE


def test_a_slow_receiver_does_not_keep_another_one_waiting(stage: Stage, outbound: Outbound) -> None:
    stage.world.goal()
    slow = outbound.subscribe("evaluation.completed", name="slow")
    for number in range(20):
        judge(stage, f"call-{number}")
    quick = outbound.subscribe("evaluation.completed", name="quick", at=NOW + SECOND)
    judge(stage, "call-20")
    with outbound.world.database.transaction() as session:
        claimed = [held for held in (dispatch.claim(session, SOON) for _ in range(AT_ONCE + 1)) if held]
    assert {held.subscription_id for held in claimed} == {slow.id, quick.id}


def test_two_that_deliver_at_once_send_each_message_once(stage: Stage, outbound: Outbound) -> None:
    stage.world.goal()
    outbound.subscribe()
    for number in range(10):
        judge(stage, f"call-{number}")
    assert sum(map(len, at_once(*[partial(outbound.deliver_all, SOON)] * 4))) + len(outbound.deliver_all()) == 20
    ids = [sent.message_id for sent in outbound.receiver.sent]
    assert sorted(ids) == sorted({message.id for message in outbound.messages()})


def test_a_message_that_is_deleted_while_it_is_claimed_is_passed_over(
    told: Outbound, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, choose = told.messages()[0], dispatch._next

    def choose_and_lose(session: Session, subscription: Subscription, now: datetime) -> int | None:
        number = choose(session, subscription, now)
        if number == first.number:
            assert first.conversation_id
            log.forget(session, [first.conversation_id])
        return number

    monkeypatch.setattr(dispatch, "_next", choose_and_lose)
    assert told.deliver_all() == [DELIVERED]


def test_what_is_answered_after_the_words_were_deleted_is_not_kept(told: Outbound) -> None:
    row_id = told.messages()[0].conversation_id
    assert row_id

    def delete() -> None:
        with told.world.database.transaction() as session:
            retention.delete_words(session, [row_id], SOON)

    told.receiver.meanwhile = delete
    assert told.deliver() == DELIVERED
    assert [(attempt.status, attempt.answer) for attempt in told.attempts()] == [(200, "")]


def test_no_transaction_is_open_while_the_receiver_thinks(told: Outbound, stage: Stage) -> None:
    written = threading.Event()

    def write() -> None:
        judge(stage, f"call-{len(told.receiver.sent) + 10}")
        written.set()

    told.receiver.meanwhile = write
    told.deliver()
    assert written.is_set()


def test_a_secret_that_no_key_opens_is_a_failure_that_tells_nobody_anything(told: Outbound) -> None:
    other = Vault([new_key()])
    status = pipeline.deliver(told.world.database, other, told.receiver, lambda: SOON, 0.0)
    assert status == WAITING
    assert told.receiver.sent == []
    assert [attempt.error for attempt in told.attempts()] == ["the secret of this subscription cannot be read"]


def test_nobody_is_disabled_because_our_own_key_is_missing(told: Outbound) -> None:
    other, at = Vault([new_key()]), SOON
    while at < SOON + 2 * TOLD_FOR:
        pipeline.deliver(told.world.database, other, told.receiver, lambda now=at: now, 0.0)  # type: ignore[misc]
        at += HOUR
    assert told.subscription().enabled
    assert statuses(told.messages()) == ["failed", "failed"]


def test_what_cannot_be_read_fails_like_any_other_and_holds_up_nobody(
    told: Outbound, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison, read = told.messages()[0].id, wording.payload_of

    def read_all_but_one(session: Session, held: dispatch.Claim) -> Payload | None:
        if held.id == poison:
            raise LookupError("hello there")
        return read(session, held)

    monkeypatch.setattr(wording, "payload_of", read_all_but_one)
    assert told.deliver() == WAITING
    assert told.deliver_all(SOON + MINUTE) == [DELIVERED, WAITING]
    assert {attempt.error for attempt in told.attempts()} == {"what this message is about cannot be read", None}


def test_a_failed_message_can_be_delivered_again(told: Outbound) -> None:
    told.receiver.answers[:] = [GONE]
    told.deliver()
    message = told.messages()[0]
    again = partial(_redeliver, told, message.id)
    with pytest.raises(Conflict, match="disabled"):
        again()
    edit(told, enabled=True)
    told.receiver.answers[:] = [OK]
    again()
    assert told.deliver_all() == [DELIVERED, DELIVERED]
    assert [attempt.number for attempt in told.attempts() if attempt.message == message.number] == [1, 2]


def test_a_message_that_was_delivered_can_be_delivered_again(told: Outbound) -> None:
    told.deliver_all()
    _redeliver(told, told.messages()[0].id)
    assert told.deliver_all() == [DELIVERED]


def test_one_that_is_on_its_way_cannot(told: Outbound) -> None:
    with told.world.database.transaction() as session:
        held = dispatch.claim(session, SOON)
    assert held is not None
    with pytest.raises(Conflict, match="being delivered this moment"):
        _redeliver(told, held.id)


def _redeliver(outbound: Outbound, message_id: UUID) -> None:
    row = outbound.subscription()
    with outbound.world.database.transaction() as session:
        log.redeliver(session, row.project_id, row.id, message_id, SOON)


def test_all_that_failed_can_be_delivered_again_in_parts(told: Outbound) -> None:
    with told.world.database.transaction() as session:
        for message in told.messages():
            session.add(replace_status(message))
    row, passed = told.subscription(), 0
    found = []
    while True:
        with told.world.database.transaction() as session:
            many, then = log.redeliver_failed(session, row.project_id, row.id, SOON, after=passed, limit=1)
        found.append(many)
        if then is None:
            break
        passed = then
    assert found == [1, 1, 0]
    assert told.deliver_all() == [DELIVERED, DELIVERED]


def replace_status(message: Message) -> Message:
    message.status, message.ended_at = FAILED, NOW
    return message


def test_messages_that_ended_long_ago_are_deleted_and_no_others(told: Outbound) -> None:
    told.deliver(SOON)
    due = pipeline.sweep_messages(told.world.database, SOON + pipeline.MESSAGES_KEPT)
    assert (due.listening, due.ready) == (1, 1)
    assert statuses(told.messages()) == ["delivered", "waiting"]
    pipeline.sweep_messages(told.world.database, SOON + pipeline.MESSAGES_KEPT + SECOND)
    assert statuses(told.messages()) == ["waiting"]
    assert told.attempts() == []


def test_the_sweep_finds_who_has_something_due(told: Outbound) -> None:
    due = partial(pipeline.sweep_messages, told.world.database)
    assert due(SOON) == dispatch.Due(listening=1, ready=1)
    told.receiver.answers[:] = [DOWN]
    told.deliver()
    assert due(SOON + SECOND).ready == 0
    assert due(SOON + 5 * SECOND).ready == 1
    edit(told, enabled=False)
    assert due(SOON + HOUR) == dispatch.Due(listening=0, ready=0)


def test_a_subscription_that_is_deleted_takes_its_messages_with_it(told: Outbound) -> None:
    told.deliver()
    row = told.subscription()
    with told.world.database.transaction() as session:
        subscriptions.delete(session, row.project_id, row.id)
    assert told.messages() == []
    assert told.attempts() == []


def test_one_that_is_deleted_while_its_receiver_thinks_leaves_nothing(told: Outbound) -> None:
    row = told.subscription()

    def delete() -> None:
        with told.world.database.transaction() as session:
            subscriptions.delete(session, row.project_id, row.id)

    told.receiver.meanwhile = delete
    assert told.deliver() is None
    assert told.attempts() == []


def test_news_of_two_conversations_do_not_wait_for_each_other(told: Outbound) -> None:
    with told.world.database.transaction() as session:
        assert dispatch.claim(session, SOON) is not None
        assert dispatch.claim(session, SOON) is not None


def test_whoever_asks_for_a_message_does_not_wait_for_the_end_of_a_rest(told: Outbound) -> None:
    told.receiver.answers[:] = [Answer(0.1, 503, retry_after=3_600.0)]
    told.deliver()
    told.receiver.answers[:] = [OK]
    assert told.deliver(SOON + SECOND) is None
    _redeliver(told, told.messages()[0].id)
    assert told.deliver_all(SOON + SECOND) == [DELIVERED, DELIVERED]


def test_enabled_again_a_message_has_three_days_from_then(told: Outbound) -> None:
    told.receiver.answers[:] = [DOWN]
    for _ in times(told, TOLD_FOR + 9 * HOUR, step=HOUR):
        pass
    later = SOON + 2 * TOLD_FOR
    edit(told, later, enabled=True)
    assert told.deliver(later) == WAITING
