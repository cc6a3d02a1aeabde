"""What differs between two models of a set, and the least that brings an instance from one to the other
(reference 4.5). Pure: it reads canonical bodies with their secrets joined in, and shows none of them.

The table is read by the longest path that fits. A member of the profile that no line names is taken to be part of
the disk: a new disk is always right, only not always needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.plan.inputs import Cost, Difference

_PROFILE = "properties.virtualMachineProfile"
_OS = f"{_PROFILE}.osProfile"
_STORAGE = f"{_PROFILE}.storageProfile"
_CARDS = f"{_PROFILE}.networkProfile.networkInterfaceConfigurations"
_IPS = f"{_CARDS}.properties.ipConfigurations.properties"
_EXTENSIONS = f"{_PROFILE}.extensionProfile.extensions"

_COSTS: Mapping[str, Cost] = {
    "sku.name": Cost.RESTART,
    # Where an instance stands: kept until it is redeployed or replaced, but told.
    "zones": Cost.NOTHING,
    "properties.proximityPlacementGroup": Cost.NOTHING,
    "properties.hostGroup": Cost.NOTHING,
    _PROFILE: Cost.REIMAGE,
    # What the first boot writes onto the disk.
    f"{_OS}.computerNamePrefix": Cost.REIMAGE,
    f"{_OS}.adminUsername": Cost.REIMAGE,
    f"{_OS}.customData": Cost.REIMAGE,
    f"{_OS}.allowExtensionOperations": Cost.NOTHING,
    f"{_OS}.requireGuestProvisionSignal": Cost.NOTHING,
    f"{_OS}.linuxConfiguration": Cost.NOTHING,
    f"{_OS}.linuxConfiguration.ssh.publicKeys": Cost.REIMAGE,
    f"{_OS}.linuxConfiguration.ssh.publicKeys.path": Cost.NOTHING,
    f"{_STORAGE}.imageReference": Cost.REIMAGE,
    f"{_STORAGE}.osDisk": Cost.NOTHING,
    f"{_STORAGE}.osDisk.diskSizeGB": Cost.REIMAGE,
    f"{_STORAGE}.diskControllerType": Cost.NOTHING,
    f"{_PROFILE}.networkProfile.networkApiVersion": Cost.NOTHING,
    f"{_PROFILE}.networkProfile.healthProbe": Cost.NOTHING,
    f"{_CARDS}.name": Cost.NOTHING,
    f"{_CARDS}.tags": Cost.NOTHING,
    f"{_CARDS}.properties.ipConfigurations.name": Cost.NOTHING,
    # Cards, their addresses and what these are of never change.
    f"{_CARDS}.properties.networkSecurityGroup": Cost.NOTHING,
    f"{_CARDS}.properties.dnsSettings": Cost.REIMAGE,
    f"{_CARDS}.properties.enableAcceleratedNetworking": Cost.RESTART,
    f"{_IPS}.subnet": Cost.NOTHING,
    f"{_IPS}.publicIPAddressConfiguration": Cost.NOTHING,
    f"{_IPS}.loadBalancerBackendAddressPools": Cost.NOTHING,
    f"{_IPS}.loadBalancerInboundNatPools": Cost.NOTHING,
    f"{_IPS}.applicationGatewayBackendAddressPools": Cost.NOTHING,
    # What runs beside what serves.
    f"{_PROFILE}.extensionProfile": Cost.NOTHING,
    _EXTENSIONS: Cost.IN_PLACE,
    # What is only kept and shown, or is asked of the host while the guest runs.
    f"{_PROFILE}.diagnosticsProfile": Cost.NOTHING,
    f"{_PROFILE}.securityProfile": Cost.NOTHING,
    f"{_PROFILE}.scheduledEventsProfile": Cost.NOTHING,
    f"{_PROFILE}.billingProfile": Cost.NOTHING,
    f"{_PROFILE}.licenseType": Cost.NOTHING,
    f"{_PROFILE}.priority": Cost.NOTHING,
}
_ORDER = {cost: number for number, cost in enumerate(Cost)}
_INDEX = re.compile(r"\[[^\]]*\]")
_UNKNOWN_MODEL = Difference(Cost.REIMAGE, (_PROFILE,))


def difference(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> Difference:
    """From one model to the other: the cost of the dearest property that differs, and the properties, dearest
    first. ``before`` of ``None`` is a model that is not kept any more: everything may differ."""
    if before is None:
        return _UNKNOWN_MODEL
    old, new = dict(_leaves(before, "")), dict(_leaves(after, ""))
    found: dict[str, Cost] = {}
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) != new.get(path) and (rule := _rule_of(path)):
            found[_told(path, rule)] = _COSTS[rule]
    properties = sorted(found, key=lambda name: (-_ORDER[found[name]], name))
    return Difference(found[properties[0]] if properties else Cost.NOTHING, tuple(properties))


def back_again(forward: Difference) -> Cost:
    """What the way back to the older model costs. A script cannot be unrun, and a guest runs each configuration
    of an extension once only: where extensions differ, the way back is a new disk."""
    if any(name.startswith(_EXTENSIONS) for name in forward.properties):
        return Cost.REIMAGE
    return forward.cost


def dearer(one: Cost, other: Cost) -> Cost:
    return max(one, other, key=_ORDER.__getitem__)


def short_names(found: Difference) -> str:
    """The properties for a sentence: without the part that all have in common."""
    return ", ".join(name.removeprefix(f"{_PROFILE}.") for name in found.properties) or "nothing"


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every value with its path. Absent, null, false and empty are one: nothing was asked for."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            is_extension = path == _EXTENSIONS
            yield from _leaves(inner, f"{path}[{str(inner['name']).lower() if is_extension else number}]")
    elif value is not None and value is not False:
        yield path, value


def _rule_of(path: str) -> str | None:
    """The longest line of the table that this path is or lies below."""
    plain = _INDEX.sub("", path)
    while plain:
        if plain in _COSTS:
            return plain
        plain = plain.rpartition(".")[0]
    return None


def _told(path: str, rule: str) -> str:
    """The name under which a difference is told: extensions one by one, what no line names by its own path."""
    if rule == _EXTENSIONS:
        return path[: path.index("]") + 1]
    return path if rule == _PROFILE else rule
