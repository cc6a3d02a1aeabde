"""Automatic repair (reference 4.7): who is repaired, how, how many at once.

Two kinds of trouble. A *dead* guest is a fact libvirt reports: its domain does not run though it should. A
*sick* one is an opinion of the health source, so it waits for its grace period, until the picture
stands still, and for the brake (``plan/brake.py``).

A dead guest is simply started again, in place, where the set's repairs may not touch it. A slot that goes on
failing waits longer each time (``plan/backoff.py``); after ``Rules.suspend_after`` repairs that did not help, the
service suspends itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.model.health import Health
from orchestrator.model.instance import Instance, Stage, WantedPower
from orchestrator.plan.backoff import due_at
from orchestrator.plan.brake import find_outage, stood_still_at
from orchestrator.plan.fates import is_restarting
from orchestrator.plan.inputs import RepairAction, SetWish, Sight, World
from orchestrator.plan.protection import is_protected
from orchestrator.plan.quarantine import is_to_be_kept

SICK = {Health.UNHEALTHY, Health.UNKNOWN}
_PROVISIONED = {Stage.BOOTING, Stage.CONFIGURING, Stage.READY}


@dataclass(frozen=True, slots=True)
class Repair:
    """``repairs`` is how many its slot has had, this one included. ``is_kept``: it is replaced, and goes into
    quarantine."""

    row: Instance
    action: RepairAction
    reason: str
    repairs: int
    is_kept: bool = False


@dataclass(frozen=True, slots=True)
class RepairPlan:
    """``suspension`` is why the service suspends itself, instead of any repair but starting the dead in place."""

    repairs: tuple[Repair, ...] = ()
    notes: tuple[str, ...] = ()
    look_again_at: float | None = None
    suspension: str | None = None


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
    idle = [row for row in world.counted() if not world.of(row).is_busy and not _is_judged_elsewhere(row)]
    dead = [row for row in idle if is_dead(row, world)]
    wakes: list[float] = []
    notes = _hopeless(wish, world)
    to_heal = [row for row in dead if _heals_in_place(row, wish, world)]
    repairs = [_heal(row) for row in _due(to_heal, world, wakes)]
    wanting = [row for row in dead if not _heals_in_place(row, wish, world)]
    wanting += _sick_to_repair(wish, world, idle, notes, wakes)
    due = _due(wanting, world, wakes)
    share = max(1, int(wish.capacity * world.rules.repair_share))
    allowed = max(0, share - _in_progress(world))
    if len(due) > allowed:
        waiting = ", ".join(wish.name_of(row.instance_id) for row in due[allowed:])
        notes.append(f"repair of {waiting} waits: at most {share} at once")
    suspension = _why_suspended(wish, world, due[:allowed])
    if suspension is None:
        repairs += [_repair(row, wish, world) for row in due[:allowed]]
    return RepairPlan(tuple(repairs), tuple(notes), min(wakes, default=None), suspension)


def _is_judged_elsewhere(row: Instance) -> bool:
    """On trial, its trouble decides whether it is kept; on the move, it is not where it was seen last."""
    return row.is_on_trial or row.moving_from is not None


def _is_being_upgraded(row: Instance, world: World) -> bool:
    """The batch under way waits for its health by itself, and draws its own conclusions (reference 4.5)."""
    upgrade = world.upgrade
    if upgrade is None or not upgrade.is_running:
        return False
    return row.instance_id in upgrade.batch or row.instance_id in upgrade.surged


def _heals_in_place(row: Instance, wish: SetWish, world: World) -> bool:
    """A dead guest is simply started again where no repair may touch it."""
    is_off = wish.repair is None or wish.is_repair_suspended
    return is_off or is_protected(row) or _is_being_upgraded(row, world)


def _heal(row: Instance) -> Repair:
    return Repair(row, "Restart", "its guest stopped running; it is started again in place", row.repairs + 1)


def _hopeless(wish: SetWish, world: World) -> list[str]:
    """Where nothing but starting again is left, and that does not help, a person has to look."""
    after = world.rules.suspend_after
    return [
        f"{wish.name_of(row.instance_id)}: started again {after} times or more without staying up; it is tried on "
        f"and on, ever more rarely, and its console may say why"
        for row in world.counted()
        if 0 < after <= row.repairs and _heals_in_place(row, wish, world) and not is_sick(row, world)
    ]


def _why_suspended(wish: SetWish, world: World, due: Sequence[Instance]) -> str | None:
    after = world.rules.suspend_after
    for row in due:
        if 0 < after <= row.repairs:
            name = wish.name_of(row.instance_id)
            return f"{row.repairs} repairs of {name} in a row did not help: repairs are suspended until resumed"
    return None


def _repair(row: Instance, wish: SetWish, world: World) -> Repair:
    assert wish.repair is not None
    seen = world.of(row)
    if is_dead(row, world):
        reason = "its guest stopped running"
    else:
        state = seen.health.value if seen.health else "Unknown"
        reason = f"{state} for {world.now - seen.health_since:.0f} s, past its grace period"
    is_kept = wish.repair.action == "Replace" and is_to_be_kept(row, world.rules)
    return Repair(row, wish.repair.action, reason, row.repairs + 1, is_kept)


def _sick_to_repair(
    wish: SetWish, world: World, idle: Sequence[Instance], notes: list[str], wakes: list[float]
) -> list[Instance]:
    """Those past their grace, as far as the brake lets them."""
    if wish.repair is None:
        return []
    sick = [row for row in idle if is_sick(row, world)]
    mendable = [row for row in sick if not is_protected(row) and not _is_being_upgraded(row, world)]
    if wish.is_repair_suspended:
        notes.extend(["automatic repairs are suspended"] if mendable else [])
        return []
    still_at = stood_still_at(wish, world, mendable)
    ripe = []
    for row in mendable:
        ripe_at = max(_grace_begins(wish, row) + wish.repair.grace_period_s, still_at[row.instance_id])
        if world.now >= ripe_at:
            ripe.append(row)
        else:
            wakes.append(ripe_at)
    return _braked(world, sick, ripe, notes, wakes)


def _grace_begins(wish: SetWish, row: Instance) -> float:
    """The end of the last change of state: the instance's own, or a write to its set."""
    return max(row.changed_at, wish.changed_at)


