"""Microsoft.Compute/virtualMachineScaleSets/virtualMachines: show, list, protect, and the verbs on one."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from orchestrator.api import verbs
from orchestrator.api.compute_scale_sets import SET
from orchestrator.api.compute_set_verbs import Verb, deallocation
from orchestrator.api.context import Api, ApiDep, SetAddress, SetAddressDep
from orchestrator.api.instance_lists import FILTERS, list_page
from orchestrator.api.long_running import accepted
from orchestrator.api.queries import SKIP_TOKEN, expand, filtering, flag, select, takes, whole
from orchestrator.api.reimage_body import exact_image, read_reimage
from orchestrator.api.requests import BodyDep, OptionalBodyDep, query_flag, query_value, query_whole
from orchestrator.api.set_writes import check_preconditions
from orchestrator.api.sights import look_at
from orchestrator.api.targets import check_in_service, find_instance
from orchestrator.errors import BadInput, NotFound, NotPossible
from orchestrator.model.arm.instance_put import parse_instance_put
from orchestrator.model.arm.instance_resources import deletion_status, instance_etag, instance_resource
from orchestrator.model.arm.instance_views import instance_view
from orchestrator.model.arm.names import InstanceNames
from orchestrator.model.arm.statuses import Json
from orchestrator.model.instance import Instance
from orchestrator.model.scale_set import ScaleSet

router = APIRouter()
VM = f"{SET}/virtualmachines/{{instance_id}}"
_CONSOLE_BYTES = 65_536
_CONSOLE_MAX_BYTES = 1 << 20


def show(api: Api, record: ScaleSet, row: Instance, *, is_expanded: bool = False) -> Json:
    return instance_resource(look_at(api, record, row), is_expanded=is_expanded)


@router.get(f"{SET}/virtualmachines")
@takes(
    expand("instanceView"),
    select("instanceView", "instanceView/statuses"),
    filtering("By state, or by model.", *FILTERS),
    SKIP_TOKEN,
)
async def list_instances(request: Request, address: SetAddressDep, api: ApiDep) -> Json:
    return list_page(request, api, address.find(api))


@router.get(VM)
@takes(expand("instanceView", "userData", "resiliencyView"))
async def get_instance(request: Request, address: SetAddressDep, instance_id: str, api: ApiDep) -> Response:
    expanded = (query_value(request, "$expand") or "").lower()
    if expanded not in {"", "instanceview", "userdata", "resiliencyview"}:
        words = "Of an instance instanceView, userData and resiliencyView can be expanded."
        raise BadInput(words, target="$expand")
    record = address.find(api)
    row = find_instance(api.store, record, instance_id)
    body = show(api, record, row, is_expanded=expanded == "instanceview")
    if expanded == "resiliencyview":
        body["properties"]["resilientVMDeletionStatus"] = deletion_status(record, row)
    return JSONResponse(body, headers={"ETag": instance_etag(row)})


@router.get(f"{VM}/instanceview")
async def get_view(address: SetAddressDep, instance_id: str, api: ApiDep) -> Json:
    record = address.find(api)
    row = find_instance(api.store, record, instance_id)
    return instance_view(look_at(api, record, row))


@router.put(VM)
async def put_instance(
    request: Request, address: SetAddressDep, instance_id: str, body: BodyDep, api: ApiDep
) -> Response:
    """Only the protection policy; done at once, since nothing of it reaches a host."""
    record, row = _live(api, address, instance_id)
    name = InstanceNames.of(record).name(row.instance_id)
    check_preconditions(request, instance_etag(row), name)
    current = show(api, record, row, is_expanded=True)
    protection = parse_instance_put(body, current, name)
    changed = row.but(protection=protection)
    if changed != row:
        with api.store.write() as tx:
            tx.put_instance(changed)
            tx.add_events([api.note(record, "its protection was changed", row.instance_id)])
        api.wake(record.uid)
    return JSONResponse(show(api, record, changed), headers={"ETag": instance_etag(changed)})


@router.delete(VM)
@takes(flag("forceDeletion", "Whether the guest is pulled down at once, unasked."))
async def delete_instance(request: Request, address: SetAddressDep, instance_id: str, api: ApiDep) -> Response:
    """204 for an instance that is not there: deleting twice is no mistake."""
    is_forced = query_flag(request, "forceDeletion")
    record = address.find_live(api)
    try:
        row = find_instance(api.store, record, instance_id)
    except NotFound:
        return Response(status_code=204)
    return accepted(request, record, verbs.delete(api, record, [row], is_forced=is_forced))


def _live(api: Api, address: SetAddress, instance_id: str) -> tuple[ScaleSet, Instance]:
    record = address.find_live(api)
    row = find_instance(api.store, record, instance_id)
    if row.is_gone:
        name = InstanceNames.of(record).name(row.instance_id)
        raise NotPossible(f"The instance {name} is being deleted.", target=instance_id)
    return record, row


def _run(request: Request, api: Api, address: SetAddress, instance_id: str, verb: Verb) -> Response:
    record, row = _live(api, address, instance_id)
    check_in_service(record, [row])
    return accepted(request, record, verb(api, record, (row,)))


@router.post(f"{VM}/start")
async def start(request: Request, address: SetAddressDep, instance_id: str, api: ApiDep) -> Response:
    return _run(request, api, address, instance_id, verbs.start)


@router.post(f"{VM}/restart")
async def restart(request: Request, address: SetAddressDep, instance_id: str, api: ApiDep) -> Response:
    return _run(request, api, address, instance_id, verbs.restart)


@router.post(f"{VM}/poweroff")
@takes(flag("skipShutdown", "Whether the plug is pulled; else the guest is asked first."))
async def power_off(request: Request, address: SetAddressDep, instance_id: str, api: ApiDep) -> Response:
    is_hard = query_flag(request, "skipShutdown")
    return _run(request, api, address, instance_id, lambda *given: verbs.power_off(*given, is_hard=is_hard))


@router.post(f"{VM}/deallocate")
@takes(flag("hibernate", "Whether the memory is kept."))
async def deallocate(request: Request, address: SetAddressDep, instance_id: str, api: ApiDep) -> Response:
    return _run(request, api, address, instance_id, deallocation(request))


@router.post(f"{VM}/redeploy")
async def redeploy(request: Request, address: SetAddressDep, instance_id: str, api: ApiDep) -> Response:
    return _run(request, api, address, instance_id, verbs.redeploy)


@router.post(f"{VM}/performmaintenance")
async def perform_maintenance(request: Request, address: SetAddressDep, instance_id: str, api: ApiDep) -> Response:
    return _run(request, api, address, instance_id, verbs.perform_maintenance)


@router.post(f"{VM}/reapply")
async def reapply(request: Request, address: SetAddressDep, instance_id: str, api: ApiDep) -> Response:
    return _run(request, api, address, instance_id, verbs.reapply)


@router.post(f"{VM}/reimage")
@router.post(f"{VM}/reimageall")
async def reimage(
    request: Request, address: SetAddressDep, instance_id: str, body: OptionalBodyDep, api: ApiDep
) -> Response:
    parameters = read_reimage(body)
    if parameters.instance_ids is not None:
        raise BadInput("instanceIds: the address names the instance.", target="instanceIds")
    version = exact_image(api, address.find_live(api), parameters)
    return _run(request, api, address, instance_id, partial(verbs.reimage, image_version=version))


@router.get(f"{VM}/console")
@takes(whole("bytes", "How much of the log's end.", 1, _CONSOLE_MAX_BYTES))
async def get_console(request: Request, address: SetAddressDep, instance_id: str, api: ApiDep) -> Response:
    """Ours: the tail of the serial log, as it is."""
    wanted = query_whole(request, "bytes", _CONSOLE_BYTES, 1, _CONSOLE_MAX_BYTES)
    record = address.find(api)
    row = find_instance(api.store, record, instance_id)
    tail = await api.control.console(record.uid, row.instance_id, wanted)
    return Response(tail.decode("utf-8", "replace"), media_type="text/plain; charset=utf-8")


@router.get(f"{VM}/connection")
async def get_connection(address: SetAddressDep, instance_id: str, api: ApiDep) -> Json:
    """Ours: how to log in by SSH, with the host key to expect."""
    record = address.find(api)
    row = find_instance(api.store, record, instance_id)
    user = look_at(api, record, row).profile["osProfile"].get("adminUsername")
    return {
        "address": row.address,
        "port": 22,
        "users": [user] if user else [],
        "hostKey": row.host_key_public,
        "networkNamespace": api.about.network_namespace,
    }
