"""The verbs on a scale set: start, restart, power off and the rest, on all instances or on those named."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from orchestrator.api import manual_upgrade, verbs
from orchestrator.api.compute_scale_sets import SET
from orchestrator.api.context import Api, ApiDep, SetAddress, SetAddressDep
from orchestrator.api.long_running import accepted
from orchestrator.api.orchestration_services import read_service_action, set_service_state
from orchestrator.api.placement_groups import convert_to_single, read_scale_out
from orchestrator.api.queries import flag, takes
from orchestrator.api.reimage_body import exact_image, read_reimage
from orchestrator.api.requests import BodyDep, OptionalBodyDep, query_flag
from orchestrator.api.set_writes import update_set
from orchestrator.api.targets import Targets, find_targets
from orchestrator.model.instance import Instance
from orchestrator.model.scale_set import Operation, ScaleSet

router = APIRouter()
Verb = Callable[[Api, ScaleSet, tuple[Instance, ...]], Operation]


def _run(request: Request, api: Api, address: SetAddress, body: dict[str, Any] | None, verb: Verb) -> Response:
    """Protected instances are left out where the whole set is meant."""
    record, targets = _targets(api, address, body)
    return accepted(request, record, verb(api, record, targets.unprotected))


def _targets(
    api: Api,
    address: SetAddress,
    body: dict[str, Any] | None,
    *,
    is_required: bool = False,
    keep_gone: bool = False,
) -> tuple[ScaleSet, Targets]:
    record = address.find_live(api)
    rows = api.store.instances(record.uid)
    return record, find_targets(record, body, rows, is_required=is_required, keep_gone=keep_gone)


@router.post(f"{SET}/start")
async def start(request: Request, address: SetAddressDep, body: OptionalBodyDep, api: ApiDep) -> Response:
    record, targets = _targets(api, address, body)
    return accepted(request, record, verbs.start(api, record, targets.rows))


@router.post(f"{SET}/restart")
async def restart(request: Request, address: SetAddressDep, body: OptionalBodyDep, api: ApiDep) -> Response:
    return _run(request, api, address, body, verbs.restart)


@router.post(f"{SET}/poweroff")
@takes(flag("skipShutdown", "Whether the plug is pulled; else guests are asked first."))
async def power_off(request: Request, address: SetAddressDep, body: OptionalBodyDep, api: ApiDep) -> Response:
    """``skipShutdown=true`` pulls the plug; else the guest is asked first."""
    is_hard = query_flag(request, "skipShutdown")
    return _run(request, api, address, body, lambda *given: verbs.power_off(*given, is_hard=is_hard))


@router.post(f"{SET}/deallocate")
@takes(flag("hibernate", "Whether the memory is kept."))
async def deallocate(request: Request, address: SetAddressDep, body: OptionalBodyDep, api: ApiDep) -> Response:
    return _run(request, api, address, body, deallocation(request))


def deallocation(request: Request) -> Verb:
    """``hibernate=true`` saves the memory as well; Azure has it for Flexible only, here it is for both."""
    return verbs.hibernate if query_flag(request, "hibernate") else verbs.deallocate


@router.post(f"{SET}/redeploy")
async def redeploy(request: Request, address: SetAddressDep, body: OptionalBodyDep, api: ApiDep) -> Response:
    return _run(request, api, address, body, verbs.redeploy)


@router.post(f"{SET}/performmaintenance")
async def perform_maintenance(
    request: Request, address: SetAddressDep, body: OptionalBodyDep, api: ApiDep
) -> Response:
    return _run(request, api, address, body, verbs.perform_maintenance)


@router.post(f"{SET}/reapply")
async def reapply(request: Request, address: SetAddressDep, api: ApiDep) -> Response:
    return _run(request, api, address, None, verbs.reapply)


@router.post(f"{SET}/reimage")
@router.post(f"{SET}/reimageall")
async def reimage(request: Request, address: SetAddressDep, body: OptionalBodyDep, api: ApiDep) -> Response:
    """``reimageall`` is for data disks too; there are none, so both are the same."""
    parameters = read_reimage(body)
    version = exact_image(api, address.find_live(api), parameters)
    named = None if parameters.instance_ids is None else {"instanceIds": parameters.instance_ids}
    return _run(request, api, address, named, partial(verbs.reimage, image_version=version))


@router.post(f"{SET}/scaleout")
async def scale_out(request: Request, address: SetAddressDep, body: BodyDep, api: ApiDep) -> Response:
    """So many more. Where they go is the balance's choice, so a zone cannot be named."""
    record = address.find_live(api)
    more = read_scale_out(body)
    written = update_set(api, record, {"sku": {"capacity": record.capacity + more}})
    return accepted(request, written.record, written.operation)


@router.post(f"{SET}/converttosingleplacementgroup")
async def convert_to_single_placement_group(address: SetAddressDep, body: OptionalBodyDep, api: ApiDep) -> Response:
    """The way back from ``singlePlacementGroup: false``, for a set that fits into one group."""
    convert_to_single(api, address.find_live(api), body)
    return Response(status_code=200)


@router.post(f"{SET}/manualupgrade")
async def upgrade(request: Request, address: SetAddressDep, body: BodyDep, api: ApiDep) -> Response:
    record, targets = _targets(api, address, body, is_required=True)
    return accepted(request, record, manual_upgrade.upgrade(api, record, targets.unprotected))


@router.post(f"{SET}/delete")
@takes(flag("forceDeletion", "Whether guests are pulled down at once, unasked."))
async def delete_instances(request: Request, address: SetAddressDep, body: BodyDep, api: ApiDep) -> Response:
    is_forced = query_flag(request, "forceDeletion")
    record, targets = _targets(api, address, body, is_required=True, keep_gone=True)
    return accepted(request, record, verbs.delete(api, record, targets.rows, is_forced=is_forced))


@router.post(f"{SET}/setorchestrationservicestate")
async def set_orchestration_service_state(address: SetAddressDep, body: BodyDep, api: ApiDep) -> Response:
    """Suspend or resume automatic repairs, or the rebalancing of zones."""
    set_service_state(api, address.find_live(api), read_service_action(body))
    return Response(status_code=200)
