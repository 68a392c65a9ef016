"""Tells Alembic how to reach the database that `schema` hands over, and what the schema should be."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import JSON, Enum
from sqlmodel import AutoString
from sqlmodel.sql.sqltypes import UTCDateTime

from goalline.store.tables import NanoDollars, Row, StepList

# Migrations name plain types: they must go on working when the classes of today have moved or changed.
_PLAIN = {
    AutoString: "sa.String()",
    Enum: "sa.String(length=32)",
    UTCDateTime: "sa.DateTime(timezone=True)",
    NanoDollars: "sa.BigInteger()",
    JSON: "sa.JSON()",
    StepList: "sa.JSON()",
}


def _render(kind: str, item: Any, _autogenerate: object) -> str | Literal[False]:
    plain = next((name for known, name in _PLAIN.items() if isinstance(item, known)), None)
    if kind != "type" or plain is None:
        return False
    return (
        f'{plain}.with_variant(postgresql.JSONB(), "postgresql")' if getattr(item, "_variant_mapping", None) else plain
    )


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Row.metadata,
    render_as_batch=True,
    render_item=_render,
)
with context.begin_transaction():
    context.run_migrations()
