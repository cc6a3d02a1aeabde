"""…/Microsoft.Compute/locations/{location}/usages: what there is room for on the hosts, in Azure's shape."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from orchestrator.api.compute_images import LOCATION, check_location
from orchestrator.api.context import ApiDep
from orchestrator.model.arm.statuses import Json
from orchestrator.model.reports import HostReport

router = APIRouter()
_MIB = "MiB"


@router.get(f"{LOCATION}/usages", dependencies=[Depends(check_location)])
async def list_usages(api: ApiDep) -> Json:
    """Processors and memory are those of the hosts that answered, as promised to all that runs on them. There can
    be as many instances as the hosts' limits say, and no more than fit of the smallest size. Sets have no limit."""
    least_mib = min(size.memory_mib for size in api.site().sizes)
    reports = [each for each in api.control.hosts() if each.capacity is not None]
    rooms = [each.capacity for each in reports if each.capacity is not None]
    used_vcpus, vcpus = sum(room.vcpus_used for room in rooms), sum(room.vcpus for room in rooms)
    used_mib, mib = sum(room.memory_mib_used for room in rooms), sum(room.memory_mib for room in rooms)
    most = sum(_most_guests(each, least_mib) for each in reports)
    return {
        "value": [
            _usage("cores", "Total Regional vCPUs", used_vcpus, vcpus),
            _usage("virtualMachines", "Virtual Machines", sum(each.instances for each in reports), most),
            _usage("memory", "Total Regional Memory", used_mib, mib, _MIB),
        ]
    }


def _most_guests(host: HostReport, least_mib: int) -> int:
    by_memory = host.capacity.memory_mib // least_mib if host.capacity else 0
    limit = host.config.limits.guests
    return by_memory if limit is None else min(limit, by_memory)


def _usage(name: str, words: str, used: int, limit: int, unit: str = "Count") -> Json:
    return {"name": {"value": name, "localizedValue": words}, "currentValue": used, "limit": limit, "unit": unit}
