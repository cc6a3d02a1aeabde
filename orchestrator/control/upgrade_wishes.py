"""What a set's resource says of upgrades, in the words of the plan; differences between its models are kept."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from orchestrator.model.arm.upgrade import UpgradePolicy
from orchestrator.model.arm.write_only import join_secrets
from orchestrator.model.instance import Instance
from orchestrator.model.rolling_upgrade import RollingUpgrade
from orchestrator.model.scale_set import ScaleSet
from orchestrator.plan.inputs import Difference, ImageUpgradeWish, RollingPolicy
from orchestrator.plan.upgrade_cost import difference
from orchestrator.store import Store


def rolling_policy(policy: UpgradePolicy) -> RollingPolicy:
    given = policy.rolling_upgrade_policy
    return RollingPolicy(
        batch_percent=given.max_batch_instance_percent,
        unhealthy_percent=given.max_unhealthy_instance_percent,
        unhealthy_upgraded_percent=given.max_unhealthy_upgraded_instance_percent,
        pause_s=given.pause_time_between_batches.total_seconds(),
        is_cross_zone=given.enable_cross_zone_upgrade,
        is_unhealthy_first=given.prioritize_unhealthy_instances,
        has_surge=given.max_surge,
        rolls_back_failed=given.rollback_failed_instances_on_policy_breach,
        rolls_back_model=given.rollback_model_on_policy_breach,
        canary_count=given.canary_instance_count,
        canary_pause_s=given.canary_pause.total_seconds(),
    )


def image_upgrades(policy: UpgradePolicy) -> ImageUpgradeWish:
    given = policy.automatic_os_upgrade_policy
    return ImageUpgradeWish(
        given.enable_automatic_os_upgrade, not given.disable_automatic_rollback, given.use_rolling_upgrade_policy
    )


def versions(record: ScaleSet, rows: Iterable[Instance], upgrade: RollingUpgrade | None) -> set[int]:
    """The models that still matter: the newest, those that instances are on, and those that they may go back to."""
    found = {record.model_version} | {row.model_version for row in rows}
    if upgrade is not None and upgrade.is_running:
        found |= set(upgrade.batch.values())
        found |= {upgrade.previous_model_version or record.model_version}
    return found


class Differences:
    """From an older model of a set to a newer one. Each pair is compared once: models never change."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._between = lru_cache(maxsize=512)(self._compare)

    def of(self, record: ScaleSet, olds: Iterable[int]) -> dict[int, Difference]:
        newest = record.model_version
        return {old: self._between(record.uid, old, newest) for old in olds if old != newest}

    def _compare(self, uid: str, old: int, new: int) -> Difference:
        before, after = self._store.profile(uid, old), self._store.profile(uid, new)
        if after is None:
            return difference(None, {})
        old_model = join_secrets(before.model, before.secrets) if before else None
        return difference(old_model, join_secrets(after.model, after.secrets))
