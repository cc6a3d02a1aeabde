"""Extensions of single instances, and run commands"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "instance_extensions",
        *_whose(),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("properties", sa.JSON(), nullable=False),
        sa.Column("secrets", sa.LargeBinary(), nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("set_uid", "instance_id", "name_key"),
    )
    op.create_table(
        "run_commands",
        *_whose(),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("secrets", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("set_uid", "instance_id", "name_key"),
    )


def _whose() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("set_uid", sa.String(length=12), nullable=False),
        sa.Column("instance_id", sa.Integer(), nullable=False),
        sa.Column("name_key", sa.String(length=80), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("run_commands")
    op.drop_table("instance_extensions")
