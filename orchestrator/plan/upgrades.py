"""Instances that are behind their set's model, by the set's upgrade mode (reference 4.5). Pure.

Whatever the mode, an upgrade that is under way is followed. See Note [Alone] in ``plan/rolling.py``.
"""

from __future__ import annotations

from orchestrator.model.rolling_upgrade import RollingStatus
from orchestrator.plan.automatic_upgrade import plan_automatic
from orchestrator.plan.batches import small_shares
from orchestrator.plan.inputs import SetWish, World
from orchestrator.plan.rolling import Adder, begin, between_batches, for_nothing, superseded
from orchestrator.plan.rolling_batch import watch, watch_back
from orchestrator.plan.rolling_pass import Rolling, total
from orchestrator.plan.steps import Draft
from orchestrator.plan.upgrade_ways import is_behind_model


def plan_upgrades(wish: SetWish, world: World, draft: Draft, add: Adder) -> bool:
    """Whether an upgrade decided anything: then nothing else is decided in this plan."""
    if draft.decisions or draft.set_decisions:
        return False
    if wish.upgrade_mode != "Manual":
        for_nothing(wish, world, draft)
    if not draft.decisions:
        _by_mode(wish, world, draft, add)
    return bool(draft.decisions or draft.set_decisions)


def _by_mode(wish: SetWish, world: World, draft: Draft, add: Adder) -> None:
    if world.upgrade is not None and world.upgrade.is_running:
        _go_on(Rolling(wish, world, world.upgrade, draft), add)
    elif wish.upgrade_mode == "Rolling":
        begin(wish, world, draft)
    elif wish.upgrade_mode == "Automatic":
        plan_automatic(wish, world, draft)
    else:
        behind = sum(1 for row in world.rows if row.counts and is_behind_model(wish, row))
        if behind:
            what = "1 instance is" if behind == 1 else f"{behind} instances are"
            draft.notes.append(f"{what} behind the model; upgradePolicy.mode is Manual, so that is left to people")


def _go_on(rolling: Rolling, add: Adder) -> None:
    upgrade = rolling.upgrade
    rolling.draft.notes.extend(small_shares(rolling.policy, total(rolling.world)))
    if upgrade.status is RollingStatus.ROLLING_BACK:
        watch_back(rolling)
    elif superseded(rolling):
        return
    elif upgrade.batch or upgrade.surged:
        watch(rolling)
    else:
        between_batches(rolling, add)
