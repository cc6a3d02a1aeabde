"""The worker that carries deployments out: puts what is ready, waits for operations, writes each step down.

A pass begins nothing that it has not read from the store, so a daemon that was killed goes on where it was. It may
put a resource a second time then; a PUT merges, so that changes nothing.
"""

from __future__ import annotations

import structlog

from orchestrator.api.context import Api
from orchestrator.api.deployments.programs import Program, Programs, error_of
from orchestrator.api.manager.group_deletion import in_order
from orchestrator.errors import StoreUnavailable, VmssError
from orchestrator.model.arm.statuses import Json
from orchestrator.model.deployment import Deployment, DeploymentState, DeploymentStep, StepState
from orchestrator.model.instance import Failure
from orchestrator.model.resource_id import is_among, parse_resource_id
from orchestrator.model.scale_set import OperationStatus
from orchestrator.templates.scope import NotYet

log = structlog.get_logger()

FAILED = "DeploymentFailed"
_ADVICE = (
    "At least one resource deployment operation failed. Please list deployment operations for details. "
    "See 'az deployment operation group list'."
)


class Runner:
    """All deployments that are under way."""

    def __init__(self) -> None:
        self._programs = Programs()

    async def __call__(self, api: Api) -> bool:
        """One pass over each. Whether any is still under way."""
        going = False
        for deployment in api.store.deployments(is_running=True):
            going |= not self._advance(api, deployment).state.is_ended
        return going

    def _advance(self, api: Api, deployment: Deployment) -> Deployment:
        try:
            program = self._programs.of(api, deployment)
        except StoreUnavailable:
            raise
        except VmssError as error:
            return self._end(api, deployment, DeploymentState.FAILED, error_of(error))
        if deployment.steps is None:
            deployment = _write(api, _begun(deployment, program))
        deployment = _look_at_running(api, deployment)
        if not (_is_stopping(deployment) or _is_late(api, deployment)):
            deployment = _put_what_is_ready(api, deployment, program)
        if any(step.state is StepState.RUNNING for step in deployment.steps or ()):
            return deployment
        return self._finish(api, deployment, program)

    def _finish(self, api: Api, deployment: Deployment, program: Program) -> Deployment:
        """Nothing is running: it has ended, or the next step is for the next pass."""
        steps = deployment.steps or ()
        if failed := [step for step in steps if step.error is not None]:
            error: Json = {"code": FAILED, "message": _ADVICE, "details": [_detail(step) for step in failed]}
            return self._end(api, deployment, DeploymentState.FAILED, error)
        if deployment.is_to_cancel:
            error = {"code": "DeploymentCanceled", "message": "The deployment was canceled."}
            return self._end(api, deployment, DeploymentState.CANCELED, error)
        if not all(step.is_done for step in steps):
            if not _is_late(api, deployment):
                return deployment
            error = {"code": "DeploymentTimeout", "message": "The deployment did not end within its time."}
            return self._end(api, deployment, DeploymentState.FAILED, error)
        try:
            if deployment.mode == "Complete" and not _delete_the_rest(api, deployment):
                return deployment
            outputs = program.outputs(api)
        except StoreUnavailable:
            raise
        except (VmssError, NotYet) as problem:
            error = (
                error_of(problem) if isinstance(problem, VmssError) else {"code": FAILED, "message": str(problem)}
            )
            return self._end(api, deployment, DeploymentState.FAILED, error)
        return self._end(api, deployment.but(outputs=outputs), DeploymentState.SUCCEEDED, None)

    def _end(self, api: Api, deployment: Deployment, state: DeploymentState, error: Json | None) -> Deployment:
        now = api.now()
        ended = deployment.but(state=state, error=error, ended_at=now, changed_at=now)
        operation = api.store.operation(deployment.operation_id)
        with api.store.write() as tx:
            tx.put_deployment(ended)
            if operation is not None:
                status = OperationStatus(state.value)
                failure = Failure(str(error["code"]), str(error["message"]), now) if error else None
                tx.put_operation(operation.but(status=status, ended_at=now, failure=failure))
        self._programs.forget(deployment.operation_id)
        log.info("a deployment ended", deployment=deployment.name, state=state.value)
        return ended


