"""Availability zones (reference 4.2): when they are balanced, and when a zone that is down stops a placement.

Zones are *balanced* when no two of them differ by more than one instance; failed and deallocated instances count.
Best effort (the default) goes on while one zone is down and waits while two or more are. Strict
(``zoneBalance``) places only in an emptiest zone and takes nothing out that would leave the zones uneven: one rule
for one instance, so a change of capacity goes as far as it can and no further.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from orchestrator.model.instance import Instance
from orchestrator.plan.inputs import HostFacts, SetWish

BALANCED_SPREAD = 1
ZONES_DOWN_TOLERATED = 1


def zone_counts(rows: Iterable[Instance], zones: Iterable[str]) -> dict[str, int]:
    """How many instances stand in each of the zones. Those elsewhere, or nowhere yet, are left out."""
    counts = Counter(row.zone for row in rows)
    return {zone: counts[zone] for zone in zones}


def spread(counts: Mapping[str, int]) -> int:
    """The difference between the fullest and the emptiest zone."""
    return max(counts.values()) - min(counts.values()) if counts else 0


def is_balanced(counts: Mapping[str, int]) -> bool:
    return spread(counts) <= BALANCED_SPREAD


def emptiest(counts: Mapping[str, int]) -> list[str]:
    """The zones that have the fewest, in order of name."""
    return sorted(zone for zone, count in counts.items() if count == min(counts.values()))


def fullest(counts: Mapping[str, int]) -> list[str]:
    """The zones that have the most, in order of name."""
    return sorted(zone for zone, count in counts.items() if count == max(counts.values()))


def zones_down(wish: SetWish, hosts: Iterable[HostFacts]) -> list[str]:
    """The wanted zones in which no host that may serve the set answers. One that drains still answers."""
    up = {host.zone for host in hosts if host.is_up and serves(wish, host)}
    return [zone for zone in wish.zones if zone not in up]


def serves(wish: SetWish, host: HostFacts) -> bool:
    """Whether a host is one of those that the set may ever stand on."""
    return host.address_space == wish.address_space and host.host_group == wish.host_group


def why_blocked(wish: SetWish, hosts: Iterable[HostFacts]) -> str | None:
    """Why nothing is placed at all: too many zones are down to call the rest a spread."""
    down = zones_down(wish, hosts)
    if len(down) <= ZONES_DOWN_TOLERATED:
        return None
    return f"zones {' and '.join(down)} of {len(wish.zones)} are down, and with one at most it would go on"
