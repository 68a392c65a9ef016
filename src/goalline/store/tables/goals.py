"""Goals, their wordings, and when they were active."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, Text, text
from sqlmodel import Field

from goalline.domain.goal import Kind
from goalline.domain.step import Step
from goalline.store.tables.columns import Row, StepList, choice


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
    kind: Kind = Field(sa_type=choice(Kind))
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
    kind: Kind = Field(sa_type=choice(Kind))
    judged: bool
    steps: tuple[Step, ...] = Field(sa_type=StepList)
    in_force_from: datetime


class GoalPeriod(Row, table=True):
    """A stretch of time in which a goal was active."""

    __tablename__ = "goal_period"

    goal_id: UUID = Field(primary_key=True, foreign_key="goal.id", ondelete="CASCADE")
    active_from: datetime = Field(primary_key=True)
    active_until: datetime | None = None
