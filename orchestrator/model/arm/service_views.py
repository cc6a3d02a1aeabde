"""``orchestrationServices``: what the daemon does of its own accord for a set, and how it goes (reference 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from orchestrator.model.arm.statuses import Json, time_text
from orchestrator.model.instance import Cause, Instance, Stage
from orchestrator.model.scale_set import ScaleSet

ServiceName = Literal["AutomaticRepairs", "AutomaticZoneRebalancing"]
SERVICE_NAMES: tuple[ServiceName, ...] = ("AutomaticRepairs", "AutomaticZoneRebalancing")
_CAUSES = {"AutomaticRepairs": Cause.REPAIR, "AutomaticZoneRebalancing": Cause.REBALANCE}


def is_enabled(record: ScaleSet, service: ServiceName) -> bool:
    """Whether the model asks for the service."""
    properties = record.model["properties"]
    if service == "AutomaticRepairs":
        policy = properties.get("automaticRepairsPolicy")
    else:
        policy = (properties.get("resiliencyPolicy") or {}).get("automaticZoneRebalancingPolicy")
    return bool(policy and policy.get("enabled"))


def is_suspended(record: ScaleSet, service: ServiceName) -> bool:
    return record.is_repair_suspended if service == "AutomaticRepairs" else record.is_rebalance_suspended


def services(record: ScaleSet, rows: Sequence[Instance]) -> list[Json]:
    return [_service(record, name, rows) for name in SERVICE_NAMES]


def _service(record: ScaleSet, name: ServiceName, rows: Sequence[Instance]) -> Json:
    """Its latest operation is under way while an instance that it made or changed is not ready yet."""
    state = "NotRunning"
    if is_enabled(record, name):
        state = "Suspended" if is_suspended(record, name) else "Running"
    touched = [row for row in rows if row.cause is _CAUSES[name]]
    is_busy = any(row.is_gone or row.stage not in {Stage.READY, Stage.FAILED} for row in touched)
    return {
        "serviceName": name,
        "serviceState": state,
        "latestOperationStatus": "InProgress" if is_busy else "Completed",
        "lastStatusChangeTime": time_text(_changed_at(record, name, touched)),
    }


def _changed_at(record: ScaleSet, name: ServiceName, touched: Sequence[Instance]) -> float:
    """The last sign of it that is still there: work on an instance, or its suspension, a change of the set;
    the beginning of the set if there is none."""
    signs = [record.created_at, *(row.changed_at for row in touched)]
    if is_suspended(record, name):
        signs.append(record.changed_at)
    if name == "AutomaticZoneRebalancing" and record.rebalanced_at is not None:
        signs.append(record.rebalanced_at)
    return max(signs)
