"""As many instances as wanted: who is added, who is kept, who leaves (reference 4.1, 4.3).

Counted is what stands after the plan's earlier decisions. What is on trial counts neither way until it is kept, and
neither does what an upgrade made beyond the capacity for its batch. Instances of a batch do not leave.
"""

from __future__ import annotations

from orchestrator.model.health import Health
from orchestrator.model.instance import Cause, Instance, WantedPower
from orchestrator.plan import steps
from orchestrator.plan.inputs import SetWish, Sight, World
from orchestrator.plan.newcomers import Newcomers
from orchestrator.plan.overprovision import Trials, judge_trials, on_trial
from orchestrator.plan.placement import NoPlace
from orchestrator.plan.protection import is_protected
from orchestrator.plan.scale_in import choose_leaving
from orchestrator.plan.steps import Draft


def plan_count(wish: SetWish, world: World, newcomers: Newcomers, draft: Draft) -> None:
    """Close the gap to the wanted capacity, from either side."""
    lost = {step.instance_id for step in draft.decisions if isinstance(step, steps.DeclareLost)}
    left = lost | {
        step.instance_id
        for step in draft.decisions
        if isinstance(step, steps.GiveUpInstance | steps.QuarantineInstance)
    }
    kept = {step.instance_id for step in draft.decisions if isinstance(step, steps.KeepInstance)}
    added = [step for step in draft.decisions if isinstance(step, steps.AddInstance) and not step.is_on_trial]
    counted = [row for row in world.counted() if row.instance_id not in left]
    extra = world.surged()
    if wish.is_deleting:
        reason = "the scale set is deleted"
        draft.decisions.extend(steps.GiveUpInstance(row.instance_id, reason, Cause.SET_DELETED) for row in counted)
        return
    counted = [row for row in counted if row.instance_id not in extra]
    settled = [row for row in counted if not row.is_on_trial or row.instance_id in kept]
    there = len(settled) + len(added)
    trials = judge_trials(wish, world, on_trial(row for row in counted if row.instance_id not in kept), there)
    _end_trials(trials, draft)
    if trials.missing > 0 and not lost:
        have = there + len(trials.kept) + sum(1 for row in counted if row.is_on_trial) - len(trials.surplus)
        _scale_out(wish, world, newcomers, draft, trials, have)
    elif there > wish.capacity:
        _scale_in(wish, world, settled, there - wish.capacity, draft)


def _end_trials(trials: Trials, draft: Draft) -> None:
    draft.decisions.extend(steps.KeepInstance(row.instance_id, why) for row, why in trials.kept)
    draft.decisions.extend(steps.GiveUpInstance(row.instance_id, why, Cause.SURPLUS) for row, why in trials.surplus)


def _scale_out(wish: SetWish, world: World, newcomers: Newcomers, draft: Draft, trials: Trials, have: int) -> None:
    replaced = sum(1 for row in world.counted() if row.cause is Cause.HOST_LOST)
    lost = sum(1 for row in world.rows if row.is_lost) - replaced
    for offset in range(trials.missing):
        cause = Cause.HOST_LOST if offset < lost else Cause.SCALE
        why = (
            "replaces an instance lost with its host"
            if cause is Cause.HOST_LOST
            else f"capacity is {wish.capacity} and {have + offset} are there"
        )
        draft.decisions.append(newcomers.add(cause, why, is_on_trial=wish.is_overprovisioned))
    _start_extras(newcomers, draft, trials.extra)


def _start_extras(newcomers: Newcomers, draft: Draft, count: int) -> None:
    """Beyond the capacity only what has room is started: nothing waits there."""
    room = newcomers.groups.room_for_extras()
    for _ in range(count if room is None else min(room, count)):
        place = newcomers.place(Cause.SCALE)
        if isinstance(place, NoPlace):
            return
        why = "one more than wanted: the first to come up are kept"
        draft.decisions.append(newcomers.add_at(place, Cause.SCALE, why, is_on_trial=True))


def _scale_in(wish: SetWish, world: World, settled: list[Instance], surplus: int, draft: Draft) -> None:
    in_hand = world.in_batch()
    leaving = choose_leaving(
        [row for row in settled if row.instance_id not in in_hand],
        surplus,
        wish.scale_in_rule,
        lambda row: wish.is_unhealthy_first and _is_unwell(row, world),
        zones=wish.zones,
        is_strict=wish.is_zone_balance_strict,
    )
    draft.decisions.extend(steps.GiveUpInstance(each.row.instance_id, each.reason, Cause.SCALE) for each in leaving)
    stay = surplus - len(leaving)
    if stay and in_hand:
        draft.notes.append(f"{stay} above the wanted capacity stay until the batch of the rolling upgrade is over")
    elif stay and sum(1 for row in settled if not is_protected(row)) > len(leaving):
        draft.notes.append(f"{stay} above the wanted capacity stay: zone balance is strict and would be lost")
    elif stay:
        draft.notes.append(f"{stay} above the wanted capacity stay: they are protected from scale-in")


def _is_unwell(row: Instance, world: World) -> bool:
    """Unhealthy, or not running at all (``prioritizeUnhealthyVMs``: unhealthy or inactive). What stands on a
    silent host is taken for neither."""
    seen = world.of(row)
    is_off = row.wanted_power is not WantedPower.RUNNING or seen.sight in {Sight.DEAD, Sight.ABSENT}
    return is_off or seen.health in {Health.UNHEALTHY, Health.UNKNOWN}
