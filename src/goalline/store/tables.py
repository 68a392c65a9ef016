"""The whole schema on one page."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, cast
from uuid import UUID

from sqlalchemy import JSON, BigInteger, Enum, Index, MetaData, Table, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import Field, SQLModel

from goalline.domain.evaluation import Reason, Status
from goalline.domain.goal import Kind
from goalline.domain.key import Scope
from goalline.domain.verdict import Outcome

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class NanoDollars(TypeDecorator[Decimal]):
    """US dollars kept exactly, as whole billionths; SQLite has no decimals of its own."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, _dialect: object) -> int | None:
        """Turn dollars into billionths."""
        return None if value is None else int(value.scaleb(9).to_integral_value())

    def process_result_value(self, value: int | None, _dialect: object) -> Decimal | None:
        """Turn billionths into dollars."""
        return None if value is None else Decimal(value).scaleb(-9)


def _choice(choices: type[StrEnum]) -> TypeEngine[Any]:
    # Values and not names are stored, as plain text, so that a new choice needs no migration of a type.
    return Enum(choices, native_enum=False, length=32, values_callable=lambda kind: [choice.value for choice in kind])


class Row(SQLModel):
    """What all tables share: one catalogue, with a name for every index and constraint."""

    metadata = MetaData(naming_convention=NAMING)


class Project(Row, table=True):
    """The tenant: whose goals and conversations these are, and whose days the rates are counted in."""

    id: UUID = Field(primary_key=True)
    name: str = Field(unique=True)
    time_zone: str
    created_at: datetime


class ApiKey(Row, table=True):
    """A key of the API, kept as its hash; a browser's sign-in is a key too, made by another key and soon expired."""

    __tablename__ = "api_key"

    id: UUID = Field(primary_key=True)
    project_id: UUID = Field(foreign_key="project.id", index=True)
    name: str
    scope: Scope = Field(sa_type=_choice(Scope))
    prefix: str = Field(unique=True)
    digest: str
    made_by: UUID | None = Field(default=None, foreign_key="api_key.id", index=True)
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


class Goal(Row, table=True):
    """A thing that a conversation should reach. Its wording stands in its revisions; `revision` is the newest."""

    __table_args__ = (
        # The one-active-primary rule, in the one place where no race can get around it.
        Index(
            "uq_goal_active_primary",
            "project_id",
            text("coalesce(agent_id, '')"),
            unique=True,
            sqlite_where=text("kind = 'primary' AND archived_at IS NULL"),
            postgresql_where=text("kind = 'primary' AND archived_at IS NULL"),
        ),
    )

    id: UUID = Field(primary_key=True)
    project_id: UUID = Field(foreign_key="project.id", index=True)
    agent_id: str | None = None
    kind: Kind = Field(sa_type=_choice(Kind))
    revision: int
    created_at: datetime
    archived_at: datetime | None = None


class GoalRevision(Row, table=True):
    """A goal as worded from one time on; never edited."""

    __tablename__ = "goal_revision"

    goal_id: UUID = Field(primary_key=True, foreign_key="goal.id", ondelete="CASCADE")
    number: int = Field(primary_key=True)
    name: str
    description: str = Field(sa_type=Text)
    kind: Kind = Field(sa_type=_choice(Kind))
    judged: bool
    in_force_from: datetime


class GoalPeriod(Row, table=True):
    """A stretch of time in which a goal was active."""

    __tablename__ = "goal_period"

    goal_id: UUID = Field(primary_key=True, foreign_key="goal.id", ondelete="CASCADE")
    active_from: datetime = Field(primary_key=True)
    active_until: datetime | None = None


class Conversation(Row, table=True):
    """One call or chat. `day` is the local day of its end; `evaluations` is the number of the newest evaluation."""

    __table_args__ = (
        UniqueConstraint("project_id", "conversation_id"),
        Index("ix_conversation_newest", "project_id", "ended_at", "id"),
    )

    id: UUID = Field(primary_key=True)
    project_id: UUID = Field(foreign_key="project.id")
    conversation_id: str
    agent_id: str
    contact_id: str | None = None
    channel: str | None = None
    started_at: datetime | None = None
    ended_at: datetime
    received_at: datetime
    day: date
    end_reason: str | None = None
    platform_metadata: dict[str, Any] | None = Field(
        default=None, sa_type=JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
    )
    transcript: list[dict[str, Any]] = Field(sa_type=JSON)
    transcript_digest: str
    evaluations: int


class Evaluation(Row, table=True):
    """One run of the judge over one conversation: the job, its state and its cost.

    `number` counts a conversation's evaluations from 1. A queued row may be claimed from `due_at` on, and a running
    one belongs to its `attempts`-th claim. At `ring_at` the sweep rings for a row that has not ended: for a queued
    one because nobody heard the bell, for a running one because its lease has run out, which happened to it
    `interruptions` times. Its delays and its deadline count from `tried_since`: its first attempt, or
    the last time that somebody asked for it.
    """

    __table_args__ = (
        UniqueConstraint("conversation_id", "number"),
        Index(
            "ix_evaluation_open",
            "ring_at",
            sqlite_where=text("status IN ('queued', 'running')"),
            postgresql_where=text("status IN ('queued', 'running')"),
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
    conversation_id: UUID = Field(foreign_key="conversation.id", ondelete="CASCADE")
    number: int
    status: Status = Field(sa_type=_choice(Status))
    reason: Reason | None = Field(default=None, sa_type=_choice(Reason))
    attempts: int = 0
    interruptions: int = 0
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
    kind: Kind = Field(sa_type=_choice(Kind))
    outcome: Outcome = Field(sa_type=_choice(Outcome))
    rationale: str = Field(sa_type=Text)
    evidence: list[dict[str, Any]] = Field(sa_type=JSON)
    counted: bool


class VerdictRollup(Row, table=True):
    """How many counted verdicts there are of each outcome, for each project, day, agent, goal and revision.

    Rollups refer to other tables without foreign keys: checking one would lock rows in an order that meets those
    who delete them head on. `rollups.differences` checks more than a key could.
    """

    __tablename__ = "verdict_rollup"

    project_id: UUID = Field(primary_key=True)
    day: date = Field(primary_key=True)
    agent_id: str = Field(primary_key=True)
    goal_id: UUID = Field(primary_key=True, index=True)
    revision: int = Field(primary_key=True)
    kind: Kind = Field(sa_type=_choice(Kind))
    achieved: int
    partial: int
    not_achieved: int


class ConversationRollup(Row, table=True):
    """How many conversations there are, for each project, day and agent."""

    __tablename__ = "conversation_rollup"

    project_id: UUID = Field(primary_key=True)
    day: date = Field(primary_key=True)
    agent_id: str = Field(primary_key=True)
    conversations: int


def table(row: type[Row]) -> Table:
    """Return the table behind a row class, for statements that need no objects."""
    return cast(Table, row.__table__)  # type: ignore[attr-defined]
