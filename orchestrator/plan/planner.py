"""The plan of one scale set: a pure function of the wish and the world.

Note [Decisions first]: a plan's decisions are committed before its actions begin, and a plan that decides
anything is followed at once by another look. So a row is always there before what it stands for.

Note [Never more than wanted]: ``CreateGuest`` is held back while guests that may still run, wanted or not,
fill the capacity. A replacement of a sick guest therefore waits until the sick one is gone; one of a dead
guest does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestrator.model.instance import Cause, Instance, Stage, WantedPower
from orchestrator.plan import steps
from orchestrator.plan.drain import next_to_drain
from orchestrator.plan.fates import plan_fate
from orchestrator.plan.inputs import SetWish, Sight, World
from orchestrator.plan.placement import NoPlace, Place, Placer
from orchestrator.plan.redeploy import plan_redeploys
from orchestrator.plan.repair import SICK, Repair, plan_repairs
from orchestrator.plan.scale_in import choose_leaving
from orchestrator.plan.steps import Draft, Plan, Step


def plan_set(wish: SetWish, world: World) -> Plan:
    """Ordered steps towards the wish, each with its reason. Same inputs, same plan."""
    draft = Draft()
    for row in world.rows:
        plan_fate(wish, world, row, draft)
    placer = Placer(wish, world.hosts, world.rules.disk_reserve_mib)
    placer.count(row for row in world.counted() if row.host)
    if not wish.is_deleting:
        _repair(wish, world, placer, draft)
        _drain(wish, world, placer, draft)
        plan_redeploys(world, placer, draft)
    _count(wish, world, placer, draft)
    _place_waiting(wish, world, placer, draft)
    return _held_to_capacity(wish, world, draft.done())


def _count(wish: SetWish, world: World, placer: Placer, draft: Draft) -> None:
    """As many rows as wanted: add, or choose who leaves."""
    leaving = {step.instance_id for step in draft.decisions if isinstance(step, steps.DeclareLost)}
    counted = [row for row in world.counted() if row.instance_id not in leaving]
    missing = wish.capacity - len(counted)
    if missing > 0 and not leaving:
        _scale_out(wish, world, placer, draft, missing, len(counted))
    elif missing < 0:
        _scale_in(wish, world, draft, counted, -missing)


def _scale_out(wish: SetWish, world: World, placer: Placer, draft: Draft, missing: int, have: int) -> None:
    first = _next_id(wish, draft)
    replaced = sum(1 for row in world.counted() if row.cause is Cause.HOST_LOST)
    lost = sum(1 for row in world.rows if row.is_lost) - replaced
    for offset in range(missing):
        cause = Cause.HOST_LOST if offset < lost else Cause.SCALE
        why = (
            "replaces an instance lost with its host"
            if cause is Cause.HOST_LOST
            else (f"capacity is {wish.capacity} and {have + offset} are there")
        )
        draft.decisions.append(_added(first + offset, placer.place(), cause, why))


def _next_id(wish: SetWish, draft: Draft) -> int:
    """Ids count up and are never used again, not even within one plan."""
    used = [step.instance_id for step in draft.decisions if isinstance(step, steps.AddInstance)]
    return max([wish.next_instance_id, *(number + 1 for number in used)])


def _added(instance_id: int, place: Place | NoPlace, cause: Cause, why: str, repairs: int = 0) -> steps.AddInstance:
    if isinstance(place, NoPlace):
        reason = f"{why}; it waits for room: {place.shortage}"
        return steps.AddInstance(instance_id, reason, None, None, None, cause, repairs, place.shortage)
    reason = f"{why}; on {place.reason}"
    return steps.AddInstance(instance_id, reason, place.host, place.zone, place.fault_domain, cause, repairs)


def _scale_in(wish: SetWish, world: World, draft: Draft, counted: list[Instance], surplus: int) -> None:
    if wish.is_deleting:
        chosen = [(row.instance_id, "the scale set is deleted", Cause.SET_DELETED) for row in counted]
    else:
        leaving = choose_leaving(
            counted,
            surplus,
            wish.scale_in_rule,
            lambda row: wish.is_unhealthy_first and world.of(row).health in SICK,
        )
        chosen = [(each.row.instance_id, each.reason, Cause.SCALE) for each in leaving]
        if len(leaving) < surplus:
            kept = surplus - len(leaving)
            draft.notes.append(f"{kept} above the wanted capacity stay: they are protected from scale-in")
    draft.decisions.extend(steps.GiveUpInstance(*each) for each in chosen)


def _repair(wish: SetWish, world: World, placer: Placer, draft: Draft) -> None:
    found = plan_repairs(wish, world)
    draft.notes.extend(found.notes)
    if found.look_again_at is not None:
        draft.wake_times.append(found.look_again_at)
    surplus = len(world.counted()) - wish.capacity
    for repair in found.repairs:
        if repair.action == "Replace" and surplus <= 0:
            draft.decisions.extend(_replacement(wish, placer, draft, repair))
        elif repair.action == "Replace":
            surplus -= 1
            draft.decisions.append(steps.GiveUpInstance(repair.row.instance_id, repair.reason, Cause.REPAIR))
        else:
            is_reimage = repair.action == "Reimage"
            draft.decisions.append(steps.RepairInPlace(repair.row.instance_id, repair.reason, is_reimage))


def _drain(wish: SetWish, world: World, placer: Placer, draft: Draft) -> None:
    row = None if draft.decisions else next_to_drain(wish, world, placer)
    if row is not None:
        drained = Repair(row, "Replace", f"host {row.host} is draining", row.repairs)
        draft.decisions.extend(_replacement(wish, placer, draft, drained, Cause.DRAIN))


def _replacement(
    wish: SetWish, placer: Placer, draft: Draft, repair: Repair, cause: Cause = Cause.REPAIR
) -> Sequence[Step]:
    old = repair.row.instance_id
    placer.uncount(repair.row)
    new = _next_id(wish, draft)
    gone = steps.GiveUpInstance(old, f"{repair.reason}; it is replaced by {new}", cause)
    return gone, _added(new, placer.place(), cause, f"replaces {old}", repair.repairs)


def _place_waiting(wish: SetWish, world: World, placer: Placer, draft: Draft) -> None:
    leaving = {step.instance_id for step in draft.decisions if isinstance(step, steps.GiveUpInstance)}
    for row in world.counted():
        if row.host is not None or row.instance_id in leaving or row.wanted_power is not WantedPower.RUNNING:
            continue
        if world.of(row).retry_at > world.now:
            draft.wake_times.append(world.of(row).retry_at)
            continue
        place = placer.place()
        if isinstance(place, NoPlace):
            draft.notes.append(f"{row.instance_id}: waits for room: {place.shortage}")
            return
        reason = f"there is room now; on {place.reason}"
        step = steps.PlaceInstance(row.instance_id, reason, place.host, place.zone, place.fault_domain)
        draft.decisions.append(step)


def _held_to_capacity(wish: SetWish, world: World, plan: Plan) -> Plan:
    """See Note [Never more than wanted]."""
    most = max(wish.capacity, len(world.counted()))  # the protected may outnumber the wanted
    allowed = most - sum(1 for row in world.rows if _may_run(row, world))
    kept: list[Step] = []
    held: list[int] = []
    for step in plan.actions:
        if isinstance(step, steps.CreateGuest) and world.of_id(step.instance_id).sight is not Sight.RUNNING:
            if allowed <= 0:
                held.append(step.instance_id)
                continue
            allowed -= 1
        kept.append(step)
    if not held:
        return plan
    names = ", ".join(str(instance_id) for instance_id in held)
    note = f"{names}: created when those that leave are gone, never more than {most} at once"
    return replace(plan, actions=tuple(kept), notes=(*plan.notes, note))


def _may_run(row: Instance, world: World) -> bool:
    """Whether a guest of this row runs or is just being made. Lost ones are fenced, not counted; a removal
    that is stuck past its deadline no longer holds others up."""
    if row.is_lost:
        return False
    stuck = row.is_gone and world.now - (row.gone_at or 0.0) > world.rules.stuck_delete_s
    seen = world.of(row)
    is_being_made = seen.is_busy and row.stage is Stage.CREATING and not row.is_gone
    return not stuck and (is_being_made or (seen.sight in {Sight.RUNNING, Sight.UNKNOWN} and bool(row.host)))
