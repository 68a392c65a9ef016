"""The track: events, what they amount to, and conversations that have not ended yet."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_HAS_CONTACT, _HAS_GOAL = sa.text("contact_id IS NOT NULL"), sa.text("goal_id IS NOT NULL")
_IS_OPEN = sa.text("ended_at IS NULL")


def upgrade() -> None:
    """Apply this step."""
    with _conversation() as batch_op:
        batch_op.alter_column("ended_at", existing_type=sa.DateTime(timezone=True), nullable=True)
        batch_op.alter_column("day", existing_type=sa.Date(), nullable=True)
        batch_op.add_column(sa.Column("contact_tracked", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    # New rows bring their own value.
    with _conversation() as batch_op:
        batch_op.alter_column("contact_tracked", existing_type=sa.Boolean(), server_default=None)
    op.create_index(
        "ix_conversation_contact",
        "conversation",
        ["project_id", "contact_id"],
        sqlite_where=_HAS_CONTACT,
        postgresql_where=_HAS_CONTACT,
    )
    op.create_index(
        "ix_conversation_open",
        "conversation",
        ["project_id", "received_at", "id"],
        sqlite_where=_IS_OPEN,
        postgresql_where=_IS_OPEN,
    )
    _create_events()
    _create_cycles_and_paths()
    for name in ("track_rollup", "erased_track_rollup"):
        _create_rollup(name)
    op.create_table(
        "deleted_step",
        sa.Column("goal_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["goal_id"], ["goal.id"], name=op.f("fk_deleted_step_goal_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("goal_id", "key", name=op.f("pk_deleted_step")),
    )
    op.create_table(
        "deactivated_contact",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("deactivated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_deactivated_contact_project_id")),
        sa.PrimaryKeyConstraint("project_id", "digest", name=op.f("pk_deactivated_contact")),
    )


def _create_events() -> None:
    op.create_table(
        "step_event",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("goal_id", sa.Uuid(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=True),
        sa.Column("step", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("agent_id", sa.String(), nullable=True),
        sa.Column("contact_id", sa.String(), nullable=True),
        _of_conversation("step_event"),
        sa.PrimaryKeyConstraint("project_id", "event_id", name=op.f("pk_step_event")),
    )
    op.create_index(op.f("ix_step_event_conversation_id"), "step_event", ["conversation_id"])
    op.create_index(
        "ix_step_event_goal", "step_event", ["goal_id", "step"], sqlite_where=_HAS_GOAL, postgresql_where=_HAS_GOAL
    )


def _create_cycles_and_paths() -> None:
    op.create_table(
        "cycle",
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("goal_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        *_savings(),
        _of_conversation("cycle"),
        sa.PrimaryKeyConstraint("conversation_id", "goal_id", "number", name=op.f("pk_cycle")),
    )
    op.create_index(op.f("ix_cycle_goal_id"), "cycle", ["goal_id"])
    op.create_table(
        "path",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "digest", name=op.f("pk_path")),
    )
    op.create_table(
        "path_taken",
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        _of_conversation("path_taken"),
        sa.PrimaryKeyConstraint("conversation_id", name=op.f("pk_path_taken")),
    )
    op.create_index(op.f("ix_path_taken_digest"), "path_taken", ["digest"])


def _create_rollup(name: str) -> None:
    op.create_table(
        name,
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("measure", sa.String(length=32), nullable=False),
        sa.Column("goal_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("agent_id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        *_savings(),
        sa.PrimaryKeyConstraint("project_id", "measure", "goal_id", "day", "agent_id", "key", name=op.f(f"pk_{name}")),
    )


def _savings() -> list[sa.Column[Any]]:
    # Whole ten-thousandths of the currency, and whole seconds.
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in ("cost_savings", "revenue", "time_saved")]


def _of_conversation(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_conversation_id")
    return sa.ForeignKeyConstraint(["conversation_id"], ["conversation.id"], name=name, ondelete="CASCADE")


def _conversation() -> Any:
    # The table is made anew for this on SQLite, which need not look at the tables that it refers to.
    return op.batch_alter_table("conversation", schema=None, reflect_kwargs={"resolve_fks": False})


def downgrade() -> None:
    """Take this step back; what events told is lost, and so are conversations that have not ended."""
    for table in (
        "deactivated_contact",
        "deleted_step",
        "erased_track_rollup",
        "track_rollup",
        "path_taken",
        "path",
        "cycle",
        "step_event",
    ):
        op.drop_table(table)
    op.drop_index("ix_conversation_open", "conversation")
    op.drop_index("ix_conversation_contact", "conversation")
    op.execute("DELETE FROM conversation WHERE ended_at IS NULL")
    with _conversation() as batch_op:
        batch_op.drop_column("erased_at")
        batch_op.drop_column("contact_tracked")
        batch_op.alter_column("day", existing_type=sa.Date(), nullable=False)
        batch_op.alter_column("ended_at", existing_type=sa.DateTime(timezone=True), nullable=False)
