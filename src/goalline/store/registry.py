"""Registries: rows of a project that go by a name, which only one of them has."""

from collections.abc import Sequence
from typing import Generic, TypeVar
from uuid import UUID

from sqlmodel import Session, col, select

from goalline.domain.refusal import Conflict, NotFound
from goalline.store.tables import Source, Subscription

RowT = TypeVar("RowT", Source, Subscription)


class Registry(Generic[RowT]):
    """Finds the rows of one table, by id or by name."""

    def __init__(self, kind: type[RowT]) -> None:
        self._kind: type[RowT] = kind
        self._word = kind.__name__.lower()

    def get(self, session: Session, project_id: UUID, row_id: UUID, *, lock: bool = False) -> RowT:
        """Return a row of a project; with `lock`, hold it.

        Raises:
            NotFound: the project has no such row.
        """
        query = select(self._kind).where(self._kind.project_id == project_id, self._kind.id == row_id)
        found: RowT | None = session.exec(query.with_for_update() if lock else query).first()
        if found is None:
            raise NotFound(f"there is no {self._word} {row_id}")
        return found

    def named(self, session: Session, project_id: UUID, name: str) -> RowT:
        """Return the row of this name.

        Raises:
            NotFound: the project has no such row.
        """
        query = select(self._kind).where(self._kind.project_id == project_id, self._kind.name == name)
        found: RowT | None = session.exec(query).first()
        if found is None:
            raise NotFound(f"there is no {self._word} named {name!r}")
        return found

    def every(self, session: Session, project_id: UUID | None = None) -> Sequence[RowT]:
        """Return the rows of a project, or of all, oldest first."""
        query = select(self._kind).order_by(col(self._kind.created_at), col(self._kind.id))
        return session.exec(query.where(self._kind.project_id == project_id) if project_id else query).all()

    def require_free(self, session: Session, project_id: UUID, name: str) -> None:
        """Do nothing where a name is free. Whoever takes it then holds the project, so that nobody else does.

        Raises:
            Conflict: there is a row of this name.
        """
        query = select(self._kind.id).where(self._kind.project_id == project_id, self._kind.name == name)
        if session.exec(query).first():
            raise Conflict(f"there is a {self._word} named {name!r} already", "name")
