"""Where things were counted: the filters by agent and day that all reports share."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import ColumnElement, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceFilter:
    """Whose counts are asked for, and of when; None means everything. Days are the project's, both included."""

    agent_id: str | None = None
    first_day: date | None = None
    last_day: date | None = None

    def conditions(self, counted: Table, project_id: UUID) -> list[ColumnElement[bool]]:
        """Return what the rows of a table that has projects, agents and days have to meet."""
        conditions = [counted.c.project_id == project_id]
        if self.agent_id is not None:
            conditions.append(counted.c.agent_id == self.agent_id)
        if self.first_day is not None:
            conditions.append(counted.c.day >= self.first_day)
        if self.last_day is not None:
            conditions.append(counted.c.day <= self.last_day)
        return conditions