def _braked(
    world: World, sick: Sequence[Instance], ripe: list[Instance], notes: list[str], wakes: list[float]
) -> list[Instance]:
    """Hold when it looks like an outage; after the hold, go on one at a time."""
    outage = find_outage(world, sick) if ripe else None
    if outage is None:
        return ripe
    if world.now < outage.held_until:
        left_s = outage.held_until - world.now
        notes.append(f"repairs are held: {outage.why}; taken as an outage until {left_s:.0f} s from now")
        wakes.append(outage.held_until)
        return []
    if _in_progress(world):
        notes.append(f"repairs go on one at a time: {outage.why}")
        return []
    return ripe[:1]


def _due(rows: Sequence[Instance], world: World, wakes: list[float]) -> list[Instance]:
    """Those whose slot has waited long enough since its last repair."""
    due = []
    for row in rows:
        at = due_at(row, world.rules)
        if world.now >= at:
            due.append(row)
        else:
            wakes.append(at)
    return due


def _in_progress(world: World) -> int:
    """Repairs begun and not settled: not ready and well again, for at most ``repair_settle_s``."""
    return sum(1 for row in world.counted() if row.repairs and not _is_settled(row, world))


def _is_settled(row: Instance, world: World) -> bool:
    if row.stage is Stage.FAILED or world.now - row.changed_at > world.rules.repair_settle_s:
        return True
    if is_dead(row, world) or is_sick(row, world):
        return True  # it needs the next repair itself
    return row.stage is Stage.READY and world.of(row).health in {None, Health.HEALTHY}
