"""Where a new instance goes: the emptiest zone, then the emptiest fault domain, then the emptiest host that
has room (reference 4.2). Fault-domain skew stays at most 1 while capacity allows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from orchestrator.model.instance import Instance, WantedPower
from orchestrator.plan.inputs import HostFacts, Room, SetWish


@dataclass(frozen=True, slots=True)
class Place:
    host: str
    zone: str
    fault_domain: int
    reason: str


@dataclass(frozen=True, slots=True)
class NoPlace:
    """Nothing fits. ``shortage`` names what ran out on which host."""

    shortage: str


@dataclass(slots=True)
class Placer:
    """Places instances one after another, counting each against the room of its host."""

    wish: SetWish
    hosts: Mapping[str, HostFacts]
    disk_reserve_mib: int
    _rooms: dict[str, Room] = field(default_factory=dict)
    _zones: Counter[str] = field(default_factory=Counter)
    _domains: Counter[tuple[str, int]] = field(default_factory=Counter)
    _guests: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._rooms = {name: host.room for name, host in self.hosts.items() if host.room is not None}

    def count(self, rows: Iterable[Instance]) -> None:
        """Count the instances that are placed already."""
        for row in rows:
            host = self.hosts.get(row.host or "")
            if host and row.wanted_power is not WantedPower.DEALLOCATED:
                self._take(host)

    def uncount(self, row: Instance) -> None:
        """One that is about to leave makes its fault domain emptier."""
        host = self.hosts.get(row.host or "")
        if host:
            self._zones[host.zone] -= 1
            self._domains[host.zone, self.fault_domain(host)] -= 1
            self._guests[host.name] -= 1

    def _take(self, host: HostFacts) -> None:
        self._zones[host.zone] += 1
        self._domains[host.zone, self.fault_domain(host)] += 1
        self._guests[host.name] += 1

    def fault_domain(self, host: HostFacts) -> int:
        """The set's fault domain a host stands for: its own, folded into the set's count."""
        count = self.wish.fault_domain_count
        return host.fault_domain % count if count else host.fault_domain

    def place(self, *, without: str | None = None) -> Place | NoPlace:
        """The best host for one more, and take its room. ``without`` names a host that will not do."""
        found = self.peek(without=without)
        if isinstance(found, Place):
            self._take(self.hosts[found.host])
            room = self._rooms[found.host]
            self._rooms[found.host] = room.less(self.wish.vcpus, self.wish.memory_mib, self.disk_reserve_mib)
        return found

    def peek(self, *, without: str | None = None) -> Place | NoPlace:
        """The best host for one more, its room left as it is."""
        hosts = [host for host in self.hosts.values() if host.name != without]
        fitting = [host for host in hosts if not self._obstacle(host)]
        if not fitting:
            obstacles = [f"{host.name}: {self._obstacle(host)}" for host in hosts]
            return NoPlace("; ".join(sorted(obstacles)) or "no host is configured")
        host = min(fitting, key=self._rank)
        reason = self._reason(host)
        return Place(host.name, host.zone, self.fault_domain(host), reason)

    def _rank(self, host: HostFacts) -> tuple[int, int, int, int, str]:
        domain = self._domains[host.zone, self.fault_domain(host)]
        free = self._rooms[host.name].memory_mib
        return (self._zones[host.zone], domain, self._guests[host.name], -free, host.name)

    def _obstacle(self, host: HostFacts) -> str | None:
        """Why not this host; ``None`` when it would do."""
        if self.wish.zones and host.zone not in self.wish.zones:
            return f"is in zone {host.zone}, not wanted"
        if host.address_space != self.wish.address_space:
            return f"is on network {host.address_space}, not on {self.wish.address_space}"
        if host.is_draining:
            return "is draining"
        room = self._rooms.get(host.name)
        if not host.is_up or room is None:
            return "does not answer"
        return self._shortage(room)

    def _shortage(self, room: Room) -> str | None:
        if room.memory_mib < self.wish.memory_mib:
            return f"memory: {self.wish.memory_mib} MiB needed, {max(0, room.memory_mib)} MiB left"
        if room.vcpus < self.wish.vcpus:
            return f"vCPU: {self.wish.vcpus} needed, {max(0, room.vcpus)} left"
        if room.disk_mib < self.disk_reserve_mib:
            return f"disk: {self.disk_reserve_mib} MiB needed, {max(0, room.disk_mib)} MiB left"
        if room.guests < 1:
            return "guests: the host's limit is reached"
        return None

    def _reason(self, host: HostFacts) -> str:
        domain = self.fault_domain(host)
        here = self._domains[host.zone, domain]
        return f"host {host.name}: fault domain {domain} of zone {host.zone} has {here}"
