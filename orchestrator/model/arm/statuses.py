"""``InstanceViewStatus``: codes and words of state as Azure writes them (reference 2)."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from orchestrator.model.health import Health
from orchestrator.model.instance import ExtensionState, Instance, Stage

Json = dict[str, Any]
Status = dict[str, Any]


class PowerState(StrEnum):
    """The second part of ``PowerState/…``."""

    CREATING = "creating"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    DEALLOCATING = "deallocating"
    DEALLOCATED = "deallocated"
    UNKNOWN = "unknown"


_HEALTH_WORDS = {
    Health.HEALTHY: ("Info", "The VM reports that it is healthy"),
    Health.UNHEALTHY: ("Error", "The VM reports that it is unhealthy, or cannot be reached"),
    Health.INITIALIZING: ("Info", "The VM is not yet done with its first probes"),
    Health.UNKNOWN: ("Warning", "The VM's health is not known"),
}


def stable_uuid(name: str) -> str:
    """The UUID of something of ours: the same each time."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"vmss:{name}"))


def time_text(at: float) -> str:
    """Epoch seconds as ISO 8601 with microseconds, in UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def status(code: str, words: str, at: float | None = None, *, level: str = "Info", message: str = "") -> Status:
    """One status. Members without a value are left out."""
    made: Status = {"code": code, "level": level, "displayStatus": words}
    if message:
        made["message"] = message
    if at is not None:
        made["time"] = time_text(at)
    return made


def provisioning_state(row: Instance) -> str:
    """``Creating``, ``Updating``, ``Succeeded``, ``Failed`` or ``Deleting``."""
    if row.is_gone:
        return "Deleting"
    match row.stage:
        case Stage.READY:
            return "Succeeded"
        case Stage.FAILED | Stage.WAITING:
            return "Failed"
    return "Updating" if _has_been_ready(row) else "Creating"


def _has_been_ready(row: Instance) -> bool:
    """As far as the row remembers: another disk, a restart, extensions that ran before it boots, or a guest that
    ran before it is made."""
    is_booting_again = row.stage in {Stage.CREATING, Stage.BOOTING} and bool(row.extensions)
    is_made_again = row.stage is Stage.CREATING and row.booted_at is not None
    return row.generation > 1 or row.restarts_wanted > 0 or is_booting_again or is_made_again


def provisioning_status(row: Instance) -> Status:
    """The first of an instance's statuses, with the reason where it failed."""
    state = provisioning_state(row)
    code = f"ProvisioningState/{state.lower()}"
    if row.is_lost:
        words = f"Host {row.host} was silent past its lease; what is left of it is removed when the host returns"
        return status(code, "Deleting", row.lost_at, level="Warning", message=words)
    if state == "Failed":
        failure = row.failure
        code = f"{code}/{failure.code}" if failure else code
        message, at = (failure.message, failure.at) if failure else ("", row.changed_at)
        return status(code, "Provisioning failed", at, level="Error", message=message)
    if state == "Succeeded":
        return status(code, "Provisioning succeeded", row.changed_at)
    if not row.is_gone and row.stage is Stage.BOOTING:
        code += "/OSProvisioningInProgress"
    elif not row.is_gone and row.stage is Stage.CONFIGURING:
        code += "/OSProvisioningComplete"
    return status(code, state, row.changed_at)


def power_status(power: PowerState) -> Status:
    return status(f"PowerState/{power}", f"VM {power}")


def hibernation_status(row: Instance) -> Status:
    """Beside ``PowerState/deallocated``: its memory is kept."""
    return status("HibernationState/Hibernated", "VM hibernated", row.changed_at)


def service_status(row: Instance) -> Status | None:
    """Ours: an instance that is there and is not in service, since it is not one of those that are wanted."""
    if row.is_quarantined:
        words = "Taken out of service after repeated failures; its disk and its serial log are kept for a look"
        return status("VmssState/quarantined", "In quarantine", row.quarantined_at, level="Warning", message=words)
    if row.is_on_trial:
        words = "One of more than are wanted: it is kept if it is among the first to come up"
        return status("VmssState/onTrial", "On trial", row.created_at, message=words)
    return None


def acceleration_status(queues: int) -> Status:
    """Ours: what accelerated networking is on this instance."""
    words = (
        f"virtio with {queues} queues: one for each processor"
        if queues > 1
        else "virtio; one processor has one queue"
    )
    return status("AcceleratedNetworking/virtio", "No virtual function is passed through", message=words)


def agent_status(*, is_ready: bool) -> Status:
    """How the daemon reaches into the guest, in the words of Azure's agent."""
    if is_ready:
        return status("ProvisioningState/succeeded", "Ready", message="The guest answers over SSH")
    message = "The guest does not answer over SSH"
    return status("ProvisioningState/Unavailable", "Not Ready", level="Warning", message=message)


def disk_status(row: Instance) -> Status:
    if row.booted_at is None:
        return status("ProvisioningState/creating", "Creating", row.changed_at)
    return status("ProvisioningState/succeeded", "Provisioning succeeded", row.booted_at)


def health_status(health: Health, since: float, detail: str = "") -> Status:
    level, words = _HEALTH_WORDS[health]
    return status(f"HealthState/{health.value.lower()}", words, since or None, level=level, message=detail)


def extension_status(state: ExtensionState) -> Status:
    """``ProvisioningState/succeeded``, ``…/transitioning`` or ``…/failed/<exit code>``."""
    if state.code == "failed":
        code = "ProvisioningState/failed" + ("" if state.exit_code is None else f"/{state.exit_code}")
        return status(code, "Provisioning failed", state.at, level="Error", message=state.message)
    words = "Provisioning succeeded" if state.code == "succeeded" else "Transitioning"
    return status(f"ProvisioningState/{state.code}", words, state.at, message=state.message)


def summary(statuses: Iterable[Mapping[str, Any]]) -> list[Json]:
    """How often each code occurs, without the third segment that details some."""
    codes = Counter("/".join(str(each["code"]).split("/")[:2]) for each in statuses)
    return [{"code": code, "count": count} for code, count in sorted(codes.items())]
