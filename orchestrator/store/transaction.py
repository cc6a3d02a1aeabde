"""What can be written, inside one transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import Any

from sqlalchemy import Connection, Table, Update, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from orchestrator.errors import PreconditionFailed
from orchestrator.model.claim import Claim
from orchestrator.model.deployment import Deployment
from orchestrator.model.instance import Instance
from orchestrator.model.own_extension import OwnExtension
from orchestrator.model.principal import Principal
from orchestrator.model.resource import ResourceGroup, StoredResource
from orchestrator.model.resource_id import ResourceId
from orchestrator.model.rolling_upgrade import RollingUpgrade
from orchestrator.model.run_command import RunCommand
from orchestrator.model.scale_set import Event, HostRecord, Operation, ScaleSet
from orchestrator.store import rows, tables
from orchestrator.store.memory import Change, Memory
from orchestrator.store.seal import Seal


def _instance_update(*, without: Collection[str]) -> Update:
    """Built once: an update of every column costs more to put together than to run."""
    table = tables.instances
    mine = (table.c.set_uid == bindparam("of_set")) & (table.c.instance_id == bindparam("of_id"))
    names = [column.name for column in table.columns if column.name not in {"set_uid", "instance_id", *without}]
    return update(table).where(mine).values({name: bindparam(name) for name in names})


def _remember(record: Instance, memory: Memory) -> None:
    memory.put(record)


DEPLOYMENTS_KEPT = 800
"""Of a group, as Azure keeps them."""
_OF_INSTANCES = (tables.instance_extensions, tables.run_commands, tables.claims)
_UPDATE_INSTANCE = _instance_update(without={"host_key_private"})
_UPDATE_INSTANCE_AND_KEY = _instance_update(without=())


class Transaction:
    """Writes of one transaction. Made by ``Store.write``; nothing is visible before it commits."""

    def __init__(self, connection: Connection, seal: Seal) -> None:
        self._connection = connection
        self._seal = seal
        self.changes: list[Change] = []
        self.has_resources = False

    def _put(self, table: Table, row: Mapping[str, Any]) -> None:
        dialect = postgresql if self._connection.dialect.name == "postgresql" else sqlite
        keys = [column.name for column in table.primary_key.columns]
        statement = dialect.insert(table).values(**row)
        rest = {name: value for name, value in row.items() if name not in keys}
        self._connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=rest))

    def put_setting(self, name: str, value: str) -> None:
        self._put(tables.settings, {"name": name, "value": value})

    # Scale sets

    def add_scale_set(self, record: ScaleSet) -> None:
        """A new set. Raises SQLAlchemy's ``IntegrityError`` when the name is taken."""
        self._connection.execute(insert(tables.scale_sets).values(**rows.set_to_row(record, self._seal)))
        self.changes.append(lambda memory: memory.forget_set_record(record.uid))
        self.put_profile(record)

    def put_scale_set(self, record: ScaleSet, *, expected_version: int | None = None) -> None:
        """Write a set back. With ``expected_version``, raises ``PreconditionFailed`` if it moved meanwhile."""
        table = tables.scale_sets
        statement = update(table).where(table.c.uid == record.uid)
        if expected_version is not None:
            statement = statement.where(table.c.version == expected_version)
        done = self._connection.execute(statement.values(**rows.set_to_row(record, self._seal)))
        if done.rowcount == 0:
            message = f"The scale set {record.name} was changed by another request; read it again."
            raise PreconditionFailed(message)
        self.changes.append(lambda memory: memory.forget_set_record(record.uid))

    def put_profile(self, record: ScaleSet) -> None:
        """Keep the model under its ``model_version``, for instances that stay on it."""
        row = {
            "set_uid": record.uid,
            "model_version": record.model_version,
            "model": dict(record.model),
            "secrets": self._seal.close_values(record.secrets),
            "extension_sequences": dict(record.extension_sequences),
        }
        self._put(tables.profiles, row)

    def update_set_fields(self, uid: str, **values: Any) -> None:
        """Change bookkeeping fields of a set (next id, flags) that are not part of its model or ETag."""
        table = tables.scale_sets
        self._connection.execute(update(table).where(table.c.uid == uid).values(**values))
        self.changes.append(lambda memory: memory.forget_set_record(uid))

    def drop_scale_set(self, uid: str) -> None:
        """Forget a set, its rows and its profiles. Operations and events stay: people read them later."""
        for table in (tables.instances, tables.profiles, tables.rolling_upgrades, *_OF_INSTANCES):
            self._connection.execute(delete(table).where(table.c.set_uid == uid))
        self._connection.execute(delete(tables.scale_sets).where(tables.scale_sets.c.uid == uid))
        self.changes.append(lambda memory: memory.drop_set(uid))

    # Instances

    def add_instances(self, records: Iterable[Instance]) -> None:
        """New rows, private host key and all."""
        for record in (new := list(records)):
            self.changes.append(partial(_remember, record))
        if new:
            values = [rows.instance_to_row(record, self._seal) for record in new]
            self._connection.execute(insert(tables.instances), values)

    def put_instance(self, record: Instance) -> None:
        """Write a row back; its host key stays as it is."""
        row = rows.instance_to_row(record, None)
        self._update_instance(_UPDATE_INSTANCE, record, row)

    def put_instance_with_key(self, record: Instance) -> None:
        """Write a row back with a new host key (a reimaged guest is a new SSH server)."""
        row = rows.instance_to_row(record, self._seal)
        self._update_instance(_UPDATE_INSTANCE_AND_KEY, record, row)

    def _update_instance(self, statement: Update, record: Instance, row: Mapping[str, Any]) -> None:
        which = {"of_set": record.set_uid, "of_id": record.instance_id}
        done = self._connection.execute(statement, {**row, **which})
        if done.rowcount:
            self.changes.append(partial(_remember, record))

    def drop_instance(self, set_uid: str, instance_id: int) -> None:
        for table in (tables.instances, *_OF_INSTANCES):
            mine = (table.c.set_uid == set_uid) & (table.c.instance_id == instance_id)
            self._connection.execute(delete(table).where(mine))
        self.changes.append(lambda memory: memory.drop(set_uid, instance_id))

    # What instances have for themselves

    def put_own_extension(self, record: OwnExtension) -> None:
        self._put(tables.instance_extensions, rows.own_extension_to_row(record, self._seal))
        self.changes.append(lambda memory: memory.own_extensions.put(record))

    def drop_own_extension(self, set_uid: str, instance_id: int, name: str) -> None:
        self._drop_named(tables.instance_extensions, set_uid, instance_id, name)
        self.changes.append(lambda memory: memory.own_extensions.drop(set_uid, instance_id, name))

    def put_run_command(self, record: RunCommand) -> None:
        self._put(tables.run_commands, rows.run_command_to_row(record, self._seal))
        self.changes.append(lambda memory: memory.run_commands.put(record))

    def drop_run_command(self, set_uid: str, instance_id: int, name: str) -> None:
        self._drop_named(tables.run_commands, set_uid, instance_id, name)
        self.changes.append(lambda memory: memory.run_commands.drop(set_uid, instance_id, name))

    def put_claim(self, record: Claim) -> None:
        """Raises SQLAlchemy's ``IntegrityError`` when somebody has it."""
        self._connection.execute(insert(tables.claims).values(**rows.claim_to_row(record)))

    def drop_claim(self, record: Claim) -> None:
        mine = (tables.claims.c.pool == record.pool) & (tables.claims.c.value == record.value)
        self._connection.execute(delete(tables.claims).where(mine))

    def _drop_named(self, table: Table, set_uid: str, instance_id: int, name: str) -> None:
        mine = (table.c.set_uid == set_uid) & (table.c.instance_id == instance_id)
        self._connection.execute(delete(table).where(mine & (table.c.name_key == name.lower())))

    # The Resource Manager

    def put_group(self, record: ResourceGroup) -> None:
        self._put(tables.resource_groups, rows.group_to_row(record))

    def drop_group(self, key: str) -> None:
        """Forget a group with its deployments. What was in it has to be gone."""
        self._connection.execute(delete(tables.deployments).where(tables.deployments.c.group_key == key))
        self._connection.execute(delete(tables.resource_groups).where(tables.resource_groups.c.key == key))

    def put_resource(self, record: StoredResource) -> None:
        self.has_resources = True
        self._put(tables.resources, rows.resource_to_row(record, self._seal))

    def drop_resource(self, identity: ResourceId) -> None:
        self.has_resources = True
        self._connection.execute(delete(tables.resources).where(tables.resources.c.key == identity.key))

    def put_deployment(self, record: Deployment) -> None:
        self._put(tables.deployments, rows.deployment_to_row(record, self._seal))

    def drop_deployment(self, key: str) -> None:
        self._connection.execute(delete(tables.deployments).where(tables.deployments.c.key == key))

    def put_principal(self, record: Principal) -> None:
        row = {name: getattr(record, name) for name in Principal.__dataclass_fields__}
        self._put(tables.principals, row | {"role": record.role.value})

    def drop_principal(self, client_id: str) -> None:
        self._connection.execute(delete(tables.principals).where(tables.principals.c.client_id == client_id))

    # Operations, events, hosts

    def put_operation(self, record: Operation) -> None:
        self._put(tables.operations, rows.operation_to_row(record))

    def put_rolling_upgrade(self, record: RollingUpgrade) -> None:
        self._put(tables.rolling_upgrades, rows.rolling_upgrade_to_row(record))
        self.changes.append(lambda memory: memory.put_upgrade(record))

    def add_events(self, records: Iterable[Event]) -> None:
        values = [rows.event_to_row(record) for record in records]
        if values:
            self._connection.execute(insert(tables.events), values)

    def put_host(self, record: HostRecord) -> None:
        row = {name: getattr(record, name) for name in HostRecord.__dataclass_fields__}
        row["config"] = dict(record.config)
        self._put(tables.hosts, row)

    def drop_host(self, name: str) -> None:
        self._connection.execute(delete(tables.hosts).where(tables.hosts.c.name == name))

    def purge(self, *, before: float) -> None:
        """Drop events, ended operations and rolling upgrades older than ``before`` (epoch seconds). The latest
        upgrade of each set stays, and a later one ends those before it. Deployments have no age: a group keeps its
        newest ``DEPLOYMENTS_KEPT``, and all that run."""
        ended = tables.operations.c.ended_at
        self._connection.execute(delete(tables.operations).where(ended.is_not(None), ended < before))
        self._connection.execute(delete(tables.events).where(tables.events.c.at < before))
        mine, later = tables.rolling_upgrades, tables.rolling_upgrades.alias("later")
        is_followed = select(later.c.id).where(
            later.c.set_uid == mine.c.set_uid, later.c.started_at > mine.c.started_at
        )
        self._connection.execute(delete(mine).where(mine.c.started_at < before, is_followed.exists()))
        self._drop_old_deployments()

    def _drop_old_deployments(self) -> None:
        table = tables.deployments
        newest_first = table.c.started_at.desc(), table.c.key
        place = func.row_number().over(partition_by=table.c.group_key, order_by=newest_first)
        ranked = select(table.c.key, place.label("place")).subquery()
        too_old = select(ranked.c.key).where(ranked.c.place > DEPLOYMENTS_KEPT)
        self._connection.execute(delete(table).where(table.c.is_ended.is_(True), table.c.key.in_(too_old)))
