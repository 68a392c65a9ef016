"""What the tests of outbound webhooks share: a receiver that answers as it is told, and short ways to subscribe."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from goalline import pipeline
from goalline.domain.outbound.message import Answer, MessageStatus
from goalline.domain.outbound.subscription import SubscriptionDraft
from goalline.store.outbound import subscriptions
from goalline.store.tables import Attempt, Message, Subscription
from goalline.store.vault import Vault, new_key
from tests.store.world import MINUTE, NOW, World

VAULT = Vault([new_key()])
OK, DOWN, GONE = Answer(0.25, 200, "thanks"), Answer(0.5, 503, "not now"), Answer(0.1, 410)
SOON = NOW + MINUTE
URL = "https://crm.example.com/hook"


@dataclass(frozen=True, slots=True)
class Sent:
    """What a receiver got: the address, the secrets it was signed with, the message's id and what it says."""

    url: str
    secrets: Sequence[str]
    message_id: UUID
    at: datetime
    told: dict[str, Any]

    @property
    def type(self) -> str:
        kind: str = self.told["type"]
        return kind

    @property
    def call(self) -> str | None:
        conversation = self.told["data"].get("conversation")
        return conversation and str(conversation["conversation_id"])


@dataclass(slots=True)
class Receiver:
    """Stands for all receivers: keeps what is sent, and answers with `answers` in turn, then with the last of them."""

    answers: list[Answer] = field(default_factory=lambda: [OK])
    sent: list[Sent] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None

    def send(self, url: str, secrets: Sequence[str], message_id: str, at: datetime, body: bytes) -> Answer:
        self.sent.append(Sent(url, secrets, UUID(message_id), at, json.loads(body)))
        self.meanwhile()
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def types(self) -> list[str]:
        return [each.type for each in self.sent]


@dataclass(frozen=True, slots=True)
class Outbound:
    """A world whose subscriptions are told what happens in it."""

    world: World
    receiver: Receiver = field(default_factory=Receiver)

    def subscribe(self, *types: str, name: str = "crm", at: datetime = NOW, **more: Any) -> Subscription:
        """Store a subscription, to everything about evaluations and goals unless types are named."""
        wanted = types or ("evaluation.completed", "evaluation.failed", "goal.achieved", "goal.completed")
        draft = SubscriptionDraft.model_validate({"name": name, "url": URL, "types": wanted} | more)
        with self.world.database.transaction() as session:
            return subscriptions.create(session, VAULT, self.world.project.id, draft, at)[0]

    def deliver(self, at: datetime = SOON, chance: float = 0.0) -> MessageStatus | None:
        """Deliver one message."""
        return pipeline.deliver(self.world.database, VAULT, self.receiver, lambda: at, chance)

    def deliver_all(self, at: datetime = SOON) -> list[MessageStatus]:
        """Deliver until nothing is due."""
        return list(iter(lambda: self.deliver(at), None))

    def messages(self) -> list[Message]:
        return sorted(self.world.rows(Message), key=lambda row: row.number or 0)

    def attempts(self) -> list[Attempt]:
        return sorted(self.world.rows(Attempt), key=lambda row: (row.message, row.number))

    def subscription(self) -> Subscription:
        (row,) = self.world.rows(Subscription)
        return row


def statuses(messages: Iterable[Message]) -> list[str]:
    return [str(message.status) for message in messages]
