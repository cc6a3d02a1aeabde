"""POST …/virtualMachines/{id}/runCommand, and …/runCommands as resources (reference 3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from orchestrator.api.compute_instances import VM
from orchestrator.api.compute_vm_extensions import check_has_agent, live_instance
from orchestrator.api.context import Api, ApiDep, SetAddressDep
from orchestrator.api.long_running import accepted, begun, is_running, new_operation
from orchestrator.api.queries import expand, takes
from orchestrator.api.requests import BodyDep, is_expanded
from orchestrator.api.targets import find_instance
from orchestrator.errors import BadInput, Conflict, NotFound, NotPossible
from orchestrator.model.arm.instance_views import set_id_of
from orchestrator.model.arm.names import InstanceNames, is_extension_name
from orchestrator.model.arm.run_command import merged, parse_action, parse_managed, run_command_resource
from orchestrator.model.arm.statuses import Json
from orchestrator.model.instance import Failure, Instance, Stage, WantedPower
from orchestrator.model.run_command import ExecutionState, RunCommand
from orchestrator.model.scale_set import Operation, OperationKind, OperationStatus, ScaleSet
from orchestrator.plan.inputs import Sight
from orchestrator.store import Transaction

router = APIRouter()
COMMANDS = f"{VM}/runcommands"
COMMAND = f"{COMMANDS}/{{command}}"
COMMANDS_MAX = 25
_UP_STAGES = {Stage.CONFIGURING, Stage.READY, Stage.FAILED}
# A change of anything else needs no other run.
_NOT_RUN = frozenset({"asyncExecution", "treatFailureAsDeploymentFailure"})


@router.post(f"{VM}/runcommand")
async def run_command(
    request: Request, address: SetAddressDep, instance_id: str, body: BodyDep, api: ApiDep
) -> Response:
    """Once, now, on an instance that runs. Its output is the operation's."""
    secrets = parse_action(body)
    record, row = live_instance(api, address, instance_id)
    check_has_agent(api, record, row)
    if not _is_up(api, row):
        name = InstanceNames.of(record).name(row.instance_id)
        raise NotPossible(f"The instance {name} does not run now.", target=instance_id)
    operation = new_operation(api, record, OperationKind.RUN_COMMAND, {row.instance_id: 0})
    command = RunCommand(
        record.uid,
        row.instance_id,
        operation.id,
        {},
        secrets,
        created_at=api.now(),
        operation_id=operation.id,
        is_action=True,
    )
    with api.store.write() as tx:
        tx.put_run_command(command)
        tx.put_operation(operation)
        tx.add_events([api.note(record, "a script is to be run on it", row.instance_id)])
    api.wake(record.uid)
    return accepted(request, record, operation)


def _is_up(api: Api, row: Instance) -> bool:
    seen = api.control.seen(row.set_uid).get(row.instance_id)
    is_running = seen is not None and seen.sight is Sight.RUNNING
    return is_running and row.wanted_power is WantedPower.RUNNING and row.stage in _UP_STAGES


# As resources


def _of_instance(api: Api, row: Instance) -> list[RunCommand]:
    found = [each for each in api.store.run_commands(row.set_uid) if each.instance_id == row.instance_id]
    return sorted((each for each in found if not each.is_action), key=lambda each: each.name.lower())


def _find(api: Api, row: Instance, name: str) -> RunCommand | None:
    found = api.store.run_command(row.set_uid, row.instance_id, name)
    return None if found is None or found.is_action else found


def _get(api: Api, record: ScaleSet, row: Instance, name: str) -> RunCommand:
    found = _find(api, row, name)
    if found is None:
        instance = InstanceNames.of(record).name(row.instance_id)
        raise NotFound(f"The instance {instance} has no run command '{name[:80]}'.")
    return found


def _show(record: ScaleSet, command: RunCommand, *, is_expanded: bool = False) -> Json:
    vm_id = set_id_of(record).instance(InstanceNames.of(record).id(command.instance_id))
    return run_command_resource(command, vm_id, record.location, is_expanded=is_expanded)


@router.get(COMMANDS)
@takes(expand("instanceView"))
async def list_run_commands(request: Request, address: SetAddressDep, instance_id: str, api: ApiDep) -> Json:
    expanded, record = is_expanded(request), address.find(api)
    row = find_instance(api.store, record, instance_id)
    return {"value": [_show(record, each, is_expanded=expanded) for each in _of_instance(api, row)]}


@router.get(COMMAND)
@takes(expand("instanceView"))
async def get_run_command(
    request: Request, address: SetAddressDep, instance_id: str, command: str, api: ApiDep
) -> Json:
    expanded, record = is_expanded(request), address.find(api)
    row = find_instance(api.store, record, instance_id)
    return _show(record, _get(api, record, row, command), is_expanded=expanded)


