"""Which columns people see of each noun."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from orchestrator.cli.output import Column, at, cell_text, dig
from orchestrator.cli.progress import health_of, power_of

_PROFILE = "properties.virtualMachineProfile"


def _image(item: Mapping[str, Any]) -> str:
    reference = dig(item, f"{_PROFILE}.storageProfile.imageReference", {})
    if "id" in reference:
        return str(reference["id"])
    words = [str(reference.get(name, "")) for name in ("publisher", "offer", "sku", "version")]
    return ":".join(words)


def _group(item: Mapping[str, Any]) -> str:
    parts = str(item.get("id", "")).split("/")
    return parts[4] if len(parts) > 4 else ""


SETS: Sequence[Column] = (
    at("Name", "name"),
    Column("Group", _group),
    at("Size", "sku.name"),
    at("Capacity", "sku.capacity", is_number=True),
    at("State", "properties.provisioningState"),
    Column("Image", _image),
    at("Scale-in", "properties.scaleInPolicy.rules"),
    at("Repairs", "properties.automaticRepairsPolicy.enabled"),
    at("Zones", "zones"),
)


def _protection(vm: Mapping[str, Any]) -> str:
    policy = dig(vm, "properties.protectionPolicy", {})
    if policy.get("protectFromScaleSetActions"):
        return "all set actions"
    return "scale-in" if policy.get("protectFromScaleIn") else ""


def _trouble(vm: Mapping[str, Any]) -> str:
    """What went wrong, where the instance view says so."""
    statuses = dig(vm, "properties.instanceView.statuses", [])
    found = [str(each["message"]) for each in statuses if each.get("message") and each.get("level") != "Info"]
    return "; ".join(found)


INSTANCES: Sequence[Column] = (
    at("Id", "instanceId", is_number=True),
    Column("Name", lambda vm: "" if vm.get("name") == vm.get("instanceId") else vm.get("name")),
    at("State", "properties.provisioningState"),
    Column("Power", power_of),
    Column("Health", health_of),
    at("Host", "properties.instanceView.assignedHost"),
    Column("Zone", lambda vm: dig(vm, "properties.instanceView.zone") or vm.get("zones")),
    at("FD", "properties.instanceView.platformFaultDomain", is_number=True),
    at("Address", "properties.instanceView.privateIPAddress"),
    at("Latest", "properties.latestModelApplied"),
    Column("Protected", _protection),
    Column("Why", _trouble),
)


def _count(of: str) -> Callable[[Mapping[str, Any]], Any]:
    return lambda item: dig(item, f"properties.progress.{of}InstanceCount", 0)


_PROGRESS = (
    Column("Done", _count("successful"), is_number=True),
    Column("Failed", _count("failed"), is_number=True),
    Column("In progress", _count("inProgress"), is_number=True),
    Column("To go", _count("pending"), is_number=True),
)

UPGRADES: Sequence[Column] = (
    at("Status", "properties.runningStatus.code"),
    *_PROGRESS,
    Column("Started", lambda item: local_time(dig(item, "properties.runningStatus.startTime"))),
    at("Last action", "properties.runningStatus.lastAction"),
    at("Error", "properties.error.code"),
    at("Why", "properties.error.message"),
)

OS_UPGRADES: Sequence[Column] = (
    at("Version", "properties.targetImageReference.exactVersion"),
    at("Status", "properties.runningStatus.code"),
    *_PROGRESS,
    at("Rolled back", "properties.rollbackInfo.successfullyRolledbackInstanceCount", is_number=True),
    at("By", "properties.startedBy"),
    Column("Started", lambda item: local_time(dig(item, "properties.runningStatus.startTime"))),
    Column("Ended", lambda item: local_time(dig(item, "properties.runningStatus.endTime"))),
    at("Why", "properties.error.message"),
)

FAILED_UPGRADES: Sequence[Column] = (at("Instance", "target"), at("Code", "code"), at("Why", "message"))

STATUSES: Sequence[Column] = (
    at("Code", "code"),
    at("Level", "level"),
    at("Status", "displayStatus"),
    at("Message", "message"),
    Column("Time", lambda item: local_time(item.get("time"))),
)


def _result(item: Mapping[str, Any]) -> str:
    """How an extension's last run on one instance went, where that is shown."""
    found = dig(item, "properties.instanceView.statuses", [])
    return str(found[0].get("message") or found[0].get("displayStatus", "")) if found else ""


