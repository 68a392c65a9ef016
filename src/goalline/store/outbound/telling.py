"""Telling: what happens becomes messages for those who have subscribed to it, in the transaction in which it happens.

Whoever tells holds everything else already. Subscriptions are locked then, against being deleted, and alarms last.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlmodel import Session

from goalline.domain.goal import Kind
from goalline.domain.outbound.alarm import watch
from goalline.domain.outbound.message import MessageStatus, MessageType
from goalline.domain.outbound.payload import RateDropped
from goalline.domain.outbound.subscription import RateRule
from goalline.domain.rates import Counts
from goalline.domain.verdict import Outcome, Verdict
from goalline.store.conversations.verdicts import Locked
from goalline.store.database import Upsert, run
from goalline.store.tables import Conversation, Message, RateAlarm, Subscription, table
from goalline.store.tables import Verdict as VerdictRow

_subscription, _message, _alarm = table(Subscription), table(Message), table(RateAlarm)
_conversation, _verdict = table(Conversation), table(VerdictRow)

_LISTENING = (
    sa.select(_subscription.c.id, _subscription.c.types, _subscription.c.agent_id, _subscription.c.rate)
    .where(_subscription.c.project_id == bindparam("project_id"), _subscription.c.enabled)
    .order_by(_subscription.c.id)
    .with_for_update(read=True, key_share=True)
)
_AGENTS = sa.select(_conversation.c.id, _conversation.c.agent_id).where(
    _conversation.c.id.in_(bindparam("row_ids", expanding=True))
)
_INSERT = sa.insert(_message)
# Whoever comes second waits here for the first, and then sees the first one's verdict in the window.
_HOLD_ALARM = Upsert(
    _alarm,
    lambda statement: statement.on_conflict_do_update(
        index_elements=_alarm.primary_key, set_={"agent_id": statement.excluded.agent_id}
    ).returning(_alarm.c.raised),
)
_SET_ALARM = (
    sa.update(_alarm)
    .where(_alarm.c.subscription_id == bindparam("whose"), _alarm.c.agent_id == bindparam("of"))
    .values(raised=bindparam("now_raised"))
)
_WINDOW = (
    sa.select(_verdict.c.outcome)
    .join_from(_conversation, _verdict, _verdict.c.conversation_id == _conversation.c.id)
    .where(
        _conversation.c.project_id == bindparam("project_id"),
        _conversation.c.agent_id == bindparam("of"),
        _verdict.c.counted,
        _verdict.c.kind == Kind.PRIMARY,
    )
    .order_by(_conversation.c.ended_at.desc(), _conversation.c.id)
    .limit(bindparam("most"))
)


@dataclass(frozen=True, slots=True)
class News:
    """Something that has happened, and what it is about; `facts` are what no table has."""

    type: MessageType
    agent_id: str
    conversation_id: UUID | None = None
    evaluation_id: UUID | None = None
    goal_id: UUID | None = None
    facts: dict[str, Any] | None = None


def judged(session: Session, row: Locked, evaluation_id: UUID, verdicts: Sequence[Verdict], now: datetime) -> int:
    """Tell of an evaluation whose verdicts count from now on; return to how many messages that led.

    First comes the whole of it, then each goal that was achieved. It may also be what makes the agent's rate drop.
    """
    if not verdicts:
        return 0
    news = [News(MessageType.EVALUATION_COMPLETED, row.agent_id, row.id, evaluation_id)]
    news += [
        News(MessageType.GOAL_ACHIEVED, row.agent_id, row.id, evaluation_id, verdict.goal_id)
        for verdict in verdicts
        if verdict.outcome is Outcome.ACHIEVED
    ]
    listening = run(session, _LISTENING, project_id=row.project_id).all()
    told = _rows(listening, news, now)
    if any(verdict.kind is Kind.PRIMARY for verdict in verdicts):
        told += _dropped(session, row, listening, now)
    return _store(session, told)


def failed(session: Session, project_id: UUID, evaluations: Mapping[UUID, UUID], now: datetime) -> int:
    """Tell of evaluations that failed, given with their conversations; return to how many messages that led."""
    listening = run(session, _LISTENING, project_id=project_id).all()
    if not listening:
        return 0
    agents = dict(run(session, _AGENTS, row_ids=list(evaluations.values())).all())
    news = [
        News(MessageType.EVALUATION_FAILED, agents[row_id], row_id, evaluation_id)
        for evaluation_id, row_id in evaluations.items()
        if row_id in agents
    ]
    return _store(session, _rows(listening, news, now))


def completed(session: Session, project_id: UUID, news: Sequence[News], now: datetime) -> int:
    """Tell of cycles that were completed; return to how many messages that led."""
    if not news:
        return 0
    return _store(session, _rows(run(session, _LISTENING, project_id=project_id).all(), news, now))


def test(session: Session, subscription: Subscription, now: datetime) -> UUID:
    """Store a message by which somebody tries a subscription, and return its id."""
    row = _row(subscription.id, News(MessageType.SUBSCRIPTION_TESTED, ""), now)
    _store(session, [row])
    message_id: UUID = row["id"]
    return message_id


def _listens(subscription: Any, kind: MessageType, agent_id: str) -> bool:
    return kind in subscription.types and subscription.agent_id in (None, agent_id)


def _rows(listening: Iterable[Any], news: Sequence[News], now: datetime) -> list[dict[str, Any]]:
    return [
        _row(subscription.id, one, now)
        for subscription in listening
        for one in news
        if _listens(subscription, one.type, one.agent_id)
    ]


def _dropped(session: Session, row: Locked, listening: Iterable[Any], now: datetime) -> Iterable[dict[str, Any]]:
    agent_id = row.agent_id
    for subscription in listening:
        if not _listens(subscription, MessageType.RATE_DROPPED, agent_id):
            continue
        rule = RateRule.model_validate(subscription.rate)
        place = {"subscription_id": subscription.id, "agent_id": agent_id, "raised": False}
        raised = bool(_HOLD_ALARM.run(session, place).scalar_one())
        window = _window(session, row.project_id, agent_id, rule.conversations)
        alarm = watch(rule, window, raised=raised)
        if alarm.raised != raised:
            run(session, _SET_ALARM, whose=subscription.id, of=agent_id, now_raised=alarm.raised)
        if alarm.news:
            news = News(MessageType.RATE_DROPPED, agent_id, facts=_facts(agent_id, rule, window))
            yield _row(subscription.id, news, now)


def _window(session: Session, project_id: UUID, agent_id: str, most: int) -> Counts:
    outcomes: list[Outcome] = list(run(session, _WINDOW, project_id=project_id, of=agent_id, most=most).scalars())
    return sum(map(Counts.of, outcomes), Counts())


def _facts(agent_id: str, rule: RateRule, window: Counts) -> dict[str, Any]:
    dropped = RateDropped(
        agent_id=agent_id,
        success_rate=window.rate or 0.0,
        achieved=window.achieved,
        partial=window.partial,
        not_achieved=window.not_achieved,
        conversations=rule.conversations,
        threshold=rule.threshold,
        recovers_at=rule.recovers_at,
    )
    return dropped.model_dump(mode="json")


def _store(session: Session, told: Sequence[dict[str, Any]]) -> int:
    if told:
        session.connection().execute(_INSERT, told)
    return len(told)


def _row(subscription_id: UUID, news: News, now: datetime) -> dict[str, Any]:
    return {
        "id": uuid4(),
        "subscription_id": subscription_id,
        "type": news.type,
        "occurred_at": now,
        "conversation_id": news.conversation_id,
        "evaluation_id": news.evaluation_id,
        "goal_id": news.goal_id,
        "facts": news.facts,
        "status": MessageStatus.WAITING,
        "attempts": 0,
        "due_at": now,
    }
