"""What the tables are made of: the row, the names of indexes and constraints, and the types of columns."""

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
