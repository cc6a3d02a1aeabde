"""One instance as a resource: its model view, in its set and, in Flexible orchestration, as a VM (reference 2)."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.model.arm.extension_views import is_application_health
from orchestrator.model.arm.instance_views import Subject, extensions_of, instance_view, set_id_of
from orchestrator.model.arm.names import INSTANCE_TYPE, VM_TYPE
from orchestrator.model.arm.statuses import Json, provisioning_state, time_text
from orchestrator.model.instance import Instance
from orchestrator.model.network.cards import configured_cards, is_primary
from orchestrator.model.scale_set import ScaleSet

_EXTENSION_STATES = {"transitioning": "Updating", "succeeded": "Succeeded", "failed": "Failed"}


def instance_etag(row: Instance) -> str:
    """Changes with what a client may set: the protection, and the disk and model below it."""
    flags = f"{row.protection.from_scale_in:d}{row.protection.from_scale_set_actions:d}"
    return f'"{row.set_uid}-{row.instance_id}-{row.generation}-{row.model_version}-{flags}"'


def deletion_status(record: ScaleSet, row: Instance) -> str:
    """``resilientVMDeletionStatus``. Whatever the policy says, a deletion that fails here is tried again."""
    if row.is_gone:
        return "InProgress"
    policy = (record.model["properties"].get("resiliencyPolicy") or {}).get("resilientVMDeletionPolicy") or {}
    return "Enabled" if policy.get("enabled") else "Disabled"


def instance_resource(it: Subject, *, is_expanded: bool = False) -> Json:
    """An instance of its scale set; with its instance view if ``is_expanded``."""
    properties: Json = {
        "latestModelApplied": it.row.model_version == it.record.model_version,
        "modelDefinitionApplied": "VirtualMachine" if it.has_own_extensions else "VirtualMachineScaleSet",
        **_properties(it, it.resource_id),
        "protectionPolicy": _protection(it.row),
    }
    if network := it.profile.get("networkProfile"):
        properties["networkProfileConfiguration"] = copy.deepcopy(network)
    if it.record.is_flexible:
        name = it.names.name(it.row.instance_id)
        properties["virtualMachineResourceId"] = set_id_of(it.record).machine(name)
    resource = _resource(it, it.resource_id, INSTANCE_TYPE, properties, is_expanded=is_expanded)
    return {
        **resource,
        "instanceId": it.names.id(it.row.instance_id),
        "sku": {"name": it.model["sku"]["name"], "tier": it.model["sku"]["tier"]},
    }


def machine_resource(it: Subject, *, is_expanded: bool = False) -> Json:
    """An instance of a Flexible set as a VM by itself."""
    own_id = set_id_of(it.record).machine(it.names.name(it.row.instance_id))
    properties = {**_properties(it, own_id), "virtualMachineScaleSet": {"id": str(set_id_of(it.record))}}
    if it.row.fault_domain is not None:
        properties["platformFaultDomain"] = it.row.fault_domain
    return _resource(it, own_id, VM_TYPE, properties, is_expanded=is_expanded)


def _resource(it: Subject, own_id: str, kind: str, properties: Json, *, is_expanded: bool) -> Json:
    resource: Json = {
        "name": it.names.name(it.row.instance_id),
        "id": own_id,
        "type": kind,
        "location": it.record.location,
        "tags": dict(it.record.model.get("tags", {})),
        "etag": instance_etag(it.row),
        "properties": properties,
    }
    if it.record.model.get("zones") and it.row.zone is not None:
        resource["zones"] = [it.row.zone]
    if extensions := _extension_resources(it, own_id):
        resource["resources"] = extensions
    if is_expanded:
        properties["instanceView"] = instance_view(it)
    return resource


def _properties(it: Subject, own_id: str) -> Json:
    """What an instance is, however it is shown."""
    properties: Json = {
        "vmId": it.owner.vm_uuid,
        "provisioningState": provisioning_state(it.row),
        "timeCreated": time_text(it.row.created_at),
        "hardwareProfile": {"vmSize": it.model["sku"]["name"]},
        "storageProfile": _storage(it),
        "osProfile": _os_profile(it),
        "networkProfile": {"networkInterfaces": list(_cards(it, own_id))},
    }
    for name in ("diagnosticsProfile", "securityProfile", "licenseType"):
        if name in it.profile:
            properties[name] = copy.deepcopy(it.profile[name])
    if capabilities := it.model["properties"].get("additionalCapabilities"):
        properties["additionalCapabilities"] = dict(capabilities)
    return properties


def _storage(it: Subject) -> Json:
    """The disk that is there, not only the one that is wanted: its name is that of its volume on the host."""
    storage: Json = copy.deepcopy(dict(it.profile["storageProfile"]))
    if it.row.image_version:
        storage["imageReference"]["exactVersion"] = it.row.image_version
    storage["osDisk"] = {"name": it.owner.disk_volume, **storage["osDisk"]}
    storage.setdefault("dataDisks", [])
    return storage


def _os_profile(it: Subject) -> Json:
    os_profile = copy.deepcopy(dict(it.profile["osProfile"]))
    del os_profile["computerNamePrefix"]
    return {"computerName": it.computer_name, **os_profile}


def _cards(it: Subject, own_id: str) -> Iterator[Json]:
    for card in configured_cards(it.profile):
        yield {"id": f"{own_id}/networkInterfaces/{card['name']}", "properties": {"primary": is_primary(card)}}


def _protection(row: Instance) -> Json:
    """Only what is on: clients put it back and switch one flag on, which an explicit false would contradict."""
    flags = {
        "protectFromScaleIn": row.protection.from_scale_in,
        "protectFromScaleSetActions": row.protection.from_scale_set_actions,
    }
    return {name: True for name, is_on in flags.items() if is_on}


def _extension_resources(it: Subject, own_id: str) -> list[Json]:
    return [
        {
            "name": each["name"],
            "id": f"{own_id}/extensions/{each['name']}",
            "type": "Microsoft.Compute/virtualMachines/extensions",
            "location": it.record.location,
            "properties": {**each["properties"], "provisioningState": extension_state(each, it.row)},
        }
        for each in extensions_of(it.model)
    ]


def extension_state(extension: Mapping[str, Any], row: Instance) -> str:
    """Its ``provisioningState`` on this instance."""
    state = row.extensions.get(extension["name"])
    if state is not None:
        return _EXTENSION_STATES[state.code]
    return "Succeeded" if is_application_health(extension) and row.booted_at is not None else "Creating"
