"""Subscriptions: made, changed, given new secrets, disabled and enabled, deleted."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete as delete_rows
from sqlalchemy import func
from sqlmodel import Session, col, select

from goalline.domain.outbound.message import MessageType
from goalline.domain.outbound.subscription import (
    MOST_SUBSCRIPTIONS,
    RateRule,
    SubscriptionDraft,
    SubscriptionEdit,
    misfit,
)
from goalline.domain.platforms import standard_webhooks
from goalline.domain.refusal import Conflict, Invalid
from goalline.store import projects, secrets
from goalline.store.outbound import dispatch
from goalline.store.registry import Registry
from goalline.store.secrets import Secret
from goalline.store.tables import RateAlarm, Subscription
from goalline.store.vault import Vault

_subscriptions = Registry(Subscription)
get, named, every = _subscriptions.get, _subscriptions.named, _subscriptions.every

_SHORTEST_KEY, _LONGEST_KEY = 24, 64


def create(
    session: Session, vault: Vault, project_id: UUID, draft: SubscriptionDraft, now: datetime
) -> tuple[Subscription, str | None]:
    """Store a new subscription; return it, and its secret where that was made here: the only time that it is seen.

    Raises:
        Conflict: there is one of this name already, or too many, or secrets cannot be kept.
        Invalid: the secret is none.
    """
    projects.lock(session, project_id)
    _subscriptions.require_free(session, project_id, draft.name)
    many = session.exec(select(func.count()).where(Subscription.project_id == project_id)).one()
    if many >= MOST_SUBSCRIPTIONS:
        raise Conflict(f"a project has {MOST_SUBSCRIPTIONS} subscriptions at most; delete one that nobody needs")
    secret, made = _accepted(draft.secret)
    subscription_id = uuid4()
    subscription = Subscription(
        id=subscription_id,
        project_id=project_id,
        name=draft.name,
        url=draft.url,
        types=[str(kind) for kind in draft.types],
        agent_id=draft.agent_id,
        thin=draft.thin,
        rate=_plain(draft.rate),
        sealed=secrets.seal(vault, subscription_id, [Secret(secret)]),
        created_at=now,
        served_at=now,
    )
    session.add(subscription)
    session.flush()
    return subscription, secret if made else None


def edit(
    session: Session, project_id: UUID, subscription_id: UUID, change: SubscriptionEdit, now: datetime
) -> Subscription:
    """Change a subscription. Enabled again, or at another address, it is told at once what has been waiting for it.

    With another rule, and after a time in which it was disabled, no rate counts as dropped until it is found so again.

    Raises:
        NotFound: the project has no such subscription.
        Conflict: there is another one of this name.
        Invalid: it would not know when a rate has dropped, or know it in vain.
    """
    projects.lock(session, project_id)
    found = get(session, project_id, subscription_id, lock=True)
    told = change.model_dump(include=change.model_fields_set, mode="json")
    if found.name != told.get("name", found.name):
        _subscriptions.require_free(session, project_id, told["name"])
    watched = _watched(found)
    for field in ("name", "url", "types", "thin", "enabled"):
        if told.get(field) is not None:
            setattr(found, field, told[field])
    for field in {"agent_id", "rate"} & told.keys():
        setattr(found, field, told[field])
    if change.types is not None or "rate" in told:
        rule = RateRule.model_validate(found.rate) if found.rate else None
        if why := misfit(tuple(map(MessageType, found.types)), rule):
            raise Invalid(why, "rate")
    if watched != _watched(found):
        # What was told by another rule, or before nobody watched, says nothing about what is news now.
        session.execute(delete_rows(RateAlarm).where(col(RateAlarm.subscription_id) == found.id))
    if change.enabled is not None:
        found.disabled_because = None
    if change.enabled or change.url is not None:
        found.failures, found.failing_since, found.resting_until = 0, None, None
        dispatch.begin_anew(session, found.id, now)
    session.flush()
    return found


def rotate(
    session: Session,
    vault: Vault,
    project_id: UUID,
    subscription_id: UUID,
    secret: str | None,
    now: datetime,
    overlap: timedelta,
) -> tuple[Subscription, str | None]:
    """Give a subscription a new secret; messages are signed with those before as well, for `overlap` at most.

    Returns the subscription, and the new secret where it was made here: the only time that it is seen.

    Raises:
        NotFound: the project has no such subscription.
        Invalid: the secret is none.
        Conflict: too many are valid at once, or secrets cannot be kept or read.
    """
    found = get(session, project_id, subscription_id, lock=True)
    new, made = _accepted(secret)
    found.sealed = secrets.rotated(vault, found.id, found.sealed, new, now, overlap)
    session.flush()
    return found, new if made else None


def delete(session: Session, project_id: UUID, subscription_id: UUID) -> None:
    """Delete a subscription, with all that it was told and would have been told.

    Raises:
        NotFound: the project has no such subscription.
    """
    session.delete(get(session, project_id, subscription_id, lock=True))
    session.flush()


def awake(session: Session, project_id: UUID, subscription_id: UUID) -> Subscription:
    """Return a subscription that can be told something at once, and hold it: whoever asks for that ends its rest.

    Raises:
        NotFound: the project has no such subscription.
        Conflict: it is disabled.
    """
    found = get(session, project_id, subscription_id, lock=True)
    if not found.enabled:
        raise Conflict("this subscription is disabled; enable it first")
    found.resting_until = None
    session.flush()
    return found


def _accepted(secret: str | None) -> tuple[str, bool]:
    if secret is None:
        return secrets.new(), True
    try:
        key = standard_webhooks.key(secret)
    except ValueError as error:
        raise Invalid(str(error), "secret") from None
    if not _SHORTEST_KEY <= len(key) <= _LONGEST_KEY:
        raise Invalid(f"must stand for {_SHORTEST_KEY} to {_LONGEST_KEY} bytes, as Standard Webhooks says", "secret")
    return secret, False


def _watched(row: Subscription) -> tuple[Any, ...]:
    return row.enabled, row.agent_id, row.rate, "rate.dropped" in row.types


def _plain(rate: RateRule | None) -> dict[str, Any] | None:
    return rate.model_dump(mode="json") if rate else None
