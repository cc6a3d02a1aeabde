"""Upgrades in batches, hibernation, moves, quarantine, overprovisioning"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _add(
        "scale_sets",
        sa.Column("is_rebalance_suspended", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("proven_model_version", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("rebalanced_at", sa.Float(), nullable=True),
    )
    _add(
        "instances",
        sa.Column("placement_group", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("update_domain", sa.Integer(), nullable=True),
        sa.Column("is_on_trial", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("moving_from", sa.String(length=64), nullable=True),
        sa.Column("is_to_redefine", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("quarantined_at", sa.Float(), nullable=True),
        sa.Column("redeploys_wanted", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("redeploys_done", sa.Integer(), nullable=False, server_default="0"),
    )
    _add("operations", sa.Column("output", sa.JSON(), nullable=True))
    op.create_table(
        "rolling_upgrades",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("set_uid", sa.String(length=12), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_rolling_upgrades_set_uid"), "rolling_upgrades", ["set_uid"])


def _add(table: str, *columns: sa.Column[object]) -> None:
    for column in columns:
        op.add_column(table, column)


def downgrade() -> None:
    op.drop_table("rolling_upgrades")
    op.drop_column("operations", "output")
    instances = (
        "redeploys_done",
        "redeploys_wanted",
        "quarantined_at",
        "is_to_redefine",
        "moving_from",
        "is_on_trial",
        "update_domain",
        "placement_group",
    )
    for name in instances:
        op.drop_column("instances", name)
    for name in ("rebalanced_at", "proven_model_version", "is_rebalance_suspended"):
        op.drop_column("scale_sets", name)
