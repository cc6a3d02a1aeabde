"""Microsoft.Compute/virtualMachineScaleSets/extensions: parts of the model with an address of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from orchestrator.api.compute_scale_sets import SET
from orchestrator.api.context import Api, ApiDep, SetAddressDep
from orchestrator.api.long_running import accepted, begun
from orchestrator.api.queries import expand, takes
from orchestrator.api.requests import BodyDep, is_expanded
from orchestrator.api.scale_set_kind import provisioning_state
from orchestrator.api.set_writes import Written, update_set
from orchestrator.api.sights import looks
from orchestrator.errors import BadInput, NotFound, NotPossible
from orchestrator.model.arm.extension_views import extension_view
from orchestrator.model.arm.merge import merge_body
from orchestrator.model.arm.names import is_extension_name
from orchestrator.model.arm.statuses import Json, summary
from orchestrator.model.arm.views import extension_resource
from orchestrator.model.arm.write_only import join_secrets
from orchestrator.model.scale_set import ScaleSet

router = APIRouter()
EXTENSION = f"{SET}/extensions/{{extension}}"


def _extensions(model: Mapping[str, Any]) -> list[Json]:
    return list(model["properties"]["virtualMachineProfile"]["extensionProfile"]["extensions"])


def _find(extensions: list[Json], name: str) -> Json | None:
    return next((each for each in extensions if each["name"].lower() == name.lower()), None)


def _get(record: ScaleSet, name: str) -> Json:
    found = _find(_extensions(record.model), name)
    if found is None:
        raise NotFound(f"The scale set {record.name} has no extension '{name[:80]}'.")
    return found


def _write(api: Api, record: ScaleSet, extensions: list[Json]) -> Written:
    profile = {"extensionProfile": {"extensions": extensions}}
    return update_set(api, record, {"properties": {"virtualMachineProfile": profile}})


def _answer(request: Request, api: Api, written: Written, name: str, status: int) -> Response:
    body = extension_resource(written.record, _get(written.record, name), provisioning_state(api, written.record))
    return begun(request, written.record, written.operation, body, status)


@router.get(f"{SET}/extensions")
async def list_extensions(address: SetAddressDep, api: ApiDep) -> Json:
    record = address.find(api)
    state = provisioning_state(api, record)
    return {"value": [extension_resource(record, each, state) for each in _extensions(record.model)]}


@router.get(EXTENSION)
@takes(expand("instanceView"))
async def get_extension(request: Request, address: SetAddressDep, extension: str, api: ApiDep) -> Json:
    """``$expand=instanceView`` adds how it goes on the instances: how many of them have which status."""
    expanded, record = is_expanded(request), address.find(api)
    found = _get(record, extension)
    shown = extension_resource(record, found, provisioning_state(api, record))
    if expanded:
        shown["properties"]["instanceView"] = _on_instances(api, record, found["name"])
    return shown


def _on_instances(api: Api, record: ScaleSet, name: str) -> Json:
    rows = [row for row in api.store.instances(record.uid) if not row.is_gone]
    statuses: list[Json] = []
    for it in looks(api, record, rows):
        if extension := _find(_extensions(it.model), name):
            statuses += extension_view(extension, it.row, it.look)["statuses"]
    return {"name": name, "statusesSummary": summary(statuses)}


@router.put(EXTENSION)
async def put_extension(
    request: Request, address: SetAddressDep, extension: str, body: BodyDep, api: ApiDep
) -> Response:
    if not is_extension_name(extension):
        raise BadInput(f"'{extension[:80]}' cannot be an extension's name.", target="name")
    record = address.find_live(api)
    extensions = _extensions(join_secrets(record.model, record.secrets))
    old = _find(extensions, extension)
    name = old["name"] if old else extension
    new = {**_checked(body, name), "name": name}
    written = _write(api, record, [new if each is old else each for each in extensions] + ([] if old else [new]))
    return _answer(request, api, written, name, 200 if old else 201)


@router.patch(EXTENSION)
async def patch_extension(
    request: Request, address: SetAddressDep, extension: str, body: BodyDep, api: ApiDep
) -> Response:
    record = address.find_live(api)
    name = _get(record, extension)["name"]
    extensions = _extensions(join_secrets(record.model, record.secrets))
    old = _find(extensions, name)
    assert old is not None  # _get found it in the same record
    new = {**merge_body(old, _checked(body, name)), "name": name}
    written = _write(api, record, [new if each is old else each for each in extensions])
    return _answer(request, api, written, name, 200)


@router.delete(EXTENSION)
async def delete_extension(request: Request, address: SetAddressDep, extension: str, api: ApiDep) -> Response:
    """Out of the model; 204 if it is not there. What it did in guests stays done."""
    record = address.find_live(api)
    extensions = _extensions(join_secrets(record.model, record.secrets))
    old = _find(extensions, extension)
    if old is None:
        return Response(status_code=204)
    needing = [
        each["name"] for each in extensions if old["name"] in each["properties"].get("provisionAfterExtensions", [])
    ]
    if needing:
        words = f"{', '.join(needing)} {'is' if len(needing) == 1 else 'are'} provisioned after {old['name']}."
        raise NotPossible(words, target=old["name"])
    written = _write(api, record, [each for each in extensions if each is not old])
    return accepted(request, written.record, written.operation)


def _checked(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The body without its name, which may only be the address's."""
    given = next((value for key, value in body.items() if key.lower() == "name" and value is not None), name)
    if str(given).lower() != name.lower():
        words = f"The body is of '{str(given)[:80]}', the address of '{name}'."
        raise BadInput(words, code="InvalidRequestContent", target="name")
    return {key: value for key, value in body.items() if key.lower() != "name"}
