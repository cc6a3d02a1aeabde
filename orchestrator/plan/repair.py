"""Automatic repair (reference 4.7): who is repaired, how, how many at once, and when the brake holds.

Two kinds of trouble. A *dead* guest is a fact libvirt reports: its domain does not run though it should. A
*sick* one is an opinion of the health source, so it waits for its grace period, and until the
picture stands still; then a brake treats too many at once, or all of one host, as an outage rather than as sick
guests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.model.health import Health
from orchestrator.model.instance import Instance, Stage, WantedPower
from orchestrator.plan.fates import is_restarting
from orchestrator.plan.inputs import RepairAction, SetWish, Sight, World
from orchestrator.plan.scale_in import is_protected

SICK = {Health.UNHEALTHY, Health.UNKNOWN}
_PROVISIONED = {Stage.BOOTING, Stage.CONFIGURING, Stage.READY}


@dataclass(frozen=True, slots=True)
class Repair:
    row: Instance
    action: RepairAction
    reason: str
    repairs: int


@dataclass(frozen=True, slots=True)
class RepairPlan:
    repairs: tuple[Repair, ...] = ()
    notes: tuple[str, ...] = ()
    look_again_at: float | None = None


def is_dead(row: Instance, world: World) -> bool:
    """Its guest should run and is known not to."""
    wants_running = row.counts and row.wanted_power is WantedPower.RUNNING and row.stage in _PROVISIONED
    seen = world.of(row)
    return wants_running and seen.sight in {Sight.DEAD, Sight.ABSENT} and not is_restarting(row, seen)


def is_sick(row: Instance, world: World) -> bool:
    """It runs and is provisioned, but is Unhealthy or Unknown (both count: reference 4.7)."""
    seen = world.of(row)
    is_up = row.stage is Stage.READY and row.wanted_power is WantedPower.RUNNING and seen.sight is Sight.RUNNING
    return row.counts and is_up and seen.health in SICK


def plan_repairs(wish: SetWish, world: World) -> RepairPlan:
    """What is repaired now. Dead guests come first; everything within the share that may be at once."""
    idle = [row for row in world.counted() if not world.of(row).is_busy]
    dead = [row for row in idle if is_dead(row, world)]
    notes: list[str] = []
    wakes: list[float] = []
    repairs = [_heal(row) for row in dead if _heals_in_place(row, wish) and _is_due(row, world, wakes)]
    wanting = [row for row in dead if not _heals_in_place(row, wish)]
    wanting += _sick_to_repair(wish, world, idle, notes, wakes)
    allowed = max(1, int(wish.capacity * world.rules.repair_share)) - _in_progress(world)
    due = [row for row in wanting if _is_due(row, world, wakes)]
    repairs += [_repair(row, wish, world) for row in due[: max(0, allowed)]]
    if len(due) > max(0, allowed):
        waiting = ", ".join(f"{wish.name}_{row.instance_id}" for row in due[max(0, allowed) :])
        notes.append(f"repair of {waiting} waits: at most {max(1, allowed)} at once")
    return RepairPlan(tuple(repairs), tuple(notes), min(wakes) if wakes else None)


def _heals_in_place(row: Instance, wish: SetWish) -> bool:
    """A dead guest is simply started again where repairs are off, suspended, or it is protected."""
    return wish.repair is None or wish.is_repair_suspended or is_protected(row)


def _heal(row: Instance) -> Repair:
    return Repair(row, "Restart", "its guest stopped running; it is started again in place", row.repairs + 1)


def _repair(row: Instance, wish: SetWish, world: World) -> Repair:
    assert wish.repair is not None
    seen = world.of(row)
    if is_dead(row, world):
        reason = "its guest stopped running"
    else:
        state = seen.health.value if seen.health else "Unknown"
        reason = f"{state} for {world.now - seen.health_since:.0f} s, past its grace period"
    return Repair(row, wish.repair.action, reason, row.repairs + 1)


def _sick_to_repair(
    wish: SetWish, world: World, idle: Sequence[Instance], notes: list[str], wakes: list[float]
) -> list[Instance]:
    if wish.repair is None:
        return []
    sick = [row for row in idle if is_sick(row, world) and not is_protected(row)]
    if wish.is_repair_suspended:
        notes.extend(["automatic repairs are suspended"] if sick else [])
        return []
    ripe = []
    for row in sick:
        ripe_at = max(row.changed_at + wish.repair.grace_period_s, _confirmed_at(wish, world, row))
        if world.now >= ripe_at:
            ripe.append(row)
        else:
            wakes.append(ripe_at)
    return _braked(world, sick, ripe, notes, wakes)


def _confirmed_at(wish: SetWish, world: World, row: Instance) -> float:
    """When the picture has stood still for two intervals: while other instances turn sick or well too, it is
    not known yet whether one is sick or all are. A flapping neighbour delays this no longer than the brake."""
    quiet_s = 2 * (wish.health_interval_s or 0.0)
    own = world.of(row).health_since
    newest = max(world.of(other).health_since for other in world.counted())
    return max(own + quiet_s, min(newest + quiet_s, own + world.rules.brake_hold_s))


def _braked(
    world: World, sick: list[Instance], ripe: list[Instance], notes: list[str], wakes: list[float]
) -> list[Instance]:
    """Hold when it looks like an outage; after the hold, go on one at a time."""
    why = _outage(world, sick)
    if not ripe or why is None:
        return ripe
    began = max(world.of(row).health_since for row in sick)
    until = began + world.rules.brake_hold_s
    if world.now < until:
        notes.append(f"repairs are held: {why}; taken as an outage until {until - world.now:.0f} s from now")
        wakes.append(until)
        return []
    return ripe[:1]


def _outage(world: World, sick: list[Instance]) -> str | None:
    counted = world.counted()
    if len(sick) > max(1, int(len(counted) * world.rules.brake_share)):
        return f"{len(sick)} of {len(counted)} instances are unhealthy at once"
    for host in sorted({row.host for row in sick if row.host}):
        there = [row for row in counted if row.host == host]
        if len(there) > 1 and len(there) < len(counted) and all(row in sick for row in there):
            return f"all {len(there)} instances on host {host} are unhealthy at once"
    return None


def _is_due(row: Instance, world: World, wakes: list[float]) -> bool:
    """A slot that was repaired before waits longer each time."""
    if row.repairs == 0:
        return True
    rules = world.rules
    backoff = min(rules.repair_backoff_max_s, rules.repair_backoff_s * 2 ** (row.repairs - 1))
    due_at = row.changed_at + backoff
    if world.now < due_at:
        wakes.append(due_at)
        return False
    return True


def _in_progress(world: World) -> int:
    """Repairs begun and not settled: not ready and well again, for at most ``repair_settle_s``."""
    return sum(1 for row in world.counted() if row.repairs and not _is_settled(row, world))


def _is_settled(row: Instance, world: World) -> bool:
    if row.stage is Stage.FAILED or world.now - row.changed_at > world.rules.repair_settle_s:
        return True
    if is_dead(row, world) or is_sick(row, world):
        return True  # it needs the next repair itself
    return row.stage is Stage.READY and world.of(row).health in {None, Health.HEALTHY}
