"""Retention: since when a conversation has no words any more, and an index of those that still have them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_HAS_WORDS = sa.text("transcript_deleted_at IS NULL AND erased_at IS NULL")


def upgrade() -> None:
    """Apply this step."""
    op.add_column("conversation", sa.Column("transcript_deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_conversation_words",
        "conversation",
        ["ended_at", "id"],
        sqlite_where=_HAS_WORDS,
        postgresql_where=_HAS_WORDS,
    )


def downgrade() -> None:
    """Take this step back; words that were deleted stay deleted."""
    op.drop_index("ix_conversation_words", "conversation")
    with op.batch_alter_table("conversation", schema=None, reflect_kwargs={"resolve_fks": False}) as batch_op:
        batch_op.drop_column("transcript_deleted_at")
