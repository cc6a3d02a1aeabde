"""Where a new instance goes: the emptiest zone, then the emptiest fault domain, then the emptiest host that
has room (reference 4.2). Fault-domain skew stays at most 1 while capacity allows.

Three counts of fault domains. *None*: the hosts' own. *One*: spread over as many of the hosts' own as there
are; the number shown is 0 and means nothing. *More*: the hosts' own, folded into so many; and a
promise: while the hosts that answer make fewer, a scale-out waits (``OverconstrainedAllocationRequest``). What is
lost is replaced even then, on the fault domains that are left: fewer instances would be no better spread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from orchestrator.model.instance import Instance, WantedPower
from orchestrator.plan.inputs import HostFacts, Room, SetWish
from orchestrator.plan.zones import emptiest, why_blocked

NO_ROOM = "AllocationFailed"
NO_ZONE = "ZonalAllocationFailed"
NO_SPREAD = "OverconstrainedAllocationRequest"


@dataclass(frozen=True, slots=True)
class Place:
    host: str
    zone: str
    fault_domain: int
    reason: str


@dataclass(frozen=True, slots=True)
class NoPlace:
    """Nothing fits. ``shortage`` names what ran out on which host, ``code`` is Azure's word for it."""

    shortage: str
    code: str = NO_ROOM


