"""Automatic zone rebalance (reference 4.2): one instance at a time from the fullest zone to the emptiest. Pure.

Created before anything is deleted: a newcomer in the emptiest zone, on trial, so that it counts neither as wanted
nor as surplus; once it is healthy it is kept, and one of the fullest zone goes. One that is not healthy within
90 minutes goes again. The next operation begins no sooner than ``Rules.rebalance_every_s`` after this one, and
``Rules.rebalance_quiet_s`` after the last write to the set or change of an instance.

Protected instances stay where they are, and so does what is off: its disk would be lost. A scale-out ends a
rebalance: the newcomer counts towards it.
"""

from __future__ import annotations

from orchestrator.model.health import Health
from orchestrator.model.instance import Cause, Instance, Stage, WantedPower
from orchestrator.plan import steps
from orchestrator.plan.inputs import SetWish, Sight, World
from orchestrator.plan.newcomers import Newcomers
from orchestrator.plan.placement import NoPlace
from orchestrator.plan.protection import is_protected
from orchestrator.plan.repair import is_dead
from orchestrator.plan.scale_in import choose_leaving
from orchestrator.plan.steps import Draft
from orchestrator.plan.zones import emptiest, fullest, is_balanced, zone_counts

HEALTHY_WITHIN_S = 90 * 60.0


def is_newcomer(row: Instance) -> bool:
    """Made by a rebalance that has not ended."""
    return row.is_on_trial and row.cause is Cause.REBALANCE


def plan_rebalance(wish: SetWish, world: World, newcomers: Newcomers, draft: Draft) -> None:
    """Go on with the rebalance that is under way, or begin one that is due."""
    counted = world.counted()
    settled = [row for row in counted if not row.is_on_trial]
    under_way = [row for row in counted if is_newcomer(row)]
    for newcomer in under_way:
        _go_on(wish, world, newcomer, settled, draft)
    if not under_way and wish.rebalances_zones and len(wish.zones) > 1:
        _begin(wish, world, settled, newcomers, draft)


def _go_on(wish: SetWish, world: World, newcomer: Instance, settled: list[Instance], draft: Draft) -> None:
    number = newcomer.instance_id
    if is_protected(newcomer) or newcomer.wanted_power is not WantedPower.RUNNING:
        reason = "somebody has taken it in hand: the rebalance of zones ends"
        draft.decisions.append(steps.KeepInstance(number, reason))
    elif why := _why_called_off(wish, world, newcomer, settled):
        draft.decisions.append(steps.GiveUpInstance(number, why, Cause.REBALANCE))
    elif len(settled) < wish.capacity:
        reason = f"the capacity is {wish.capacity}: the rebalance of zones ends, and it counts towards that"
        draft.decisions.append(steps.KeepInstance(number, reason))
    elif _is_healthy(world, newcomer):
        _exchange(wish, newcomer, settled, draft)
    else:
        draft.wake_times.append(newcomer.created_at + HEALTHY_WITHIN_S)


def _why_called_off(wish: SetWish, world: World, newcomer: Instance, settled: list[Instance]) -> str | None:
    if newcomer.stage in {Stage.FAILED, Stage.WAITING} or is_dead(newcomer, world):
        return "it was to even out the zones and did not come up"
    if world.now >= newcomer.created_at + HEALTHY_WITHIN_S:
        return f"it was to even out the zones and was not healthy within {HEALTHY_WITHIN_S / 60:g} minutes"
    if not wish.rebalances_zones:
        return "zones are no longer evened out"
    if len(settled) > wish.capacity:
        return f"the capacity fell to {wish.capacity}: the rebalance of zones ends"
    return None


def _is_healthy(world: World, row: Instance) -> bool:
    seen = world.of(row)
    return row.stage is Stage.READY and seen.sight is Sight.RUNNING and seen.health is Health.HEALTHY


def _exchange(wish: SetWish, newcomer: Instance, settled: list[Instance], draft: Draft) -> None:
    number, counts = newcomer.instance_id, zone_counts(settled, wish.zones)
    movable = [] if is_balanced(counts) else _movable(wish, settled)
    if not movable:
        reason = "the zones are even again, or nothing in the fullest may move: it is not needed"
        draft.decisions.append(steps.GiveUpInstance(number, reason, Cause.REBALANCE))
        return
    leaving = choose_leaving(movable, 1, wish.scale_in_rule)[0].row
    reason = f"it is healthy and evens out the zones in the place of {wish.id_of(leaving.instance_id)}"
    draft.decisions.append(steps.KeepInstance(number, reason))
    instead = f"{wish.id_of(number)} in zone {newcomer.zone} is healthy"
    reason = f"zone {leaving.zone} has {counts[leaving.zone or '']}, and {instead}"
    draft.decisions.append(steps.GiveUpInstance(leaving.instance_id, reason, Cause.REBALANCE))


def _movable(wish: SetWish, settled: list[Instance]) -> list[Instance]:
    """Those of the fullest zones that may be given up for one elsewhere."""
    full = fullest(zone_counts(settled, wish.zones))
    return [
        row
        for row in settled
        if row.zone in full and row.wanted_power is WantedPower.RUNNING and not is_protected(row)
    ]


def _begin(wish: SetWish, world: World, settled: list[Instance], newcomers: Newcomers, draft: Draft) -> None:
    counts = zone_counts(settled, wish.zones)
    if is_balanced(counts) or not _is_quiet(wish, world, settled, draft):
        return
    told = ", ".join(f"{zone} has {count}" for zone, count in sorted(counts.items()))
    if not _movable(wish, settled):
        draft.notes.append(f"zones are uneven ({told}), and all in the fullest are protected or off")
        return
    place = newcomers.placer.peek(zones=emptiest(counts))
    if isinstance(place, NoPlace) or newcomers.groups.room_for_extras() == 0:
        why = place.shortage if isinstance(place, NoPlace) else "the one placement group is full"
        draft.notes.append(f"zones are uneven ({told}), and the emptiest takes none: {why}")
        return
    newcomers.placer.take(place)
    reason = f"zones are uneven: {told}"
    draft.decisions.append(newcomers.add_at(place, Cause.REBALANCE, reason, is_on_trial=True))
    draft.set_decisions.append(steps.NoteRebalance(reason))


def _is_quiet(wish: SetWish, world: World, settled: list[Instance], draft: Draft) -> bool:
    """Whether the set is as wanted, and has been left alone for long enough."""
    is_moving = any(row.is_on_trial or (row.is_gone and not row.is_lost) for row in world.rows)
    if len(settled) != wish.capacity or is_moving or draft.decisions:
        return False
    if world.upgrade is not None and world.upgrade.is_running:
        return False
    rules = world.rules
    last_change = max([wish.changed_at, *(row.changed_at for row in settled)])
    due_at = last_change + rules.rebalance_quiet_s
    if wish.rebalanced_at is not None:
        due_at = max(due_at, wish.rebalanced_at + rules.rebalance_every_s)
    if world.now < due_at:
        draft.wake_times.append(due_at)
    return world.now >= due_at
