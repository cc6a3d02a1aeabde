"""Counters of all running guests from libvirt's bulk statistics (virConnectGetAllDomainStats)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libvirt

from orchestrator.hosts.libvirt.errors import ABSENT_DOMAIN, is_code
from orchestrator.hosts.libvirt.facts import FactsCache
from orchestrator.hosts.libvirt.links import Call
from orchestrator.model.guest import GuestStats

# Memory and disks are asked of QEMU itself. NOWAIT leaves out guests that are busy with another question,
# among them a frozen one that already keeps such a question waiting.
_GROUPS = (
    libvirt.VIR_DOMAIN_STATS_CPU_TOTAL
    | libvirt.VIR_DOMAIN_STATS_BALLOON
    | libvirt.VIR_DOMAIN_STATS_INTERFACE
    | libvirt.VIR_DOMAIN_STATS_BLOCK
)
_FLAGS = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_RUNNING | libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
_ANSWERED = ("cpu.time", "balloon.rss", "block.count", "net.count")
_NANOSECONDS_PER_S = 1e9
_KIB_PER_MIB = 1024


def read(call: Call, facts: FactsCache, installation: str) -> list[GuestStats]:
    """One entry per running guest of this installation that answered; a guest that did not is left out:
    its counters are unknown, not zero."""
    found = []
    for domain, counters in call.connection.getAllDomainStats(_GROUPS, _FLAGS):
        if _is_of(domain, facts, installation) and all(key in counters for key in _ANSWERED):
            found.append(_guest_stats(domain.UUIDString(), counters))
    return found


def _is_of(domain: libvirt.virDomain, facts: FactsCache, installation: str) -> bool:
    try:
        owner = facts.of(domain).owner
    except libvirt.libvirtError as error:
        if is_code(error, ABSENT_DOMAIN):
            return False
        raise
    return owner is not None and owner.installation == installation


def _guest_stats(uuid: str, counters: dict[str, Any]) -> GuestStats:
    return GuestStats(
        uuid=uuid,
        cpu_time_s=counters["cpu.time"] / _NANOSECONDS_PER_S,
        memory_rss_mib=counters["balloon.rss"] / _KIB_PER_MIB,
        disk_read_bytes=sum(_each(counters, "block", "rd.bytes")),
        disk_write_bytes=sum(_each(counters, "block", "wr.bytes")),
        net_rx_bytes=sum(_each(counters, "net", "rx.bytes")),
        net_tx_bytes=sum(_each(counters, "net", "tx.bytes")),
    )


def _each(counters: dict[str, Any], group: str, name: str) -> Iterator[int]:
    for number in range(int(counters[f"{group}.count"])):
        yield int(counters.get(f"{group}.{number}.{name}", 0))