@dataclass(slots=True)
class Placer:
    """Places instances one after another, counting each against the room of its host."""

    wish: SetWish
    hosts: Mapping[str, HostFacts]
    disk_reserve_mib: int
    _rooms: dict[str, Room] = field(default_factory=dict)
    _zones: Counter[str] = field(default_factory=Counter)
    _domains: Counter[tuple[str, int]] = field(default_factory=Counter)
    _own_domains: Counter[tuple[str, int]] = field(default_factory=Counter)
    _guests: Counter[str] = field(default_factory=Counter)
    _open: list[HostFacts] = field(default_factory=list)
    _thin: dict[str, str] = field(default_factory=dict)
    _blocked: str | None = None
    _proximity_zone: str | None = None

    def __post_init__(self) -> None:
        self._rooms = {name: host.room for name, host in self.hosts.items() if host.room is not None}
        self._blocked = why_blocked(self.wish, self.hosts.values()) if len(self.wish.zones) > 1 else None
        self._pin(self.wish.proximity_zone)

    def _pin(self, proximity_zone: str | None) -> None:
        self._proximity_zone = proximity_zone
        self._open = [host for host in self.hosts.values() if self.obstacle(host) is None]
        self._thin = self._thin_zones()

    # Counting

    def count(self, rows: Iterable[Instance]) -> None:
        """Count the instances that are placed already."""
        for row in rows:
            self._shift(row, 1)

    def uncount(self, row: Instance) -> None:
        """One that is about to leave makes its fault domain emptier."""
        self._shift(row, -1)

    def release(self, row: Instance) -> None:
        """One that may move away: its room and its place in the counts are free."""
        self._shift(row, -1)
        self._change_room(row, 1)

    def reclaim(self, row: Instance) -> None:
        """It stays after all."""
        self._shift(row, 1)
        self._change_room(row, -1)

    def _change_room(self, row: Instance, by: int) -> None:
        if room := self._rooms.get(row.host or ""):
            vcpus, memory_mib = room.vcpus + by * row.vcpus, room.memory_mib + by * row.memory_mib
            self._rooms[row.host or ""] = Room(vcpus, memory_mib, room.disk_mib, room.guests + by)

    def zone_count(self, zone: str) -> int:
        return self._zones[zone]

    def domain_count(self, host: HostFacts) -> int:
        """How many stand in the host's fault domain; in its own where the set has but one."""
        if self.wish.fault_domain_count == 1:
            return self._own_domains[host.zone, host.fault_domain]
        return self._domains[host.zone, self.fault_domain(host)]

    def zones_of(self, host: HostFacts) -> tuple[str, ...] | None:
        """Where one that stands on the host may go with its disk: it keeps its zone where zones were chosen."""
        return (host.zone,) if host.zone in self.wish.zones else None

    def has_room(self, host: HostFacts) -> bool:
        """Whether one more fits on the host, disk aside: one that asks has its disk there."""
        room = self._rooms.get(host.name)
        is_ample = room is not None and room.guests >= 1 and room.vcpus >= self.wish.vcpus
        return is_ample and room is not None and room.memory_mib >= self.wish.memory_mib

    def _shift(self, row: Instance, by: int) -> None:
        """A deallocated instance counts in its zone only: it stands on no host."""
        host = self.hosts.get(row.host or "")
        if host is None:
            return
        self._zones[host.zone] += by
        if row.wanted_power is not WantedPower.DEALLOCATED:
            self._shift_host(host, by)

    def _shift_host(self, host: HostFacts, by: int) -> None:
        self._domains[host.zone, self.fault_domain(host)] += by
        self._own_domains[host.zone, host.fault_domain] += by
        self._guests[host.name] += by

    def fault_domain(self, host: HostFacts) -> int:
        """The set's fault domain a host stands for: its own, folded into the set's count."""
        count = self.wish.fault_domain_count
        return host.fault_domain % count if count else host.fault_domain

    # Choosing

    def place(
        self, *, without: str | None = None, zones: Collection[str] | None = None, is_replacement: bool = False
    ) -> Place | NoPlace:
        """The best host for one more, and take its room. ``without`` names a host that will not do, ``zones``
        the only ones that will; ``is_replacement`` says that it stands in for one that was there."""
        found = self.peek(without=without, zones=zones, is_replacement=is_replacement)
        if isinstance(found, Place):
            self.take(found)
        return found

    def take(self, place: Place) -> None:
        """The room of a place that was only looked at."""
        host = self.hosts[place.host]
        self._zones[host.zone] += 1
        self._shift_host(host, 1)
        room = self._rooms[host.name]
        self._rooms[host.name] = room.less(self.wish.vcpus, self.wish.memory_mib, self.disk_reserve_mib)
        if self.wish.has_proximity_group and self._proximity_zone is None:
            self._pin(host.zone)

    def peek(
        self, *, without: str | None = None, zones: Collection[str] | None = None, is_replacement: bool = False
    ) -> Place | NoPlace:
        """The best host for one more, its room left as it is."""
        if self._blocked:
            return NoPlace(self._blocked, NO_ZONE)
        allowed = self._zones_allowed(zones)
        thin = {} if is_replacement else self._thin
        fitting = [
            host
            for host in self._open
            if host.name != without
            and (allowed is None or host.zone in allowed)
            and host.zone not in thin
            and self._fits(host)
        ]
        if not fitting:
            return self._nothing_fits(without, allowed, thin)
        host = min(fitting, key=self._rank)
        return Place(host.name, host.zone, self.fault_domain(host), self._reason(host))

    def _zones_allowed(self, zones: Collection[str] | None) -> Collection[str] | None:
        """Strict balance leaves the emptiest zones only."""
        if zones is not None or not self.wish.is_zone_balance_strict or not self.wish.zones:
            return zones
        return emptiest({zone: self._zones[zone] for zone in self.wish.zones})

    def _rank(self, host: HostFacts) -> tuple[int, int, int, int, int, str]:
        zone = host.zone
        return (
            self._zones[zone],
            self._domains[zone, self.fault_domain(host)],
            self._own_domains[zone, host.fault_domain],
            self._guests[host.name],
            -self._rooms[host.name].memory_mib,
            host.name,
        )

    def _fits(self, host: HostFacts) -> bool:
        room = self._rooms[host.name]
        return (
            room.memory_mib >= self.wish.memory_mib
            and room.vcpus >= self.wish.vcpus
            and room.disk_mib >= self.disk_reserve_mib
            and room.guests >= 1
        )

    # Telling

    def obstacle(self, host: HostFacts) -> str | None:
        """Why the set may not stand on this host, room aside; ``None`` when it may."""
        if self.wish.zones and host.zone not in self.wish.zones:
            return f"is in zone {host.zone}, not wanted"
        if self._proximity_zone is not None and host.zone != self._proximity_zone:
            return f"is in zone {host.zone}, and its proximity placement group in {self._proximity_zone}"
        if host.address_space != self.wish.address_space:
            return f"is on network {host.address_space}, not on {self.wish.address_space}"
        if host.host_group != self.wish.host_group:
            wanted = f"not in host group {self.wish.host_group}" if self.wish.host_group else "which is dedicated"
            return f"is in {f'host group {host.host_group}' if host.host_group else 'no host group'}, {wanted}"
        if host.is_draining:
            return "is draining"
        return None if host.is_up else "does not answer"

    def _nothing_fits(
        self, without: str | None, allowed: Collection[str] | None, thin: Mapping[str, str]
    ) -> NoPlace:
        listed = [host for host in self.hosts.values() if host.name != without]
        told = sorted(f"{host.name}: {self._complaint(host, allowed, thin)}" for host in listed)
        shortage = "; ".join(told) or "no host is configured"
        if thin and all(host.zone in thin for host in self._open):
            return NoPlace("; ".join(sorted(set(thin.values()))), NO_SPREAD)
        if self.wish.is_zone_balance_strict and allowed is not None:
            named = " or ".join(sorted(allowed))
            return NoPlace(f"zone balance is strict, and the emptiest zone {named} takes none: {shortage}", NO_ZONE)
        return NoPlace(shortage)

    def _complaint(self, host: HostFacts, allowed: Collection[str] | None, thin: Mapping[str, str]) -> str:
        if why := self.obstacle(host):
            return why
        if allowed is not None and host.zone not in allowed:
            return f"is in zone {host.zone}"
        return thin.get(host.zone) or self._shortage(self._rooms[host.name])

    def _shortage(self, room: Room) -> str:
        if room.memory_mib < self.wish.memory_mib:
            return f"memory: {self.wish.memory_mib} MiB needed, {max(0, room.memory_mib)} MiB left"
        if room.vcpus < self.wish.vcpus:
            return f"vCPU: {self.wish.vcpus} needed, {max(0, room.vcpus)} left"
        if room.disk_mib < self.disk_reserve_mib:
            return f"disk: {self.disk_reserve_mib} MiB needed, {max(0, room.disk_mib)} MiB left"
        return "guests: the host's limit is reached"

    def _thin_zones(self) -> dict[str, str]:
        """Zones whose hosts that answer make fewer fault domains than were asked for, and the words for it.
        Domains are counted within each zone where zones were chosen, else over all."""
        count = self.wish.fault_domain_count
        if count is None or count == 1:
            return {}
        made = {(host.zone, self.fault_domain(host)) for host in self._open}
        words = f"{count} fault domains are wanted, and the hosts that answer make"
        if not self.wish.zones:
            return {zone: f"{words} {len(made)}" for zone, _ in made} if len(made) < count else {}
        there = Counter(zone for zone, _ in made)
        return {zone: f"{words} {found} in zone {zone}" for zone, found in there.items() if found < count}

    def _reason(self, host: HostFacts) -> str:
        return f"host {host.name}: {self.domain_name(host)} of zone {host.zone} has {self.domain_count(host)}"

    def domain_name(self, host: HostFacts) -> str:
        """The host's own where the set has but one."""
        is_own = self.wish.fault_domain_count == 1
        return f"fault domain {host.fault_domain if is_own else self.fault_domain(host)}"
