"""Conversations, their evaluations, and what these found."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ColumnElement, FromClause, Index, Text, UniqueConstraint, literal_column, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from goalline.domain.evaluation import Reason, Status
from goalline.domain.goal import Kind
from goalline.domain.verdict import Outcome
from goalline.store.tables.columns import NanoDollars, Row, choice


class Conversation(Row, table=True):
    """One call or chat. `day` is the local day of its end; `evaluations` is the number of the newest evaluation.

    Events may come before the webhook that tells of the end. Until then the conversation is open: it has no `ended_at`
    and no `day`, no words and no evaluation, and `agent_id` is what the events say, empty where they say nothing.
    `contact_tracked` when the contact is known from events only. Of one that was `erased_at` some time, only what is
    counted and the platform's id are left. At `transcript_deleted_at` its words went because it had ended so long ago;
    the digest of its transcript stays.
    """

    __table_args__ = (
        UniqueConstraint("project_id", "conversation_id"),
        Index("ix_conversation_newest", "project_id", "ended_at", "id"),
        # The last ones of an agent, over which its rate is watched.
        Index("ix_conversation_agent", "project_id", "agent_id", "ended_at"),
        Index(
            "ix_conversation_open",
            "project_id",
            "received_at",
            "id",
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index(
            "ix_conversation_contact",
            "project_id",
            "contact_id",
            sqlite_where=text("contact_id IS NOT NULL"),
            postgresql_where=text("contact_id IS NOT NULL"),
        ),
        # Those whose words may have to go some day, the one that ended first being the first.
        Index(
            "ix_conversation_words",
            "ended_at",
            "id",
            sqlite_where=text("transcript_deleted_at IS NULL AND erased_at IS NULL"),
            postgresql_where=text("transcript_deleted_at IS NULL AND erased_at IS NULL"),
        ),
    )

    id: UUID = Field(primary_key=True)
    project_id: UUID = Field(foreign_key="project.id")
    conversation_id: str
    agent_id: str
    contact_id: str | None = None
    contact_tracked: bool = False
    channel: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    received_at: datetime
    day: date | None = None
    end_reason: str | None = None
    platform_metadata: dict[str, Any] | None = Field(
        default=None, sa_type=JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
    )
    transcript: list[dict[str, Any]] = Field(sa_type=JSON)
    transcript_digest: str
    evaluations: int
    erased_at: datetime | None = None
    transcript_deleted_at: datetime | None = None


# Databases use a partial index where they see its condition: spelt out as it is there, and not behind parameters.
_OPEN, _QUEUED = "status IN ('queued', 'running')", "status = 'queued'"


def is_open(evaluation: FromClause) -> ColumnElement[bool]:
    """Return the condition that an evaluation has not ended, as the index of those has it."""
    return evaluation.c.status.in_([literal_column(f"'{status}'") for status in (Status.QUEUED, Status.RUNNING)])


def is_queued(evaluation: FromClause) -> ColumnElement[bool]:
    """Return the condition that an evaluation waits, as the index of those has it."""
    waits: ColumnElement[bool] = evaluation.c.status == literal_column(f"'{Status.QUEUED}'")
    return waits


class Evaluation(Row, table=True):
    """One run of the judge over one conversation: the job, its state and its cost.

    `number` counts a conversation's evaluations from 1. A queued row may be claimed from `due_at` on, and a running
    one belongs to its `attempts`-th claim. At `ring_at` the sweep rings for a row that has not ended: for a queued
    one because nobody heard the bell, for a running one because its lease has run out, which happened to it
    `interruptions` times. Its delays and its deadline count from `tried_since`: its first attempt, or the last time
    that somebody asked for it. `last_error` tells operators what went wrong with it last, in no words of anybody.
    """

    __table_args__ = (
        UniqueConstraint("conversation_id", "number"),
        Index(
            "ix_evaluation_open",
            "ring_at",
            sqlite_where=text(_OPEN),
            postgresql_where=text(_OPEN),
        ),
        # Whose turn it is: see turns.
        Index(
            "ix_evaluation_waiting",
            "project_id",
            "due_at",
            sqlite_where=text(_QUEUED),
            postgresql_where=text(_QUEUED),
        ),
        # Answers at once whether the stand-in has judged anything: where it has not, there is no row of its model.
        Index(
            "ix_evaluation_model",
            "model",
            "created_at",
            sqlite_where=text("model IS NOT NULL"),
            postgresql_where=text("model IS NOT NULL"),
        ),
    )

    id: UUID = Field(primary_key=True)
    project_id: UUID
    conversation_id: UUID = Field(foreign_key="conversation.id", ondelete="CASCADE")
    number: int
    status: Status = Field(sa_type=choice(Status))
    reason: Reason | None = Field(default=None, sa_type=choice(Reason))
    attempts: int = 0
    interruptions: int = 0
    last_error: str | None = None
    created_at: datetime
    tried_since: datetime
    due_at: datetime
    ring_at: datetime
    finished_at: datetime | None = None
    transcript_digest: str | None = None
    prompt_digest: str | None = None
    model: str | None = None
    calls: int = 0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: Decimal | None = Field(default=None, sa_type=NanoDollars)


class Verdict(Row, table=True):
    """What one evaluation found for one goal; `counted` while it is the one that the rates see."""

    id: UUID = Field(primary_key=True)
    conversation_id: UUID = Field(foreign_key="conversation.id", ondelete="CASCADE", index=True)
    evaluation_id: UUID = Field(foreign_key="evaluation.id", ondelete="CASCADE", index=True)
    goal_id: UUID = Field(foreign_key="goal.id", index=True)
    revision: int
    kind: Kind = Field(sa_type=choice(Kind))
    outcome: Outcome = Field(sa_type=choice(Outcome))
    rationale: str = Field(sa_type=Text)
    evidence: list[dict[str, Any]] = Field(sa_type=JSON)
    counted: bool
