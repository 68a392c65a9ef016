"""Subscriptions over HTTP: who is told what happens, created, changed, given new secrets, tried, deleted."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from goalline.api.deps import Admin, Parts, Ringer
from goalline.api.messages import MessageOut
from goalline.api.problems import documented
from goalline.api.sources import Rotation
from goalline.domain.outbound.message import MessageType
from goalline.domain.outbound.subscription import RateRule, SubscriptionDraft, SubscriptionEdit
from goalline.store.outbound import log, subscriptions, telling
from goalline.store.tables import Subscription
from goalline.worker import utc_now

router = APIRouter(prefix="/v1/subscriptions", tags=["subscriptions"])


class SubscriptionOut(BaseModel):
    """A subscription; its secrets are never shown. With `disabled_because` it was not an admin who disabled it.

    `failures` attempts in a row came to nothing, since `failing_since`; it is left alone until `resting_until`.
    """

    id: UUID
    name: str
    url: str
    types: list[MessageType]
    agent_id: str | None
    thin: bool
    rate: RateRule | None
    enabled: bool
    disabled_because: str | None
    created_at: datetime
    failures: int
    failing_since: datetime | None
    resting_until: datetime | None
    waiting: Annotated[int, Field(description="How many messages have neither been delivered nor failed so far.")]

    @classmethod
    def of(cls, subscription: Subscription, waiting: Mapping[UUID, int]) -> "SubscriptionOut":
        """Return what is told of a subscription; for each that has any, `waiting` has how many messages wait."""
        told = {name: getattr(subscription, name) for name in cls.model_fields if name != "waiting"}
        return cls(**told, waiting=waiting.get(subscription.id, 0))


class SubscriptionMade(SubscriptionOut):
    """A subscription with its new secret, where that was made here: it is shown this once."""

    secret: str | None


class Subscriptions(BaseModel):
    """All subscriptions of a project, oldest first."""

    items: list[SubscriptionOut]


class SubscriptionRotation(Rotation):
    """A new secret; without one it is made here. Messages are signed with those before too, for `overlap_hours`."""


@router.post("", status_code=201, responses=documented(400, 409, 413, 415))
def create(draft: SubscriptionDraft, parts: Parts, caller: Admin, response: Response) -> SubscriptionMade:
    """Subscribe an address to what happens. The secret is encrypted and never shown again."""
    with parts.database.transaction() as session:
        subscription, made = subscriptions.create(session, parts.vault, caller.project.id, draft, utc_now())
        told = SubscriptionOut.of(subscription, {})
    response.headers["Location"] = f"/v1/subscriptions/{subscription.id}"
    return SubscriptionMade(**told.model_dump(), secret=made)


@router.get("")
def listed(parts: Parts, caller: Admin) -> Subscriptions:
    """List subscriptions, oldest first."""
    with parts.database.reading() as session:
        found = subscriptions.every(session, caller.project.id)
        waiting = log.waiting(session, [subscription.id for subscription in found])
    return Subscriptions(items=[SubscriptionOut.of(subscription, waiting) for subscription in found])


@router.get("/{subscription_id}", responses=documented(404))
def read(subscription_id: UUID, parts: Parts, caller: Admin) -> SubscriptionOut:
    """Read one subscription."""
    with parts.database.reading() as session:
        subscription = subscriptions.get(session, caller.project.id, subscription_id)
        return SubscriptionOut.of(subscription, log.waiting(session, [subscription_id]))


@router.patch("/{subscription_id}", responses=documented(400, 404, 409, 413, 415))
def edit(subscription_id: UUID, change: SubscriptionEdit, parts: Parts, caller: Admin, bell: Ringer) -> SubscriptionOut:
    """Change a subscription, or disable and enable it. What is left out stays; null removes `agent_id` and `rate`.

    Enabled again, or at another address, it is told at once what waits for it.
    """
    with parts.database.transaction() as session:
        subscription = subscriptions.edit(session, caller.project.id, subscription_id, change, utc_now())
        told = SubscriptionOut.of(subscription, log.waiting(session, [subscription_id]))
    if told.enabled and told.waiting:
        bell.post.ring()
    return told


@router.post("/{subscription_id}/rotate", responses=documented(400, 404, 409, 413, 415))
def rotate(subscription_id: UUID, rotation: SubscriptionRotation, parts: Parts, caller: Admin) -> SubscriptionMade:
    """Give a subscription a new secret; messages are signed with both for a while, so that the receiver can change."""
    overlap = timedelta(hours=rotation.overlap_hours)
    with parts.database.transaction() as session:
        subscription, made = subscriptions.rotate(
            session, parts.vault, caller.project.id, subscription_id, rotation.secret, utc_now(), overlap
        )
        told = SubscriptionOut.of(subscription, log.waiting(session, [subscription_id]))
    return SubscriptionMade(**told.model_dump(), secret=made)


@router.post("/{subscription_id}/test", status_code=202, responses=documented(404, 409))
def test(subscription_id: UUID, parts: Parts, caller: Admin, bell: Ringer) -> MessageOut:
    """Send a message of type `subscription.tested`, to see whether it arrives. It is signed as all others are."""
    project_id = caller.project.id
    with parts.database.transaction() as session:
        subscription = subscriptions.awake(session, project_id, subscription_id)
        message_id = telling.test(session, subscription, utc_now())
        told = MessageOut.of(log.get(session, project_id, subscription_id, message_id))
    bell.post.ring()
    return told


@router.delete("/{subscription_id}", status_code=204, responses=documented(404))
def delete(subscription_id: UUID, parts: Parts, caller: Admin) -> None:
    """Delete a subscription, with all that it was told and would have been told."""
    with parts.database.transaction() as session:
        subscriptions.delete(session, caller.project.id, subscription_id)
