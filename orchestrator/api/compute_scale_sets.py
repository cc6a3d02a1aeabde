"""Microsoft.Compute/virtualMachineScaleSets: make, change, show, list, delete (reference 3.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from orchestrator.api.context import Api, ApiDep, SetAddressDep, Subscription
from orchestrator.api.long_running import accepted, begun
from orchestrator.api.paging import PAGED, paged
from orchestrator.api.queries import expand, filtering, flag, takes
from orchestrator.api.requests import BodyDep, query_flag, query_value
from orchestrator.api.scale_set_kind import begin_deletion, provisioning_state, show
from orchestrator.api.set_writes import check_preconditions, create_set, update_set
from orchestrator.api.sights import looks
from orchestrator.errors import BadInput, NotFound
from orchestrator.model.arm import views
from orchestrator.model.arm.names import InstanceNames, check_group_name
from orchestrator.model.arm.scale_set import canonical_location
from orchestrator.model.arm.skus import region_skus, scale_set_sku
from orchestrator.model.arm.statuses import Json
from orchestrator.model.guest import HostCapacity
from orchestrator.model.scale_set import ScaleSet

router = APIRouter()
COMPUTE = "providers/microsoft.compute"
GROUP = "/subscriptions/{subscription_id}/resourcegroups/{group}"
SET = f"{GROUP}/{COMPUTE}/virtualmachinescalesets/{{name}}"


@router.put(SET)
async def put_set(request: Request, address: SetAddressDep, body: BodyDep, api: ApiDep) -> Response:
    address = replace(address, group=api.check_group(address.group).name)
    record = address.find_if_any(api)
    check_preconditions(request, record.etag if record else None, address.name)
    written = update_set(api, record, body) if record else create_set(api, address, body)
    status = 200 if record else 201
    return begun(request, written.record, written.operation, show(api, written.record), status)


@router.patch(SET)
async def patch_set(request: Request, address: SetAddressDep, body: BodyDep, api: ApiDep) -> Response:
    record = address.find(api)
    check_preconditions(request, record.etag, address.name)
    written = update_set(api, record, body, is_patch=True)
    return begun(request, written.record, written.operation, show(api, written.record), 200)


@router.get(SET)
@takes(expand("userData"))
async def get_set(request: Request, address: SetAddressDep, api: ApiDep) -> Response:
    expanded = query_value(request, "$expand")
    if expanded is not None and expanded.lower() != "userdata":
        raise BadInput("Of a scale set only userData can be expanded.", target="$expand")
    record = address.find(api)
    return JSONResponse(show(api, record), headers={"ETag": record.etag})


@router.delete(SET)
@takes(flag("forceDeletion", "Whether guests are pulled down at once, unasked."))
async def delete_set(request: Request, address: SetAddressDep, api: ApiDep) -> Response:
    """204 for what is not there; else the loop deletes every instance, and the set with the last of them."""
    is_forced = query_flag(request, "forceDeletion")
    record = address.find_if_any(api)
    if record is None:
        return Response(status_code=204)
    check_preconditions(request, record.etag, address.name)
    return accepted(request, record, begin_deletion(api, record, is_forced=is_forced))


def _list(request: Request, api: Api, records: Iterable[ScaleSet]) -> Json:
    return paged(request, (show(api, record) for record in records))


@router.get(f"{GROUP}/{COMPUTE}/virtualmachinescalesets")
@takes(*PAGED)
async def list_in_group(request: Request, _subscription: Subscription, group: str, api: ApiDep) -> Json:
    name = api.find_group(check_group_name(group)).name
    in_it = (each for each in api.store.scale_sets() if each.resource_group.lower() == name.lower())
    return _list(request, api, in_it)


@router.get(f"/subscriptions/{{subscription_id}}/{COMPUTE}/virtualmachinescalesets")
@takes(*PAGED)
async def list_all(request: Request, _subscription: Subscription, api: ApiDep) -> Json:
    return _list(request, api, api.store.scale_sets())


@router.get(f"/subscriptions/{{subscription_id}}/{COMPUTE}/locations/{{location}}/virtualmachinescalesets")
@takes(*PAGED)
async def list_in_location(request: Request, _subscription: Subscription, location: str, api: ApiDep) -> Json:
    wanted = canonical_location(location)
    return _list(request, api, (each for each in api.store.scale_sets() if each.location == wanted))


@router.get(f"{SET}/instanceview")
async def get_instance_view(address: SetAddressDep, api: ApiDep) -> Json:
    record = address.find(api)
    rows = looks(api, record, api.store.instances(record.uid))
    return views.scale_set_instance_view(record, rows, provisioning_state(api, record), record.changed_at)


@router.get(f"{SET}/skus")
async def list_skus(address: SetAddressDep, api: ApiDep) -> Json:
    """The sizes that the set can change to, and how many instances it may then have."""
    is_single = bool(address.find(api).model["properties"].get("singlePlacementGroup"))
    return {"value": [scale_set_sku(size, is_single_placement_group=is_single) for size in api.site().sizes]}


@router.get(f"/subscriptions/{{subscription_id}}/{COMPUTE}/skus")
@takes(filtering("By location alone.", "location eq 'local'"))
async def list_region_skus(_subscription: Subscription, request: Request, api: ApiDep) -> Json:
    """The sizes of the location with their families, their figures, and the zones whose hosts are big enough."""
    site = api.site()
    wanted = query_value(request, "$filter")
    found = re.fullmatch(r"\s*location\s+eq\s+'([^']*)'\s*", wanted, re.IGNORECASE) if wanted else None
    if wanted and not found:
        raise BadInput("SKUs can be filtered by location only: location eq 'NAME'.", target="$filter")
    is_here = found is None or canonical_location(found[1]) == site.location
    return {"value": region_skus(site.sizes, site.location, _hosts_by_zone(api)) if is_here else []}


def _hosts_by_zone(api: Api) -> dict[str, list[HostCapacity | None]]:
    found: dict[str, list[HostCapacity | None]] = {zone: [] for zone in api.site().fault_domains}
    for host in api.control.hosts():
        found.setdefault(host.config.zone, []).append(host.capacity)
    return found


@router.get(f"/subscriptions/{{subscription_id}}/{COMPUTE}/locations/{{location}}/vmsizes")
async def list_sizes(_subscription: Subscription, location: str, api: ApiDep) -> Json:
    site = api.site()
    if canonical_location(location) != site.location:
        raise NotFound(f"There is no location '{location}'; it is '{site.location}'.", code="LocationNotFound")
    return {"value": [views.vm_size(size) for size in site.sizes]}


@router.get(f"{SET}/plan")
async def get_plan(address: SetAddressDep, api: ApiDep) -> Json:
    """Ours: what would be done next, and why."""
    record = address.find(api)
    names = InstanceNames.of(record)
    plan = await api.control.plan(record.uid)
    return {
        "steps": [
            {
                "kind": step.kind,
                "instanceId": names.id(step.instance_id),
                "host": getattr(step, "host", None),
                "reason": step.reason,
            }
            for step in plan.steps
        ],
        "setSteps": [{"kind": step.kind, "reason": step.reason} for step in plan.set_decisions],
        "notes": list(plan.notes),
    }
