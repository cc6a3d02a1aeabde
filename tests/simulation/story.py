"""A story: one daemon on simulated hosts and virtual time, told by verbs and faults, checked after every step.

The log that a story leaves reads as prose and is compared with a golden file.
"""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from cryptography.fernet import Fernet

from orchestrator.control.controller import Controller
from orchestrator.control.specs import AddressSpaces, SimulatedSpecMaker
from orchestrator.hosts.simulated import SimulatedGuests, SimulatedHost, SimulatedWorld
from orchestrator.model import wishes
from orchestrator.model.addresses import AddressSpace
from orchestrator.model.arm.names import InstanceNames
from orchestrator.model.arm.scale_set import parse_scale_set
from orchestrator.model.arm.write_only import split_secrets
from orchestrator.model.guest import Power
from orchestrator.model.health import Health
from orchestrator.model.host import HostConfig
from orchestrator.model.instance import Cause, Instance, Stage, WantedPower
from orchestrator.model.scale_set import Operation, OperationKind, ScaleSet
from orchestrator.model.sizes import SizeCatalogue
from orchestrator.plan.inputs import Rules
from orchestrator.store import Seal, Store, make_engine, tables
from tests.simulation.invariants import check_invariants

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILJb2P3VzbS2Y6Hn2Hf0Jw9F0QyJzTq5kHjXh0Yx0v1E"


def body(capacity: int = 3, **properties: Any) -> dict[str, Any]:
    """A scale set's body as a user would send it, with a script and a health check."""
    extensions = [
        {
            "name": "page",
            "properties": {
                "publisher": "Microsoft.Azure.Extensions",
                "type": "CustomScript",
                "typeHandlerVersion": "2.1",
                "settings": {"commandToExecute": "echo page > /var/www/index.html"},
            },
        },
        {
            "name": "health",
            "properties": {
                "publisher": "Microsoft.ManagedServices",
                "type": "ApplicationHealthLinux",
                "typeHandlerVersion": "1.0",
                "settings": {"protocol": "http", "port": 80, "requestPath": "/"},
            },
        },
    ]
    image = {"publisher": "vmss", "offer": "micro", "sku": "1", "version": "latest"}
    return {
        "location": "local",
        "sku": {"name": "Lab_Micro", "capacity": capacity},
        "properties": {
            "orchestrationMode": "Uniform",
            "upgradePolicy": {"mode": "Manual"},
            "virtualMachineProfile": {
                "osProfile": {"adminUsername": "azureuser"},
                "storageProfile": {"imageReference": image, "osDisk": {"createOption": "FromImage"}},
                "extensionProfile": {"extensions": extensions},
            },
            **properties,
        },
    }


VERBS: dict[str, Callable[[Instance, float], Instance]] = {
    "start": wishes.started,
    "stop": partial(wishes.powered_off, is_hard=False),
    "hard_stop": partial(wishes.powered_off, is_hard=True),
    "deallocate": wishes.deallocated,
    "hibernate": wishes.hibernated,
    "restart": wishes.restarted,
    "redeploy": wishes.redeployed,
    "reapply": wishes.reapplied,
}

REPAIRING = {"automaticRepairsPolicy": {"enabled": True, "gracePeriod": "PT30S", "repairAction": "Replace"}}


