"""…/Microsoft.Compute/locations/{location}/usages: what there is room for on the hosts, in Azure's shape."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from orchestrator.api.compute_images import LOCATION, check_location
from orchestrator.api.context import ApiDep
from orchestrator.model.arm.statuses import Json

router = APIRouter()
_MIB = "MiB"


@router.get(f"{LOCATION}/usages", dependencies=[Depends(check_location)])
async def list_usages(api: ApiDep) -> Json:
    """Processors and memory are those of the hosts that answer, as promised to all that runs on them."""
    rooms = [each.capacity for each in api.control.hosts() if each.capacity is not None]
    used_vcpus, vcpus = sum(room.vcpus_used for room in rooms), sum(room.vcpus for room in rooms)
    used_mib, mib = sum(room.memory_mib_used for room in rooms), sum(room.memory_mib for room in rooms)
    return {
        "value": [
            _usage("cores", "Total Regional vCPUs", used_vcpus, vcpus),
            _usage("memory", "Total Regional Memory", used_mib, mib, _MIB),
        ]
    }


def _usage(name: str, words: str, used: int, limit: int, unit: str = "Count") -> Json:
    return {"name": {"value": name, "localizedValue": words}, "currentValue": used, "limit": limit, "unit": unit}
