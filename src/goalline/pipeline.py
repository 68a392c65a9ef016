"""The story: a conversation is received, evaluated, and counted; what gets lost on the way is found again.

    receive ──► claim ──► evaluate ──► complete ──► deliver               sweep ──► (claim)               track

A webhook is received, its evaluation is claimed and judged, and to complete it is to store its verdicts and to count
them, in one transaction: `store_verdicts`. For whoever has subscribed, messages are stored in the same one, which
`deliver` sends. Events are tracked without a judge: `recording.record` stores and counts them in one as well. Rates are
read from these counts and from nothing else (`store/reports`), so they stay as they are when old words are deleted.

Each function owns its transactions and returns what comes next; ringing the bell for it is left to the edge, after
the commit. The row is the job: whatever happens to the bell, a queued row is found by `sweep`. No transaction is
open while the judge thinks.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from structlog.contextvars import bound_contextvars

from goalline.domain.evaluation import (
    RING_AGAIN_AFTER,
    Effort,
    Judge,
    Judgement,
    JudgementFailed,
    JudgeUnavailable,
    Reason,
    Status,
    release_delay,
)
from goalline.domain.event import Event
from goalline.domain.outbound.message import Answer, MessageStatus, MessageType, Sender
from goalline.domain.outbound.payload import body
from goalline.domain.refusal import Conflict
from goalline.domain.transcript import Delivery, digest
from goalline.store import intake, secrets
from goalline.store.conversations import backlog, claims, conversations, evaluations, recovery
from goalline.store.conversations import work as works
from goalline.store.conversations.claims import Claim
from goalline.store.conversations.verdicts import counted_goals, store_verdicts, take_back_verdicts
from goalline.store.conversations.work import Work
from goalline.store.database import Database, DatabaseUnavailable
from goalline.store.goals import goals
from goalline.store.intake import Receipt
from goalline.store.outbound import dispatch, telling, wording
from goalline.store.outbound import log as messages
from goalline.store.outbound.dispatch import Due
from goalline.store.patience import insisting
from goalline.store.tables import Project
from goalline.store.track import recording
from goalline.store.track.recording import Outcome, Vanished
from goalline.store.vault import Unreadable, Vault
from goalline.telemetry import log, metrics, place_of

SWEEP_LIMIT = 1_000
"""Most evaluations one sweep rings for; a longer backlog is served by the next sweeps."""

MESSAGES_KEPT = timedelta(days=30)
"""How long messages that have ended can be looked up and delivered again."""

_log = log(__name__)
_NEEDLESS = {Reason.EMPTY_TRANSCRIPT, Reason.NO_GOAL_IN_FORCE, Reason.CONTACT_DEACTIVATED, Reason.ERASED}
metrics.expect_failures(reason for reason in Reason if reason not in _NEEDLESS)
metrics.expect_undelivered(MessageType)

Clock = Callable[[], datetime]


def receive(
    database: Database, project: Project, delivery: Delivery, now: datetime, *, keep_words: bool = False
) -> Receipt:
    """Store a conversation and queue its evaluation, once.

    Delivered again with the same words it changes nothing. With other words the stored transcript is replaced and
    evaluated again; who talked and when it ended stay as they were first told. With `keep_words`, no words at all are
    no other words. Of a conversation that was erased, or whose contact is deactivated, no word is stored, and nobody
    judges it: it only counts as a conversation.

    Raises:
        Conflict: the conversation is stored with another agent.
    """
    # Before the transaction: on SQLite it holds up everybody else who writes.
    words = digest(delivery.transcript)
    with database.transaction() as session:
        receipt = intake.take_in(session, project, delivery, words, now, keep_words=keep_words)
    metrics.conversation_received(duplicate=receipt.duplicate)
    if receipt.needless:
        metrics.evaluations_ended(Status.SKIPPED, receipt.needless)
    return receipt


def track(
    database: Database, project_id: UUID, batch: Mapping[int, Event], now: datetime, most_of_conversation: int
) -> Outcome:
    """Store events, each once, and count what they amount to; the same whatever their order and however often sent.

    Args:
        database: where.
        project_id: whose events they are.
        batch: the events, by their place in what was sent.
        now: the time of receipt.
        most_of_conversation: how many events one conversation may have.
    """
    while True:
        with suppress(Vanished):
            with database.transaction() as session:
                outcome = recording.record(session, project_id, batch, now, most_of_conversation)
            metrics.events_received(outcome.accepted, outcome.duplicates, len(outcome.rejected))
            return outcome


def hear(
    database: Database,
    project: Project,
    delivery: Delivery,
    events: Sequence[Event],
    now: datetime,
    most_of_conversation: int,
) -> Receipt:
    """Receive the conversation that a platform's webhook tells of, and track the events that came with it.

    Platforms tell of one call several times, and may leave its words out of some: these take none away. Cut off between
    the two, the platform sends it again, and it is done to the end then.

    Raises:
        Conflict: the conversation is stored with another agent.
    """
    receipt = receive(database, project, delivery, now, keep_words=True)
    if events:
        outcome = track(database, project.id, dict(enumerate(events)), now, most_of_conversation)
        receipt = replace(receipt, told=outcome.told)
    return receipt


def claim(
    database: Database,
    evaluation_id: UUID,
    now: datetime,
    lease: timedelta,
    *,
    turns: Sequence[UUID] = (),
    suspects: bool = False,
) -> Work | None:
    """Take an evaluation, with all that the judge needs; None where somebody else has it or it has ended.

    Args:
        database: where.
        evaluation_id: the one that the bell names.
        now: the time.
        lease: how long the claim lasts unless it is renewed.
        turns: the projects whose oldest evaluation is taken first, whichever the bell names.
        suspects: whether to take only those that were interrupted so often that they may be what kills workers; these
            are not taken without it.
    """
    with database.transaction() as session:
        return works.begin(session, evaluation_id, now, lease, turns=turns, suspects=suspects)


def evaluate(database: Database, judge: Judge, work: Work, clock: Clock, *, give_up_after: timedelta) -> Status | None:
    """Let the judge think about a claimed evaluation, and store what it found.

    Returns the state it is left in, or None where the claim was lost while the judge thought.
    """
    if work.unreadable:
        _log.error("conversation_unreadable", error=work.unreadable)
        return _fail(database, work.claim, Reason.INTERNAL_ERROR, None, clock(), work.unreadable)
    if work.needless:
        return _skip(database, work, work.needless, clock())
    try:
        return complete(database, work, judge.judge(work.goals, work.turns), clock())
    except JudgeUnavailable as unavailable:
        return _release(database, work.claim, unavailable, clock(), give_up_after)
    except JudgementFailed as failed:
        return _fail(database, work.claim, failed.reason, failed.effort, clock())
    except DatabaseUnavailable:
        raise
    except Exception as error:
        # A defect of ours must not make the same conversation be judged, and paid for, again and again.
        _log.error("judgement_broke", evaluation_id=str(work.claim.evaluation_id), error=place_of(error))
        return _fail(database, work.claim, Reason.INTERNAL_ERROR, None, clock(), place_of(error))


@insisting
def complete(database: Database, work: Work, judgement: Judgement, now: datetime) -> Status | None:
    """Store a judgement and count its verdicts, in one transaction; None where the claim was lost before."""
    status = _store(database, work, judgement, now)
    if status is Status.SUCCEEDED:
        for verdict in judgement.verdicts:
            metrics.verdict_judged(verdict.outcome, verdict.kind)
    return _ended(status, Reason.ERASED if status is Status.SKIPPED else None)


def _store(database: Database, work: Work, judgement: Judgement, now: datetime) -> Status | None:
    with database.transaction() as session:
        row = conversations.lock(session, work.claim.conversation_id)
        if row and row.erased_at:
            # What the judge has read cannot be taken back; nothing of it is kept but what it cost.
            erased = claims.finish(
                session, work.claim, Status.SKIPPED, now, reason=Reason.ERASED, effort=judgement.effort
            )
            return Status.SKIPPED if erased else None
        if row is None or not claims.finish(
            session,
            work.claim,
            Status.SUCCEEDED,
            now,
            effort=judgement.effort,
            transcript_digest=work.transcript_digest,
        ):
            return None
        counted = store_verdicts(session, row, work.claim, judgement.verdicts)
        telling.judged(session, row, work.claim.evaluation_id, counted, now)
        return Status.SUCCEEDED


def deliver(database: Database, vault: Vault, sender: Sender, clock: Clock, chance: float) -> MessageStatus | None:
    """Deliver one message that is due, signed; None where there is none, or somebody else has taken it meanwhile.

    What it says is read when it is sent, and no transaction is open while the receiver thinks about it. `chance`, from
    0 to 1, spreads the next attempts of messages that failed together.
    """
    with database.transaction() as session:
        held = dispatch.claim(session, clock())
    if held is None:
        return None
    with bound_contextvars(message_id=str(held.id), subscription_id=str(held.subscription_id)):
        answer = _send(database, vault, sender, held, clock())
        with database.transaction() as session:
            if answer:
                delivered = dispatch.finish(session, held, answer, clock(), chance)
            else:
                delivered = dispatch.drop(session, held, clock())
        if delivered.status is MessageStatus.DELIVERED:
            _log.info("delivered")
        elif delivered.status:
            _log.info("not_delivered", status=delivered.status, answered=answer and answer.status)
        if delivered.disabled:
            _log.warning("subscription_disabled", why=delivered.disabled)
    if delivered.status:
        metrics.message(held.type, delivered.status, answer.seconds if answer else None)
    return delivered.status


def _send(database: Database, vault: Vault, sender: Sender, held: dispatch.Claim, now: datetime) -> Answer | None:
    """Send a message and return what came of it; None where what it is about is gone."""
    try:
        with database.reading() as session:
            said = wording.payload_of(session, held)
        valid = [each.text for each in secrets.valid(vault, held.subscription_id, held.sealed, now)]
    except Unreadable:
        _log.error("subscription_secret_unreadable")
        return Answer(0.0, error="the secret of this subscription cannot be read", ours=True)
    except (ValueError, TypeError, LookupError) as error:
        _log.error("message_unreadable", error=place_of(error))
        return Answer(0.0, error="what this message is about cannot be read", ours=True)
    if said is None:
        return None
    return sender.send(held.url, valid, str(held.id), now, body(held.type, held.occurred_at, said, thin=held.thin))


def judge_again(database: Database, project_id: UUID, reference: str, now: datetime) -> Receipt:
    """Queue a new evaluation of a stored conversation; one that is still queued is as good as new.

    Raises:
        NotFound: the project has no such conversation.
        Conflict: it has not ended yet, or its words were erased or deleted.
    """
    with database.transaction() as session:
        row = conversations.get(session, project_id, reference, lock=True)
        if obstacle := backlog.obstacle(row):
            raise Conflict(obstacle)
        evaluation_id = evaluations.enqueue_again(session, row, now, now + RING_AGAIN_AFTER)
        return Receipt(row.id, row.conversation_id, evaluation_id, Status.QUEUED, duplicate=True, ring=True)


def sweep(database: Database, now: datetime, *, forgotten: bool = False, idle: int = 0) -> list[UUID]:
    """Return the evaluations to ring for: queued ones that nobody took, running ones whose worker died.

    Each is returned once in `RING_AGAIN_AFTER`, however many sweepers there are; and as long as nobody takes it, ever
    less often, so that a backlog does not fill the broker. With `forgotten`, for a bell that lost its memory, every
    queued evaluation that is due counts as not rung for yet.

    Whoever could begin `idle` evaluations now also gets up to as many that have been due for longer than a bell is on
    its way: theirs were spent on older ones, whose own had got lost.
    """
    with database.transaction() as session:
        if forgotten:
            recovery.forget_bells(session, now)
        found = recovery.recover(session, now, SWEEP_LIMIT)
        overdue = recovery.overdue(session, now, min(idle, SWEEP_LIMIT)) if len(found.ringing) < idle else []
    ringing = list(dict.fromkeys([*found.ringing, *overdue]))
    metrics.leases_lost(found.lost)
    metrics.evaluations_ended(Status.FAILED, Reason.POISON, found.given_up)
    metrics.sweep_rang(len(ringing))
    return ringing


def sweep_messages(database: Database, now: datetime) -> Due:
    """Return how many subscriptions have something due; delete some messages that ended long ago."""
    with database.reading() as session:
        due = dispatch.due(session, now)
        old = messages.old(session, now - MESSAGES_KEPT, SWEEP_LIMIT)
    if old:
        with database.transaction() as session:
            messages.delete(session, old)
    return due


@insisting
def _skip(database: Database, work: Work, reason: Reason, now: datetime) -> Status | None:
    with database.transaction() as session:
        row = conversations.lock(session, work.claim.conversation_id)
        if row is None or not claims.finish(session, work.claim, Status.SKIPPED, now, reason=reason):
            return None
        if reason is Reason.EMPTY_TRANSCRIPT and row.evaluations == work.claim.number:
            # Verdicts on words that were taken back have nothing to rest on any more, unless newer words came since.
            goals.lock_existing(session, sorted(counted_goals(session, row)))
            take_back_verdicts(session, row)
    return _ended(Status.SKIPPED, reason)


def _release(
    database: Database, claim: Claim, unavailable: JudgeUnavailable, now: datetime, give_up_after: timedelta
) -> Status | None:
    deadline = claim.tried_since + give_up_after
    if now >= deadline:
        return _fail(database, claim, unavailable.reason, unavailable.effort, now)
    # The last attempt is made at the deadline, even where the provider asked for a longer pause.
    due_at = min(now + release_delay(now - claim.tried_since, unavailable.retry_after), deadline)
    return _queue_until(database, claim, due_at, unavailable)


@insisting
def _queue_until(database: Database, claim: Claim, due_at: datetime, unavailable: JudgeUnavailable) -> Status | None:
    with database.transaction() as session:
        released = claims.release(session, claim, due_at, unavailable.reason, unavailable.effort)
        return Status.QUEUED if released else None


@insisting
def _fail(
    database: Database, claim: Claim, reason: Reason, effort: Effort | None, now: datetime, error: str | None = None
) -> Status | None:
    with database.transaction() as session:
        failed = claims.finish(session, claim, Status.FAILED, now, reason=reason, effort=effort, error=error)
        if failed:
            telling.failed(session, claim.project_id, {claim.evaluation_id: claim.conversation_id}, now)
    return _ended(Status.FAILED if failed else None, reason)


def _ended(status: Status | None, reason: Reason | None) -> Status | None:
    # After the commit: what was rolled back has not ended.
    if status:
        metrics.evaluations_ended(status, reason)
    return status
