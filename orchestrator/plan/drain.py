"""Emptying a draining host: one instance at a time, and only while all others are well.

What is stopped or deallocated stays: its disk would be lost, and it needs nothing of the host that is looked after.
"""

from __future__ import annotations

from orchestrator.model.health import Health
from orchestrator.model.instance import Instance, Stage, WantedPower
from orchestrator.plan.inputs import SetWish, World
from orchestrator.plan.placement import NoPlace, Placer
from orchestrator.plan.protection import is_protected


def next_to_drain(wish: SetWish, world: World, placer: Placer) -> Instance | None:
    """The instance that leaves its draining host now; none while anything is unsettled or nothing fits."""
    counted = world.counted()
    if world.in_batch():
        return None
    if len(counted) != wish.capacity or any(row.is_gone and not row.is_lost for row in world.rows):
        return None
    if not all(_is_well(row, world) for row in counted):
        return None
    for row in counted:
        host = world.hosts.get(row.host or "")
        is_movable = row.wanted_power is WantedPower.RUNNING and not is_protected(row)
        if host and host.is_up and host.is_draining and is_movable:
            return None if isinstance(placer.peek(is_replacement=True), NoPlace) else row
    return None


def _is_well(row: Instance, world: World) -> bool:
    seen = world.of(row)
    if row.wanted_power is not WantedPower.RUNNING:
        return True
    return row.stage is Stage.READY and not seen.is_busy and seen.health in {None, Health.HEALTHY}
