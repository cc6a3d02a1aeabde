"""All hosts: their monitors, who they are made by, and the facts the plan is given of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from orchestrator.control.host_monitor import Change, HostMonitor
from orchestrator.errors import NotFound
from orchestrator.hosts.port import Host
from orchestrator.model.host import HostConfig
from orchestrator.model.instance import Instance
from orchestrator.plan.inputs import HostFacts, Room
from orchestrator.plan.rooms import room_left
from orchestrator.plan.strays import Census, stray_owners
from orchestrator.store import Store

HostMaker = Callable[[HostConfig], Host]
ACTIONS_PER_HOST = 16  # at once; the adapter's connections bound it further
VCPU_OVERCOMMIT = 8  # guests' vCPUs that share one of a host's, where no limit is stated
DISK_RESERVE_MIB = 64


class Fleet:
    """Hosts by name. One that does not answer blocks no other."""

    def __init__(
        self, store: Store, make_host: HostMaker, now: Callable[[], float], on_change: Callable[[Change], None]
    ) -> None:
        self._store = store
        self._make_host = make_host
        self._now = now
        self._on_change = on_change
        self._monitors: dict[str, HostMonitor] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._limits: dict[str, asyncio.Semaphore] = {}
        self._draining: set[str] = set()

    def __iter__(self) -> Iterator[HostMonitor]:
        return iter(list(self._monitors.values()))

    def add(self, config: HostConfig, *, is_draining: bool = False) -> HostMonitor:
        """Begin to watch a host."""
        monitor = HostMonitor(self._make_host(config), self._now, self._on_change, self._after_look)
        self._monitors[config.name] = monitor
        self._limits[config.name] = asyncio.Semaphore(ACTIONS_PER_HOST)
        self.drain(config.name, is_draining=is_draining)
        self._tasks[config.name] = asyncio.create_task(monitor.run(), name=f"monitor {config.name}")
        return monitor

    async def remove(self, name: str) -> None:
        """Stop watching a host; what runs there runs on."""
        task = self._tasks.pop(name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await self._monitors.pop(name).host.close()

    async def first_look(self, timeout_s: float) -> None:
        """Wait until every host has answered once, or for the timeout: silence is no reason to stand still."""
        waits = [asyncio.ensure_future(monitor.was_seen.wait()) for monitor in self]
        if waits:
            _, late = await asyncio.wait(waits, timeout=timeout_s)
            for wait in late:
                wait.cancel()

    async def close(self) -> None:
        await asyncio.gather(*(self.remove(name) for name in list(self._monitors)))

    def drain(self, name: str, *, is_draining: bool) -> None:
        (self._draining.add if is_draining else self._draining.discard)(name)

    def is_draining(self, name: str) -> bool:
        return name in self._draining

    def monitor(self, name: str) -> HostMonitor:
        """Raises ``NotFound`` for a host that is not configured."""
        found = self._monitors.get(name)
        if found is None:
            raise NotFound(f"There is no host named {name}.", target=name)
        return found

    def limit(self, name: str) -> asyncio.Semaphore:
        return self._limits[name]

    def find(self, name: str | None) -> HostMonitor | None:
        return self._monitors.get(name or "")

    def facts(self) -> dict[str, HostFacts]:
        """What the plan may know of every host."""
        claims: dict[str, list[Instance]] = {}
        for row in self._store.instances():
            if row.host:
                claims.setdefault(row.host, []).append(row)
        return {name: self._facts(monitor, claims.get(name, [])) for name, monitor in self._monitors.items()}

    def _facts(self, monitor: HostMonitor, claims: list[Instance]) -> HostFacts:
        config = monitor.host.config
        return HostFacts(
            config.name,
            config.zone,
            config.fault_domain,
            self._room(monitor, claims),
            config.address_space,
            is_draining=config.name in self._draining,
            silent_since=monitor.silent_since,
            host_group=config.host_group.lower() if config.host_group else None,
        )

    def _room(self, monitor: HostMonitor, claims: list[Instance]) -> Room | None:
        view = monitor.view()
        if view is None:
            return None
        return room_left(
            view,
            monitor.host.config.limits,
            claims,
            self._store.installation,
            monitor.counted,
            vcpu_overcommit=VCPU_OVERCOMMIT,
            disk_reserve_mib=DISK_RESERVE_MIB,
        )

    async def _after_look(self, monitor: HostMonitor) -> None:
        """Remove what carries our tag and no row wants: rows come before guests, so nothing young is taken."""
        view = monitor.view()
        if view is None:
            return
        census = Census.of(self._store.instances(), self._store.installation, monitor.name)
        for owner in stray_owners(view, census):
            self._on_change(Change(monitor.name, "stray", owner))
            await monitor.host.remove(owner)
            monitor.changed(owner, None)
