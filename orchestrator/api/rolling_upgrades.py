"""Rolling upgrades as requests begin and end them: records in the store, which the loop then follows."""

from __future__ import annotations

import uuid

from orchestrator.api.context import Api
from orchestrator.api.long_running import new_operation
from orchestrator.errors import Conflict, NotPossible
from orchestrator.model.arm.names import InstanceNames
from orchestrator.model.rolling_upgrade import RollingStatus, RollingUpgrade, UpgradeReason
from orchestrator.model.scale_set import Operation, OperationKind, ScaleSet

DEADLINE_S = 172_800.0  # pauses between batches may last hours each
_ENDED_EARLY = {RollingStatus.FAULTED, RollingStatus.CANCELLED}


def start_upgrade(
    api: Api, record: ScaleSet, reason: UpgradeReason, *, image_version: str | None = None
) -> Operation:
    """A new upgrade; its operation has the same id and ends with it.

    One that runs for an older model is ended by the new one. Raises ``Conflict`` while one runs for this model."""
    running = _running(api, record)
    if running is not None and running.model_version == record.model_version:
        words = f"A rolling upgrade of {record.name} is running already; cancel it, or wait until it ends."
        raise Conflict(words, target="rollingUpgrades/latest")
    now = _next_start(api, record)
    operation = new_operation(api, record, OperationKind.ROLLING_UPGRADE)
    upgrade = RollingUpgrade(
        id=operation.id,
        set_uid=record.uid,
        reason=reason,
        model_version=record.model_version,
        image_version=image_version,
        started_at=now,
        last_action_at=now,
    )
    with api.store.write() as tx:
        if running is not None:
            tx.put_rolling_upgrade(running.but(status=RollingStatus.CANCELLED, ended_at=now, batch={}))
        tx.put_rolling_upgrade(upgrade)
        tx.put_operation(operation.but(deadline_at=now + DEADLINE_S))
        tx.add_events([api.note(record, f"a rolling upgrade was asked for: {_what(upgrade)}")])
    api.wake(record.uid)
    return operation


def _what(upgrade: RollingUpgrade) -> str:
    if upgrade.reason is UpgradeReason.OS_IMAGE:
        return f"image version {upgrade.image_version}"
    words = "extensions" if upgrade.reason is UpgradeReason.EXTENSIONS else "the model"
    return f"{words} of model {upgrade.model_version}"


def cancel_upgrade(api: Api, record: ScaleSet) -> Operation:
    """After the batch that runs. Asking twice is no mistake. Raises ``NotPossible`` when none runs."""
    running = _running(api, record)
    if running is None:
        words = f"No rolling upgrade of {record.name} is running, so none can be cancelled."
        raise NotPossible(words, target="rollingUpgrades/latest")
    now = api.now()
    operation = new_operation(api, record, OperationKind.CANCEL_UPGRADE)
    with api.store.write() as tx:
        if not running.is_cancel_wanted:
            told = running.but(is_cancel_wanted=True, last_action="Cancel", last_action_at=now)
            tx.put_rolling_upgrade(told)
        tx.put_operation(operation.but(deadline_at=now + DEADLINE_S))
        tx.add_events([api.note(record, "the rolling upgrade's end after its batch was asked for")])
    api.wake(record.uid)
    return operation


def _next_start(api: Api, record: ScaleSet) -> float:
    """Now, and after the latest one's start: that order tells which is the latest."""
    latest = api.store.latest_rolling_upgrade(record.uid)
    return max(api.now(), latest.started_at + 0.001) if latest else api.now()


def _running(api: Api, record: ScaleSet) -> RollingUpgrade | None:
    latest = api.store.latest_rolling_upgrade(record.uid)
    return latest if latest is not None and latest.is_running else None


def check_not_in_batch(api: Api, record: ScaleSet, instance_ids: list[int]) -> None:
    """Raises ``Conflict`` for instances that a rolling upgrade has in its hands."""
    running = _running(api, record)
    taken = [number for number in instance_ids if running and (number in running.batch or number in running.surged)]
    if taken:
        names = ", ".join(InstanceNames.of(record).id(number) for number in taken)
        words = f"The rolling upgrade of {record.name} is upgrading {names} now; cancel it, or wait for its batch."
        raise Conflict(words, target="instanceIds")


def upgrade_again(api: Api, before: ScaleSet, after: ScaleSet) -> RollingUpgrade | None:
    """A write that leaves model and capacity as they are starts an upgrade again that faulted or was cancelled
    (reference 4.5). A write of another capacity does not: an autoscaler sends those, and means nothing by it."""
    latest = api.store.latest_rolling_upgrade(after.uid)
    if latest is None or latest.status not in _ENDED_EARLY or latest.reason is not UpgradeReason.MODEL:
        return None
    is_same = before.model_version == after.model_version == latest.model_version
    if not is_same or before.capacity != after.capacity or not is_rolling(after) or not _is_behind(api, after):
        return None
    now = _next_start(api, after)
    return RollingUpgrade(
        id=str(uuid.uuid4()),
        set_uid=after.uid,
        reason=UpgradeReason.MODEL,
        model_version=after.model_version,
        previous_model_version=latest.previous_model_version,
        started_at=now,
        last_action_at=now,
    )


def is_rolling(record: ScaleSet) -> bool:
    """Whether a newer model comes to instances in batches."""
    policy = record.model["properties"].get("upgradePolicy") or {}
    return bool(policy.get("mode") == "Rolling")


def _is_behind(api: Api, record: ScaleSet) -> bool:
    rows = api.store.instances(record.uid)
    return any(row.counts and row.model_version != record.model_version for row in rows)
