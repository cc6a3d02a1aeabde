"""How much room a host has left: what it reports, less what rows already claim and the host does not show."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from orchestrator.model.guest import HostView, Power
from orchestrator.model.host import HostLimits
from orchestrator.model.instance import Instance, WantedPower
from orchestrator.plan.inputs import Room

MIB = 1024 * 1024


def room_left(
    view: HostView,
    limits: HostLimits,
    claims: Iterable[Instance],
    installation: str,
    counted: Collection[str],
    *,
    vcpu_overcommit: int,
    disk_reserve_mib: int,
) -> Room:
    """Room on a host. ``claims`` are all rows, of any set, that are placed there; ``counted`` are the UUIDs of
    the guests that ran when the host reported its capacity, and so are in it already.

    Without a stated vCPU limit, ``vcpu_overcommit`` guests' vCPUs share one of the host's.
    """
    capacity = view.capacity
    unseen = [row for row in claims if _claims(row) and row.owner(installation).vm_uuid not in counted]
    vcpus = limits.vcpus if limits.vcpus is not None else capacity.vcpus * vcpu_overcommit
    guests = limits.guests if limits.guests is not None else 1_000_000
    running = sum(1 for guest in view.guests if guest.power is Power.RUNNING)
    return Room(
        vcpus=vcpus - capacity.vcpus_used - sum(row.vcpus for row in unseen),
        memory_mib=capacity.memory_mib - capacity.memory_mib_used - sum(row.memory_mib for row in unseen),
        disk_mib=capacity.pool_bytes_free // MIB - disk_reserve_mib * len(unseen),
        guests=guests - running - len(unseen),
    )


def _claims(row: Instance) -> bool:
    return row.counts and row.wanted_power is not WantedPower.DEALLOCATED
