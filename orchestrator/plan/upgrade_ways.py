"""Who is behind in an upgrade, and the least that brings an instance there or back (reference 4.5, 4.6). Pure."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.model.instance import Instance, Stage, WantedPower
from orchestrator.model.rolling_upgrade import RollingUpgrade, UpgradeReason
from orchestrator.plan import steps
from orchestrator.plan.inputs import Cost, Difference, RollingPolicy, SetWish, World
from orchestrator.plan.protection import is_protected_from_set_actions
from orchestrator.plan.repair import is_dead
from orchestrator.plan.upgrade_cost import back_again, dearer, short_names

_NOT_KNOWN = Difference(Cost.REIMAGE, ("all",))
_WORDS = {
    Cost.NOTHING: "by nothing but its number",
    Cost.IN_PLACE: "in place",
    Cost.RESTART: "by a restart",
    Cost.REIMAGE: "by a new disk",
}


def may_be_upgraded(row: Instance, world: World) -> bool:
    """Left alone are the protected, those whose own health asks for it, what is on trial, and the hibernated:
    their memory would be lost, so their turn comes when they run again."""
    is_asleep = row.wanted_power is WantedPower.HIBERNATED
    is_taken = row.is_on_trial or row.moving_from is not None
    is_skipped = is_protected_from_set_actions(row) or world.of(row).is_upgrade_skipped
    return row.counts and not (is_asleep or is_taken or is_skipped)


def difference_of(wish: SetWish, row: Instance) -> Difference:
    return wish.differences.get(row.model_version, _NOT_KNOWN)


def is_behind_model(wish: SetWish, row: Instance) -> bool:
    return row.model_version != wish.model_version


def is_behind(wish: SetWish, upgrade: RollingUpgrade, row: Instance) -> bool:
    """Whether this upgrade still has something to bring to it. What is made from now on has it already. An upgrade
    of the extensions passes over instances that need more than that to come to their model."""
    match upgrade.reason:
        case UpgradeReason.MODEL:
            return row.model_version != upgrade.model_version
        case UpgradeReason.OS_IMAGE:
            return row.image_version not in {None, upgrade.image_version}
        case UpgradeReason.EXTENSIONS:
            is_near = not is_behind_model(wish, row) or difference_of(wish, row).cost in {
                Cost.NOTHING,
                Cost.IN_PLACE,
            }
            return is_near and row.created_at <= upgrade.started_at


def way_for(wish: SetWish, world: World, row: Instance) -> Cost:
    """How this instance comes to the newest model: as its difference says, and with what mends it. What failed in
    its scripts runs them again; what failed otherwise needs a new disk, and what is dead another start."""
    cost = difference_of(wish, row).cost
    if row.stage is Stage.FAILED and row.failure and row.failure.code != "VMExtensionProvisioningError":
        return Cost.REIMAGE
    return dearer(cost, Cost.RESTART) if is_dead(row, world) else cost


def onwards(wish: SetWish, world: World, upgrade: RollingUpgrade, row: Instance) -> steps.ApplyModel:
    """The step that brings an instance what the upgrade is about."""
    number, version = row.instance_id, upgrade.model_version
    match upgrade.reason:
        case UpgradeReason.OS_IMAGE:
            reason = f"to image version {upgrade.image_version} by a new disk"
            return steps.ApplyModel(number, reason, version, Cost.REIMAGE, upgrade.image_version)
        case UpgradeReason.EXTENSIONS:
            how = Cost.RESTART if is_dead(row, world) else Cost.IN_PLACE
            return steps.ApplyModel(number, "its extensions are looked at again", version, how)
        case UpgradeReason.MODEL:
            return to_model(wish, world, row)


def to_model(wish: SetWish, world: World, row: Instance) -> steps.ApplyModel:
    how = way_for(wish, world, row)
    what = short_names(difference_of(wish, row))
    reason = f"to model {wish.model_version} {_WORDS[how]}: {what} changed"
    return steps.ApplyModel(row.instance_id, reason, wish.model_version, how)


def backwards(wish: SetWish, upgrade: RollingUpgrade, number: int, version: int) -> steps.ApplyModel:
    """Back to the model, or the image, that the instance had."""
    if upgrade.reason is UpgradeReason.OS_IMAGE:
        image = upgrade.batch_images.get(number)
        reason = f"back to image version {image}: it did not become healthy on {upgrade.image_version}"
        return steps.ApplyModel(number, reason, version, Cost.REIMAGE, image)
    how = back_again(wish.differences.get(version, _NOT_KNOWN))
    reason = f"back to model {version} {_WORDS[how]}: it did not become healthy on model {upgrade.model_version}"
    return steps.ApplyModel(number, reason, version, how)


def can_go_back(upgrade: RollingUpgrade, number: int, version: int | None) -> bool:
    """Whether it is known what it had."""
    match upgrade.reason:
        case UpgradeReason.MODEL:
            return version is not None and version != upgrade.model_version
        case UpgradeReason.OS_IMAGE:
            return number in upgrade.batch_images
        case UpgradeReason.EXTENSIONS:
            return False  # they are what they were


def policy_of(wish: SetWish, upgrade: RollingUpgrade) -> RollingPolicy:
    """The set's policy; for images Azure's own figures, unless the set says that its policy holds for them, too.
    Only upgrades of the image that began by themselves go back (reference 4.6). Ids are kept, so nothing surges."""
    if upgrade.reason is UpgradeReason.MODEL:
        return wish.rolling
    given = wish.rolling
    if upgrade.reason is UpgradeReason.OS_IMAGE and not wish.image_upgrades.uses_rolling_policy:
        given = RollingPolicy()
    rolls_back = upgrade.started_by == "Platform" and wish.image_upgrades.rolls_back
    return replace(given, has_surge=False, rolls_back_failed=rolls_back, rolls_back_model=False)
