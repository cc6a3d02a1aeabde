"""Paths as Azure writes them. Routes are written in small letters, since the front door makes them so."""

from __future__ import annotations

import re
from collections.abc import Iterable

_WORDS = """
    subscriptions resourceGroups resourcegroups providers Microsoft.Compute Microsoft.Resources Microsoft.Network
    Microsoft.Insights Microsoft.Features Vmss.Local
    virtualMachineScaleSets virtualMachines instanceView extensions runCommands runCommand rollingUpgrades
    osRollingUpgrade extensionRollingUpgrade osUpgradeHistory approveRollingUpgrade locations operations
    skus usages vmSizes plan
    start restart powerOff deallocate redeploy performMaintenance reapply reimage reimageAll
    scaleOut convertToSinglePlacementGroup manualUpgrade delete setOrchestrationServiceState console connection
    migrateVMAvailabilityZone forceRecoveryServiceFabricPlatformUpdateDomainWalk simulateEviction
    attachDetachDataDisks retrieveBootDiagnosticsData
    cancel difference differences fronts hosts drain undrain images versions events status census doctor principals
    resetSecret metadata endpoints aliases msi token identity oauth2 adfs v2.0 .well-known openid-configuration
    discovery keys tenants resources tags default tagNames tagValues register unregister operationResults
    deployments validate whatIf exportTemplate operationStatuses publishers artifactTypes vmImage offers vmExtension
    types networkInterfaces ipConfigurations publicIPAddresses publicIpAddresses subnets virtualNetworks
    loadBalancers networkSecurityGroups applicationGateways autoscaleSettings openapi.json
    frontendIPConfigurations backendAddressPools loadBalancingRules probes inboundNatRules outboundRules
    inboundNatPools
    securityRules defaultSecurityRules metrics metricDefinitions diagnosticSettings
    capabilities moveResources validateMoveResources checkZonePeers nics networkProfiles
"""
_PARAMETER = re.compile(r"^\{(?P<name>\w+)(?::path)?\}$")
_BY_TYPE = {
    "subscriptions": "subscriptionId",
    "resourceGroups": "resourceGroupName",
    "virtualMachineScaleSets": "vmScaleSetName",
    "locations": "location",
}


def known_words() -> dict[str, str]:
    """From small letters to Azure's spelling."""
    return {word.lower(): word for word in reversed(_WORDS.split())}


def spelled(path: str, more: Iterable[str] = ()) -> str:
    """``path`` of a route, with Azure's words and Azure's names for its parameters. ``more`` are words beside the
    known ones, as types of resources bring them."""
    words = known_words() | {word.lower(): word for word in more}
    result: list[str] = []
    for segment in path.split("/"):
        found = _PARAMETER.match(segment)
        before = result[-1] if result else ""
        result.append(
            f"{{{_BY_TYPE.get(before) or _camel(found['name'])}}}" if found else words.get(segment, segment)
        )
    return "/".join(result)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def parameters_of(path: str) -> list[str]:
    return [found["name"] for segment in path.split("/") if (found := _PARAMETER.match(segment))]
