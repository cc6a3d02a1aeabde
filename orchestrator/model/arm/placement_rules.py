"""Where instances may stand: what has to fit together (reference 1.2, 4.1, 4.2). Each yields what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchestrator.errors import BadInput, ErrorDetail

if TYPE_CHECKING:
    from orchestrator.model.arm.scale_set import ScaleSetResource

PLACEMENT_GROUP_MAX = 100
FLEXIBLE_NAME_MAX = 53
FLEXIBLE_FAULT_DOMAINS_MAX = 3
FLEXIBLE_SPREAD_MAX = 200
ZONAL_FAULT_DOMAINS = (1, 5)

_SPG = "properties.singlePlacementGroup"
_FAULT_DOMAINS = "properties.platformFaultDomainCount"
_OVERPROVISION = "properties.overprovision"
SKIP_EXTENSIONS = "properties.doNotRunExtensionsOnOverprovisionedVMs"
_ZONE_BALANCE = "properties.zoneBalance"
_PPG = "properties.proximityPlacementGroup"
_HOST_GROUP = "properties.hostGroup"


def _wrong(path: str, words: str) -> ErrorDetail:
    return ErrorDetail(BadInput.code, f"{path} {words}.", path)


def check_capacity(resource: ScaleSetResource) -> Iterator[ErrorDetail]:
    """A placement group holds 100; a Flexible set that is spread over fault domains 200."""
    properties, capacity = resource.properties, resource.sku.capacity
    if properties.single_placement_group and capacity > PLACEMENT_GROUP_MAX:
        yield _wrong(
            "sku.capacity", f"is above {PLACEMENT_GROUP_MAX}, which is all that singlePlacementGroup allows"
        )
    is_spread = (properties.platform_fault_domain_count or 1) > 1
    if properties.is_flexible and is_spread and capacity > FLEXIBLE_SPREAD_MAX:
        words = f"is above {FLEXIBLE_SPREAD_MAX}, which is all that a Flexible set with several fault domains has"
        yield _wrong("sku.capacity", words)


def check_flexible(resource: ScaleSetResource) -> Iterator[ErrorDetail]:
    """What Flexible orchestration does not have."""
    properties = resource.properties
    if not properties.is_flexible:
        return
    if len(resource.name) > FLEXIBLE_NAME_MAX:
        words = f"has more than {FLEXIBLE_NAME_MAX} characters, and a Flexible set's instances are named after it"
        yield _wrong("name", words)
    if properties.single_placement_group:
        yield _wrong(_SPG, "cannot be true for a Flexible set: it has no placement groups")
    if properties.overprovision:
        yield _wrong(_OVERPROVISION, "cannot be true for a Flexible set")
    if properties.upgrade_policy.rolling_upgrade_policy.rollback_failed_instances_on_policy_breach:
        path = "properties.upgradePolicy.rollingUpgradePolicy.rollbackFailedInstancesOnPolicyBreach"
        yield _wrong(path, "is for Uniform sets only")


def check_fault_domains(resource: ScaleSetResource) -> Iterator[ErrorDetail]:
    """How many may be asked for, by orchestration mode and with or without zones."""
    properties = resource.properties
    count = properties.platform_fault_domain_count
    if count is None:
        return
    if properties.is_flexible:
        if resource.zones and count != 1:
            yield _wrong(_FAULT_DOMAINS, f"must be 1 for a Flexible set in zones, not {count}")
        elif count > FLEXIBLE_FAULT_DOMAINS_MAX:
            words = f"must be 1 to {FLEXIBLE_FAULT_DOMAINS_MAX} for a Flexible set, not {count}"
            yield _wrong(_FAULT_DOMAINS, words)
    elif resource.zones and count not in ZONAL_FAULT_DOMAINS:
        yield _wrong(_FAULT_DOMAINS, f"must be 1 or 5 for a set in zones, not {count}")
    if count == 1 and properties.single_placement_group:
        yield _wrong(_SPG, "cannot be true with platformFaultDomainCount 1, which spreads without bounds")


def check_zones(resource: ScaleSetResource) -> Iterator[ErrorDetail]:
    """What only makes sense in several zones."""
    if resource.properties.zone_balance and len(resource.zones) < 2:
        yield _wrong(_ZONE_BALANCE, "needs at least two zones")


def check_groups(resource: ScaleSetResource) -> Iterator[ErrorDetail]:
    """A proximity placement group lies in one zone; dedicated hosts exclude it and overprovisioning."""
    properties = resource.properties
    if properties.proximity_placement_group and len(resource.zones) > 1:
        yield _wrong(_PPG, f"lies in one zone, and the set names {len(resource.zones)}")
    if properties.host_group is None:
        return
    if properties.proximity_placement_group:
        yield _wrong(_PPG, "and hostGroup exclude each other")
    if properties.overprovision:
        yield _wrong(_OVERPROVISION, "cannot be true with a hostGroup")


def check_overprovision(resource: ScaleSetResource) -> Iterator[ErrorDetail]:
    """A rule about extra instances without extra instances is a mistake."""
    properties = resource.properties
    if properties.do_not_run_extensions_on_overprovisioned_vms and not properties.overprovision:
        yield _wrong(SKIP_EXTENSIONS, "needs overprovision: there are no extra instances")
