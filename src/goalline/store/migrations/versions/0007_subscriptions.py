"""Subscriptions: who is told what, the messages for them, and every attempt to deliver one."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_UNTOLD = sa.text("status IN ('waiting', 'running')")
_ENDED = sa.text("ended_at IS NOT NULL")
_OF_CONVERSATION = sa.text("conversation_id IS NOT NULL")


def upgrade() -> None:
    """Apply this step."""
    op.create_table(
        "subscription",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("types", sa.JSON(), nullable=False),
        sa.Column("agent_id", sa.String(), nullable=True),
        sa.Column("thin", sa.Boolean(), nullable=False),
        sa.Column("rate", sa.JSON(), nullable=True),
        sa.Column("sealed", sa.String(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("disabled_because", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resting_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("served_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_subscription_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_subscription_project_id_name")),
    )
    op.create_table(
        "message",
        sa.Column("number", _number(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=True),
        sa.Column("evaluation_id", sa.Uuid(), nullable=True),
        sa.Column("goal_id", sa.Uuid(), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=True),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("tried_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscription.id"], name=op.f("fk_message_subscription_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_message")),
        sa.UniqueConstraint("id", name=op.f("uq_message_id")),
    )
    _index("ix_message_due", ["subscription_id", "due_at"], _UNTOLD)
    _index("ix_message_untold", ["subscription_id", "conversation_id", "number"], _UNTOLD)
    _index("ix_message_of_subscription", ["subscription_id", "number"])
    _index("ix_message_of_conversation", ["conversation_id"], _OF_CONVERSATION)
    _index("ix_message_ended", ["ended_at"], _ENDED)
    op.create_table(
        "attempt",
        sa.Column("message", _number(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.String(), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["message"], ["message.number"], name=op.f("fk_attempt_message"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("message", "number", name=op.f("pk_attempt")),
    )
    op.create_table(
        "rate_alarm",
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.String(), nullable=False),
        sa.Column("raised", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscription.id"], name=op.f("fk_rate_alarm_subscription_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("subscription_id", "agent_id", name=op.f("pk_rate_alarm")),
    )
    op.create_index("ix_conversation_agent", "conversation", ["project_id", "agent_id", "ended_at"])


def _number() -> sa.BigInteger:
    # SQLite counts up by itself in a column of no other type.
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _index(name: str, columns: list[str], where: sa.TextClause | None = None) -> None:
    op.create_index(name, "message", columns, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    """Take this step back; subscriptions go, with their secrets and with what they were told."""
    op.drop_index("ix_conversation_agent", "conversation")
    for name in ("rate_alarm", "attempt", "message", "subscription"):
        op.drop_table(name)
