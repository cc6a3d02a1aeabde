"""/providers/Vmss.Local/events: every step taken, with its reason; with ``waitSeconds`` as it happens."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import unquote

from fastapi import APIRouter, Request

from orchestrator.api.context import Api, ApiDep
from orchestrator.api.queries import Query, takes, whole
from orchestrator.api.requests import query_value, query_whole
from orchestrator.errors import BadInput
from orchestrator.model.arm.names import InstanceNames
from orchestrator.model.arm.statuses import Json, time_text
from orchestrator.model.scale_set import Event

router = APIRouter()
_LOOK_EVERY_S = 0.1
_WAIT_MAX_S = 60
_PAGE = 1000
_SET_ID = re.compile(
    r"^/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)/providers/Microsoft\.Compute"
    r"/virtualMachineScaleSets/(?P<name>[^/]+)/?$",
    re.IGNORECASE,
)


def _instance_id(api: Api, event: Event) -> str | None:
    """As the API writes it. When its set is gone for good, what is left is the number."""
    if event.instance_id is None:
        return None
    record = api.store.scale_set(event.set_uid) if event.set_uid else None
    return InstanceNames.of(record).id(event.instance_id) if record else str(event.instance_id)


def _show(api: Api, event: Event) -> Json:
    return {
        "seq": event.seq,
        "time": time_text(event.at),
        "set": event.set_name,
        "instanceId": _instance_id(api, event),
        "host": event.host,
        "kind": event.kind,
        "phase": event.phase.value,
        "reason": event.reason,
        "outcome": event.outcome,
    }


def _set_uid(api: Api, resource_id: str | None) -> str | None:
    if resource_id is None:
        return None
    found = _SET_ID.match(unquote(resource_id))
    if not found:
        raise BadInput("resourceId must be the id of a scale set.", target="resourceId")
    return api.store.find_scale_set(found["subscription"], found["group"], found["name"]).uid


@router.get("/providers/vmss.local/events")
@takes(
    whole("after", "The number of the last event that is known.", 0, 2**62),
    whole("waitSeconds", "How long to wait for the first.", 0, _WAIT_MAX_S),
    whole("$top", "How many at most.", 1, _PAGE),
    Query("resourceId", "The id of the scale set whose events are wanted."),
)
async def list_events(request: Request, api: ApiDep) -> Json:
    """Events above ``after``, oldest first, and the number to go on from.

    Without any yet, waits up to ``waitSeconds`` for the first. The set is looked up once: its last events still
    come when it is deleted during the wait."""
    after = query_whole(request, "after", 0, 0, 2**62)
    wait_s = query_whole(request, "waitSeconds", 0, 0, _WAIT_MAX_S)
    limit = query_whole(request, "$top", _PAGE, 1, _PAGE)
    set_uid = _set_uid(api, query_value(request, "resourceId"))
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    found = api.store.events(after, set_uid=set_uid, limit=limit)
    while not found and loop.time() < until and not await request.is_disconnected():
        await asyncio.sleep(min(_LOOK_EVERY_S, max(until - loop.time(), 0.0)))
        found = api.store.events(after, set_uid=set_uid, limit=limit)
    return {"value": [_show(api, event) for event in found], "next": found[-1].seq if found else after}
