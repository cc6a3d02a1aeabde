"""Rules that look at several parts of a scale set at once, and the health source they agree on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from orchestrator.errors import BadInput, ErrorDetail
from orchestrator.model.arm.policies import PROBE_PATH
from orchestrator.model.arm.problems import as_detail
from orchestrator.model.custom_script import parse_custom_script
from orchestrator.model.health import ProbeSettings
from orchestrator.model.health_extension import parse_health_extension

if TYPE_CHECKING:
    from orchestrator.model.arm.extensions import Extension
    from orchestrator.model.arm.scale_set import ScaleSetResource

PLACEMENT_GROUP_MAX = 100
_EXTENSIONS = "properties.virtualMachineProfile.extensionProfile.extensions"


def check_together(resource: ScaleSetResource) -> list[ErrorDetail]:
    """What is wrong although each part is right in itself."""
    checks = (_check_capacity, _check_agent, _check_health_sources, _check_settings)
    return [problem for check in checks for problem in check(resource)]


def health_source(resource: ScaleSetResource) -> tuple[ProbeSettings, Literal["inside", "outside"]] | None:
    """What to ask and from where, or ``None`` for a set without a health source."""
    if probe := resource.properties.external_health_probe:
        return probe.settings(), "outside"
    for index, extension in enumerate(resource.profile.extension_profile.extensions):
        if extension.is_application_health:
            return _health_settings(index, extension), "inside"
    return None


def _check_capacity(resource: ScaleSetResource) -> list[ErrorDetail]:
    if not resource.properties.single_placement_group or resource.sku.capacity <= PLACEMENT_GROUP_MAX:
        return []
    words = f"sku.capacity is above {PLACEMENT_GROUP_MAX}, which is all that singlePlacementGroup allows."
    return [ErrorDetail(BadInput.code, words, "sku.capacity")]


def _check_agent(resource: ScaleSetResource) -> list[ErrorDetail]:
    linux = resource.profile.os_profile.linux_configuration
    if linux.provision_vm_agent or not resource.profile.extension_profile.extensions:
        return []
    target = "properties.virtualMachineProfile.osProfile.linuxConfiguration.provisionVMAgent"
    return [ErrorDetail(BadInput.code, f"{target} cannot be false: extensions need a way into the guest.", target)]


def _check_health_sources(resource: ScaleSetResource) -> list[ErrorDetail]:
    properties = resource.properties
    has_extension = any(e.is_application_health for e in resource.profile.extension_profile.extensions)
    if properties.external_health_probe and has_extension:
        words = f"{PROBE_PATH} and the Application Health extension exclude each other: name one health source."
        return [ErrorDetail(BadInput.code, words, PROBE_PATH)]
    repairs = properties.automatic_repairs_policy
    if repairs and repairs.enabled and not (properties.external_health_probe or has_extension):
        target = "properties.automaticRepairsPolicy.enabled"
        words = f"{target} needs a health source: the ApplicationHealthLinux extension or {PROBE_PATH}."
        return [ErrorDetail(BadInput.code, words, target)]
    return []


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
