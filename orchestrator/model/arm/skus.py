"""What sizes there are, as lists of Resource Manager items (reference 3.1). Pure.

``GET SET/skus`` says to which sizes a set can change and how many instances it may then have; ``GET
Microsoft.Compute/skus`` says what each is and in which zones it is."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from orchestrator.model.arm.placement_rules import PLACEMENT_GROUP_MAX
from orchestrator.model.arm.scale_set import CAPACITY_MAX
from orchestrator.model.sizes import Size

Item = dict[str, Any]
_SCALE_SET = "Microsoft.Compute/virtualMachineScaleSets"
_TIER = "Standard"


def scale_set_sku(size: Size, *, is_single_placement_group: bool = False) -> Item:
    """A size that a set can change to."""
    most = PLACEMENT_GROUP_MAX if is_single_placement_group else CAPACITY_MAX
    capacity = {"minimum": 0, "maximum": most, "defaultCapacity": 1, "scaleType": "Automatic"}
    return {"resourceType": _SCALE_SET, "sku": {"name": size.name, "tier": _TIER}, "capacity": capacity}


def region_sku(size: Size, location: str, zones: Collection[str]) -> Item:
    """A size of a location: its family, its figures as texts, and the zones in which hosts stand."""
    figures = {"vCPUs": str(size.vcpus), "MemoryGB": _gib(size.memory_mib)}
    return {
        "resourceType": "virtualMachines",
        "name": size.name,
        "tier": _TIER,
        "size": size.name.partition("_")[2] or size.name,
        "family": size.family,
        "locations": [location],
        "locationInfo": [{"location": location, "zones": sorted(zones), "zoneDetails": []}],
        "capabilities": [{"name": name, "value": value} for name, value in figures.items()],
        "restrictions": [],
    }


def region_skus(sizes: Iterable[Size], location: str, zones: Collection[str]) -> list[Item]:
    """All of a location."""
    return [region_sku(size, location, zones) for size in sizes]


def _gib(mib: int) -> str:
    """``0.5``, ``8``: as Azure writes memory."""
    return f"{mib / 1024:.4f}".rstrip("0").rstrip(".")
