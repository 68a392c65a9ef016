"""The counts that the rates are read from."""

from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from sqlmodel import Field

from goalline.domain.goal import Kind
from goalline.domain.track import Measure
from goalline.store.tables.columns import Row, Seconds, TenThousandths, choice


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


class _TrackCounts(Row):
    project_id: UUID = Field(primary_key=True)
    measure: Measure = Field(sa_type=choice(Measure), primary_key=True)
    goal_id: UUID = Field(primary_key=True)
    day: date = Field(primary_key=True)
    agent_id: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    number: int
    cost_savings: Decimal = Field(sa_type=TenThousandths)
    revenue: Decimal = Field(sa_type=TenThousandths)
    time_saved: timedelta = Field(sa_type=Seconds)


class TrackRollup(_TrackCounts, table=True):
    """What step events amount to, by what is measured (`domain/track.py: Measure`); `goal_id` zero: no goal's."""

    __tablename__ = "track_rollup"


class ErasedTrackRollup(_TrackCounts, table=True):
    """The part of `track_rollup` whose events were erased; nothing else tells of them any more."""

    __tablename__ = "erased_track_rollup"
