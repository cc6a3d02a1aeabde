"""How deployments and their operations are shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from orchestrator.model.arm.statuses import Json, stable_uuid, time_text
from orchestrator.model.deployment import Deployment, DeploymentStep, StepState
from orchestrator.model.durations import format_duration
from orchestrator.model.resource_id import ResourceId, parse_resource_id

TYPE = "Microsoft.Resources/deployments"
_STATUS_CODES = {StepState.SUCCEEDED: ("OK", "Created"), StepState.FAILED: ("Conflict", "Conflict")}


def deployment_view(deployment: Deployment, now: float) -> Json:
    """The resource. Never the template, which may hold a secret; ``exportTemplate`` gives it."""
    steps = deployment.steps or ()
    properties: Json = {
        "templateHash": deployment.template_hash,
        "parameters": dict(deployment.shown_parameters),
        "mode": deployment.mode,
        "provisioningState": deployment.state.value,
        "timestamp": time_text(deployment.changed_at),
        "duration": _duration(deployment.started_at, deployment.ended_at or now),
        "correlationId": deployment.correlation_id,
        "providers": _providers(deployment),
        "dependencies": list(_dependencies(steps)),
    }
    if deployment.state.is_ended and deployment.error is None:
        properties["outputs"] = dict(deployment.outputs)
        properties["outputResources"] = [{"id": each.resource_id} for each in steps if not each.is_existing]
    if deployment.error is not None:
        properties["error"] = dict(deployment.error)
    view: Json = {"id": deployment.id, "name": deployment.name, "type": TYPE, "properties": properties}
    return view | ({"tags": dict(deployment.tags)} if deployment.tags else {})


def _duration(since: float, until: float) -> str:
    return format_duration(timedelta(seconds=round(max(0.0, until - since))))


def _providers(deployment: Deployment) -> list[Json]:
    found: dict[str, dict[str, None]] = {}
    for step in deployment.steps or ():
        namespace, _, kind = step.type.partition("/")
        found.setdefault(namespace, {})[kind] = None
    return [
        {"namespace": name, "resourceTypes": [{"resourceType": kind} for kind in kinds]}
        for name, kinds in found.items()
    ]


def _dependencies(steps: tuple[DeploymentStep, ...]) -> Iterator[Json]:
    for step in steps:
        if step.waits_for:
            yield {
                "dependsOn": [_named(steps[index].resource_id) for index in step.waits_for],
                **_named(step.resource_id),
            }


def _named(resource_id: str) -> Json:
    identity = parse_resource_id(resource_id)
    return {"id": resource_id, "resourceType": identity.type, "resourceName": identity.full_name}


def operation_views(deployment: Deployment, now: float) -> Iterator[Json]:
    """One for each resource that has begun, and one for the outputs."""
    for step in deployment.steps or ():
        if step.started_at is not None:
            yield _operation(deployment, step, now)
    if deployment.state.value == "Succeeded" and deployment.ended_at is not None:
        yield _outputs_operation(deployment, deployment.ended_at)


def operation_id(deployment: Deployment, what: str) -> str:
    return stable_uuid(f"{deployment.operation_id}/{what}").replace("-", "")[:16].upper()


def _operation(deployment: Deployment, step: DeploymentStep, now: float) -> Json:
    identity: ResourceId = parse_resource_id(step.resource_id)
    ended = step.ended_at if step.ended_at is not None else now
    properties: Json = {
        "provisioningOperation": "Read" if step.is_existing else "Create",
        "provisioningState": step.state.value,
        "timestamp": time_text(ended),
        "duration": _duration(step.started_at or ended, ended),
        "trackingId": operation_id(deployment, f"tracking {step.resource_id}"),
        "statusCode": _STATUS_CODES.get(step.state, ("Accepted", "Accepted"))[1 if step.is_new else 0],
        "targetResource": {**_named(step.resource_id), "resourceName": identity.full_name},
    }
    if step.error is not None:
        properties["statusMessage"] = {"status": "Failed", "error": dict(step.error)}
    name = operation_id(deployment, step.resource_id)
    return {"id": f"{deployment.id}/operations/{name}", "operationId": name, "properties": properties}


def _outputs_operation(deployment: Deployment, at: float) -> Json:
    name = operation_id(deployment, "outputs")
    properties = {
        "provisioningOperation": "EvaluateDeploymentOutput",
        "provisioningState": "Succeeded",
        "timestamp": time_text(at),
        "duration": "PT0S",
        "trackingId": operation_id(deployment, "tracking outputs"),
        "statusCode": "OK",
    }
    return {"id": f"{deployment.id}/operations/{name}", "operationId": name, "properties": properties}
