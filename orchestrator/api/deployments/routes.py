"""…/Microsoft.Resources/deployments: templates at the scope of a resource group."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from orchestrator.api.context import Api, ApiDep, Subscription
from orchestrator.api.deployments.bodies import DeploymentBody, read_deployment
from orchestrator.api.deployments.checks import validated
from orchestrator.api.deployments.kind import begin, find
from orchestrator.api.deployments.views import deployment_view, operation_views
from orchestrator.api.deployments.what_if import what_if
from orchestrator.api.long_running import RETRY_AFTER_S, base_url
from orchestrator.api.queries import filtering, takes, top
from orchestrator.api.requests import query_value, query_whole
from orchestrator.errors import BadInput, Conflict, NotFound
from orchestrator.model.arm.names import check_group_name
from orchestrator.model.arm.statuses import Json
from orchestrator.model.deployment import Deployment, DeploymentState
from orchestrator.model.resource_id import ResourceId

router = APIRouter()
GROUP = "/subscriptions/{subscription_id}/resourcegroups/{group}"
DEPLOYMENTS = f"{GROUP}/providers/microsoft.resources/deployments"
DEPLOYMENT = f"{DEPLOYMENTS}/{{name}}"
_OLD = f"{GROUP}/deployments/{{name}}"  # az asks for operations without a provider
_TOP_MAX = 1000
_STATE_FILTER = re.compile(r"^\s*provisioningState\s+eq\s+'([A-Za-z]+)'\s*$", re.IGNORECASE)

BodyDep = Annotated[DeploymentBody, Depends(read_deployment)]


async def read_identity(subscription_id: Subscription, group: str, name: str) -> ResourceId:
    check_group_name(group)
    if not re.fullmatch(r"[A-Za-z0-9._()-]{1,64}", name):
        words = "A deployment's name has 1 to 64 letters, digits, '.', '_', '-', '(' and ')'."
        raise BadInput(words, code="InvalidDeploymentName", target=name[:80])
    return ResourceId(subscription_id, group, "Microsoft.Resources", ("deployments",), (name,))


IdentityDep = Annotated[ResourceId, Depends(read_identity)]


def _found(api: Api, identity: ResourceId) -> Deployment:
    api.find_group(identity.resource_group)
    found = find(api, identity)
    if found is None:
        raise NotFound(f"Deployment '{identity.name}' could not be found.", code="DeploymentNotFound")
    return found


@router.put(DEPLOYMENT)
async def put_deployment(request: Request, identity: IdentityDep, body: BodyDep, api: ApiDep) -> Response:
    """201, and the rest by the operation: also what is wrong with the template."""
    is_new = find(api, identity) is None
    correlation_id = request.headers.get("x-ms-correlation-request-id", "")[:64]
    deployment, operation = begin(api, identity, body, correlation_id)
    version = query_value(request, "api-version") or ""
    url = f"{base_url(request)}{deployment.id}/operationStatuses/{operation.id}?api-version={version}"
    headers = {"Azure-AsyncOperation": url, "Retry-After": str(RETRY_AFTER_S)}
    return JSONResponse(deployment_view(deployment, api.now()), 201 if is_new else 200, headers)


@router.get(DEPLOYMENT)
async def get_deployment(identity: IdentityDep, api: ApiDep) -> Json:
    return deployment_view(_found(api, identity), api.now())


@router.head(DEPLOYMENT)
async def has_deployment(identity: IdentityDep, api: ApiDep) -> Response:
    return Response(status_code=404 if find(api, identity) is None else 204)


@router.delete(DEPLOYMENT)
async def delete_deployment(identity: IdentityDep, api: ApiDep) -> Response:
    """What it made stays."""
    api.find_group(identity.resource_group)
    was_there = find(api, identity) is not None
    api.kinds.of(identity.type).delete(api, identity)
    return Response(status_code=200 if was_there else 204)


@router.get(DEPLOYMENTS)
@takes(filtering("By state.", "provisioningState eq 'Failed'"), top(_TOP_MAX))
async def list_deployments(_subscription: Subscription, request: Request, group: str, api: ApiDep) -> Json:
    """Newest first."""
    key = api.find_group(check_group_name(group)).key
    found = api.store.deployments(group_key=key)[::-1]
    if text := query_value(request, "$filter"):
        match = _STATE_FILTER.match(text)
        if match is None:
            raise BadInput("Deployments can be filtered by provisioningState eq 'STATE' only.", target="$filter")
        found = [each for each in found if each.state.value.lower() == match[1].lower()]
    limit = query_whole(request, "$top", _TOP_MAX, 1, _TOP_MAX)
    return {"value": [deployment_view(each, api.now()) for each in found[:limit]]}


@router.post(f"{DEPLOYMENT}/validate")
async def validate_deployment(identity: IdentityDep, body: BodyDep, api: ApiDep) -> Response:
    """400 with everything that is wrong, or what would be made. Makes nothing."""
    return JSONResponse(validated(api, identity, body))


@router.post(f"{DEPLOYMENT}/whatif")
async def ask_what_if(identity: IdentityDep, body: BodyDep, api: ApiDep) -> Response:
    """What a deployment would make, change and delete, instances included. Makes nothing."""
    return JSONResponse(what_if(api, identity, body))


@router.post(f"{DEPLOYMENT}/cancel")
async def cancel_deployment(identity: IdentityDep, api: ApiDep) -> Response:
    """Nothing more of it is begun; what is under way ends by itself."""
    found = _found(api, identity)
    if found.state.is_ended:
        words = f"The deployment '{found.name}' has ended ({found.state}) and cannot be canceled."
        raise Conflict(words, code="DeploymentCannotBeCancelled", target=found.name)
    with api.store.write() as tx:
        tx.put_deployment(found.but(is_to_cancel=True, changed_at=api.now()))
    api.jobs.wake()
    return Response(status_code=204)


@router.post(f"{DEPLOYMENT}/exporttemplate")
async def export_template(identity: IdentityDep, api: ApiDep) -> Json:
    """The template as it was sent."""
    return {"template": _found(api, identity).secrets["template"]}


@router.get(f"{DEPLOYMENT}/operationstatuses/{{operation_id}}")
async def get_status(identity: IdentityDep, operation_id: str, api: ApiDep) -> Response:
    found = _found(api, identity)
    if found.operation_id != operation_id.lower():
        raise NotFound(f"There is no operation '{operation_id[:80]}'.", code="NotFound")
    state = found.state if found.state is not DeploymentState.ACCEPTED else DeploymentState.RUNNING
    body: Json = {"status": state.value} | ({"error": dict(found.error)} if found.error else {})
    return JSONResponse(body, headers={} if state.is_ended else {"Retry-After": str(RETRY_AFTER_S)})


@router.get(f"{DEPLOYMENT}/operations")
@router.get(f"{_OLD}/operations")
@takes(top(_TOP_MAX))
async def list_operations(request: Request, identity: IdentityDep, api: ApiDep) -> Json:
    limit = query_whole(request, "$top", _TOP_MAX, 1, _TOP_MAX)
    return {"value": list(operation_views(_found(api, identity), api.now()))[:limit]}


@router.get(f"{DEPLOYMENT}/operations/{{operation_id}}")
@router.get(f"{_OLD}/operations/{{operation_id}}")
async def get_operation(identity: IdentityDep, operation_id: str, api: ApiDep) -> Json:
    views = operation_views(_found(api, identity), api.now())
    view = next((each for each in views if each["operationId"].lower() == operation_id.lower()), None)
    if view is None:
        raise NotFound(f"There is no operation '{operation_id[:80]}'.", code="NotFound")
    return view