RUN_COMMANDS: Sequence[Column] = (
    at("Name", "name"),
    at("State", "properties.instanceView.executionState"),
    at("Exit code", "properties.instanceView.exitCode", is_number=True),
    Column("Started", lambda item: local_time(dig(item, "properties.instanceView.startTime"))),
    at("Output", "properties.instanceView.output"),
    at("Error", "properties.instanceView.error"),
    at("Why", "properties.instanceView.executionMessage"),
)

EXTENSIONS: Sequence[Column] = (
    at("Name", "name"),
    at("Publisher", "properties.publisher"),
    at("Type", "properties.type"),
    at("Version", "properties.typeHandlerVersion"),
    at("State", "properties.provisioningState"),
    Column("Settings", lambda item: cell_text(dig(item, "properties.settings", {}))),
    Column("Result", _result),
)

SKUS: Sequence[Column] = (
    at("Size", "sku.name"),
    at("Tier", "sku.tier"),
    at("Minimum", "capacity.minimum", is_number=True),
    at("Maximum", "capacity.maximum", is_number=True),
)


def _used(item: Mapping[str, Any], used: str, total: str) -> str:
    capacity = item.get("capacity") or {}
    return f"{capacity.get(used, '?')}/{capacity[total]}" if total in capacity else ""


HOSTS: Sequence[Column] = (
    at("Name", "name"),
    Column("State", lambda item: _own(item, "state")),
    Column("Zone", lambda item: _own(item, "zone")),
    Column("FD", lambda item: _own(item, "faultDomain"), is_number=True),
    Column("Instances", lambda item: _own(item, "instances"), is_number=True),
    Column("Memory MiB", lambda item: _used(_flat(item), "memoryMibUsed", "memoryMib"), is_number=True),
    Column("vCPU", lambda item: _used(_flat(item), "vcpusUsed", "vcpus"), is_number=True),
    Column("Pool GiB free", lambda item: _used(_flat(item), "poolGibFree", "poolGib"), is_number=True),
    Column("URI", lambda item: _own(item, "uri")),
    Column("Last seen", lambda item: local_time(_own(item, "lastSeen"))),
)


def _flat(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Our own resources may carry their members directly or below ``properties``."""
    properties = item.get("properties")
    return {**item, **properties} if isinstance(properties, Mapping) else item


def _own(item: Mapping[str, Any], name: str) -> Any:
    return _flat(item).get(name)


EVENTS: Sequence[Column] = (
    Column("Time", lambda item: local_time(item.get("time"))),
    at("Set", "set"),
    at("Id", "instanceId", is_number=True),
    at("Kind", "kind"),
    at("Phase", "phase"),
    at("Reason", "reason"),
    at("Outcome", "outcome"),
)

CENSUS: Sequence[Column] = (
    at("Host", "host"),
    at("Kind", "kind"),
    at("State", "state"),
    at("Instance", "instance"),
    Column("Size MiB", lambda item: _mib(item.get("sizeBytes")), is_number=True),
    at("Name", "name"),
)

DOCTOR: Sequence[Column] = (
    Column("", lambda item: "ok" if item.get("ok") else "failed"),
    at("Subject", "subject"),
    at("Check", "name"),
    at("Found", "detail"),
    Column("To mend", lambda item: "" if item.get("ok") else item.get("mend")),
)

STEPS: Sequence[Column] = (
    at("Step", "kind"),
    at("Id", "instanceId", is_number=True),
    at("Host", "host"),
    at("Reason", "reason"),
)


def _mib(size_bytes: Any) -> str:
    return "" if size_bytes is None else f"{int(size_bytes) / 2**20:.1f}"


def local_time(text: Any) -> str:
    """An ISO 8601 time as the clock on the wall shows it; today's without the date."""
    if not text:
        return ""
    try:
        when = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return str(text)
    here = (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone()
    is_today = here.date() == datetime.now().astimezone().date()
    return here.strftime("%H:%M:%S.%f" if is_today else "%Y-%m-%d %H:%M:%S.%f")[:-5]
