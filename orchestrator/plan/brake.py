"""The brake on repairs: too many sick at once, or all of one host, are an outage and not so many sick guests.

While an outage is young nothing sick is repaired: what ails them all is not in them. An outage that outlives the
hold is repaired one at a time. Dead guests are a fact that libvirt tells and pass the brake.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.model.instance import Instance
from orchestrator.plan.inputs import SetWish, World


@dataclass(frozen=True, slots=True)
class Outage:
    """What it looks like, and until when (epoch seconds) nothing is repaired because of it."""

    why: str
    held_until: float


def find_outage(world: World, sick: Sequence[Instance]) -> Outage | None:
    """Whether ``sick`` (all of the set that are) look like one: the set's own before any host's."""
    counted = world.counted()
    of_set = _of_the_set(world, counted, sick)
    return of_set or max(_of_hosts(world, counted, sick), key=lambda outage: outage.held_until, default=None)


def _of_the_set(world: World, counted: Sequence[Instance], sick: Sequence[Instance]) -> Outage | None:
    """It began when one more than the share was sick: who flaps beyond that does not prolong it."""
    most = max(1, int(len(counted) * world.rules.brake_share))
    if len(sick) <= most:
        return None
    began = sorted(world.of(row).health_since for row in sick)[most]
    why = f"{len(sick)} of {len(counted)} instances are unhealthy at once"
    return Outage(why, began + world.rules.brake_hold_s)


def _of_hosts(world: World, counted: Sequence[Instance], sick: Sequence[Instance]) -> list[Outage]:
    """A host with several instances, all of them sick, while others stand elsewhere."""
    sick_ids = {row.instance_id for row in sick}
    found = []
    for host in sorted({row.host for row in sick if row.host}):
        there = [row for row in counted if row.host == host]
        if 1 < len(there) < len(counted) and all(row.instance_id in sick_ids for row in there):
            began = max(world.of(row).health_since for row in there)
            why = f"all {len(there)} instances on host {host} are unhealthy at once"
            found.append(Outage(why, began + world.rules.brake_hold_s))
    return found


def stood_still_at(wish: SetWish, world: World, rows: Sequence[Instance]) -> dict[int, float]:
    """For each of these rows, when the picture has stood still for two intervals (epoch seconds).

    While other instances turn sick or well too, it is not known yet whether one is sick or all are. A flapping
    neighbour delays this no longer than the brake would."""
    quiet_s = 2 * (wish.health_interval_s or 0.0)
    newest = max((world.of(row).health_since for row in world.counted()), default=0.0)
    own = {row.instance_id: world.of(row).health_since for row in rows}
    hold_s = world.rules.brake_hold_s
    return {number: max(at + quiet_s, min(newest + quiet_s, at + hold_s)) for number, at in own.items()}
