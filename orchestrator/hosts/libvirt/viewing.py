"""One whole look at a host in a few bulk calls."""

from __future__ import annotations

import time
from typing import Any

import libvirt

from orchestrator.hosts.libvirt import volumes
from orchestrator.hosts.libvirt.capacity import measure
from orchestrator.hosts.libvirt.errors import ABSENT_DOMAIN, ABSENT_VOLUME, is_code
from orchestrator.hosts.libvirt.facts import DomainFacts, FactsCache
from orchestrator.hosts.libvirt.links import Call
from orchestrator.model.guest import HostView, Owner, Power, SeenGuest, SeenVolume
from orchestrator.model.host import HostLimits

# A refresh makes the host open every volume; what it finds anew (rotated logs, foreign files, true free
# space) is not urgent.
POOL_REFRESH_EVERY_S = 10.0
# Known volumes whose size is asked again in one look, oldest answer first: one round trip each.
SIZES_PER_LOOK = 50

_POWERS = {
    libvirt.VIR_DOMAIN_PAUSED: Power.PAUSED,
    libvirt.VIR_DOMAIN_PMSUSPENDED: Power.PAUSED,
    libvirt.VIR_DOMAIN_SHUTOFF: Power.SHUT_OFF,
    libvirt.VIR_DOMAIN_CRASHED: Power.CRASHED,
}
_CRASHED_REASONS = frozenset({libvirt.VIR_DOMAIN_SHUTOFF_CRASHED, libvirt.VIR_DOMAIN_SHUTOFF_FAILED})
_OFF = frozenset({Power.SHUT_OFF, Power.CRASHED})
_SAVED_FLAGS = libvirt.VIR_CONNECT_LIST_DOMAINS_INACTIVE | libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE


class Viewer:
    """Keeps what makes the next look cheap: domains' definitions, volumes' sizes, when the pool was refreshed."""

    def __init__(self, limits: HostLimits, facts: FactsCache) -> None:
        self._limits = limits
        self._facts = facts
        self._sizes: dict[str, int] = {}  # oldest answer first
        self._refreshed_s = float("-inf")

    def look(self, call: Call) -> HostView:
        guests, promised = self._guests(call)
        self._refresh_pool(call)
        seen = self._volumes(call)
        capacity = measure(call, self._limits, promised, sum(volume.size_bytes for volume in seen))
        return HostView(tuple(guests), seen, capacity)

    def _guests(self, call: Call) -> tuple[list[SeenGuest], list[DomainFacts]]:
        guests: list[SeenGuest] = []
        promised: list[DomainFacts] = []
        states = call.connection.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE, 0)
        # Asked second: one that is being saved between the two is then still shown running, not simply off.
        saved = _saved(call) if any(power_of(state) in _OFF for _, state in states) else frozenset()
        for domain, state in states:
            facts = self._facts_of(domain)
            if facts is None:
                continue
            power = power_of(state, is_saved=domain.UUIDString() in saved)
            guests.append(SeenGuest(facts.name, domain.UUIDString(), facts.owner, power))
            if power in (Power.RUNNING, Power.PAUSED):
                promised.append(facts)
        return guests, promised

    def _facts_of(self, domain: libvirt.virDomain) -> DomainFacts | None:
        try:
            return self._facts.of(domain)
        except libvirt.libvirtError as error:
            if is_code(error, ABSENT_DOMAIN):
                return None  # gone since the list was made
            raise

    def _refresh_pool(self, call: Call) -> None:
        now_s = time.monotonic()
        if now_s - self._refreshed_s >= POOL_REFRESH_EVERY_S and volumes.refresh(call):
            self._refreshed_s = now_s

    def _volumes(self, call: Call) -> tuple[SeenVolume, ...]:
        found = {volume.name(): volume for volume in call.pool.listAllVolumes(0)}
        sizes = {name: size for name, size in self._sizes.items() if name in found}
        again = list(sizes)[:SIZES_PER_LOOK]
        for name in [name for name in found if name not in sizes] + again:
            call.check()
            sizes.pop(name, None)
            size = _allocated_bytes(found[name])
            if size is not None:
                sizes[name] = size
        self._sizes = sizes
        return tuple(SeenVolume(name, Owner.of_volume(name), size) for name, size in sorted(sizes.items()))


def _allocated_bytes(volume: libvirt.virStorageVol) -> int | None:
    try:
        return int(volume.info()[2])
    except libvirt.libvirtError as error:
        if is_code(error, ABSENT_VOLUME):
            return None
        raise


def _saved(call: Call) -> frozenset[str]:
    """The UUIDs of all guests that are off with their memory saved: one round trip."""
    return frozenset(domain.UUIDString() for domain in call.connection.listAllDomains(_SAVED_FLAGS))


def power_of(state: dict[str, Any], *, is_saved: bool = False) -> Power:
    """A domain's power from its ``state.*`` statistics and whether it has saved memory."""
    power = _POWERS.get(state.get("state.state"), Power.RUNNING)
    if power is not Power.SHUT_OFF:
        return power
    reason = state.get("state.reason")
    # One that could not be resumed (its start failed) still has its memory; one that crashed ran on after it.
    if is_saved and reason != libvirt.VIR_DOMAIN_SHUTOFF_CRASHED:
        return Power.SAVED
    return Power.CRASHED if reason in _CRASHED_REASONS else Power.SHUT_OFF
