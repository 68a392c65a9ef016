"""Steps of goals, and the currency that a project counts in."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ADDED: dict[str, tuple[str, Any, str]] = {
    "project": ("currency", sa.String(), "USD"),
    "goal_revision": ("steps", sa.JSON(), "[]"),
}


def upgrade() -> None:
    """Apply this step."""
    for table, (name, kind, of_old_rows) in _ADDED.items():
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.add_column(sa.Column(name, kind, nullable=False, server_default=of_old_rows))
        # Only the rows that were there are given a value here; new ones bring their own. The table is made anew for
        # that on SQLite, which need not look at the tables that it refers to.
        with op.batch_alter_table(table, schema=None, reflect_kwargs={"resolve_fks": False}) as batch_op:
            batch_op.alter_column(name, existing_type=kind, existing_nullable=False, server_default=None)


def downgrade() -> None:
    """Take this step back."""
    for table, (name, _, _) in _ADDED.items():
        with op.batch_alter_table(table, schema=None, reflect_kwargs={"resolve_fks": False}) as batch_op:
            batch_op.drop_column(name)
