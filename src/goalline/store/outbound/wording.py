"""Wording: what a message says is read from what it is about, at the moment in which it is sent.

So nothing is told of what was deleted since, and a message that is tried again says what is true by then.
"""

from datetime import datetime

from sqlmodel import Session, col, select

from goalline.domain import duration, money
from goalline.domain.cycle import CycleState
from goalline.domain.outbound import payload
from goalline.domain.outbound.message import MessageType
from goalline.domain.outbound.payload import Payload
from goalline.store.conversations import verdicts
from goalline.store.conversations.verdicts import NamedVerdict
from goalline.store.outbound.dispatch import Claim
from goalline.store.tables import Conversation, Evaluation, Project
from goalline.store.track import overview


def payload_of(session: Session, held: Claim) -> Payload | None:
    """Return what a message says; None where what it is about is gone."""
    match held.type:
        case MessageType.RATE_DROPPED:
            return payload.RateDropped.model_validate(held.facts)
        case MessageType.SUBSCRIPTION_TESTED:
            return payload.SubscriptionTested(subscription_id=held.subscription_id, name=held.name)
    row = session.get(Conversation, held.conversation_id)
    if row is None or row.erased_at is not None:
        return None
    if held.type is MessageType.GOAL_COMPLETED:
        return _completed(session, row, held)
    evaluation = session.get(Evaluation, held.evaluation_id)
    return _evaluated(session, row, evaluation, held) if evaluation else None


def _evaluated(session: Session, row: Conversation, evaluation: Evaluation, held: Claim) -> Payload | None:
    conversation, run = _conversation(row), _evaluation(evaluation)
    if held.type is MessageType.EVALUATION_FAILED:
        return payload.EvaluationFailed(conversation=conversation, evaluation=run)
    found = verdicts.found_by(session, evaluation.id)
    if held.type is MessageType.EVALUATION_COMPLETED:
        told = [_verdict(named) for named in found]
        return payload.EvaluationCompleted(conversation=conversation, evaluation=run, verdicts=told) if told else None
    for named in found:
        if named.verdict.goal_id == held.goal_id:
            return payload.GoalAchieved(conversation=conversation, evaluation=run, verdict=_verdict(named))
    return None


def _completed(session: Session, row: Conversation, held: Claim) -> Payload | None:
    started_at = datetime.fromisoformat((held.facts or {})["started_at"])
    currency = session.exec(select(Project.currency).where(col(Project.id) == row.project_id)).one()
    for cycle in overview.of_conversation(session, row).cycles:
        this = (cycle.goal.id, cycle.started_at, cycle.state) == (held.goal_id, started_at, CycleState.COMPLETED)
        if this and cycle.completed_at:
            told = payload.Cycle(
                number=cycle.number,
                started_at=cycle.started_at,
                completed_at=cycle.completed_at,
                cost_savings=money.shown(cycle.savings.cost_savings, currency),
                revenue=money.shown(cycle.savings.revenue, currency),
                time_saved=duration.written(cycle.savings.time_saved),
                currency=currency,
            )
            goal = payload.Goal(id=cycle.goal.id, name=cycle.goal.name, kind=cycle.goal.kind)
            return payload.GoalCompleted(conversation=_conversation(row), goal=goal, cycle=told)
    return None


def _conversation(row: Conversation) -> payload.Conversation:
    return payload.Conversation(
        id=row.id,
        conversation_id=row.conversation_id,
        agent_id=row.agent_id or None,
        contact_id=row.contact_id,
        ended_at=row.ended_at,
    )


def _evaluation(row: Evaluation) -> payload.Evaluation:
    return payload.Evaluation(
        id=row.id,
        model=row.model,
        prompt_digest=row.prompt_digest,
        reason=row.reason,
        explanation=row.reason.explanation if row.reason else None,
    )


def _verdict(named: NamedVerdict) -> payload.Verdict:
    found = named.verdict
    return payload.Verdict(
        goal=payload.Goal(id=found.goal_id, name=named.name, kind=found.kind),
        revision=found.revision,
        outcome=found.outcome,
        # Empty where the words were deleted, as so much time has passed since.
        rationale=found.rationale or None,
        evidence=[payload.ToldEvidence(turn=item["turn"], quote=item["quote"] or None) for item in found.evidence],
    )
