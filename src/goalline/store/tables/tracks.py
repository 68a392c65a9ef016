"""Step events, and what they amount to in each conversation."""

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import JSON, Index, text
from sqlmodel import Field

from goalline.domain.cycle import CycleState
from goalline.domain.event import EventType
from goalline.store.tables.columns import Row, Seconds, TenThousandths, choice


class StepEvent(Row, table=True):
    """An event that was accepted. One of a goal's step is pinned to the goal's revision of the time it happened.

    Neither this table nor `cycle` refers to goals with a foreign key: checking it would cost more than all else about
    an event. Whoever writes here holds the goals (`goals.lock_of_project`), and whoever deletes one deletes here too.
    """

    __tablename__ = "step_event"
    __table_args__ = (
        Index(
            "ix_step_event_goal",
            "goal_id",
            "step",
            sqlite_where=text("goal_id IS NOT NULL"),
            postgresql_where=text("goal_id IS NOT NULL"),
        ),
    )

    project_id: UUID = Field(primary_key=True)
    event_id: str = Field(primary_key=True)
    conversation_id: UUID = Field(foreign_key="conversation.id", ondelete="CASCADE", index=True)
    type: EventType = Field(sa_type=choice(EventType))
    goal_id: UUID | None = None
    revision: int | None = None
    step: str | None = None
    name: str | None = None
    occurred_at: datetime
    received_at: datetime
    agent_id: str | None = None
    contact_id: str | None = None


class Cycle(Row, table=True):
    """One attempt at a goal's process in one conversation, as its events amount to."""

    conversation_id: UUID = Field(primary_key=True, foreign_key="conversation.id", ondelete="CASCADE")
    goal_id: UUID = Field(primary_key=True, index=True)
    number: int = Field(primary_key=True)
    state: CycleState = Field(sa_type=choice(CycleState))
    started_at: datetime
    completed_at: datetime | None = None
    cost_savings: Decimal = Field(sa_type=TenThousandths)
    revenue: Decimal = Field(sa_type=TenThousandths)
    time_saved: timedelta = Field(sa_type=Seconds)


class Path(Row, table=True):
    """The names of the analytics steps that some conversation passed, in order, by their digest."""

    project_id: UUID = Field(primary_key=True)
    digest: str = Field(primary_key=True)
    steps: list[str] = Field(sa_type=JSON)


class PathTaken(Row, table=True):
    """Which path a conversation took, and when it passed the first step of it."""

    __tablename__ = "path_taken"

    conversation_id: UUID = Field(primary_key=True, foreign_key="conversation.id", ondelete="CASCADE")
    digest: str = Field(index=True)
    began_at: datetime


class DeletedStep(Row, table=True):
    """A step that was deleted with its events; what happened at it before, and is told later, does not count."""

    __tablename__ = "deleted_step"

    goal_id: UUID = Field(primary_key=True, foreign_key="goal.id", ondelete="CASCADE")
    key: str = Field(primary_key=True)
    deleted_at: datetime


class DeactivatedContact(Row, table=True):
    """A contact of whom nothing more is recorded, known by the SHA-256 of the id alone."""

    __tablename__ = "deactivated_contact"

    project_id: UUID = Field(primary_key=True, foreign_key="project.id")
    digest: str = Field(primary_key=True)
    deactivated_at: datetime