@router.put(COMMAND)
async def put_run_command(
    request: Request, address: SetAddressDep, instance_id: str, command: str, body: BodyDep, api: ApiDep
) -> Response:
    if not is_extension_name(command):
        raise BadInput(f"'{command[:80]}' cannot be a run command's name.", target="name")
    record, row = live_instance(api, address, instance_id)
    old = _find(api, row, command)
    if old is None and len(_of_instance(api, row)) >= COMMANDS_MAX:
        raise Conflict(f"An instance has at most {COMMANDS_MAX} run commands: delete one first.", target=command)
    return _write(request, api, record, row, command, old, body)


@router.patch(COMMAND)
async def patch_run_command(
    request: Request, address: SetAddressDep, instance_id: str, command: str, body: BodyDep, api: ApiDep
) -> Response:
    record, row = live_instance(api, address, instance_id)
    old = _get(api, record, row, command)
    if old.is_gone:
        raise NotPossible(f"The run command {old.name} is being deleted.", target=old.name)
    return _write(request, api, record, row, old.name, old, body)


def _write(
    request: Request,
    api: Api,
    record: ScaleSet,
    row: Instance,
    name: str,
    old: RunCommand | None,
    body: Mapping[str, Any],
) -> Response:
    check_has_agent(api, record, row)
    is_new = old is None or old.is_gone
    properties, secrets, tags = parse_managed(body if old is None or is_new else merged(old, body))
    content: dict[str, Any] = {"properties": properties, "secrets": secrets, "tags": tags}
    if old is not None and not is_new and _asks_for_the_same(old, properties, secrets):
        return _changed(request, api, record, old.but(**content))
    operation = new_operation(api, record, OperationKind.RUN_COMMAND, {row.instance_id: 0})
    content["operation_id"] = operation.id
    now = api.now()
    new = (
        old.again(now, **content)
        if old
        else RunCommand(record.uid, row.instance_id, name, created_at=now, **content)
    )
    with api.store.write() as tx:
        _preempt(api, tx, old)
        tx.put_run_command(new)
        tx.put_operation(operation)
        tx.add_events([api.note(record, f"run command {new.name} was written", row.instance_id)])
    api.wake(record.uid)
    return begun(request, record, operation, _show(record, new), 201 if is_new else 200)


def _asks_for_the_same(old: RunCommand, properties: Mapping[str, Any], secrets: Mapping[str, Any]) -> bool:
    def run(given: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in given.items() if name not in _NOT_RUN}

    return run(old.properties) == run(properties) and dict(old.secrets) == dict(secrets)


def _changed(request: Request, api: Api, record: ScaleSet, command: RunCommand) -> Response:
    """Nothing is to be run: done at once, unless an earlier request still waits for the same run."""
    operation = api.store.operation(command.operation_id) if command.operation_id else None
    if operation is None or not is_running(operation):
        now = api.now()
        operation = new_operation(api, record, OperationKind.RUN_COMMAND, {command.instance_id: 0})
        operation = operation.but(status=OperationStatus.SUCCEEDED, ended_at=now)
    with api.store.write() as tx:
        tx.put_run_command(command)
        tx.put_operation(operation)
    return begun(request, record, operation, _show(record, command), 200)


def _preempt(api: Api, tx: Transaction, old: RunCommand | None) -> None:
    """Whoever waited for the old run waits in vain."""
    waiting = api.store.operation(old.operation_id) if old and old.operation_id else None
    if waiting is not None and is_running(waiting):
        now = api.now()
        failure = Failure("OperationPreempted", "A newer request took the place of this one.", now)
        tx.put_operation(waiting.but(status=OperationStatus.CANCELED, failure=failure, ended_at=now))


@router.delete(COMMAND)
async def delete_run_command(
    request: Request, address: SetAddressDep, instance_id: str, command: str, api: ApiDep
) -> Response:
    """204 if it is not there. What runs of it is ended first."""
    record, row = live_instance(api, address, instance_id)
    old = _find(api, row, command)
    if old is None:
        return Response(status_code=204)
    is_at_work = old.state is ExecutionState.RUNNING or old.stop_sequence is not None
    operation: Operation = new_operation(api, record, OperationKind.RUN_COMMAND, {row.instance_id: 0})
    with api.store.write() as tx:
        _preempt(api, tx, old)
        if is_at_work:
            tx.put_run_command(_to_be_ended(old, api.now(), operation.id))
            tx.put_operation(operation)
        else:
            tx.drop_run_command(record.uid, row.instance_id, old.name)
        tx.add_events([api.note(record, f"run command {old.name} was deleted", row.instance_id)])
    api.wake(record.uid)
    return accepted(request, record, operation) if is_at_work else Response(status_code=200)


def _to_be_ended(old: RunCommand, now: float, operation_id: str) -> RunCommand:
    is_running = old.state is ExecutionState.RUNNING
    gone = old.but(
        is_gone=True, stop_sequence=old.sequence if is_running else old.stop_sequence, operation_id=operation_id
    )
    return gone if old.has_ended else gone.ended(ExecutionState.CANCELED, now, "It was cancelled by its deletion.")
