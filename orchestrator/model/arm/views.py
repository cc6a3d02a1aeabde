"""How a scale set is shown: its resource, its instance view, its sizes (reference 1.1, 2, 3.1)."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from orchestrator.model.arm.instance_views import Subject, instance_view, set_id_of
from orchestrator.model.arm.names import EXTENSION_TYPE, SCALE_SET_TYPE
from orchestrator.model.arm.service_views import services
from orchestrator.model.arm.statuses import Json, service_status, stable_uuid, status, summary, time_text
from orchestrator.model.scale_set import Operation, OperationKind, OperationStatus, ScaleSet
from orchestrator.model.sizes import Size

_ENVELOPE = ("plan", "identity", "placement", "extendedLocation")
_WORDS = {"Succeeded": "Provisioning succeeded", "Failed": "Provisioning failed"}


def set_provisioning_state(record: ScaleSet, operations: Sequence[Operation]) -> str:
    """From the set's operations, oldest first: what the last write has come to."""
    if record.is_deleting:
        return "Deleting"
    writes = [each for each in operations if each.kind is OperationKind.CREATE_OR_UPDATE]
    if not writes:
        return "Failed" if record.failure else "Succeeded"
    match writes[-1].status:
        case OperationStatus.IN_PROGRESS:
            is_first = len(writes) == 1 and writes[0].started_at <= record.created_at
            return "Creating" if is_first else "Updating"
        case OperationStatus.FAILED:
            return "Failed"
    return "Succeeded"


def public_view(record: ScaleSet, provisioning_state: str) -> Json:
    """The resource as GET gives it. ``record.model`` holds no write-only member, so none can be shown."""
    model = copy.deepcopy(dict(record.model))
    properties = model["properties"]
    view: Json = {
        "name": record.name,
        "id": str(set_id_of(record)),
        "type": SCALE_SET_TYPE,
        "location": record.location,
        "tags": model.get("tags", {}),
        "sku": model["sku"],
        "etag": record.etag,
        "properties": {
            **properties,
            "provisioningState": provisioning_state,
            "uniqueId": unique_id(record),
            "timeCreated": time_text(record.created_at),
        },
    }
    view |= {name: model[name] for name in _ENVELOPE if model.get(name) is not None}
    if model.get("zones"):
        view["zones"] = model["zones"]
    return view


def unique_id(record: ScaleSet) -> str:
    return stable_uuid(record.uid)


def extension_resource(record: ScaleSet, extension: Mapping[str, Any], provisioning_state: str) -> Json:
    """One extension of the model as a resource of its own."""
    return {
        "name": extension["name"],
        "id": set_id_of(record).extension(extension["name"]),
        "type": EXTENSION_TYPE,
        "properties": {**extension["properties"], "provisioningState": provisioning_state},
    }


def scale_set_instance_view(
    record: ScaleSet, subjects: Iterable[Subject], provisioning_state: str, changed_at: float
) -> Json:
    """Counts over all instances, and the services that run.

    Who compares the counts with the capacity must not be misled: an instance in quarantine or on trial is counted
    under a code of our own, and not among those in service."""
    instances = list(subjects)
    views = [(it.row, instance_view(it)) for it in instances]
    serving = [view for row, view in views if service_status(row) is None]
    statuses = [each for view in serving for each in view["statuses"]]
    statuses += [view["vmHealth"]["status"] for view in serving if "vmHealth" in view]
    statuses += [each for row, _ in views if (each := service_status(row)) is not None]
    by_extension: dict[str, list[Json]] = {}
    for each in (extension for view in serving for extension in view["extensions"]):
        by_extension.setdefault(each["name"], []).extend(each["statuses"])
    return {
        "virtualMachine": {"statusesSummary": summary(statuses)},
        "extensions": [
            {"name": name, "statusesSummary": summary(found)} for name, found in sorted(by_extension.items())
        ],
        "statuses": [_set_status(record, provisioning_state, changed_at)],
        "orchestrationServices": services(record, [it.row for it in instances]),
    }


def _set_status(record: ScaleSet, provisioning_state: str, changed_at: float) -> Json:
    words = _WORDS.get(provisioning_state, provisioning_state)
    code = f"ProvisioningState/{provisioning_state.lower()}"
    if provisioning_state == "Failed" and record.failure:
        failure = record.failure
        return status(f"{code}/{failure.code}", words, failure.at, level="Error", message=failure.message)
    return status(code, words, changed_at)


def vm_size(size: Size) -> Json:
    """One item of GET locations/{l}/vmSizes."""
    return {
        "name": size.name,
        "numberOfCores": size.vcpus,
        "memoryInMB": size.memory_mib,
        "osDiskSizeInMB": (size.os_disk_gib or 0) * 1024,
        "resourceDiskSizeInMB": 0,
        "maxDataDiskCount": 0,
    }
