"""The tables. Columns carry the fields of the records in ``model`` under the same names."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
)

metadata = MetaData()

settings = Table(
    "settings",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

scale_sets = Table(
    "scale_sets",
    metadata,
    Column("uid", String(12), primary_key=True),
    Column("subscription_id", String(36), nullable=False),
    Column("resource_group", String(90), nullable=False),
    Column("name", String(64), nullable=False),
    Column("name_key", String(256), nullable=False, unique=True),
    Column("location", String(64), nullable=False),
    Column("model", JSON, nullable=False),
    Column("secrets", LargeBinary),
    Column("version", Integer, nullable=False),
    Column("model_version", Integer, nullable=False),
    Column("next_instance_id", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
    Column("is_deleting", Boolean, nullable=False),
    Column("is_force_deleting", Boolean, nullable=False),
    Column("is_repair_suspended", Boolean, nullable=False),
    Column("is_rebalance_suspended", Boolean, nullable=False, server_default=false()),
    Column("proven_model_version", Integer, nullable=False, server_default="0"),
    Column("rebalanced_at", Float),
    Column("extension_sequences", JSON, nullable=False),
    Column("failure", JSON),
)

profiles = Table(
    "profiles",
    metadata,
    Column("set_uid", String(12), primary_key=True),
    Column("model_version", Integer, primary_key=True),
    Column("model", JSON, nullable=False),
    Column("secrets", LargeBinary),
    Column("extension_sequences", JSON, nullable=False),
)

instances = Table(
    "instances",
    metadata,
    Column("set_uid", String(12), primary_key=True),
    Column("instance_id", Integer, primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("model_version", Integer, nullable=False),
    Column("stage", String(16), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
    Column("address", String(45), nullable=False, unique=True),
    Column("mac", String(17), nullable=False),
    Column("host_key_private", LargeBinary, nullable=False),
    Column("host_key_public", Text, nullable=False),
    Column("image_version", String(64)),
    Column("host", String(64)),
    Column("zone", String(16)),
    Column("fault_domain", Integer),
    Column("placement_group", Integer, nullable=False, server_default="0"),
    Column("update_domain", Integer),
    Column("is_on_trial", Boolean, nullable=False, server_default=false()),
    Column("moving_from", String(64)),
    Column("is_to_redefine", Boolean, nullable=False, server_default=false()),
    Column("quarantined_at", Float),
    Column("redeploys_wanted", Integer, nullable=False, server_default="0"),
    Column("redeploys_done", Integer, nullable=False, server_default="0"),
    Column("vcpus", Integer, nullable=False),
    Column("memory_mib", Integer, nullable=False),
    Column("wanted_power", String(16), nullable=False),
    Column("is_hard_stop", Boolean, nullable=False),
    Column("restarts_wanted", Integer, nullable=False),
    Column("restarts_done", Integer, nullable=False),
    Column("is_gone", Boolean, nullable=False),
    Column("gone_at", Float),
    Column("is_force_delete", Boolean, nullable=False),
    Column("lost_at", Float),
    Column("cause", String(16), nullable=False),
    Column("booted_at", Float),
    Column("repairs", Integer, nullable=False),
    Column("failure", JSON),
    Column("protection", JSON, nullable=False),
    Column("extensions", JSON, nullable=False),
    Column("further_addresses", JSON, nullable=False, server_default="{}"),
)

operations = Table(
    "operations",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("set_uid", String(12), nullable=False, index=True),
    Column("started_at", Float, nullable=False),
    Column("deadline_at", Float, nullable=False),
    Column("instances", JSON, nullable=False),
    Column("status", String(16), nullable=False, index=True),
    Column("ended_at", Float),
    Column("failure", JSON),
    Column("output", JSON),
    Column("target", Text, nullable=False, server_default=""),
)

instance_extensions = Table(
    "instance_extensions",
    metadata,
    Column("set_uid", String(12), primary_key=True),
    Column("instance_id", Integer, primary_key=True),
    Column("name_key", String(80), primary_key=True),
    Column("name", String(80), nullable=False),
    Column("properties", JSON, nullable=False),
    Column("secrets", LargeBinary),
    Column("sequence", Integer, nullable=False),
)

run_commands = Table(
    "run_commands",
    metadata,
    Column("set_uid", String(12), primary_key=True),
    Column("instance_id", Integer, primary_key=True),
    Column("name_key", String(80), primary_key=True),
    Column("body", JSON, nullable=False),
    Column("secrets", LargeBinary),
)

claims = Table(
    "claims",
    metadata,
    Column("pool", String(1024), primary_key=True),
    Column("value", String(45), primary_key=True),
    Column("set_uid", String(12), nullable=False),
    Column("instance_id", Integer, nullable=False),
)

rolling_upgrades = Table(
    "rolling_upgrades",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("set_uid", String(12), nullable=False, index=True),
    Column("started_at", Float, nullable=False),
    Column("body", JSON, nullable=False),
)

resource_groups = Table(
    "resource_groups",
    metadata,
    Column("key", String(160), primary_key=True),
    Column("subscription_id", String(36), nullable=False),
    Column("name", String(90), nullable=False),
    Column("location", String(64), nullable=False),
    Column("tags", JSON, nullable=False),
    Column("managed_by", Text),
    Column("created_at", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
    Column("version", Integer, nullable=False),
    Column("deletion", String(36)),
)

resources = Table(
    "resources",
    metadata,
    Column("key", String(1024), primary_key=True),
    Column("id", String(1024), nullable=False),
    Column("group_key", String(160), nullable=False, index=True),
    Column("type_key", String(256), nullable=False, index=True),
    Column("location", String(64), nullable=False),
    Column("body", JSON, nullable=False),
    Column("secrets", LargeBinary),
    Column("created_at", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
    Column("version", Integer, nullable=False),
)

deployments = Table(
    "deployments",
    metadata,
    Column("key", String(256), primary_key=True),
    Column("group_key", String(160), nullable=False, index=True),
    Column("started_at", Float, nullable=False),
    Column("is_ended", Boolean, nullable=False, index=True),
    Column("body", JSON, nullable=False),
    Column("secrets", LargeBinary),
)

principals = Table(
    "principals",
    metadata,
    Column("client_id", String(36), primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("secret_hash", String(64), nullable=False),
    Column("key_id", String(36), nullable=False),
    Column("created_at", Float, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("kind", String(48), nullable=False),
    Column("phase", String(8), nullable=False),
    Column("reason", Text, nullable=False),
    Column("set_uid", String(12), index=True),
    Column("set_name", String(64)),
    Column("instance_id", Integer),
    Column("host", String(64)),
    Column("outcome", Text),
    Index("events_by_time", "at"),
    sqlite_autoincrement=True,
)

hosts = Table(
    "hosts",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("config", JSON, nullable=False),
    Column("is_from_config", Boolean, nullable=False),
    Column("is_draining", Boolean, nullable=False),
    Column("last_seen_at", Float),
)
