"""…/locations/{location}/operations/{id}: how a long-running operation goes (reference 3.2)."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from orchestrator.api.context import Api, ApiDep, Subscription
from orchestrator.api.long_running import (
    RETRY_AFTER_S,
    OperationFailed,
    is_running,
    operation_headers,
    operation_view,
    result_headers,
)
from orchestrator.api.queries import flag, takes
from orchestrator.api.requests import query_flag
from orchestrator.errors import NotFound
from orchestrator.model.scale_set import Operation, OperationStatus

router = APIRouter()
OPERATION = (
    "/subscriptions/{subscription_id}/providers/microsoft.compute/locations/{location}/operations/{operation_id}"
)


@router.get(OPERATION)
@takes(flag("monitor", "The style of Location: 202 while it runs, then its result."))
async def get_operation(
    request: Request, subscription_id: Subscription, location: str, operation_id: str, api: ApiDep
) -> Response:
    """``monitor=true`` is the other style: 202 while it runs, then 200 with its output, if any, or the error."""
    operation = _find(api, operation_id)
    if not query_flag(request, "monitor"):
        pace = {"Retry-After": str(RETRY_AFTER_S)} if is_running(operation) else {}
        return JSONResponse(operation_view(operation), headers=pace)
    if is_running(operation):
        headers = operation_headers(request, operation, subscription_id, api.site().location)
        return Response(status_code=202, headers=headers)
    return _result(operation)


@router.get("/subscriptions/{subscription_id}/operationresults/{operation_id}")
async def get_operation_result(
    request: Request, subscription_id: Subscription, operation_id: str, api: ApiDep
) -> Response:
    """What Resource Manager's own operations lead to: 202 while it runs, then the result or the error."""
    operation = _find(api, operation_id)
    if is_running(operation):
        return Response(status_code=202, headers=result_headers(request, operation, subscription_id))
    return _result(operation)


def _find(api: Api, operation_id: str) -> Operation:
    """Raises ``NotFound``."""
    operation = api.store.operation(operation_id.lower())
    if operation is None:
        raise NotFound(f"There is no operation '{operation_id[:80]}'.", code="NotFound")
    return operation


def _result(operation: Operation) -> Response:
    """Of one that has ended. Raises ``OperationFailed``."""
    if operation.status is not OperationStatus.SUCCEEDED:
        raise OperationFailed(operation)
    return Response(status_code=200) if operation.output is None else JSONResponse(operation.output)
