"""When a model counts as proven, so that a set may go back to it (``rollbackModelOnPolicyBreach``). Pure.

One healthy answer proves nothing, and neither does one instance of many: every instance that is on the newest model
and should run must be ready and have been Healthy without a break for two probing intervals at the same time, at
least ten seconds. All must be on it, but for those that an upgrade which ended Completed passed over: protected, or
asking to be skipped. An upgrade with failures, even tolerated ones, therefore proves nothing while they last.
"""

from __future__ import annotations

from orchestrator.model.health import Health
from orchestrator.model.instance import Instance, WantedPower
from orchestrator.model.rolling_upgrade import RollingStatus
from orchestrator.plan import steps
from orchestrator.plan.inputs import SetWish, World
from orchestrator.plan.steps import Draft
from orchestrator.plan.upgrade_health import serves
from orchestrator.plan.upgrade_ways import is_behind_model

PROOF_S = 10.0


def prove(wish: SetWish, world: World, draft: Draft) -> None:
    """Note the newest model as proven when it is. Only rolling upgrades ask for it."""
    if wish.upgrade_mode != "Rolling" or wish.proven_model_version >= wish.model_version:
        return
    if world.upgrade is not None and world.upgrade.is_running:
        return
    running = [row for row in world.counted() if row.wanted_power is WantedPower.RUNNING and not row.is_on_trial]
    on_it = [row for row in running if not is_behind_model(wish, row)]
    if not on_it or (len(on_it) < len(running) and not _was_completed(wish, world)):
        return
    since = [at for row in on_it if (at := _well_since(row, world)) is not None]
    if len(since) < len(on_it):
        return
    at = max(since) + max(PROOF_S, 2 * (wish.health_interval_s or 0.0))
    if world.now < at:
        draft.wake_times.append(at)
        return
    who = "its one instance has" if len(on_it) == 1 else f"all {len(on_it)} instances on it have"
    reason = f"model {wish.model_version} is proven: {who} been well for {world.now - max(since):.0f} s"
    draft.set_decisions.append(steps.ProveModel(reason, wish.model_version))


def _was_completed(wish: SetWish, world: World) -> bool:
    upgrade = world.upgrade
    if upgrade is None or upgrade.model_version != wish.model_version:
        return False
    return upgrade.status is RollingStatus.COMPLETED


def _well_since(row: Instance, world: World) -> float | None:
    seen = world.of(row)
    if not serves(row, world) or seen.health not in {None, Health.HEALTHY}:
        return None
    return max(row.changed_at, seen.health_since) if seen.health else row.changed_at
