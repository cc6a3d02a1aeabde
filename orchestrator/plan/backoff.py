"""Repairs of one slot remember each other: each waits longer than the last, until one has visibly helped.

The count of a slot goes with the instance, and from one that is replaced to the one that replaces it.
"""

from __future__ import annotations

from orchestrator.model.health import Health
from orchestrator.model.instance import Instance, Stage, WantedPower
from orchestrator.plan import steps
from orchestrator.plan.inputs import Rules, SetWish, Sight, World
from orchestrator.plan.steps import Draft


def due_at(row: Instance, rules: Rules) -> float:
    """Before when (epoch seconds) it is not repaired again: 5, 10, 20 … seconds after its last change."""
    if row.repairs == 0:
        return 0.0
    # The exponent is capped, too: a number that is never reset must not grow past what a float holds.
    waited_s = rules.repair_backoff_s * 2.0 ** min(row.repairs - 1, 32)
    return row.changed_at + min(rules.repair_backoff_max_s, waited_s)


def plan_settling(wish: SetWish, world: World, draft: Draft) -> None:
    """Forget the earlier repairs of instances that have been well for ``repair_settle_s``."""
    for row in world.counted():
        well_since = _well_since(wish, world, row) if row.repairs else None
        if well_since is None:
            continue
        settled_at = well_since + world.rules.repair_settle_s
        if world.now >= settled_at:
            reason = f"well for {world.rules.repair_settle_s:g} s: earlier repairs ({row.repairs}) count no longer"
            draft.decisions.append(steps.ForgetRepairs(row.instance_id, reason))
        else:
            draft.wake_times.append(settled_at)


def _well_since(wish: SetWish, world: World, row: Instance) -> float | None:
    """``None`` unless it is ready, runs, and is healthy if anybody asks."""
    seen = world.of(row)
    is_up = row.stage is Stage.READY and row.wanted_power is WantedPower.RUNNING and seen.sight is Sight.RUNNING
    if not is_up or seen.is_busy:
        return None
    if wish.health_interval_s is None:
        return row.changed_at
    return max(row.changed_at, seen.health_since) if seen.health is Health.HEALTHY else None
