"""Redeploy (reference 4.11): to another host, with the disk, under the same id and address.

Fails at once where no other host has room: the instance goes on where it is. A host that does not answer holds
the disk, so nothing is decided before it answers or its lease is over.
"""

from __future__ import annotations

from orchestrator.model.instance import Instance, Stage
from orchestrator.plan import steps
from orchestrator.plan.inputs import World
from orchestrator.plan.placement import NoPlace, Placer
from orchestrator.plan.steps import Draft

_SETTLED = {Stage.BOOTING, Stage.CONFIGURING, Stage.READY, Stage.FAILED}


def plan_redeploys(world: World, placer: Placer, draft: Draft) -> None:
    """Decide for every instance that is owed a redeploy."""
    decided = {step.instance_id for step in draft.decisions}
    for row in world.rows:
        if not _is_owed(row, world) or row.instance_id in decided:
            continue
        host = world.hosts.get(row.host or "")
        if host is None or not host.is_up:
            name = placer.wish.id_of(row.instance_id)
            draft.notes.append(f"{name}: is redeployed when host {row.host} answers: it has the disk")
            continue
        place = placer.place(without=row.host, zones=placer.zones_of(host), is_replacement=True)
        if isinstance(place, NoPlace):
            reason = f"no other host can take it: {place.shortage}"
            draft.decisions.append(steps.RefuseRedeploy(row.instance_id, reason))
            continue
        placer.uncount(row)
        reason = f"a redeploy was asked for; from host {row.host} to {place.reason}"
        step = steps.MoveInstance(row.instance_id, reason, place.host, place.zone, place.fault_domain)
        draft.decisions.append(step)


def _is_owed(row: Instance, world: World) -> bool:
    is_wanted = row.counts and row.redeploys_wanted > row.redeploys_done
    return is_wanted and row.stage in _SETTLED and row.moving_from is None and not world.of(row).is_busy
