"""How one instance is shown: its resource and its instance view (reference 2)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.model.arm.extensions import APPLICATION_HEALTH
from orchestrator.model.arm.names import INSTANCE_TYPE, ScaleSetId, computer_name, instance_name
from orchestrator.model.arm.statuses import (
    Json,
    PowerState,
    extension_status,
    health_status,
    power_status,
    provisioning_state,
    provisioning_status,
    status,
    time_text,
)
from orchestrator.model.guest import Owner
from orchestrator.model.health import Health
from orchestrator.model.instance import Instance
from orchestrator.model.scale_set import ScaleSet


@dataclass(frozen=True, slots=True)
class Look:
    """What is seen of one instance now. ``health`` is ``None`` when the set has no health source."""

    power: PowerState
    health: Health | None = None
    health_since: float = 0.0


def set_id_of(record: ScaleSet) -> ScaleSetId:
    return ScaleSetId(record.subscription_id, record.resource_group, record.name)


def instance_etag(row: Instance) -> str:
    """Changes with what a client may set: the protection, and the disk and model below it."""
    flags = f"{row.protection.from_scale_in:d}{row.protection.from_scale_set_actions:d}"
    return f'"{row.set_uid}-{row.instance_id}-{row.generation}-{row.model_version}-{flags}"'


def instance_resource(
    record: ScaleSet, profile: Mapping[str, Any], row: Instance, owner: Owner, look: Look | None = None
) -> Json:
    """One VM. ``profile`` is the canonical model that the instance is on; with ``look`` its view is expanded."""
    set_id = set_id_of(record)
    resource: Json = {
        "name": instance_name(record.name, row.instance_id),
        "id": set_id.instance(row.instance_id),
        "type": INSTANCE_TYPE,
        "instanceId": str(row.instance_id),
        "location": record.location,
        "tags": dict(record.model.get("tags", {})),
        "sku": {"name": profile["sku"]["name"], "tier": profile["sku"]["tier"]},
        "etag": instance_etag(row),
        "properties": _properties(record, profile, row, owner),
    }
    if record.model.get("zones") and row.zone is not None:
        resource["zones"] = [row.zone]
    if extensions := _extension_resources(record, profile, row):
        resource["resources"] = extensions
    if look is not None:
        resource["properties"]["instanceView"] = instance_view(profile, row, look)
    return resource


def _properties(record: ScaleSet, profile: Mapping[str, Any], row: Instance, owner: Owner) -> Json:
    vm_profile = profile["properties"]["virtualMachineProfile"]
    storage = copy.deepcopy(dict(vm_profile["storageProfile"]))
    if row.image_version:
        storage["imageReference"]["exactVersion"] = row.image_version
    os_profile = copy.deepcopy(dict(vm_profile["osProfile"]))
    prefix = os_profile.pop("computerNamePrefix")
    return {
        "latestModelApplied": row.model_version == record.model_version,
        "modelDefinitionApplied": "VirtualMachineScaleSet",
        "vmId": owner.vm_uuid,
        "provisioningState": provisioning_state(row),
        "timeCreated": time_text(row.created_at),
        "hardwareProfile": {"vmSize": profile["sku"]["name"]},
        "storageProfile": storage,
        "osProfile": {"computerName": computer_name(prefix, row.instance_id), **os_profile},
        "protectionPolicy": _protection(row),
    }


def _protection(row: Instance) -> Json:
    """Only what is on: clients put it back and switch one flag on, which an explicit false would contradict."""
    flags = {
        "protectFromScaleIn": row.protection.from_scale_in,
        "protectFromScaleSetActions": row.protection.from_scale_set_actions,
    }
    return {name: True for name, is_on in flags.items() if is_on}


def _extensions(profile: Mapping[str, Any]) -> list[Json]:
    return list(profile["properties"]["virtualMachineProfile"]["extensionProfile"]["extensions"])


def _extension_resources(record: ScaleSet, profile: Mapping[str, Any], row: Instance) -> list[Json]:
    parent = set_id_of(record).instance(row.instance_id)
    return [
        {
            "name": each["name"],
            "id": f"{parent}/extensions/{each['name']}",
            "type": "Microsoft.Compute/virtualMachines/extensions",
            "location": record.location,
            "properties": {**each["properties"], "provisioningState": _extension_state(each, row)},
        }
        for each in _extensions(profile)
    ]


def _extension_state(extension: Mapping[str, Any], row: Instance) -> str:
    state = row.extensions.get(extension["name"])
    if state is not None:
        return {"transitioning": "Updating", "succeeded": "Succeeded", "failed": "Failed"}[state.code]
    is_health = extension["properties"]["type"] == APPLICATION_HEALTH[1]
    return "Succeeded" if is_health and row.booted_at is not None else "Creating"


def instance_view(profile: Mapping[str, Any], row: Instance, look: Look) -> Json:
    """The state of one instance. ``assignedHost`` and ``privateIPAddress`` are host name and address: ours."""
    prefix = profile["properties"]["virtualMachineProfile"]["osProfile"]["computerNamePrefix"]
    view: Json = {
        "computerName": computer_name(prefix, row.instance_id),
        "privateIPAddress": row.address,
        "statuses": [provisioning_status(row), power_status(look.power)],
        "extensions": [_extension_view(each, row, look) for each in _extensions(profile)],
    }
    if row.host is not None:
        view |= {"assignedHost": row.host, "platformFaultDomain": row.fault_domain}
    if row.zone is not None:
        view["zone"] = row.zone
    if look.health is not None:
        view["vmHealth"] = {"status": health_status(look.health, look.health_since)}
    return view


def _extension_view(extension: Mapping[str, Any], row: Instance, look: Look) -> Json:
    properties = extension["properties"]
    view: Json = {
        "name": extension["name"],
        "type": f"{properties['publisher']}.{properties['type']}",
        "typeHandlerVersion": properties["typeHandlerVersion"],
    }
    if properties["type"] == APPLICATION_HEALTH[1]:
        return view | _health_view(row, look)
    state = row.extensions.get(extension["name"])
    waiting = status("ProvisioningState/transitioning", "Has not run yet", row.changed_at)
    return view | {"statuses": [extension_status(state) if state else waiting]}


def _health_view(row: Instance, look: Look) -> Json:
    if look.health is None or row.booted_at is None:
        return {"statuses": [status("ProvisioningState/transitioning", "Has not asked yet", row.changed_at)]}
    state = look.health.value
    level = "Error" if look.health is Health.UNHEALTHY else "Info"
    code = f"ComponentStatus/ApplicationHealthState/{'failed' if level == 'Error' else 'succeeded'}"
    return {
        "statuses": [status("ProvisioningState/succeeded", "Provisioning succeeded", row.booted_at)],
        "substatuses": [status(code, state, look.health_since or None, level=level, message=state)],
    }
