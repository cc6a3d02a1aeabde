"""Which frontend port of a NAT pool leads to which instance. Pure.

An instance keeps its port as long as it lives and its model is in the pool; a new one gets the lowest free. Where a
range is used up the newest have none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.model.claim import Key
from orchestrator.model.resource_id import ResourceId

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NatRange:
    """Ports ``first`` to ``last`` for the instances in ``pool``: the id of a backend address pool (NAT rules of the
    second sort) or, for a NAT pool, its own. Ids are in small letters."""

    id: str
    pool: str
    first: int
    last: int

    def holds(self, port: int) -> bool:
        return self.first <= port <= self.last


@dataclass(frozen=True, slots=True)
class Ports:
    """``ports`` by the range's id and the instance. ``short`` says who has none because a range is used up."""

    ports: Mapping[str, Mapping[Key, int]]
    short: tuple[tuple[str, Key], ...] = ()


def nat_ranges(identity: ResourceId, body: Json) -> Iterator[NatRange]:
    """Of one load balancer: its NAT pools, and its NAT rules that are for a pool."""
    for each in body["properties"].get("inboundNatPools") or ():
        own = f"{identity}/inboundNatPools/{each['name']}".lower()
        yield _range(own, own, each["properties"])
    for each in body["properties"].get("inboundNatRules") or ():
        if pool := each["properties"].get("backendAddressPool"):
            own = f"{identity}/inboundNatRules/{each['name']}".lower()
            yield _range(own, pool["id"].lower(), each["properties"])


def _range(own: str, pool: str, properties: Json) -> NatRange:
    return NatRange(own, pool, properties["frontendPortRangeStart"], properties["frontendPortRangeEnd"])


def nat_ports(
    ranges: Sequence[NatRange],
    members: Mapping[str, Sequence[Key]],
    held: Mapping[str, Mapping[Key, int]],
    newcomers: frozenset[Key],
) -> Ports:
    """``members`` are all instances in each pool, ``held`` the ports that they have by the range's id; only those
    among the ``newcomers`` get one that they do not have yet."""
    ports: dict[str, dict[Key, int]] = {}
    short: list[tuple[str, Key]] = []
    for each in ranges:
        inside = members.get(each.pool, ())
        kept = {key: port for key, port in held.get(each.id, {}).items() if key in set(inside) and each.holds(port)}
        free = iter(sorted(set(range(each.first, each.last + 1)) - set(kept.values())))
        for key in sorted(key for key in inside if key not in kept and key in newcomers):
            port = next(free, None)
            if port is None:
                short.append((each.id, key))
            else:
                kept[key] = port
        ports[each.id] = kept
    return Ports(ports, tuple(short))
