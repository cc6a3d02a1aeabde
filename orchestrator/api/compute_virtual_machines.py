"""Microsoft.Compute/virtualMachines: the instances of Flexible scale sets as VMs by themselves (reference 4.1).

What can be done to an instance of a set is done to such a VM by the same code: see ``mirrored``.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import groupby
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute

from orchestrator.api import verbs
from orchestrator.api.compute_instances import VM as INSTANCE
from orchestrator.api.compute_scale_sets import COMPUTE, GROUP
from orchestrator.api.context import Api, ApiDep, SetAddress, Subscription
from orchestrator.api.instance_lists import PAGE
from orchestrator.api.long_running import accepted
from orchestrator.api.paging import SKIP, next_link
from orchestrator.api.queries import SKIP_TOKEN, expand, filtering, flag, takes
from orchestrator.api.requests import query_flag, query_value
from orchestrator.api.sights import look_at, looks
from orchestrator.api.targets import find_instance
from orchestrator.errors import BadInput, NotFound, NotPossible
from orchestrator.model.arm.instance_resources import instance_etag, machine_resource
from orchestrator.model.arm.names import VM_TYPE, check_group_name, set_of_machine
from orchestrator.model.arm.statuses import Json
from orchestrator.model.instance import Instance
from orchestrator.model.scale_set import ScaleSet

router = APIRouter()
MACHINES = f"{GROUP}/{COMPUTE}/virtualmachines"
MACHINE = f"{MACHINES}/{{instance_id}}"
_SET_FILTER = re.compile(r"^\s*'?virtualMachineScaleSet/id'?\s+eq\s+'(?P<id>[^']{1,1024})'\s*$", re.IGNORECASE)
_TOKEN = re.compile(r"^(?P<uid>[0-9a-f]{12})-(?P<id>\d{1,10})$", re.ASCII)
Endpoint = Callable[..., Awaitable[Any]]


async def read_machine_address(
    subscription_id: Subscription, group: str, instance_id: str, api: ApiDep
) -> SetAddress:
    """The set that a VM belongs to. Raises ``NotFound`` for a name that no Flexible set's instance has."""
    check_group_name(group)
    if set_name := set_of_machine(instance_id):
        address = SetAddress(subscription_id, group, set_name)
        record = address.find_if_any(api)
        if record is not None and record.is_flexible:
            return address
    resource = f"{VM_TYPE}/{instance_id[:80]}"
    raise NotFound(f"The resource '{resource}' under resource group '{group}' was not found.")


MachineAddressDep = Annotated[SetAddress, Depends(read_machine_address)]


def mirrored(routers: Iterable[APIRouter]) -> APIRouter:
    """Every route below one instance once more, below the VM that it is.

    The address of its set comes from the VM's name then; all else is the route's own."""
    router = APIRouter()
    for route in (each for of_router in routers for each in of_router.routes):
        if isinstance(route, APIRoute) and route.path.startswith(f"{INSTANCE}/"):
            path = MACHINE + route.path.removeprefix(INSTANCE)
            router.add_api_route(path, _by_machine(route.endpoint), methods=sorted(route.methods or ()))
    return router


def _by_machine(endpoint: Endpoint) -> Endpoint:
    signature = inspect.signature(endpoint, eval_str=True)
    parameters = [
        each.replace(annotation=MachineAddressDep) if each.name == "address" else each
        for each in signature.parameters.values()
    ]

    @functools.wraps(endpoint)
    async def run(**given: Any) -> Any:
        return await endpoint(**given)

    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return run


@router.get(MACHINE)
@takes(expand("instanceView", "userData"))
async def get_machine(request: Request, address: MachineAddressDep, instance_id: str, api: ApiDep) -> Response:
    expanded = (query_value(request, "$expand") or "").lower()
    if expanded not in {"", "instanceview", "userdata"}:
        raise BadInput("Of a VM instanceView and userData can be expanded.", target="$expand")
    record = address.find(api)
    row = find_instance(api.store, record, instance_id)
    body = machine_resource(look_at(api, record, row), is_expanded=expanded == "instanceview")
    return JSONResponse(body, headers={"ETag": instance_etag(row)})