def _begun(deployment: Deployment, program: Program) -> Deployment:
    steps = tuple(
        DeploymentStep(str(node.identity), node.identity.type, tuple(sorted(node.waits_for)), node.is_existing)
        for node in program.nodes
    )
    return deployment.but(state=DeploymentState.RUNNING, steps=steps, shown_parameters=program.shown_parameters)


def _write(api: Api, deployment: Deployment) -> Deployment:
    changed = deployment.but(changed_at=api.now())
    with api.store.write() as tx:
        tx.put_deployment(changed)
    return changed


def _is_stopping(deployment: Deployment) -> bool:
    """Nothing new is begun."""
    return deployment.is_to_cancel or any(step.error is not None for step in deployment.steps or ())


def _is_late(api: Api, deployment: Deployment) -> bool:
    operation = api.store.operation(deployment.operation_id)
    return operation is not None and api.now() >= operation.deadline_at


def _with_step(deployment: Deployment, index: int, step: DeploymentStep) -> Deployment:
    steps = list(deployment.steps or ())
    steps[index] = step
    return deployment.but(steps=tuple(steps))


def _look_at_running(api: Api, deployment: Deployment) -> Deployment:
    """What has ended since. An operation that is gone was swept away long after its end."""
    before = deployment
    for index, step in enumerate(deployment.steps or ()):
        if step.state is not StepState.RUNNING:
            continue
        operation = api.store.operation(step.operation_id) if step.operation_id else None
        if operation is not None and operation.status is OperationStatus.IN_PROGRESS:
            continue
        error = None
        if operation is not None and operation.status is not OperationStatus.SUCCEEDED:
            failure = operation.failure
            error = {
                "code": failure.code if failure else f"Operation{operation.status}",
                "message": failure.message if failure else f"The operation ended as {operation.status}.",
            }
        deployment = _with_step(deployment, index, _ended(step, api.now(), error))
    return deployment if deployment is before else _write(api, deployment)


def _ended(step: DeploymentStep, now: float, error: Json | None) -> DeploymentStep:
    state = StepState.FAILED if error else StepState.SUCCEEDED
    return step.but(state=state, ended_at=now, error=error)


def _put_what_is_ready(api: Api, deployment: Deployment, program: Program) -> Deployment:
    """Begin every step whose predecessors are there, until there is none. Each is written down as it is begun."""
    while True:
        steps = deployment.steps or ()
        ready = [
            index
            for index, step in enumerate(steps)
            if step.state is StepState.WAITING
            and all(steps[other].state is StepState.SUCCEEDED for other in step.waits_for)
        ]
        if not ready or _is_stopping(deployment):
            return deployment
        for index in ready:
            deployment = _write(api, _with_step(deployment, index, _put(api, program, index, steps[index])))


def _put(api: Api, program: Program, index: int, step: DeploymentStep) -> DeploymentStep:
    now = api.now()
    step = step.but(started_at=step.started_at or now)
    identity = parse_resource_id(step.resource_id)
    kind = api.kinds.of(step.type)
    try:
        if step.is_existing:
            program.refer(api, step.resource_id, is_full=True)
            return _ended(step, now, None)
        api.check_group(identity.resource_group)
        done = kind.put(api, identity, program.body(api, program.nodes[index]))
    except StoreUnavailable:
        raise
    except NotYet as problem:
        error: Json = {"code": "InvalidTemplate", "message": f"'{problem.name}' is referred to before it is there."}
        return _ended(step, now, error)
    except VmssError as problem:
        return _ended(step, now, error_of(problem))
    if done.operation is None:
        return _ended(step.but(is_new=done.is_new), now, None)
    return step.but(state=StepState.RUNNING, operation_id=done.operation.id, is_new=done.is_new)


def _detail(step: DeploymentStep) -> Json:
    return {**dict(step.error or {}), "target": step.resource_id}


def _delete_the_rest(api: Api, deployment: Deployment) -> bool:
    """Complete mode: what is in the group and not in the template goes. Whether nothing of it is left."""
    kept = {parse_resource_id(step.resource_id).key for step in deployment.steps or ()}
    is_empty = True
    for kind in in_order(api.kinds):
        for view in list(kind.views(api, deployment.resource_group)):
            identity = parse_resource_id(view["id"])
            if is_among(identity, kept):
                continue
            is_empty = False
            if str(view.get("properties", {}).get("provisioningState", "")).lower() != "deleting":
                kind.delete(api, identity)
        if not is_empty:
            return False
    return True
