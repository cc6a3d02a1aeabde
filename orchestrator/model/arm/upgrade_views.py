"""How rolling upgrades are shown: ``rollingUpgrades/latest`` and ``osUpgradeHistory`` (reference 3.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.model.arm.instance_views import set_id_of
from orchestrator.model.arm.names import SCALE_SET_TYPE, InstanceNames
from orchestrator.model.arm.statuses import Json, time_text
from orchestrator.model.arm.storage import StorageProfile
from orchestrator.model.arm.upgrade import RollingUpgradePolicy
from orchestrator.model.instance import Instance
from orchestrator.model.rolling_upgrade import RollingStatus, RollingUpgrade, UpgradeReason
from orchestrator.model.scale_set import ScaleSet

ROLLING_UPGRADE_TYPE = f"{SCALE_SET_TYPE}/rollingUpgrades"
OS_UPGRADE_TYPE = f"{SCALE_SET_TYPE}/osUpgradeHistory"
_NOT_HEALTHY = "It was not healthy in time after its upgrade."


def latest_upgrade(record: ScaleSet, upgrade: RollingUpgrade, rows: Iterable[Instance]) -> Json:
    """``GET SET/rollingUpgrades/latest``. ``rows`` are the set's instances as they are now."""
    found = {row.instance_id: row for row in rows}
    properties: Json = {
        "policy": policy_of(record, upgrade),
        "runningStatus": {
            "code": upgrade.status.value,
            "startTime": time_text(upgrade.started_at),
            "lastAction": upgrade.last_action,
            "lastActionTime": time_text(max(upgrade.last_action_at, upgrade.started_at)),
        },
        "progress": progress_of(upgrade, found),
    }
    if (error := _error_of(record, upgrade, found)) is not None:
        properties["error"] = error
    return {
        "id": f"{set_id_of(record)}/rollingUpgrades/latest",
        "name": "latest",
        "type": ROLLING_UPGRADE_TYPE,
        "location": record.location,
        "properties": properties,
    }


def os_upgrade(record: ScaleSet, profile: ScaleSet, upgrade: RollingUpgrade, rows: Iterable[Instance]) -> Json:
    """One item of ``GET SET/osUpgradeHistory``. ``profile`` is the set as it was in the upgrade's model version."""
    found = {row.instance_id: row for row in rows}
    running: Json = {"code": upgrade.status.value, "startTime": time_text(upgrade.started_at)}
    if upgrade.ended_at is not None:
        running["endTime"] = time_text(upgrade.ended_at)
    properties: Json = {
        "runningStatus": running,
        "progress": progress_of(upgrade, found),
        "startedBy": upgrade.started_by,
        "targetImageReference": _target_image(profile, upgrade),
        "rollbackInfo": _rollback_of(upgrade),
    }
    error = _error_of(record, upgrade, found)
    if error is not None:
        properties["error"] = error
        if upgrade.rolled_back:
            properties["rollbackInfo"]["rollbackError"] = error
    return {"type": OS_UPGRADE_TYPE, "location": record.location, "properties": properties}


def policy_of(record: ScaleSet, upgrade: RollingUpgrade) -> Json:
    """The policy that the upgrade goes by. Upgrades of the image have Azure's own defaults unless the set says
    that they use the set's (reference 4.6)."""
    policies = record.model["properties"].get("upgradePolicy") or {}
    given = policies.get("rollingUpgradePolicy") or {}
    if upgrade.reason is UpgradeReason.OS_IMAGE:
        automatic = policies.get("automaticOSUpgradePolicy") or {}
        given = given if automatic.get("useRollingUpgradePolicy") else {}
    return RollingUpgradePolicy.model_validate(given).to_json()


def progress_of(upgrade: RollingUpgrade, rows: Mapping[int, Instance]) -> Json:
    """Counts of instances. Each is in one class: a batch that runs first, then what went wrong."""
    at_work = {*upgrade.batch, *upgrade.surged} if upgrade.is_running else set()
    failed = _failed(upgrade) - at_work
    done = set(upgrade.upgraded) - failed - at_work
    pending = [row for row in rows.values() if _is_pending(upgrade, row, at_work | failed | done)]
    return {
        "successfulInstanceCount": len(done),
        "failedInstanceCount": len(failed),
        "inProgressInstanceCount": len(at_work),
        "pendingInstanceCount": len(pending),
    }


def _failed(upgrade: RollingUpgrade) -> set[int]:
    return {*upgrade.failed, *upgrade.rolled_back}


def _is_pending(upgrade: RollingUpgrade, row: Instance, counted: set[int]) -> bool:
    """Still behind. What came after the upgrade had ended was never its business."""
    if upgrade.status is RollingStatus.COMPLETED or row.instance_id in counted or not row.counts:
        return False
    if row.instance_id in upgrade.skipped or (upgrade.ended_at is not None and row.created_at > upgrade.ended_at):
        return False
    is_other_image = upgrade.image_version is not None and row.image_version != upgrade.image_version
    return row.model_version < upgrade.model_version or is_other_image


def _error_of(record: ScaleSet, upgrade: RollingUpgrade, rows: Mapping[int, Instance]) -> Json | None:
    """Why it stopped, with every instance that failed: Azure names the first only."""
    if upgrade.failure is None:
        return None
    names = InstanceNames.of(record)
    error: Json = {"code": upgrade.failure.code, "message": upgrade.failure.message}
    details = [_detail(names.name(number), rows.get(number)) for number in sorted(_failed(upgrade))]
    return {**error, "details": details} if details else error


def _detail(name: str, row: Instance | None) -> Json:
    failure = row.failure if row else None
    code, message = (failure.code, failure.message) if failure else ("VMUnhealthy", _NOT_HEALTHY)
    return {"code": code, "target": name, "message": message}


def _target_image(profile: ScaleSet, upgrade: RollingUpgrade) -> Json:
    storage: Mapping[str, Any] = profile.model["properties"]["virtualMachineProfile"]["storageProfile"]
    reference = StorageProfile.model_validate(storage).image_reference.to_json()
    return {**reference, "exactVersion": upgrade.image_version} if upgrade.image_version else reference


def _rollback_of(upgrade: RollingUpgrade) -> Json:
    """Only an upgrade that went back at all can have failed at it."""
    missed = set(upgrade.failed) - set(upgrade.rolled_back) - set(upgrade.batch)
    return {
        "successfullyRolledbackInstanceCount": len(upgrade.rolled_back),
        "failedRolledbackInstanceCount": len(missed) if upgrade.rolled_back else 0,
    }