@router.put(MACHINE)
@router.patch(MACHINE)
async def put_machine(_subscription: Subscription, group: str, instance_id: str) -> Response:
    """VMs come and go with the capacity of their set, and are changed by its model."""
    words = (
        f"The VM {instance_id[:80]} cannot be made, attached or changed by itself in this version: its model and "
        f"their number are those of its scale set in {group[:90]}; its protectionPolicy is put below the set."
    )
    raise NotPossible(words, target=instance_id[:80])


@router.delete(MACHINE)
@takes(flag("forceDeletion", "Whether the guest is pulled down at once, unasked."))
async def delete_machine(
    request: Request, subscription_id: Subscription, group: str, instance_id: str, api: ApiDep
) -> Response:
    """As deleting the instance by id: the capacity is lowered by one. 204 for one that is not there."""
    is_forced = query_flag(request, "forceDeletion")
    try:
        address = await read_machine_address(subscription_id, group, instance_id, api)
        row = find_instance(api.store, address.find(api), instance_id)
    except NotFound:
        return Response(status_code=204)
    record = address.find_live(api)
    return accepted(request, record, verbs.delete(api, record, [row], is_forced=is_forced))


_LISTED = takes(
    filtering("By the scale set alone.", "'virtualMachineScaleSet/id' eq 'ID'"),
    expand("instanceView"),
    flag("statusOnly", "Whether the state is shown, too."),
    SKIP_TOKEN,
)


@router.get(MACHINES)
@_LISTED
async def list_in_group(request: Request, _subscription: Subscription, group: str, api: ApiDep) -> Json:
    wanted = check_group_name(group).lower()
    return _page(request, api, (each for each in _sets(request, api) if each.resource_group.lower() == wanted))


@router.get(f"/subscriptions/{{subscription_id}}/{COMPUTE}/virtualmachines")
@_LISTED
async def list_all(request: Request, _subscription: Subscription, api: ApiDep) -> Json:
    return _page(request, api, _sets(request, api))


def _sets(request: Request, api: Api) -> Iterator[ScaleSet]:
    """The Flexible sets, or the one that ``$filter`` names. Raises ``BadInput`` for another filter."""
    text = query_value(request, "$filter")
    found = _SET_FILTER.match(text) if text else None
    if text and not found:
        raise BadInput("$filter can be \"'virtualMachineScaleSet/id' eq 'ID'\".", target="$filter")
    wanted = found["id"].rstrip("/").lower() if found else None
    for record in api.store.scale_sets():
        if record.is_flexible and wanted in {None, record.resource_id.lower()}:
            yield record


def _page(request: Request, api: Api, records: Iterable[ScaleSet]) -> Json:
    """One page, over the borders of sets; ``statusOnly`` and ``$expand=instanceView`` bring the state along."""
    expanded = (query_value(request, "$expand") or "").lower()
    if expanded not in {"", "instanceview"}:
        raise BadInput("Of VMs in a list only instanceView can be expanded.", target="$expand")
    is_expanded = query_flag(request, "statusOnly") or expanded == "instanceview"
    after = _read_token(query_value(request, SKIP))
    by_uid = {record.uid: record for record in records}
    rows = [row for uid in sorted(by_uid) for row in api.store.instances(uid) if _place(row) > after]
    page, rest = rows[:PAGE], rows[PAGE:]
    items: list[Json] = []
    for uid, of_set in groupby(page, key=lambda row: row.set_uid):
        items += [machine_resource(it, is_expanded=is_expanded) for it in looks(api, by_uid[uid], list(of_set))]
    answer: Json = {"value": items}
    if rest:
        answer["nextLink"] = next_link(request, f"{page[-1].set_uid}-{page[-1].instance_id}")
    return answer


def _place(row: Instance) -> tuple[str, int]:
    return row.set_uid, row.instance_id


def _read_token(text: str | None) -> tuple[str, int]:
    """Where the page before ended: after that place nothing is lost or doubled, whatever came or went meanwhile."""
    if text is None:
        return "", -1
    found = _TOKEN.match(text)
    if not found:
        raise BadInput(f"{SKIP} is not one that a nextLink gave.", target=SKIP)
    return found["uid"], int(found["id"])
