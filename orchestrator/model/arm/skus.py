"""What sizes there are, as lists of Resource Manager items (reference 3.1). Pure.

``GET SET/skus`` says to which sizes a set can change and how many instances it may then have; ``GET
Microsoft.Compute/skus`` says what each is, in which zones it is, and where no host is big enough for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from orchestrator.model.arm.placement_rules import PLACEMENT_GROUP_MAX
from orchestrator.model.arm.scale_set import CAPACITY_MAX
from orchestrator.model.guest import HostCapacity
from orchestrator.model.sizes import Size

Item = dict[str, Any]
Hosts = Mapping[str, Sequence[HostCapacity | None]]
"""By zone, what each of its hosts has; ``None`` for one that has not answered yet."""
_SCALE_SET = "Microsoft.Compute/virtualMachineScaleSets"
_TIER = "Standard"
_NOT_HERE = "NotAvailableForSubscription"
# The same of every size, because a guest has one disk, one card, and firmware that measures nothing.
_OF_ALL = {
    "MaxDataDiskCount": "0",
    "MaxNetworkInterfaces": "1",
    "MaxResourceVolumeMB": "0",
    "PremiumIO": "False",
    "AcceleratedNetworkingEnabled": "False",
    "EphemeralOSDiskSupported": "False",
    "EncryptionAtHostSupported": "False",
    "LowPriorityCapable": "False",
    "TrustedLaunchDisabled": "True",
    "HibernationSupported": "True",
    "HyperVGenerations": "V1,V2",
}


def scale_set_sku(size: Size, *, is_single_placement_group: bool = False) -> Item:
    """A size that a set can change to."""
    most = PLACEMENT_GROUP_MAX if is_single_placement_group else CAPACITY_MAX
    capacity = {"minimum": 0, "maximum": most, "defaultCapacity": 1, "scaleType": "Automatic"}
    return {"resourceType": _SCALE_SET, "sku": {"name": size.name, "tier": _TIER}, "capacity": capacity}


def region_sku(size: Size, location: str, hosts: Hosts) -> Item:
    """A size of a location: its family, its figures as texts, the zones in which hosts stand, what hinders it."""
    figures = {"vCPUs": str(size.vcpus), "MemoryGB": _gib(size.memory_mib), **_OF_ALL}
    return {
        "resourceType": "virtualMachines",
        "name": size.name,
        "tier": _TIER,
        "size": size.name.partition("_")[2] or size.name,
        "family": size.family,
        "locations": [location],
        "locationInfo": [{"location": location, "zones": sorted(hosts), "zoneDetails": []}],
        "capabilities": [{"name": name, "value": value} for name, value in figures.items()],
        "restrictions": _restrictions(size, location, hosts),
    }


def region_skus(sizes: Iterable[Size], location: str, hosts: Hosts) -> list[Item]:
    """All of a location."""
    return [region_sku(size, location, hosts) for size in sizes]


def _restrictions(size: Size, location: str, hosts: Hosts) -> list[Item]:
    """Where no host could take one even if nothing else were on it. Who has not answered may be big enough."""
    small = sorted(zone for zone, there in hosts.items() if there and not any(_holds(each, size) for each in there))
    if not small:
        return []
    if len(small) == len(hosts):
        return [_restriction("Location", location, {"locations": [location]})]
    return [_restriction("Zone", location, {"locations": [location], "zones": small})]


def _holds(host: HostCapacity | None, size: Size) -> bool:
    return host is None or (host.vcpus >= size.vcpus and host.memory_mib >= size.memory_mib)


def _restriction(kind: str, location: str, where: Item) -> Item:
    return {"type": kind, "values": [location], "restrictionInfo": where, "reasonCode": _NOT_HERE}


def _gib(mib: int) -> str:
    """``0.5``, ``8``: as Azure writes memory."""
    return f"{mib / 1024:.4f}".rstrip("0").rstrip(".")
