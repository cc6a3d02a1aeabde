"""Starting what was deallocated (reference 2): it gave up its place, so a better one is looked for before it
starts again, and its disk follows it there.

It moves when its host may not or cannot take it (draining, of another zone or group than wanted, no room left), or
when its fault domain or, in a set without chosen zones, its zone would hold two more than the emptiest that has
room. Two, because a disk has to be carried. Its zone stays where zones were chosen. Where nothing else fits it
waits for its own host.
"""

from __future__ import annotations

from orchestrator.model.instance import Instance, Stage, WantedPower
from orchestrator.plan import steps
from orchestrator.plan.inputs import HostFacts, Sight, World
from orchestrator.plan.placement import NoPlace, Place, Placer
from orchestrator.plan.steps import Draft


def plan_respread(world: World, placer: Placer, draft: Draft) -> None:
    """Decide for every instance that starts anew on a disk it has."""
    for row in world.rows:
        host = world.hosts.get(row.host or "")
        if host is None or not host.is_up or not _starts_anew(row, world):
            continue
        placer.release(row)
        why = _why_unfit(placer, host)
        place = placer.peek(without=host.name, zones=placer.zones_of(host), is_replacement=True)
        why = why or _why_uneven(placer, host, world, place)
        if why is None or isinstance(place, NoPlace):
            placer.reclaim(row)
            if why is not None and isinstance(place, NoPlace):
                name = placer.wish.id_of(row.instance_id)
                draft.notes.append(f"{name}: starts on host {host.name}: {why}, and no other takes it")
            continue
        placer.take(place)
        reason = f"it starts anew: {why}; on {place.reason}"
        draft.decisions.append(
            steps.MoveInstance(row.instance_id, reason, place.host, place.zone, place.fault_domain)
        )


def _starts_anew(row: Instance, world: World) -> bool:
    seen = world.of(row)
    is_asked = row.counts and row.wanted_power is WantedPower.RUNNING and row.stage is Stage.CREATING
    has_disk_here = row.booted_at is not None and row.moving_from is None
    return is_asked and has_disk_here and seen.sight is Sight.ABSENT and not seen.is_busy


def _why_unfit(placer: Placer, host: HostFacts) -> str | None:
    """Why it cannot start where its disk is. Its own claim is released already."""
    if (obstacle := placer.obstacle(host)) is not None:
        return f"host {host.name} {obstacle}"
    return f"host {host.name} has no room left" if not placer.has_room(host) else None


def _why_uneven(placer: Placer, host: HostFacts, world: World, place: Place | NoPlace) -> str | None:
    if isinstance(place, NoPlace):
        return None
    there = world.hosts[place.host]
    if host.zone != there.zone and placer.zone_count(host.zone) > placer.zone_count(there.zone):
        return f"zone {host.zone} has {placer.zone_count(host.zone)} others"
    if placer.domain_count(host) > placer.domain_count(there):
        return f"{placer.domain_name(host)} has {placer.domain_count(host)} others"
    return None
