"""The loop's side of the API's ``ControlPort``: questions answered from what is known, hosts that come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from orchestrator.control.controller import Controller
from orchestrator.control.host_monitor import HostMonitor
from orchestrator.control.set_loop import SetLoop
from orchestrator.errors import Conflict, NotFound, VmssError
from orchestrator.hosts.doctor import examine
from orchestrator.model.arm.names import InstanceNames
from orchestrator.model.host import HostConfig, HostLimits
from orchestrator.model.instance import Cause
from orchestrator.model.reports import CensusEntry, Check, FrontReport, HostCondition, HostReport
from orchestrator.model.scale_set import HostRecord, ScaleSet
from orchestrator.plan.inputs import Seen
from orchestrator.plan.steps import Plan
from orchestrator.plan.strays import Census, Found, find_all

CONSOLE_MAX_BYTES = 1 << 20


class Desk:
    """Implements ``orchestrator.api.ports.ControlPort`` on a ``Controller``."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._store = controller.store
        self._fleet = controller.fleet
        self._one_host_change = asyncio.Lock()  # a host is taken out and put back in several steps

    def _loop(self, set_uid: str) -> tuple[SetLoop, ScaleSet]:
        record = self._store.scale_set(set_uid)
        if record is None:
            raise NotFound(f"There is no scale set {set_uid}.")
        loop = self._controller.loop(set_uid) or SetLoop(set_uid, self._controller.parts)
        return loop, record

    def seen(self, set_uid: str) -> Mapping[int, Seen]:
        loop, _ = self._loop(set_uid)
        return {row.instance_id: loop.see(row) for row in self._store.instances(set_uid)}

    async def plan(self, set_uid: str) -> Plan:
        loop, record = self._loop(set_uid)
        return loop.plan(record)

    def rehearsed_plan(self, record: ScaleSet) -> Plan:
        parts = self._controller.parts
        loop = SetLoop(record.uid, replace(parts, wishes=parts.wishes.forgetful()))
        return loop.plan(record)

    def newest_image(self, set_uid: str) -> str:
        _, record = self._loop(set_uid)
        return self._controller.newest_image(record)

    async def console(self, set_uid: str, instance_id: int, max_bytes: int) -> bytes:
        row = self._store.instance(set_uid, instance_id)
        if row is None or row.host is None:
            name = InstanceNames.of(self._loop(set_uid)[1]).id(instance_id)
            raise NotFound(f"Instance {name} is on no host.", code="NotFound", target="instanceId")
        host = self._fleet.monitor(row.host).host
        return await host.console(row.owner(self._store.installation), min(max_bytes, CONSOLE_MAX_BYTES))

    async def census(self) -> Sequence[CensusEntry]:
        monitors = list(self._fleet)
        await asyncio.gather(*(monitor.look() for monitor in monitors))
        names = {record.uid: InstanceNames.of(record) for record in self._store.scale_sets()}
        return [self._entry(found, names) for monitor in monitors for found in self._found(monitor)]

    def _found(self, monitor: HostMonitor) -> list[Found]:
        view = monitor.view()
        if view is None or not monitor.is_up:
            return []
        return find_all(view, Census.of(self._store.instances(), self._store.installation, monitor.name))

    @staticmethod
    def _entry(found: Found, names: Mapping[str, InstanceNames]) -> CensusEntry:
        owner = found.owner
        instance = None
        if owner is not None:
            of_set = names.get(owner.set_uid)
            instance = of_set.name(owner.instance_id) if of_set else f"{owner.set_uid}_{owner.instance_id}"
        size = found.size_bytes if found.kind != "domain" else None
        return CensusEntry(found.host, found.kind, found.name, found.standing, instance, size)

    async def doctor(self) -> Sequence[Check]:
        monitors = list(self._fleet)
        results = await asyncio.gather(*(examine(monitor.host) for monitor in monitors))
        return [
            Check(f"host {monitor.name}", each.name, each.is_ok, each.detail, each.mend)
            for monitor, checks in zip(monitors, results, strict=True)
            for each in checks
        ]

    def hosts(self) -> Sequence[HostReport]:
        from_config = {record.name for record in self._store.hosts() if record.is_from_config}
        rows = self._store.instances()
        reports = []
        for monitor in sorted(self._fleet, key=lambda each: each.name):
            count = sum(1 for row in rows if row.host == monitor.name and row.counts)
            reports.append(
                HostReport(
                    monitor.host.config,
                    self._condition(monitor),
                    self._fleet.is_draining(monitor.name),
                    monitor.name in from_config,
                    count,
                    monitor.capacity,
                    monitor.last_seen_at,
                )
            )
        return reports

    def _condition(self, monitor: HostMonitor) -> HostCondition:
        if not monitor.is_up:
            return "unknown" if monitor.last_seen_at is None else "unreachable"
        return "draining" if self._fleet.is_draining(monitor.name) else "up"

    def is_port_taken(self, address: str, port: int) -> bool:
        front = self._controller.front
        return front is not None and front.is_port_taken(address, port)

    async def fronts(self) -> Sequence[FrontReport]:
        front = self._controller.front
        return await front.reports() if front else ()

    # Hosts that come and go

    def _record(self, name: str) -> HostRecord:
        for record in self._store.hosts():
            if record.name == name:
                return record
        raise NotFound(f"There is no host named {name}.", target=name)

    async def put_host(self, config: HostConfig) -> None:
        async with self._one_host_change:
            old = next((record for record in self._store.hosts() if record.name == config.name), None)
            if old and old.is_from_config:
                message = f"Host {config.name} stands in the configuration file: change it there."
                raise Conflict(message, target=config.name)
            is_draining = bool(old and old.is_draining)
            with self._store.write() as tx:
                tx.put_host(HostRecord(config.name, asdict(config), is_draining=is_draining))
            if self._fleet.find(config.name):
                await self._fleet.remove(config.name)
            self._fleet.add(config, is_draining=is_draining)

    async def drain_host(self, name: str, *, is_draining: bool) -> None:
        record = self._record(name)
        with self._store.write() as tx:
            tx.put_host(replace(record, is_draining=is_draining))
        self._fleet.drain(name, is_draining=is_draining)
        self._controller.wake_all()

    async def remove_host(self, name: str, *, is_forced: bool) -> None:
        async with self._one_host_change:
            record = self._record(name)
            if record.is_from_config:
                raise Conflict(f"Host {name} stands in the configuration file: take it out there.", target=name)
            placed = [row for row in self._store.instances() if row.host == name]
            if placed and not is_forced:
                message = f"Host {name} still has {len(placed)} instances: drain it first, or force the removal."
                raise Conflict(message, target=name)
            with self._store.write() as tx:
                for row in placed:
                    tx.put_instance(row.but(is_gone=True, gone_at=self._controller.now(), cause=Cause.HOST_LOST))
                tx.drop_host(name)
            await self._fleet.remove(name)
            self._controller.wake_all()


def host_config_of(record: HostRecord) -> HostConfig:
    """The configuration back from its stored form. Raises ``VmssError`` for one of another version."""
    try:
        values = dict(record.config)
        return HostConfig(**{**values, "limits": HostLimits(**values["limits"])})
    except (KeyError, TypeError) as error:
        raise VmssError(f"The stored host {record.name} cannot be read: {error}") from error
