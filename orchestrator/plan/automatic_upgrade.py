"""Upgrade mode Automatic (reference 4.5). Pure.

What does not stop an instance from serving, or what it does not serve anyway, is done to all at once. What takes it
down for a while is done to a fifth of the set at a time, and the next follow only when those are ready and not
unhealthy: so a model that does not work stops by itself, where Azure may take all instances down at once.
"""

from __future__ import annotations

from orchestrator.model.health import Health
from orchestrator.model.instance import Instance, WantedPower
from orchestrator.plan.batches import batch_size
from orchestrator.plan.inputs import Cost, SetWish, World
from orchestrator.plan.steps import Draft
from orchestrator.plan.upgrade_health import is_broken_by_a_model, serves, trouble
from orchestrator.plan.upgrade_ways import is_behind_model, may_be_upgraded, to_model, way_for

SHARE_PERCENT = 20
_GENTLE = {Cost.NOTHING, Cost.IN_PLACE}


def plan_automatic(wish: SetWish, world: World, draft: Draft) -> None:
    """Bring those behind over, as many as may be now."""
    behind = [row for row in world.rows if is_behind_model(wish, row) and may_be_upgraded(row, world)]
    if not behind:
        return
    at_once = [row for row in behind if _is_off(row) or way_for(wish, world, row) in _GENTLE]
    if at_once:
        draft.decisions.extend(to_model(wish, world, row) for row in at_once)
        return
    total = sum(1 for row in world.rows if row.counts)
    unsettled = [row for row in world.counted() if not is_behind_model(wish, row) and not _is_settled(row, world)]
    allowed = batch_size(total, SHARE_PERCENT) - len(unsettled)
    mended_first = sorted(behind, key=lambda row: (not _is_out(wish, world, row), row.instance_id))
    draft.decisions.extend(to_model(wish, world, row) for row in mended_first[: max(0, allowed)])
    if allowed <= 0:
        names = ", ".join(wish.name_of(row.instance_id) for row in unsettled)
        many = "1 is" if len(behind) == 1 else f"{len(behind)} are"
        draft.notes.append(f"{many} behind model {wish.model_version}; first to be ready and well on it: {names}")


def _is_off(row: Instance) -> bool:
    return row.wanted_power is not WantedPower.RUNNING or row.host is None


def _is_settled(row: Instance, world: World) -> bool:
    if _is_off(row):
        return True
    return serves(row, world) and world.of(row).health in {None, Health.HEALTHY}


def _is_out(wish: SetWish, world: World, row: Instance) -> bool:
    """It serves nobody as it is."""
    is_sick = trouble(world, row) is not None
    return (is_sick and is_broken_by_a_model(wish, row, wish.model_version)) or not (serves(row, world) or is_sick)
