"""…/virtualMachines/{id}/extensions: what runs on one instance, of its model and for itself (reference 3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from orchestrator.api.compute_instances import VM
from orchestrator.api.context import Api, ApiDep, SetAddress, SetAddressDep
from orchestrator.api.long_running import accepted, begun, new_operation
from orchestrator.api.queries import expand, takes
from orchestrator.api.requests import BodyDep, is_expanded
from orchestrator.api.sights import look_at
from orchestrator.api.targets import check_in_service, find_instance
from orchestrator.errors import BadInput, Conflict, NotFound, NotPossible
from orchestrator.model import wishes
from orchestrator.model.arm.instance_views import extensions_of
from orchestrator.model.arm.names import InstanceNames, is_extension_name
from orchestrator.model.arm.own_extension import (
    as_own,
    merged_own,
    own_extension_resource,
    parse_own_extension,
)
from orchestrator.model.arm.statuses import Json
from orchestrator.model.arm.write_only import join_secrets
from orchestrator.model.instance import Instance, Stage, WantedPower
from orchestrator.model.own_extension import OwnExtension
from orchestrator.model.scale_set import OperationKind, ScaleSet

router = APIRouter()
EXTENSIONS = f"{VM}/extensions"
EXTENSION = f"{EXTENSIONS}/{{extension}}"


def live_instance(api: Api, address: SetAddress, instance_id: str) -> tuple[ScaleSet, Instance]:
    """An instance that can still be told something. Raises ``NotFound``, or ``NotPossible`` while it is deleted."""
    record = address.find_live(api)
    row = find_instance(api.store, record, instance_id)
    if row.is_gone:
        name = InstanceNames.of(record).name(row.instance_id)
        raise NotPossible(f"The instance {name} is being deleted.", target=instance_id)
    check_in_service(record, [row])
    return record, row


def check_has_agent(api: Api, record: ScaleSet, row: Instance) -> None:
    """Raises ``NotPossible`` for a guest that the daemon does not log in to."""
    if not look_at(api, record, row).has_agent:
        words = "Nothing is run in guests of this scale set: linuxConfiguration.provisionVMAgent is false."
        raise NotPossible(words, target="provisionVMAgent")


def _named(found: list[Json], name: str) -> Json | None:
    return next((each for each in found if each["name"].lower() == name.lower()), None)


@router.get(EXTENSIONS)
@takes(expand("instanceView"))
async def list_own_extensions(request: Request, address: SetAddressDep, instance_id: str, api: ApiDep) -> Json:
    expanded, record = is_expanded(request), address.find(api)
    it = look_at(api, record, find_instance(api.store, record, instance_id))
    return {"value": [own_extension_resource(it, each, is_expanded=expanded) for each in extensions_of(it.model)]}


@router.get(EXTENSION)
@takes(expand("instanceView"))
async def get_own_extension(
    request: Request, address: SetAddressDep, instance_id: str, extension: str, api: ApiDep
) -> Json:
    expanded, record = is_expanded(request), address.find(api)
    it = look_at(api, record, find_instance(api.store, record, instance_id))
    found = _named(extensions_of(it.model), extension)
    if found is None:
        raise _not_found(it.names.name(it.row.instance_id), extension)
    return own_extension_resource(it, found, is_expanded=expanded)


def _not_found(instance: str, name: str) -> NotFound:
    return NotFound(f"The instance {instance} has no extension '{name[:80]}'.")


@router.put(EXTENSION)
async def put_own_extension(
    request: Request, address: SetAddressDep, instance_id: str, extension: str, body: BodyDep, api: ApiDep
) -> Response:
    if not is_extension_name(extension):
        raise BadInput(f"'{extension[:80]}' cannot be an extension's name.", target="name")
    record, row = live_instance(api, address, instance_id)
    old = api.store.own_extension(record.uid, row.instance_id, extension)
    whole = merged_own(old, body, is_patch=False) if old else body
    return _write(request, api, record, row, old.name if old else extension, whole)


@router.patch(EXTENSION)
async def patch_own_extension(
    request: Request, address: SetAddressDep, instance_id: str, extension: str, body: BodyDep, api: ApiDep
) -> Response:
    record, row = live_instance(api, address, instance_id)
    old = api.store.own_extension(record.uid, row.instance_id, extension)
    if old is None:
        _refuse_of_model(api, record, row, extension)
        raise _not_found(InstanceNames.of(record).name(row.instance_id), extension)
    return _write(request, api, record, row, old.name, merged_own(old, body, is_patch=True))


def _write(
    request: Request, api: Api, record: ScaleSet, row: Instance, name: str, body: Mapping[str, Any]
) -> Response:
    _check_name_of(body, name)
    _refuse_of_model(api, record, row, name)
    if row.wanted_power is not WantedPower.RUNNING:
        raise NotPossible("Extensions are changed on running instances only: start it first.", target=name)
    check_has_agent(api, record, row)
    old = api.store.own_extension(record.uid, row.instance_id, name)
    new = as_own(parse_own_extension(body, name, _others(api, record, row, name)), row, old)
    operation = new_operation(api, record, OperationKind.EXTENSION, {row.instance_id: 0})
    changed = wishes.reconfigured(row, api.now(), model_version=row.model_version)
    with api.store.write() as tx:
        if new != old:
            tx.put_own_extension(new)
            tx.put_instance(changed)
            tx.add_events([api.note(record, f"its own extension {name} was written", row.instance_id)])
        tx.put_operation(operation)
    api.wake(record.uid)
    it = look_at(api, record, changed if new != old else row)
    found = _named(extensions_of(it.model), name)
    assert found is not None  # it was written just now
    answer = own_extension_resource(it, found, is_expanded=False)
    return begun(request, record, operation, answer, 200 if old else 201)


def _check_name_of(body: Mapping[str, Any], name: str) -> None:
    given = next((value for key, value in body.items() if key.lower() == "name" and value is not None), name)
    if str(given).lower() != name.lower():
        words = f"The body is of '{str(given)[:80]}', the address of '{name}'."
        raise BadInput(words, code="InvalidRequestContent", target="name")


def _refuse_of_model(api: Api, record: ScaleSet, row: Instance, name: str) -> None:
    """Raises ``Conflict`` for a name that the model has, the newest or the one that the instance is on."""
    on = api.store.profile(record.uid, row.model_version) or record
    for model in (on.model, record.model):
        if _named(extensions_of(model), name) is not None:
            words = f"The extension {name} is one of the scale set's model: change it there, or take another name."
            raise Conflict(words, target=name)


def _others(api: Api, record: ScaleSet, row: Instance, name: str) -> list[Json]:
    """All other extensions of the instance, whole."""
    on = api.store.profile(record.uid, row.model_version) or record
    shared = extensions_of(join_secrets(on.model, on.secrets))
    own = [each.whole_body for each in _own_of(api, row) if each.name.lower() != name.lower()]
    return [*shared, *own]


def _own_of(api: Api, row: Instance) -> list[OwnExtension]:
    return [each for each in api.store.own_extensions(row.set_uid) if each.instance_id == row.instance_id]


@router.delete(EXTENSION)
async def delete_own_extension(
    request: Request, address: SetAddressDep, instance_id: str, extension: str, api: ApiDep
) -> Response:
    """204 if it is not there. What runs of it is ended; what it did in the guest stays done."""
    record, row = live_instance(api, address, instance_id)
    old = api.store.own_extension(record.uid, row.instance_id, extension)
    if old is None:
        _refuse_of_model(api, record, row, extension)
        return Response(status_code=204)
    needing = [each.name for each in _own_of(api, row) if old.name in each.properties["provisionAfterExtensions"]]
    if needing:
        words = f"{', '.join(needing)} {'is' if len(needing) == 1 else 'are'} provisioned after {old.name}."
        raise NotPossible(words, target=old.name)
    return _removed(request, api, record, row, old)


def _removed(request: Request, api: Api, record: ScaleSet, row: Instance, old: OwnExtension) -> Response:
    is_on = row.wanted_power is WantedPower.RUNNING
    kept = {name: each for name, each in row.extensions.items() if name != old.name or each.is_running}
    changed = row.but(extensions=kept)
    if is_on and row.stage is Stage.FAILED:
        changed = wishes.reconfigured(changed, api.now(), model_version=row.model_version)
    operation = new_operation(api, record, OperationKind.EXTENSION, {row.instance_id: 0})
    with api.store.write() as tx:
        tx.drop_own_extension(record.uid, row.instance_id, old.name)
        tx.put_instance(changed)
        tx.add_events([api.note(record, f"its own extension {old.name} was removed", row.instance_id)])
        if is_on:
            tx.put_operation(operation)
    api.wake(record.uid)
    return accepted(request, record, operation) if is_on else Response(status_code=200)


@router.post(f"{EXTENSION}/cancel")
async def cancel_extension(
    request: Request, address: SetAddressDep, instance_id: str, extension: str, api: ApiDep
) -> Response:
    """Ours: end the run of an extension, of the model or the instance's own. It has failed then."""
    record, row = live_instance(api, address, instance_id)
    name = next((each for each in row.extensions if each.lower() == extension.lower()), extension)
    state = row.extensions.get(name)
    if state is None or not state.is_running:
        instance = InstanceNames.of(record).name(row.instance_id)
        raise NotPossible(f"The extension '{name[:80]}' does not run on {instance} now.", target=name[:80])
    cancelled = {**row.extensions, name: replace(state, cancelled_by="a request")}
    operation = new_operation(api, record, OperationKind.CANCEL_EXTENSION, {row.instance_id: 0})
    with api.store.write() as tx:
        tx.put_instance(row.but(extensions=cancelled))
        tx.put_operation(operation)
        tx.add_events([api.note(record, f"its extension {name} is to be ended", row.instance_id)])
    api.wake(record.uid)
    return accepted(request, record, operation)
