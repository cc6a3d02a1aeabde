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
from functools import partial

from orchestrator.model.instance import Cause, Instance, Stage, WantedPower
from orchestrator.plan import steps
from orchestrator.plan.backoff import plan_settling
from orchestrator.plan.counting import plan_count
from orchestrator.plan.drain import next_to_drain
from orchestrator.plan.fates import plan_fate
from orchestrator.plan.inputs import SetWish, Sight, World
from orchestrator.plan.newcomers import Newcomers
from orchestrator.plan.placement import NoPlace
from orchestrator.plan.proof import prove
from orchestrator.plan.quarantine import plan_quarantine
from orchestrator.plan.redeploy import plan_redeploys
from orchestrator.plan.repair import Repair, plan_repairs
from orchestrator.plan.respread import plan_respread
from orchestrator.plan.steps import Draft, Plan, Step
from orchestrator.plan.upgrades import plan_upgrades
from orchestrator.plan.zone_rebalance import plan_rebalance


def plan_set(wish: SetWish, world: World) -> Plan:
    """Ordered steps towards the wish, each with its reason. Same inputs, same plan."""
    draft = Draft()
    for row in world.rows:
        plan_fate(wish, world, row, draft)
    newcomers = Newcomers.of(wish, world)
    plan_quarantine(wish, world, draft)
    if not wish.is_deleting and plan_upgrades(wish, world, draft, partial(_surge, newcomers)):
        return draft.done()
    if not wish.is_deleting:
        prove(wish, world, draft)
        plan_settling(wish, world, draft)
        _repair(wish, world, newcomers, draft)
        _drain(wish, world, newcomers, draft)
        plan_redeploys(world, newcomers.placer, draft)
        plan_respread(world, newcomers.placer, draft)
        plan_rebalance(wish, world, newcomers, draft)
    plan_count(wish, world, newcomers, draft)
    _place_waiting(world, newcomers, draft)
    return _held_to_capacity(wish, world, draft.done())


def _surge(newcomers: Newcomers, why: str) -> steps.AddInstance | None:
    """One more for an upgrade, where a host has room."""
    place = newcomers.place(Cause.SURGE)
    no_room = isinstance(place, NoPlace) or newcomers.groups.room_for_extras() == 0
    return None if no_room else newcomers.add_at(place, Cause.SURGE, why)


def _repair(wish: SetWish, world: World, newcomers: Newcomers, draft: Draft) -> None:
    found = plan_repairs(wish, world)
    draft.notes.extend(found.notes)
    if found.look_again_at is not None:
        draft.wake_times.append(found.look_again_at)
    if found.suspension is not None:
        draft.set_decisions.append(steps.SuspendRepairs(found.suspension))
    extra = world.surged()
    there = [row for row in world.counted() if not row.is_on_trial and row.instance_id not in extra]
    surplus = len(there) - wish.capacity
    for repair in found.repairs:
        if repair.action == "Replace" and surplus <= 0:
            draft.decisions.extend(_replacement(newcomers, repair))
        elif repair.action == "Replace":
            surplus -= 1
            draft.decisions.append(steps.GiveUpInstance(repair.row.instance_id, repair.reason, Cause.REPAIR))
        else:
            is_reimage = repair.action == "Reimage"
            draft.decisions.append(steps.RepairInPlace(repair.row.instance_id, repair.reason, is_reimage))


def _drain(wish: SetWish, world: World, newcomers: Newcomers, draft: Draft) -> None:
    row = None if draft.decisions else next_to_drain(wish, world, newcomers.placer)
    if row is not None:
        drained = Repair(row, "Replace", f"host {row.host} is draining", row.repairs)
        draft.decisions.extend(_replacement(newcomers, drained, Cause.DRAIN))


def _replacement(newcomers: Newcomers, repair: Repair, cause: Cause = Cause.REPAIR) -> Sequence[Step]:
    old, new = repair.row.instance_id, newcomers.wish.id_of(newcomers.next_id)
    newcomers.leave([repair.row])
    gone: Step = steps.GiveUpInstance(old, f"{repair.reason}; it is replaced by {new}", cause)
    if repair.is_kept:
        words = (
            f"{repair.reason}; failure {repair.repairs} of its slot: it is kept for a look and replaced by {new}"
        )
        gone = steps.QuarantineInstance(old, words)
    return gone, newcomers.add(cause, f"replaces {newcomers.wish.id_of(old)}", repair.repairs)


def _place_waiting(world: World, newcomers: Newcomers, draft: Draft) -> None:
    leaving = {step.instance_id for step in draft.decisions if isinstance(step, steps.GiveUpInstance)}
    told: set[str] = set()
    for row in world.counted():
        if row.host is not None or row.instance_id in leaving or row.wanted_power is not WantedPower.RUNNING:
            continue
        if world.of(row).retry_at > world.now:
            draft.wake_times.append(world.of(row).retry_at)
            continue
        place = newcomers.place(row.cause)
        if not isinstance(place, NoPlace):
            reason = f"there is room now; on {place.reason}"
            step = steps.PlaceInstance(row.instance_id, reason, place.host, place.zone, place.fault_domain)
            draft.decisions.append(step)
        elif place.code not in told:
            told.add(place.code)
            draft.notes.append(f"{newcomers.wish.id_of(row.instance_id)}: waits for room: {place.shortage}")


def _held_to_capacity(wish: SetWish, world: World, plan: Plan) -> Plan:
    """See Note [Never more than wanted]."""
    most = max(wish.capacity, len(world.counted()))  # the protected may outnumber the wanted
    allowed = most - sum(1 for row in world.rows if _may_run(row, world))
    kept: list[Step] = []
    held: list[int] = []
    moving = {row.instance_id for row in world.rows if row.moving_from is not None}  # these run already
    for step in plan.actions:
        is_there = step.instance_id in moving or world.of_id(step.instance_id).sight is Sight.RUNNING
        if isinstance(step, steps.CreateGuest) and not is_there:
            if allowed <= 0:
                held.append(step.instance_id)
                continue
            allowed -= 1
        kept.append(step)
    if not held:
        return plan
    names = ", ".join(wish.id_of(instance_id) for instance_id in held)
    note = f"{names}: created when those that leave are gone, never more than {most} at once"
    return replace(plan, actions=tuple(kept), notes=(*plan.notes, note))


def _may_run(row: Instance, world: World) -> bool:
    """Whether a guest of this row runs or is just being made. Lost ones are fenced, not counted; a removal or a
    quarantine that is stuck past its deadline no longer holds others up."""
    if row.is_lost:
        return False
    left_at = row.gone_at if row.is_gone else row.quarantined_at
    stuck = left_at is not None and world.now - left_at > world.rules.stuck_delete_s
    seen = world.of(row)
    is_being_made = row.moving_from is not None or (seen.is_busy and row.stage is Stage.CREATING)
    return not stuck and (is_being_made or (seen.sight in {Sight.RUNNING, Sight.UNKNOWN} and bool(row.host)))
