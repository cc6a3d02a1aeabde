"""Rules that look at several parts of a scale set at once, and the health source they agree on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Literal

from orchestrator.errors import BadInput, ErrorDetail
from orchestrator.model.arm import health_rules, placement_rules
from orchestrator.model.arm.partial import overlaps
from orchestrator.model.arm.policies import PROBE_PATH
from orchestrator.model.arm.problems import as_detail
from orchestrator.model.custom_script import parse_custom_script
from orchestrator.model.health import ProbeSettings
from orchestrator.model.health_extension import parse_health_extension

if TYPE_CHECKING:
    from orchestrator.model.arm.extensions import Extension
    from orchestrator.model.arm.scale_set import ScaleSetResource

_PROFILE = "properties.virtualMachineProfile"
_EXTENSIONS = f"{_PROFILE}.extensionProfile.extensions"
_MODE = "properties.orchestrationMode"
_SPG = "properties.singlePlacementGroup"
_FAULT_DOMAINS = "properties.platformFaultDomainCount"
_OVERPROVISION = "properties.overprovision"
_PPG = "properties.proximityPlacementGroup"
_REPAIRS = "properties.automaticRepairsPolicy"


def check_together(resource: ScaleSetResource, unknown: Collection[str] = ()) -> list[ErrorDetail]:
    """What is wrong although each part is right in itself. Rules that read an ``unknown`` path are left out."""
    asked = (check for check, reads in _RULES if not overlaps(reads, unknown))
    return [problem for check in asked for problem in check(resource)]


def health_source(resource: ScaleSetResource) -> tuple[ProbeSettings, Literal["inside", "outside"]] | None:
    """What to ask and from where, or ``None`` for a set without a health source of its own: what a load balancer's
    probe asks is not in the model."""
    if probe := resource.properties.external_health_probe:
        return probe.settings(), "outside"
    for index, extension in enumerate(resource.profile.extension_profile.extensions):
        if extension.is_application_health:
            return _health_settings(index, extension), "inside"
    return None


def _check_way_in(resource: ScaleSetResource) -> Iterator[ErrorDetail]:
    """Extensions are run through the way into the guest, and only where they are allowed."""
    if not resource.profile.extension_profile.extensions:
        return
    os_profile = resource.profile.os_profile
    if not os_profile.linux_configuration.provision_vm_agent:
        path = f"{_PROFILE}.osProfile.linuxConfiguration.provisionVMAgent"
        yield ErrorDetail(BadInput.code, f"{path} cannot be false: extensions need a way into the guest.", path)
    if os_profile.allow_extension_operations is False:
        path = f"{_PROFILE}.osProfile.allowExtensionOperations"
        yield ErrorDetail(BadInput.code, f"{path} cannot be false: the model has extensions.", path)


def _check_image_upgrade(resource: ScaleSetResource) -> list[ErrorDetail]:
    """Following newer versions of an image needs an image that is not pinned to one (reference 4.6)."""
    path = "properties.upgradePolicy.automaticOSUpgradePolicy.enableAutomaticOSUpgrade"
    policy = resource.properties.upgrade_policy.automatic_os_upgrade_policy
    if not policy.enable_automatic_os_upgrade or resource.profile.storage_profile.image_reference.is_latest:
        return []
    return [ErrorDetail(BadInput.code, f"{path} needs imageReference.version 'latest'.", path)]


def _check_probe(resource: ScaleSetResource) -> list[ErrorDetail]:
    probe = resource.properties.external_health_probe
    return _problems(probe.settings) if probe else []


def _check_extensions(resource: ScaleSetResource) -> list[ErrorDetail]:
    problems: list[ErrorDetail] = []
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


Check = Callable[["ScaleSetResource"], Iterable[ErrorDetail]]

# Each rule with what it reads: where part of that is unreadable, the rule is not asked.
_RULES: tuple[tuple[Check, tuple[str, ...]], ...] = (
    (placement_rules.check_capacity, ("sku.capacity", _SPG, _MODE, _FAULT_DOMAINS)),
    (placement_rules.check_flexible, (_MODE, _SPG, _OVERPROVISION, "properties.upgradePolicy")),
    (placement_rules.check_fault_domains, (_FAULT_DOMAINS, _MODE, _SPG, "zones")),
    (placement_rules.check_zones, ("zones", "properties.zoneBalance")),
    (placement_rules.check_groups, (_PPG, "properties.hostGroup", _OVERPROVISION, "zones")),
    (placement_rules.check_overprovision, (_OVERPROVISION, placement_rules.SKIP_EXTENSIONS)),
    (health_rules.check_sources, (PROBE_PATH, health_rules.HEALTH_PROBE, _EXTENSIONS)),
    (
        health_rules.check_needs,
        (
            PROBE_PATH,
            health_rules.HEALTH_PROBE,
            _EXTENSIONS,
            "zones",
            _REPAIRS,
            "properties.upgradePolicy",
            "properties.resiliencyPolicy",
        ),
    ),
    (_check_way_in, (f"{_PROFILE}.osProfile", _EXTENSIONS)),
    (_check_image_upgrade, ("properties.upgradePolicy", f"{_PROFILE}.storageProfile")),
    (_check_probe, (PROBE_PATH,)),
    (_check_extensions, (_EXTENSIONS,)),
)
