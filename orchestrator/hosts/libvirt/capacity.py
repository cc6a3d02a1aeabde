"""How much a host has and has promised, within the limits that the configuration sets."""

from __future__ import annotations

from collections.abc import Iterable

import libvirt

from orchestrator.hosts.libvirt.facts import DomainFacts
from orchestrator.hosts.libvirt.links import Call
from orchestrator.model.guest import HostCapacity
from orchestrator.model.host import HostLimits

_GIB = 1024**3
_KIB_PER_MIB = 1024


def measure(call: Call, limits: HostLimits, promised: Iterable[DomainFacts], taken_bytes: int) -> HostCapacity:
    """Ask the host for its memory, CPUs and pool. ``taken_bytes`` is what the pool's volumes take on disk."""
    promised = list(promised)
    pool_bytes, pool_free = _pool(call, limits, taken_bytes)
    return HostCapacity(
        vcpus=_least(int(call.connection.getInfo()[2]), limits.vcpus),
        memory_mib=_least(_memory_mib(call.connection), limits.memory_mib),
        memory_mib_used=sum(facts.memory_mib for facts in promised),
        vcpus_used=sum(facts.vcpus for facts in promised),
        pool_bytes=pool_bytes,
        pool_bytes_free=pool_free,
    )


def _memory_mib(connection: libvirt.virConnect) -> int:
    statistics = connection.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS)
    return int(statistics["total"]) // _KIB_PER_MIB


def _pool(call: Call, limits: HostLimits, taken_bytes: int) -> tuple[int, int]:
    _state, capacity, _allocation, available = call.pool.info()
    if limits.pool_gib is None:
        return int(capacity), int(available)
    allowed = min(limits.pool_gib * _GIB, int(capacity))
    return allowed, max(0, min(int(available), allowed - taken_bytes))


def _least(has: int, limit: int | None) -> int:
    return has if limit is None else min(has, limit)
