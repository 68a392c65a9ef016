"""What the tables are made of: the row, the names of indexes and constraints, and the types of columns."""

from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, cast

from pydantic import TypeAdapter
from sqlalchemy import JSON, BigInteger, Enum, MetaData, Table
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import SQLModel

from goalline.domain.step import Step

_STEPS: TypeAdapter[tuple[Step, ...]] = TypeAdapter(tuple[Step, ...])

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class _Scaled(TypeDecorator[Decimal]):
    """A decimal kept exactly, as a whole number of its smallest parts; SQLite has no decimals of its own."""

    impl = BigInteger
    places: int

    def process_bind_param(self, value: Decimal | None, _dialect: object) -> int | None:
        """Turn a decimal into its smallest parts."""
        return None if value is None else int(value.scaleb(self.places).to_integral_value())

    def process_result_value(self, value: int | None, _dialect: object) -> Decimal | None:
        """Turn smallest parts into a decimal; PostgreSQL gives their sums as decimals already."""
        return None if value is None else Decimal(value).scaleb(-self.places)


class NanoDollars(_Scaled):
    """US dollars, as billionths."""

    cache_ok = True
    places = 9


class TenThousandths(_Scaled):
    """An amount in a project's currency, as ten-thousandths: no currency has more decimals."""

    cache_ok = True
    places = 4


class Seconds(TypeDecorator[timedelta]):
    """A duration, as whole seconds."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: timedelta | None, _dialect: object) -> int | None:
        """Turn a duration into seconds."""
        return None if value is None else value // timedelta(seconds=1)

    def process_result_value(self, value: int | None, _dialect: object) -> timedelta | None:
        """Turn seconds into a duration; PostgreSQL gives their sums as decimals."""
        return None if value is None else timedelta(seconds=int(value))


class StepList(TypeDecorator[tuple[Step, ...]]):
    """Steps kept as JSON, with amounts and durations as text, so that nothing of them is rounded."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: tuple[Step, ...] | None, _dialect: object) -> Any:
        """Turn steps into plain JSON."""
        return None if value is None else _STEPS.dump_python(value, mode="json")

    def process_result_value(self, value: Any, _dialect: object) -> tuple[Step, ...] | None:
        """Turn plain JSON into steps."""
        return None if value is None else _STEPS.validate_python(value)


def choice(choices: type[StrEnum]) -> TypeEngine[Any]:
    """Return the type of a column that holds one of these choices."""
    # Values and not names are stored, as plain text, so that a new choice needs no migration of a type.
    return Enum(choices, native_enum=False, length=32, values_callable=lambda kind: [choice.value for choice in kind])


class Row(SQLModel):
    """What all tables share: one catalogue, with a name for every index and constraint."""

    metadata = MetaData(naming_convention=NAMING)


def table(row: type[Row]) -> Table:
    """Return the table behind a row class, for statements that need no objects."""
    return cast(Table, row.__table__)  # type: ignore[attr-defined]
