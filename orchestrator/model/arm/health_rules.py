"""What goes by health and so needs to be told it (reference 4.2, 4.5, 4.7, 4.8). They yield what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchestrator.errors import BadInput, ErrorDetail
from orchestrator.model.arm.policies import PROBE_PATH
from orchestrator.model.arm.upgrade import UpgradeMode

if TYPE_CHECKING:
    from orchestrator.model.arm.scale_set import ScaleSetResource

HEALTH_PROBE = "properties.virtualMachineProfile.networkProfile.healthProbe"
_EXTENSIONS = "properties.virtualMachineProfile.extensionProfile.extensions"
_REPAIRS = "properties.automaticRepairsPolicy.enabled"
_MODE = "properties.upgradePolicy.mode"
_REBALANCE = "properties.resiliencyPolicy.automaticZoneRebalancingPolicy.enabled"


def check_sources(resource: ScaleSetResource) -> Iterator[ErrorDetail]:
    """There is at most one health source."""
    if len(found := _sources(resource)) > 1:
        words = f"{' and '.join(found)} exclude each other: name one health source."
        yield ErrorDetail(BadInput.code, words, next(iter(found.values())))


def check_needs(resource: ScaleSetResource) -> Iterator[ErrorDetail]:
    """Repairs, rolling upgrades and zone rebalancing need a health source; rebalancing needs repairs, too."""
    properties = resource.properties
    is_repairing = properties.automatic_repairs_policy is not None and properties.automatic_repairs_policy.enabled
    is_rebalancing = properties.resiliency_policy.automatic_zone_rebalancing_policy.enabled
    if not _sources(resource):
        source = (
            f"a health source: the ApplicationHealthLinux extension, networkProfile.healthProbe or {PROBE_PATH}"
        )
        is_rolling = properties.upgrade_policy.mode is UpgradeMode.ROLLING
        needing = {_REPAIRS: is_repairing, _MODE: is_rolling, _REBALANCE: is_rebalancing}
        yield from (_needs(path, source) for path, is_on in needing.items() if is_on)
    if is_rebalancing and len(resource.zones) < 2:
        yield _needs(_REBALANCE, "at least two zones")
    if is_rebalancing and not is_repairing:
        yield _needs(_REBALANCE, "automaticRepairsPolicy.enabled: the sick must not stand in its way")


def _needs(path: str, what: str) -> ErrorDetail:
    return ErrorDetail(BadInput.code, f"{path} needs {what}.", path)


def _sources(resource: ScaleSetResource) -> dict[str, str]:
    """What it is called, and where it is."""
    network = resource.profile.network_profile
    found = {}
    if resource.properties.external_health_probe:
        found[PROBE_PATH] = PROBE_PATH
    if network is not None and network.health_probe is not None:
        found[HEALTH_PROBE] = HEALTH_PROBE
    if _has_extension(resource):
        found["the Application Health extension"] = _EXTENSIONS
    return found


def _has_extension(resource: ScaleSetResource) -> bool:
    return any(each.is_application_health for each in resource.profile.extension_profile.extensions)
