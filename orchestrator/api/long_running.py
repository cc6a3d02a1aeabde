"""Long-running operations: how they begin, the headers that lead to them, how they are shown (reference 3.2)."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from orchestrator.api.context import Api
from orchestrator.api.requests import query_value
from orchestrator.errors import Conflict
from orchestrator.model.arm.statuses import Json, time_text
from orchestrator.model.arm.warnings import warning_headers
from orchestrator.model.scale_set import Operation, OperationKind, OperationStatus, ScaleSet

DEADLINE_S = 5400.0  # Azure's own limit for provisioning with extensions
RETRY_AFTER_S = 1  # whole seconds, never 0: clients take 0 for absent and then wait 30 s
_HOST = re.compile(r"^[A-Za-z0-9.\-:\[\]]{1,255}$", re.ASCII)


def new_operation(
    api: Api, record: ScaleSet, kind: OperationKind, instances: Mapping[int, int] | None = None
) -> Operation:
    now = api.now()
    return Operation(str(uuid.uuid4()), kind, record.uid, now, now + DEADLINE_S, instances or {})


def base_url(request: Request) -> str:
    """Scheme and host as the client wrote them; ``http://localhost`` where the host says nothing usable."""
    host = request.headers.get("host", "")
    return f"{request.url.scheme}://{host if _HOST.match(host) else 'localhost'}"


def operation_headers(
    request: Request, operation: Operation, subscription_id: str, location: str
) -> dict[str, str]:
    version = quote(query_value(request, "api-version") or "", safe="")
    path = f"/subscriptions/{subscription_id}/providers/Microsoft.Compute/locations/{location}/operations"
    url = f"{base_url(request)}{path}/{operation.id}?api-version={version}"
    return {
        "Azure-AsyncOperation": url,
        "Location": f"{url}&monitor=true",
        "Retry-After": str(RETRY_AFTER_S),
    }


def result_headers(request: Request, operation: Operation, subscription_id: str) -> dict[str, str]:
    """The other place of an operation, without a state: Resource Manager's own are found there."""
    version = quote(query_value(request, "api-version") or "", safe="")
    path = f"/subscriptions/{subscription_id}/operationresults/{operation.id}"
    place = f"{base_url(request)}{path}?api-version={version}"
    return {"Location": place, "Retry-After": str(RETRY_AFTER_S)}


def accepted(request: Request, record: ScaleSet, operation: Operation) -> Response:
    """202 without a body: the answer to a POST or DELETE that has begun."""
    headers = operation_headers(request, operation, record.subscription_id, record.location)
    return Response(status_code=202, headers=headers)


def begun(request: Request, record: ScaleSet, operation: Operation, body: Json, status: int) -> Response:
    """200 or 201 with the resource as it is on its way: the answer to a PUT or PATCH."""
    headers = operation_headers(request, operation, record.subscription_id, record.location)
    del headers["Location"]
    return JSONResponse(body, status, {**headers, "ETag": record.etag, **warning_headers(body)})


def operation_view(operation: Operation) -> Json:
    view: Json = {
        "name": operation.id,
        "startTime": time_text(operation.started_at),
        "status": operation.status.value,
    }
    if operation.ended_at is not None:
        view["endTime"] = time_text(operation.ended_at)
    if operation.failure is not None:
        view["error"] = {"code": operation.failure.code, "message": operation.failure.message}
    if operation.output is not None:
        view["properties"] = {"output": operation.output}
    return view


class OperationFailed(Conflict):
    """What ``monitor=true`` answers for an operation that ended badly."""

    def __init__(self, operation: Operation) -> None:
        failure = operation.failure
        code = failure.code if failure else f"Operation{operation.status}"
        message = failure.message if failure else f"The operation ended as {operation.status}."
        super().__init__(message, code=code, target=operation.id)


def is_running(operation: Operation) -> bool:
    return operation.status is OperationStatus.IN_PROGRESS
