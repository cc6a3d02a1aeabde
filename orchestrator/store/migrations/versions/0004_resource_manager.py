"""Resource groups, stored resources, deployments, principals"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "resource_groups",
        sa.Column("key", sa.String(length=160), nullable=False),
        sa.Column("subscription_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=90), nullable=False),
        sa.Column("location", sa.String(length=64), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("managed_by", sa.Text(), nullable=True),
        *_written(),
        sa.Column("deletion", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "resources",
        sa.Column("key", sa.String(length=1024), nullable=False),
        sa.Column("id", sa.String(length=1024), nullable=False),
        sa.Column("group_key", sa.String(length=160), nullable=False, index=True),
        sa.Column("type_key", sa.String(length=256), nullable=False, index=True),
        sa.Column("location", sa.String(length=64), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("secrets", sa.LargeBinary(), nullable=True),
        *_written(),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "deployments",
        sa.Column("key", sa.String(length=256), nullable=False),
        sa.Column("group_key", sa.String(length=160), nullable=False, index=True),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("is_ended", sa.Boolean(), nullable=False, index=True),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("secrets", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "principals",
        sa.Column("client_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False, unique=True),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("client_id"),
    )
    op.add_column("operations", sa.Column("target", sa.Text(), nullable=False, server_default=""))
    _groups_of_sets()


def _written() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("changed_at", sa.Float(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
    )


def _groups_of_sets() -> None:
    """Until now a group was there as long as a set was in it; the oldest set's spelling of its name counts."""
    query = "SELECT subscription_id, resource_group, location, created_at FROM scale_sets ORDER BY created_at"
    for subscription, name, location, at in op.get_bind().execute(sa.text(query)).all():
        insert = (
            "INSERT INTO resource_groups (key, subscription_id, name, location, tags, created_at, changed_at, "
            "version) VALUES (:key, :subscription, :name, :location, '{}', :at, :at, 1) "
            "ON CONFLICT (key) DO NOTHING"
        )
        values = {"subscription": subscription, "name": name, "location": location, "at": at}
        op.execute(sa.text(insert).bindparams(key=f"{subscription}/{name}".lower(), **values))


def downgrade() -> None:
    op.drop_column("operations", "target")
    for table in ("principals", "deployments", "resources", "resource_groups"):
        op.drop_table(table)
