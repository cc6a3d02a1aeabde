"""What may change on a scale set that exists (reference 1.4). Every offence is named at once.

``RULES`` and ``NOT_BY_PATCH`` are told in docs/azure-differences.md, and a test holds that table to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any

from orchestrator.errors import Conflict, ErrorDetail
from orchestrator.model.arm.network import NetworkProfile, address_space_of
from orchestrator.model.arm.scale_set import ScaleSetResource
from orchestrator.model.network.cards import by_rank

CODE = "PropertyChangeNotAllowed"
_PROFILE = "properties.virtualMachineProfile"
_ADDRESS_SPACE = f"{_PROFILE}.networkProfile"
_IMAGE = f"{_PROFILE}.storageProfile.imageReference"


class ChangeRule(StrEnum):
    """How a property may change once the set is there."""

    CREATE_ONLY = "create-only"
    GROW_ONLY = "grow-only"
    ADD_ONLY = "add-only"
    ONE_WAY = "true to false only"


RULES: Mapping[str, ChangeRule] = {
    "location": ChangeRule.CREATE_ONLY,
    "zones": ChangeRule.ADD_ONLY,
    "properties.orchestrationMode": ChangeRule.CREATE_ONLY,
    "properties.platformFaultDomainCount": ChangeRule.CREATE_ONLY,
    "properties.singlePlacementGroup": ChangeRule.ONE_WAY,
    f"{_PROFILE}.priority": ChangeRule.CREATE_ONLY,
    f"{_PROFILE}.osProfile.computerNamePrefix": ChangeRule.CREATE_ONLY,
    f"{_PROFILE}.osProfile.adminUsername": ChangeRule.CREATE_ONLY,
    f"{_PROFILE}.storageProfile.osDisk.diskSizeGB": ChangeRule.GROW_ONLY,
    f"{_PROFILE}.storageProfile.osDisk.managedDisk.storageAccountType": ChangeRule.CREATE_ONLY,
    _ADDRESS_SPACE: ChangeRule.CREATE_ONLY,
}

# What a PUT may change (where no rule above forbids it) and a PATCH may not.
NOT_BY_PATCH = (
    "location",
    "properties.orchestrationMode",
    "properties.hostGroup",
    "properties.platformFaultDomainCount",
    "properties.zoneBalance",
    f"{_PROFILE}.osProfile.adminUsername",
    f"{_PROFILE}.osProfile.computerNamePrefix",
    f"{_PROFILE}.osProfile.allowExtensionOperations",
    f"{_PROFILE}.osProfile.requireGuestProvisionSignal",
    f"{_PROFILE}.storageProfile.diskControllerType",
    f"{_PROFILE}.priority",
)


SegmentOf = Callable[[str], str]
"""From a subnet's id to what decides the addresses there."""


def _by_name(subnet_id: str) -> str:
    return address_space_of(subnet_id, ())


def check_mutable(old: ScaleSetResource, new: ScaleSetResource, segment_of: SegmentOf = _by_name) -> None:
    """For PUT. Raises ``Conflict`` with code ``PropertyChangeNotAllowed`` and one detail for each offence."""
    _raise(_offences(old, new, segment_of))


def check_patchable(old: ScaleSetResource, new: ScaleSetResource, segment_of: SegmentOf = _by_name) -> None:
    """For PATCH: what ``check_mutable`` checks, and that nothing changes which only a PUT may change."""
    offences = dict(_not_by_patch(old, new))
    _raise((offences | dict(_offences(old, new, segment_of))).items())


def _raise(offences: Iterable[tuple[str, str]]) -> None:
    details = [ErrorDetail(CODE, words, path) for path, words in offences]
    if not details:
        return
    if len(details) == 1:
        raise Conflict(details[0].message, code=CODE, target=details[0].target)
    message = f"{len(details)} properties cannot be changed so: " + " ".join(d.message for d in details)
    raise Conflict(message, code=CODE, target=details[0].target, details=details)


def _offences(old: ScaleSetResource, new: ScaleSetResource, segment_of: SegmentOf) -> Iterator[tuple[str, str]]:
    before, after = _values(old, segment_of), _values(new, segment_of)
    for path, rule in RULES.items():
        if words := _BREACHES[rule](before[path], after[path]):
            yield path, f"{path} {words}."
    yield from _zone_offences(old, new)
    yield from _plan_offences(old, new)


def _values(resource: ScaleSetResource, segment_of: SegmentOf) -> dict[str, Any]:
    """What each rule compares. Of the network it is which addresses an instance has, and where: they are given
    when it is made."""
    shown = resource.to_json()
    network = resource.profile.network_profile
    layout = _layout(network, segment_of) if network else None
    return {path: _at(shown, path) for path in RULES} | {_ADDRESS_SPACE: layout}


def _layout(network: NetworkProfile, segment_of: SegmentOf) -> str:
    """An only address goes by no name."""
    places = [
        (f"{card.name}/{each.name}", segment_of(each.properties.subnet.id), each.properties)
        for card, each, _ in by_rank(network)
    ]
    if len(places) == 1:
        return places[0][1].lower()
    told = [f"{name} {own.private_ip_address_version.value} on {segment}".lower() for name, segment, own in places]
    return ", ".join([told[0], *sorted(told[1:])])


def _at(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _create_only(before: Any, after: Any) -> str | None:
    if before == after:
        return None
    return f"is set when the scale set is made and stays: it is {_say(before)}, not {_say(after)}"


def _grow_only(before: Any, after: Any) -> str | None:
    if before is None or (after is not None and after >= before):
        return None
    return f"can only grow: it is {before}, not {_say(after)}"


def _add_only(before: Any, after: Any) -> str | None:
    removed = [each for each in before or () if each not in (after or ())]
    return f"can be added but not removed: {', '.join(removed)} would be" if removed else None


def _one_way(before: Any, after: Any) -> str | None:
    return "can change from true to false only" if after and not before else None


_BREACHES: Mapping[ChangeRule, Callable[[Any, Any], str | None]] = {
    ChangeRule.CREATE_ONLY: _create_only,
    ChangeRule.GROW_ONLY: _grow_only,
    ChangeRule.ADD_ONLY: _add_only,
    ChangeRule.ONE_WAY: _one_way,
}


def _zone_offences(old: ScaleSetResource, new: ScaleSetResource) -> Iterator[tuple[str, str]]:
    """Dedicated hosts stand where they stand. (That a set in zones has 1 or 5 fault domains is for all sets.)"""
    if new.properties.host_group and not set(new.zones) <= set(old.zones):
        yield "zones", "zones cannot be added to a scale set with a hostGroup."


def _plan_offences(old: ScaleSetResource, new: ScaleSetResource) -> Iterator[tuple[str, str]]:
    """An image that a plan was bought for is held to its offer."""
    before, after = old.profile.storage_profile.image_reference, new.profile.storage_profile.image_reference
    if old.plan is None or before.offer_key == after.offer_key:
        return
    yield _IMAGE, f"{_IMAGE} of a scale set with a plan can change its version only."


def _not_by_patch(old: ScaleSetResource, new: ScaleSetResource) -> Iterator[tuple[str, str]]:
    before, after = old.to_json(), new.to_json()
    for path in NOT_BY_PATCH:
        if _at(before, path) != _at(after, path):
            yield path, f"{path} cannot be changed by PATCH; send it with PUT."


def _say(value: Any) -> str:
    return "absent" if value is None else f"'{value}'"
