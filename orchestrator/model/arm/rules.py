"""Rules that look at several parts of a scale set at once, and the health source they agree on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from orchestrator.errors import BadInput, ErrorDetail
from orchestrator.model.arm import placement_rules
from orchestrator.model.arm.policies import PROBE_PATH
from orchestrator.model.arm.problems import as_detail
from orchestrator.model.arm.upgrade import UpgradeMode
from orchestrator.model.custom_script import parse_custom_script
from orchestrator.model.health import ProbeSettings
from orchestrator.model.health_extension import parse_health_extension

if TYPE_CHECKING:
    from orchestrator.model.arm.extensions import Extension
    from orchestrator.model.arm.scale_set import ScaleSetResource

_EXTENSIONS = "properties.virtualMachineProfile.extensionProfile.extensions"


def check_together(resource: ScaleSetResource) -> list[ErrorDetail]:
    """What is wrong although each part is right in itself."""
    checks = (
        placement_rules.check_capacity,
        placement_rules.check_flexible,
        placement_rules.check_fault_domains,
        placement_rules.check_zones,
        placement_rules.check_groups,
        placement_rules.check_overprovision,
        _check_agent,
        _check_health_sources,
        _check_needs_of_health,
        _check_image_upgrade,
        _check_settings,
    )
    return [problem for check in checks for problem in check(resource)]


def health_source(resource: ScaleSetResource) -> tuple[ProbeSettings, Literal["inside", "outside"]] | None:
    """What to ask and from where, or ``None`` for a set without a health source."""
    if probe := resource.properties.external_health_probe:
        return probe.settings(), "outside"
    for index, extension in enumerate(resource.profile.extension_profile.extensions):
        if extension.is_application_health:
            return _health_settings(index, extension), "inside"
    return None


def _check_agent(resource: ScaleSetResource) -> list[ErrorDetail]:
    linux = resource.profile.os_profile.linux_configuration
    if linux.provision_vm_agent or not resource.profile.extension_profile.extensions:
        return []
    target = "properties.virtualMachineProfile.osProfile.linuxConfiguration.provisionVMAgent"
    return [ErrorDetail(BadInput.code, f"{target} cannot be false: extensions need a way into the guest.", target)]


def _check_health_sources(resource: ScaleSetResource) -> list[ErrorDetail]:
    if resource.properties.external_health_probe and _has_health_extension(resource):
        words = f"{PROBE_PATH} and the Application Health extension exclude each other: name one health source."
        return [ErrorDetail(BadInput.code, words, PROBE_PATH)]
    return []


def _has_health_extension(resource: ScaleSetResource) -> bool:
    return any(each.is_application_health for each in resource.profile.extension_profile.extensions)


def _check_needs_of_health(resource: ScaleSetResource) -> list[ErrorDetail]:
    """Repairs, rolling upgrades and zone rebalancing go by health (reference 4.2, 4.5, 4.7)."""
    properties = resource.properties
    repairs = properties.automatic_repairs_policy
    is_repairing = repairs is not None and repairs.enabled
    rebalancing = properties.resiliency_policy.automatic_zone_rebalancing_policy
    rebalance_path = "properties.resiliencyPolicy.automaticZoneRebalancingPolicy.enabled"
    problems = []
    if not (properties.external_health_probe or _has_health_extension(resource)):
        source = f"the ApplicationHealthLinux extension or {PROBE_PATH}"
        needing = {
            "properties.automaticRepairsPolicy.enabled": is_repairing,
            "properties.upgradePolicy.mode": properties.upgrade_policy.mode is UpgradeMode.ROLLING,
            rebalance_path: rebalancing.enabled,
        }
        problems += [(path, f"{path} needs a health source: {source}.") for path, is_on in needing.items() if is_on]
    if rebalancing.enabled and len(resource.zones) < 2:
        problems.append((rebalance_path, f"{rebalance_path} needs at least two zones."))
    if rebalancing.enabled and not is_repairing:
        words = f"{rebalance_path} needs automaticRepairsPolicy.enabled: the sick must not stand in its way."
        problems.append((rebalance_path, words))
    return [ErrorDetail(BadInput.code, words, path) for path, words in problems]


def _check_image_upgrade(resource: ScaleSetResource) -> list[ErrorDetail]:
    """Following newer versions of an image needs an image that is not pinned to one (reference 4.6)."""
    path = "properties.upgradePolicy.automaticOSUpgradePolicy.enableAutomaticOSUpgrade"
    policy = resource.properties.upgrade_policy.automatic_os_upgrade_policy
    if not policy.enable_automatic_os_upgrade or resource.profile.storage_profile.image_reference.is_latest:
        return []
    return [ErrorDetail(BadInput.code, f"{path} needs imageReference.version 'latest'.", path)]


def _check_settings(resource: ScaleSetResource) -> list[ErrorDetail]:
    problems: list[ErrorDetail] = []
    if probe := resource.properties.external_health_probe:
        problems += _problems(probe.settings)
    for index, extension in enumerate(resource.profile.extension_profile.extensions):
        check = _health_settings if extension.is_application_health else _script_settings
        problems += _problems(lambda i=index, e=extension, c=check: c(i, e))  # type: ignore[misc]
    return problems


def _health_settings(index: int, extension: Extension) -> ProbeSettings:
    given = extension.properties
    target = f"{_EXTENSIONS}[{index}].properties"
    return parse_health_extension(given.settings, given.protected_settings, given.type_handler_version, target)


def _script_settings(index: int, extension: Extension) -> object:
    given = extension.properties
    target = f"{_EXTENSIONS}[{index}].properties"
    return parse_custom_script(given.settings, given.protected_settings, given.type_handler_version, target)


def _problems(check: Callable[[], object]) -> list[ErrorDetail]:
    try:
        check()
    except BadInput as error:
        return list(error.details) or [as_detail(error)]
    return []
