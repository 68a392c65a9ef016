"""The counts that the rates are read from."""

from datetime import date
from uuid import UUID

from sqlmodel import Field

from goalline.domain.goal import Kind
from goalline.store.tables.columns import Row, choice


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
    kind: Kind = Field(sa_type=choice(Kind))
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
