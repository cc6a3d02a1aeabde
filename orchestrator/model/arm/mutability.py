"""What may change on a scale set that exists (reference 1.4). Every offence is named at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from orchestrator.errors import Conflict, ErrorDetail
from orchestrator.model.arm.scale_set import ScaleSetResource

CODE = "PropertyChangeNotAllowed"
_PROFILE = "properties.virtualMachineProfile"


def _storage_type(resource: ScaleSetResource) -> Any:
    disk = resource.profile.storage_profile.os_disk.managed_disk
    return disk.storage_account_type if disk else None


def _address_space(resource: ScaleSetResource) -> str | None:
    network = resource.profile.network_profile
    return network.address_space.lower() if network else None


# Set once, when the set is made.
_CREATE_ONLY: tuple[tuple[str, Callable[[ScaleSetResource], Any]], ...] = (
    ("location", lambda r: r.location),
    ("properties.orchestrationMode", lambda r: r.properties.orchestration_mode),
    ("properties.platformFaultDomainCount", lambda r: r.properties.platform_fault_domain_count),
    (f"{_PROFILE}.priority", lambda r: r.profile.priority),
    (f"{_PROFILE}.osProfile.computerNamePrefix", lambda r: r.profile.os_profile.computer_name_prefix),
    (f"{_PROFILE}.osProfile.adminUsername", lambda r: r.profile.os_profile.admin_username),
    (f"{_PROFILE}.storageProfile.osDisk.managedDisk.storageAccountType", _storage_type),
    (f"{_PROFILE}.networkProfile", _address_space),
)


def check_mutable(old: ScaleSetResource, new: ScaleSetResource) -> None:
    """Raises ``Conflict`` with code ``PropertyChangeNotAllowed`` and one detail for each offence."""
    details = [ErrorDetail(CODE, words, path) for path, words in _offences(old, new)]
    if not details:
        return
    if len(details) == 1:
        raise Conflict(details[0].message, code=CODE, target=details[0].target)
    message = f"{len(details)} properties cannot be changed so: " + " ".join(d.message for d in details)
    raise Conflict(message, code=CODE, target=details[0].target, details=details)


def _offences(old: ScaleSetResource, new: ScaleSetResource) -> Iterator[tuple[str, str]]:
    for path, read in _CREATE_ONLY:
        before, after = read(old), read(new)
        if before != after:
            yield (
                path,
                f"{path} is set when the scale set is made and stays: it is {_say(before)}, not {_say(after)}.",
            )
    if removed := [zone for zone in old.zones if zone not in new.zones]:
        yield "zones", f"zones can be added but not removed: {', '.join(removed)} would be."
    if new.properties.single_placement_group and not old.properties.single_placement_group:
        path = "properties.singlePlacementGroup"
        yield path, f"{path} can change from true to false only."
    yield from _disk_offences(old, new)


def _disk_offences(old: ScaleSetResource, new: ScaleSetResource) -> Iterator[tuple[str, str]]:
    path = f"{_PROFILE}.storageProfile.osDisk.diskSizeGB"
    before = old.profile.storage_profile.os_disk.disk_size_gib
    after = new.profile.storage_profile.os_disk.disk_size_gib
    if before is not None and (after is None or after < before):
        yield path, f"{path} can only grow: it is {before}, not {_say(after)}."


def _say(value: Any) -> str:
    return "absent" if value is None else f"'{value}'"
