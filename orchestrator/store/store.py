"""Durable state: SQLAlchemy on SQLite by default, PostgreSQL by URL.

Note [The store is synchronous]: calls are short and local, and made on the event loop's own thread, so a
transaction never interleaves with another one of this process. docs/decisions/0002 weighs this.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import StaticPool

from orchestrator.errors import NotFound, StoreUnavailable
from orchestrator.model.claim import Claim
from orchestrator.model.deployment import Deployment
from orchestrator.model.instance import Instance
from orchestrator.model.own_extension import OwnExtension
from orchestrator.model.principal import Principal
from orchestrator.model.resource import ResourceGroup, StoredResource, group_key
from orchestrator.model.resource_id import ResourceId
from orchestrator.model.rolling_upgrade import RollingUpgrade
from orchestrator.model.run_command import RunCommand
from orchestrator.model.scale_set import Event, HostRecord, Operation, OperationStatus, ScaleSet
from orchestrator.store import rows, tables
from orchestrator.store.memory import Memory
from orchestrator.store.seal import Seal
from orchestrator.store.transaction import Transaction

CommitHook = Callable[[str], None]
WriteListener = Callable[[bool], None]
"""Called with whether a resource (not only sets and instances) was among what was written."""


def make_engine(url: str) -> Engine:
    """An engine for ``url``; SQLite gets a write-ahead log and full synchronisation: a commit is on the disk."""
    if not url.startswith("sqlite"):
        return create_engine(url)
    in_memory = url in {"sqlite://", "sqlite:///:memory:"}
    options: dict[str, Any] = {"poolclass": StaticPool} if in_memory else {}
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": 10}, **options)

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    return engine


class Store:
    """All reads, and transactions for writes. ``on_commit`` is called with ``before`` and ``after``: the
    crash tests stop the daemon there."""

    def __init__(self, engine: Engine, seal: Seal, on_commit: CommitHook | None = None) -> None:
        self._engine = engine
        self._seal = seal
        self._on_commit = on_commit
        self._installation: str | None = None
        self._open: Connection | None = None
        self._rehearsal: Transaction | None = None
        self._memory: Memory | None = None
        self._listeners: list[WriteListener] = []
        self.resources_version = 0
        """Rises with every commit that wrote a resource: what is derived from them is kept as long as it stays."""

    def listen(self, listener: WriteListener) -> None:
        """Be told after each commit. A listener only wakes somebody: it writes nothing, and does not raise."""
        self._listeners.append(listener)

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """One transaction: all of it is kept, or nothing. Raises ``StoreUnavailable`` when the database does not
        take it."""
        if self._rehearsal is not None:
            yield self._rehearsal
            return
        try:
            with self._transaction() as writing:
                yield writing
        except OperationalError as error:
            message = f"Nothing could be written down: {error.orig}. Nothing of the request was kept."
            raise StoreUnavailable(message) from error
        if self._on_commit:
            self._on_commit("after")

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Whatever is written inside is seen inside, and gone afterwards: a request can be played to its end, to
        tell what it would do. No ``await`` inside: others would see it, too."""
        with self._engine.connect() as connection, connection.begin() as transaction:
            self._open, self._rehearsal = connection, Transaction(connection, self._seal)
            try:
                yield
            finally:
                self._open = self._rehearsal = None
                transaction.rollback()

    @property
    def is_rehearsing(self) -> bool:
        """Whether what is written now will not be kept."""
        return self._rehearsal is not None

    @contextmanager
    def _transaction(self) -> Iterator[Transaction]:
        with self._engine.connect() as connection, connection.begin() as transaction:
            writing = Transaction(connection, self._seal)
            self._open = connection
            try:
                yield writing
                if self._on_commit:
                    self._on_commit("before")
                transaction.commit()
            finally:
                self._open = None
        if self._memory is not None:
            for change in writing.changes:
                change(self._memory)
        self.resources_version += writing.has_resources
        for listener in self._listeners:
            listener(writing.has_resources)

    @contextmanager
    def _read(self) -> Iterator[Any]:
        """Inside a transaction, its own connection: what it wrote is seen."""
        if self._open is not None:
            yield self._open
            return
        with self._engine.connect() as connection:
            yield connection

    def _all(self, query: Any) -> list[Any]:
        with self._read() as connection:
            return list(connection.execute(query).mappings())

    def _first(self, query: Any) -> Any | None:
        with self._read() as connection:
            return connection.execute(query).mappings().first()

    @property
    def installation(self) -> str:
        """8 hex digits that mark everything this state directory makes; given once, at first use."""
        if self._installation is None:
            query = select(tables.settings.c.value).where(tables.settings.c.name == "installation")
            found = self._first(query)
            self._installation = str(found["value"]) if found else self._make_installation()
        return self._installation

    def _make_installation(self) -> str:
        value = secrets.token_hex(4)
        with self.write() as tx:
            tx.put_setting("installation", value)
        return value

    # Scale sets

    def scale_sets(self) -> list[ScaleSet]:
        query = select(tables.scale_sets).order_by(tables.scale_sets.c.created_at, tables.scale_sets.c.name)
        return [rows.row_to_set(row, self._seal) for row in self._all(query)]

    def scale_set(self, uid: str) -> ScaleSet | None:
        if self._open is not None:
            return self._read_scale_set(uid)
        return self._known().set_record(uid, lambda: self._read_scale_set(uid))

    def _read_scale_set(self, uid: str) -> ScaleSet | None:
        row = self._first(select(tables.scale_sets).where(tables.scale_sets.c.uid == uid))
        return rows.row_to_set(row, self._seal) if row else None

    def find_scale_set(self, subscription_id: str, resource_group: str, name: str) -> ScaleSet:
        """The set of that name, whatever the case. Raises ``NotFound``."""
        key = rows.name_key(subscription_id, resource_group, name)
        row = self._first(select(tables.scale_sets).where(tables.scale_sets.c.name_key == key))
        if row is None:
            resource = f"Microsoft.Compute/virtualMachineScaleSets/{name}"
            raise NotFound(f"The resource '{resource}' under resource group '{resource_group}' was not found.")
        return rows.row_to_set(row, self._seal)

    def profile(self, set_uid: str, model_version: int) -> ScaleSet | None:
        """The set as it was when ``model_version`` was its newest: model, secrets and sequences only."""
        table = tables.profiles
        query = select(table).where(table.c.set_uid == set_uid, table.c.model_version == model_version)
        row, current = self._first(query), self.scale_set(set_uid)
        if row is None or current is None:
            return None
        return current.but(
            model=row["model"],
            secrets=self._seal.open_values(row["secrets"]),
            model_version=model_version,
            extension_sequences=row["extension_sequences"],
        )

    # Instances

    def instances(self, set_uid: str | None = None) -> list[Instance]:
        """Rows of one set, or of all, by id. Their private host keys stay sealed: see ``host_key``."""
        memory = self._known()
        return memory.all() if set_uid is None else memory.of_set(set_uid)

    def instance(self, set_uid: str, instance_id: int) -> Instance | None:
        return self._known().one(set_uid, instance_id)

    def _known(self) -> Memory:
        """What is committed. Inside a transaction that is what was true before it."""
        if self._memory is None:
            table = tables.instances
            query = select(table).order_by(table.c.set_uid, table.c.instance_id)
            with self._engine.connect() as connection:
                found = connection.execute(query).mappings().all()
                upgrades = connection.execute(select(tables.rolling_upgrades)).mappings().all()
            self._memory = Memory(
                (rows.row_to_instance(dict(row)) for row in found),
                (rows.row_to_rolling_upgrade(dict(row)) for row in upgrades),
            )
            self._read_what_instances_have(self._memory)
        return self._memory

    def _read_what_instances_have(self, memory: Memory) -> None:
        with self._engine.connect() as connection:
            for row in connection.execute(select(tables.instance_extensions)).mappings():
                memory.own_extensions.put(rows.row_to_own_extension(dict(row), self._seal))
            for row in connection.execute(select(tables.run_commands)).mappings():
                memory.run_commands.put(rows.row_to_run_command(dict(row), self._seal))

    def own_extensions(self, set_uid: str) -> list[OwnExtension]:
        """The extensions that instances of this set have for themselves."""
        return self._known().own_extensions.of_set(set_uid)

    def own_extension(self, set_uid: str, instance_id: int, name: str) -> OwnExtension | None:
        return self._known().own_extensions.one(set_uid, instance_id, name)

    def run_commands(self, set_uid: str | None = None) -> list[RunCommand]:
        """Of one set's instances, or all, those that are deleted but still at work included."""
        shelf = self._known().run_commands
        return list(shelf) if set_uid is None else shelf.of_set(set_uid)

    def run_command(self, set_uid: str, instance_id: int, name: str) -> RunCommand | None:
        return self._known().run_commands.one(set_uid, instance_id, name)

    def host_key(self, set_uid: str, instance_id: int) -> str:
        """The private SSH host key made for this instance, for its seed."""
        table = tables.instances
        query = select(table.c.host_key_private).where(
            table.c.set_uid == set_uid, table.c.instance_id == instance_id
        )
        row = self._first(query)
        if row is None:
            raise NotFound(f"Instance {instance_id} has no row.", code="NotFound")
        return self._seal.open_text(row["host_key_private"])

    def addresses(self) -> set[str]:
        """Every address that a row holds, lost ones too: none is ever given twice at a time."""
        own = select(tables.instances.c.address, tables.instances.c.further_addresses)
        return {
            address for row in self._all(own) for address in (row["address"], *row["further_addresses"].values())
        }

    def claims(self, pool: str | None = None) -> list[Claim]:
        """What instances hold of one pool, or of all."""
        table = tables.claims
        query = select(table).order_by(table.c.pool, table.c.set_uid, table.c.instance_id)
        if pool is not None:
            query = query.where(table.c.pool == pool)
        return [rows.row_to_claim(row) for row in self._all(query)]

    # The Resource Manager

    def groups(self) -> list[ResourceGroup]:
        table = tables.resource_groups
        return [
            rows.row_to_group(row) for row in self._all(select(table).order_by(table.c.created_at, table.c.key))
        ]

    def group(self, subscription_id: str, name: str) -> ResourceGroup | None:
        table = tables.resource_groups
        row = self._first(select(table).where(table.c.key == group_key(subscription_id, name)))
        return rows.row_to_group(row) if row else None

    def resources(
        self, *, subscription_id: str, group: str | None = None, resource_type: str | None = None
    ) -> list[StoredResource]:
        """Stored documents, oldest first, of a group, of a type (``NAMESPACE/TYPE``), or all."""
        table = tables.resources
        query = select(table).order_by(table.c.created_at, table.c.key)
        if group is not None:
            query = query.where(table.c.group_key == group_key(subscription_id, group))
        if resource_type is not None:
            query = query.where(table.c.type_key == resource_type.lower())
        return [rows.row_to_resource(row, self._seal) for row in self._all(query)]

    def resource(self, identity: ResourceId) -> StoredResource | None:
        row = self._first(select(tables.resources).where(tables.resources.c.key == identity.key))
        return rows.row_to_resource(row, self._seal) if row else None

    def deployments(self, *, group_key: str | None = None, is_running: bool = False) -> list[Deployment]:
        """Oldest first; of a group, or those of all groups."""
        table = tables.deployments
        query = select(table).order_by(table.c.started_at, table.c.key)
        if group_key is not None:
            query = query.where(table.c.group_key == group_key)
        if is_running:
            query = query.where(table.c.is_ended.is_(False))
        return [rows.row_to_deployment(row, self._seal) for row in self._all(query)]

    def deployment(self, key: str) -> Deployment | None:
        row = self._first(select(tables.deployments).where(tables.deployments.c.key == key.lower()))
        return rows.row_to_deployment(row, self._seal) if row else None

    def principals(self) -> list[Principal]:
        table = tables.principals
        return [rows.row_to_principal(row) for row in self._all(select(table).order_by(table.c.created_at))]

    def principal(self, client_id: str) -> Principal | None:
        row = self._first(select(tables.principals).where(tables.principals.c.client_id == client_id.lower()))
        return rows.row_to_principal(row) if row else None

    # Operations, events, hosts

    def operations(self, set_uid: str | None = None, *, in_progress: bool = False) -> list[Operation]:
        table = tables.operations
        query = select(table).order_by(table.c.started_at)
        if set_uid is not None:
            query = query.where(table.c.set_uid == set_uid)
        if in_progress:
            query = query.where(table.c.status == OperationStatus.IN_PROGRESS.value)
        return [rows.row_to_operation(row) for row in self._all(query)]

    def latest_rolling_upgrade(self, set_uid: str) -> RollingUpgrade | None:
        """The newest upgrade of a set, running or ended."""
        return self._known().latest_upgrade(set_uid)

    def rolling_upgrades(self, set_uid: str, limit: int = 5) -> list[RollingUpgrade]:
        """The newest upgrades of a set, newest first."""
        table = tables.rolling_upgrades
        query = select(table).where(table.c.set_uid == set_uid).order_by(table.c.started_at.desc()).limit(limit)
        return [rows.row_to_rolling_upgrade(row) for row in self._all(query)]

    def operation(self, operation_id: str) -> Operation | None:
        row = self._first(select(tables.operations).where(tables.operations.c.id == operation_id))
        return rows.row_to_operation(row) if row else None

    def events(self, after: int = 0, *, set_uid: str | None = None, limit: int = 1000) -> list[Event]:
        """Events with ``seq`` above ``after``, oldest first."""
        table = tables.events
        query = select(table).where(table.c.seq > after).order_by(table.c.seq).limit(limit)
        if set_uid is not None:
            query = query.where(table.c.set_uid == set_uid)
        return [rows.row_to_event(row) for row in self._all(query)]

    def hosts(self) -> list[HostRecord]:
        return [rows.row_to_host(row) for row in self._all(select(tables.hosts).order_by(tables.hosts.c.name))]
