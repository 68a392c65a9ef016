"""Who is told what: subscriptions, the messages for them, and every attempt to deliver one."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    FromClause,
    Index,
    Integer,
    UniqueConstraint,
    literal_column,
    text,
)
from sqlmodel import Field

from goalline.domain.outbound.message import MessageStatus, MessageType
from goalline.store.tables.columns import Row, choice

_UNTOLD, _ENDED = "status IN ('waiting', 'running')", "ended_at IS NOT NULL"


def is_untold(message: FromClause) -> ColumnElement[bool]:
    """Return the condition that a message has not ended, as the indexes of those have it."""
    return message.c.status.in_([literal_column(f"'{one}'") for one in (MessageStatus.WAITING, MessageStatus.RUNNING)])


class Subscription(Row, table=True):
    """A receiver of signed webhooks; `sealed` holds its secrets, encrypted.

    After `failures` attempts in a row that came to nothing, which began at `failing_since`, it is left alone until
    `resting_until`. One that was disabled has `disabled_because` where it was not an admin who did it. The one that was
    `served_at` the longest ago is served next.
    """

    __table_args__ = (UniqueConstraint("project_id", "name"),)

    id: UUID = Field(primary_key=True)
    project_id: UUID = Field(foreign_key="project.id")
    name: str
    url: str = Field(repr=False)
    types: list[str] = Field(sa_type=JSON)
    agent_id: str | None = None
    thin: bool = False
    rate: dict[str, Any] | None = Field(default=None, sa_type=JSON(none_as_null=True))
    sealed: str
    enabled: bool = True
    disabled_because: str | None = None
    created_at: datetime
    failures: int = 0
    failing_since: datetime | None = None
    resting_until: datetime | None = None
    served_at: datetime


class Message(Row, table=True):
    """Something that a subscription is told once it has happened: the row is the job.

    What is sent is read from what it is about at each attempt, so that nothing is told of what was deleted since, and
    no words are kept here; `facts` are what no other table has. They are numbered in the order in which they came to
    be. An attempt may be made from `due_at` on; while one is being made, that is when it counts as lost.

    There is no foreign key to the conversation: whoever tells of an evaluation holds it, and must not wait for those
    who delete its conversation. They delete its messages too, and one that is left behind has nothing to say.
    """

    __table_args__ = (
        Index(
            "ix_message_due", "subscription_id", "due_at", sqlite_where=text(_UNTOLD), postgresql_where=text(_UNTOLD)
        ),
        # Which of a conversation comes first.
        Index(
            "ix_message_untold",
            "subscription_id",
            "conversation_id",
            "number",
            sqlite_where=text(_UNTOLD),
            postgresql_where=text(_UNTOLD),
        ),
        Index("ix_message_of_subscription", "subscription_id", "number"),
        Index(
            "ix_message_of_conversation",
            "conversation_id",
            sqlite_where=text("conversation_id IS NOT NULL"),
            postgresql_where=text("conversation_id IS NOT NULL"),
        ),
        Index("ix_message_ended", "ended_at", sqlite_where=text(_ENDED), postgresql_where=text(_ENDED)),
    )

    number: int | None = Field(
        default=None,
        primary_key=True,
        sa_type=BigInteger().with_variant(Integer, "sqlite"),
    )
    id: UUID = Field(unique=True)
    subscription_id: UUID = Field(foreign_key="subscription.id", ondelete="CASCADE")
    type: MessageType = Field(sa_type=choice(MessageType))
    occurred_at: datetime
    conversation_id: UUID | None = None
    evaluation_id: UUID | None = None
    goal_id: UUID | None = None
    facts: dict[str, Any] | None = Field(default=None, sa_type=JSON(none_as_null=True))
    status: MessageStatus = Field(default=MessageStatus.WAITING, sa_type=choice(MessageStatus))
    attempts: int = 0
    tried_since: datetime | None = None
    due_at: datetime
    ended_at: datetime | None = None


class Attempt(Row, table=True):
    """One attempt to deliver a message: what was answered, or why nothing was."""

    message: int = Field(
        primary_key=True,
        foreign_key="message.number",
        ondelete="CASCADE",
        sa_type=BigInteger().with_variant(Integer, "sqlite"),
    )
    number: int = Field(primary_key=True)
    at: datetime
    milliseconds: int
    status: int | None = None
    answer: str = ""
    error: str | None = None


class RateAlarm(Row, table=True):
    """Whether a subscription was told that an agent's success rate has dropped, and not yet that it has recovered."""

    __tablename__ = "rate_alarm"

    subscription_id: UUID = Field(primary_key=True, foreign_key="subscription.id", ondelete="CASCADE")
    agent_id: str = Field(primary_key=True)
    raised: bool = False