@dataclass
class Story:
    """The store and the simulated world outlive any daemon; ``controller`` is the one that runs now."""

    host_count: int = 3
    zone_count: int = 1
    rules: Rules = field(default_factory=lambda: Rules(host_lease_s=15.0))
    guest_memory_mib: int = 65_536
    last_address: str = "10.90.15.255"
    told_kinds: set[str] | None = None  # of all events, only these are in the golden log

    def __post_init__(self) -> None:
        self.world = SimulatedWorld()
        engine = make_engine("sqlite://")
        tables.metadata.create_all(engine)
        self.store = Store(engine, Seal(Fernet.generate_key()), self._on_commit)
        self.sizes = SizeCatalogue()
        self.controller: Controller | None = None
        self.commit_hook: Callable[[str], None] | None = None
        self._ids = itertools.count(1)
        self.started_at = 0.0
        self.ids_seen: dict[str, set[int]] = {}
        self.protected_seen: set[tuple[str, int]] = set()
        self.names: dict[str, InstanceNames] = {}

    def _on_commit(self, when: str) -> None:
        if self.commit_hook:
            self.commit_hook(when)

    @property
    def hosts(self) -> list[HostConfig]:
        return [
            HostConfig(
                f"h{n + 1}",
                "simulated:///",
                zone=str(n % self.zone_count + 1),
                fault_domain=n,
                address_space="fabric",
            )
            for n in range(self.host_count)
        ]

    def now(self) -> float:
        return 1_000_000.0 + asyncio.get_running_loop().time()

    async def start(self) -> None:
        """A daemon begins, on whatever the store and the hosts hold."""
        space = AddressSpace("fabric", "10.90.0.0/16", "10.90.1.0", self.last_address)
        installation = self.store.installation
        self.controller = Controller(
            self.store,
            lambda config: SimulatedHost(config, installation, self.world),
            SimulatedGuests(self.world),
            SimulatedSpecMaker(installation, self.sizes),
            self.sizes,
            AddressSpaces([space]),
            self.rules,
            self.now,
        )
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)  # the killed say nothing
        for host in self.hosts:
            self.world.hypervisor(host.name).memory_mib = self.guest_memory_mib
        await self.controller.start([(host, False) for host in self.hosts])

    async def crash(self) -> None:
        """The daemon is killed: its tasks vanish where they stand, nothing is tidied up."""
        if self.controller:
            self.controller.is_stopped = True
        current = asyncio.current_task()
        doomed = [task for task in asyncio.all_tasks() if task is not current]
        for task in doomed:
            task.cancel()
        await asyncio.gather(*doomed, return_exceptions=True)
        for hypervisor in self.world.hypervisors.values():
            hypervisor.listeners.clear()
        self.controller = None

    # Verbs, as the API writes them

    def create(self, name: str = "web", content: dict[str, Any] | None = None) -> str:
        resource = parse_scale_set(content or body(**REPAIRING), name=name)
        public, secrets = split_secrets(resource.to_json())
        uid = f"{next(self._ids):012x}"
        names = [each.name for each in resource.profile.extension_profile.extensions]
        record = ScaleSet(
            uid,
            SUBSCRIPTION,
            "default",
            name,
            "local",
            public,
            secrets,
            created_at=self.now(),
            changed_at=self.now(),
            extension_sequences=dict.fromkeys(names, 1),
        )
        self.names[uid] = InstanceNames.of(record)
        with self.store.write() as tx:
            tx.add_scale_set(record)
            tx.put_operation(self._operation(OperationKind.CREATE_OR_UPDATE, uid, {}))
        self._wake(uid)
        return uid

    def _operation(self, kind: OperationKind, uid: str, instances: dict[int, int]) -> Operation:
        return Operation(str(uuid.UUID(int=next(self._ids))), kind, uid, self.now(), self.now() + 3600, instances)

    def _wake(self, uid: str) -> None:
        if self.controller:
            self.controller.wake(uid)

    def scale(self, uid: str, capacity: int) -> str:
        record = self.record(uid)
        model = {**record.model, "sku": {**record.model["sku"], "capacity": capacity}}
        operation = self._operation(OperationKind.CREATE_OR_UPDATE, uid, {})
        with self.store.write() as tx:
            tx.put_scale_set(record.but(model=model, version=record.version + 1))
            tx.put_operation(operation)
        self._wake(uid)
        return operation.id

    def resume_repairs(self, uid: str) -> None:
        with self.store.write() as tx:
            tx.update_set_fields(uid, is_repair_suspended=False)
            for row in self.rows(uid):
                tx.put_instance(wishes.forgiven(row))
        self._wake(uid)

    def delete_set(self, uid: str) -> None:
        with self.store.write() as tx:
            tx.update_set_fields(uid, is_deleting=True)
        self._wake(uid)

    def verb(self, uid: str, instance_id: int, verb: str) -> None:
        """start, stop, hard_stop, deallocate, hibernate, restart, reimage, redeploy, reapply, delete or protect
        one instance."""
        row = self.store.instance(uid, instance_id)
        if row is None or row.is_gone:
            return
        now = self.now()
        with self.store.write() as tx:
            match verb:
                case "reimage":
                    record = self.record(uid)
                    key = ("new", f"ssh-ed25519 new{next(self._ids)}")
                    fresh = wishes.reimaged(row, now, model_version=record.model_version, host_key=key)
                    tx.put_instance_with_key(fresh)
                case "delete":
                    self._delete(tx, uid, row)
                case "protect":
                    self.protected_seen.add((uid, instance_id))
                    tx.put_instance(row.but(protection=replace(row.protection, from_scale_in=True)))
                case _:
                    tx.put_instance(VERBS[verb](row, now))
        self._wake(uid)

    def _delete(self, tx: Any, uid: str, row: Instance) -> None:
        record = self.record(uid)
        capacity = max(0, record.capacity - row.counts)
        model = {**record.model, "sku": {**record.model["sku"], "capacity": capacity}}
        tx.put_scale_set(record.but(model=model, version=record.version + 1))
        tx.put_instance(wishes.given_up(row, self.now(), cause=Cause.USER))
        self.protected_seen.discard((uid, row.instance_id))

    # What is

    def record(self, uid: str) -> ScaleSet:
        found = self.store.scale_set(uid)
        assert found is not None
        return found

    def rows(self, uid: str) -> list[Instance]:
        return self.store.instances(uid)

    def counted(self, uid: str) -> list[Instance]:
        return [row for row in self.rows(uid) if row.counts]

    def is_settled(self, uid: str) -> bool:
        """As many as wanted, all ready, running and well, nothing on its way out (lost ones aside)."""
        record = self.store.scale_set(uid)
        if record is None:
            return True
        rows = self.rows(uid)
        staying = [row for row in rows if row.counts]
        leaving = [row for row in rows if row.is_gone and not row.is_lost]
        return not leaving and len(staying) == record.capacity and all(self.is_well(row) for row in staying)

    def is_well(self, row: Instance) -> bool:
        guest = self.guest(row)
        power = guest.power if guest else None
        if row.moving_from is not None or row.redeploys_done < row.redeploys_wanted:
            return False
        if row.wanted_power is WantedPower.DEALLOCATED:
            return guest is None
        if row.wanted_power is WantedPower.HIBERNATED:
            return power is Power.SAVED
        if row.wanted_power is WantedPower.STOPPED:
            return power is not Power.RUNNING
        if row.stage is not Stage.READY or power is not Power.RUNNING:
            return False
        track = self.controller.health.track(row.set_uid, row.instance_id) if self.controller else None
        return track is None or track.health is Health.HEALTHY

    def guest(self, row: Instance) -> Any:
        hypervisor = self.world.hypervisors.get(row.host or "")
        owner = row.owner(self.store.installation)
        guest = hypervisor.guests.get(owner.vm_uuid) if hypervisor else None
        return guest if guest and guest.spec.owner == owner else None

    async def until(self, condition: Callable[[], bool], within_s: float = 600.0) -> None:
        """Wait, on virtual time, checking the invariants at every moment something may have changed."""
        deadline = self.now() + within_s
        while not condition():
            check_invariants(self)
            assert self.now() < deadline, f"not within {within_s} s:\n{self.log()}"
            await asyncio.sleep(0.25)
        check_invariants(self)

    async def settled(self, uid: str, within_s: float = 600.0) -> None:
        await self.until(lambda: self.is_settled(uid), within_s)

    def uuid_of(self, uid: str, instance_id: int) -> tuple[str, str]:
        row = self.store.instance(uid, instance_id)
        assert row is not None and row.host is not None
        return row.host, row.owner(self.store.installation).vm_uuid

    def kill(self, uid: str, instance_id: int) -> None:
        self.world.kill_guest(*self.uuid_of(uid, instance_id))

    def log(self, kinds: set[str] | None = None) -> str:
        """Every event as one line of prose, with seconds since the story began."""
        lines = []
        for event in self.store.events(limit=100_000):
            if kinds and event.kind not in kinds:
                continue
            who = event.set_name or "-"
            if event.instance_id is not None and event.set_uid is not None:
                who = self.names[event.set_uid].name(event.instance_id)
            at = event.at - 1_000_000.0
            lines.append(f"{at:8.1f}  {who:8} {event.kind:10} {event.phase.value:6} {event.reason}")
        return "\n".join(lines) + "\n"


Telling = Callable[[Story], Awaitable[None]]
