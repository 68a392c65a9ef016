"""Evaluations by project, so that each project gets its share; and what went wrong with one last."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_WAITS = sa.text("status = 'queued'")


def upgrade() -> None:
    """Apply this step."""
    with _evaluation() as batch_op:
        batch_op.add_column(sa.Column("project_id", sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column("last_error", sa.String(), nullable=True))
    op.execute(
        "UPDATE evaluation SET project_id ="
        " (SELECT project_id FROM conversation WHERE conversation.id = evaluation.conversation_id)"
    )
    with _evaluation() as batch_op:
        batch_op.alter_column("project_id", existing_type=sa.Uuid(), nullable=False)
    op.create_index(
        "ix_evaluation_waiting",
        "evaluation",
        ["project_id", "due_at"],
        sqlite_where=_WAITS,
        postgresql_where=_WAITS,
    )
    op.execute("UPDATE evaluation SET reason = 'poison' WHERE reason = 'interrupted'")


def _evaluation() -> Any:
    # The table is made anew for this on SQLite, which need not look at the tables that it refers to.
    return op.batch_alter_table("evaluation", schema=None, reflect_kwargs={"resolve_fks": False})


def downgrade() -> None:
    """Take this step back."""
    op.execute("UPDATE evaluation SET reason = 'interrupted' WHERE reason = 'poison'")
    op.drop_index("ix_evaluation_waiting", "evaluation")
    with _evaluation() as batch_op:
        batch_op.drop_column("last_error")
        batch_op.drop_column("project_id")
