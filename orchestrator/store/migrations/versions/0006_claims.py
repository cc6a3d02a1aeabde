"""Ports and public addresses that instances hold"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "claims",
        sa.Column("pool", sa.String(length=1024), nullable=False),
        sa.Column("value", sa.String(length=45), nullable=False),
        sa.Column("set_uid", sa.String(length=12), nullable=False),
        sa.Column("instance_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("pool", "value"),
    )


def downgrade() -> None:
    op.drop_table("claims")
