"""Resources of every type by their ids, where a type has no routes of its own.

Registered last: what another module routes never comes here. One path takes both a resource (types and names in
turn) and a list (a type at the end).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from orchestrator.api.context import Api, ApiDep, Subscription
from orchestrator.api.kinds import Put
from orchestrator.api.long_running import operation_headers
from orchestrator.api.manager.targets import Target, children, kind_of, parent_of, target_of
from orchestrator.api.requests import BodyDep, query_flag
from orchestrator.api.set_writes import check_preconditions
from orchestrator.errors import NotFound
from orchestrator.model.arm.manager_bodies import TagsOnly
from orchestrator.model.arm.names import check_group_name
from orchestrator.model.arm.problems import parsed
from orchestrator.model.arm.statuses import Json
from orchestrator.model.arm.warnings import warning_headers
from orchestrator.model.resource_id import ResourceId

router = APIRouter()
SUBSCRIPTION = "/subscriptions/{subscription_id}"
ANY = f"{SUBSCRIPTION}/resourcegroups/{{group}}/providers/{{namespace}}/{{rest:path}}"
ANYWHERE = f"{SUBSCRIPTION}/providers/{{namespace}}/{{rest:path}}"


@router.get(ANY)
async def get_any(
    _subscription: Subscription, request: Request, group: str, namespace: str, rest: str, api: ApiDep
) -> Response:
    segments = rest.split("/")
    if len(segments) % 2:
        return JSONResponse({"value": _list(api, group, namespace, segments)})
    view = _target(api, group, namespace, rest).found(api)
    return JSONResponse(view, headers=_etag(view))


@router.head(ANY)
async def has_any(
    _subscription: Subscription, request: Request, group: str, namespace: str, rest: str, api: ApiDep
) -> Response:
    found = _target(api, group, namespace, rest).view(api)
    return Response(status_code=404 if found is None else 204)


@router.put(ANY)
async def put_any(
    _subscription: Subscription,
    request: Request,
    group: str,
    namespace: str,
    rest: str,
    body: BodyDep,
    api: ApiDep,
) -> Response:
    target = _target(api, group, namespace, rest)
    api.check_group(group)
    before = target.view(api)
    check_preconditions(request, _etag_of(before), target.label)
    if before is None and target.identity.parent is not None:
        parent_of(api, target.identity)
    return answer_put(request, api, target.kind.put(api, target.identity, body))


@router.patch(ANY)
async def patch_any(
    _subscription: Subscription,
    request: Request,
    group: str,
    namespace: str,
    rest: str,
    body: BodyDep,
    api: ApiDep,
) -> Response:
    """Of a type that says no more, tags alone can be patched."""
    target = _target(api, group, namespace, rest)
    api.check_group(group)
    before = target.found(api)
    check_preconditions(request, _etag_of(before), target.label)
    return answer_put(request, api, put_tags(api, target, before, parsed(TagsOnly, body).tags))


@router.delete(ANY)
async def delete_any(
    _subscription: Subscription, request: Request, group: str, namespace: str, rest: str, api: ApiDep
) -> Response:
    """204 for what is not there, 200 for what is gone at once, 202 for what takes its time."""
    target = _target(api, group, namespace, rest)
    before = target.view(api)
    if before is None:
        return Response(status_code=204)
    check_preconditions(request, _etag_of(before), target.label)
    operation = target.kind.delete(api, target.identity, is_forced=query_flag(request, "forceDeletion"))
    if operation is None:
        return Response(status_code=200)
    site = api.site()
    return Response(
        status_code=202, headers=operation_headers(request, operation, site.subscription_id, site.location)
    )


@router.post(ANY)
async def post_any(
    _subscription: Subscription, request: Request, group: str, namespace: str, rest: str, api: ApiDep
) -> Response:
    """What a resource can be told has routes of its own; here is only the right refusal."""
    segments = rest.split("/")
    verb = segments.pop() if len(segments) % 2 else None
    label = _target(api, group, namespace, "/".join(segments)).label
    if verb is None:
        raise HTTPException(405)
    raise NotFound(f"{label} knows no action '{verb[:80]}'.", code="NotFound")


@router.get(ANYWHERE)
async def list_anywhere(
    _subscription: Subscription, request: Request, namespace: str, rest: str, api: ApiDep
) -> Json:
    """All of one type in the subscription."""
    return {"value": list(kind_of(api, f"{namespace}/{rest}").views(api, None))}


def put_tags(api: Api, target: Target, view: Json, tags: Mapping[str, str]) -> Put:
    """The resource with these tags instead of its own, and nothing else changed."""
    body: dict[str, Any] = {"tags": dict(tags)}
    if "location" in view:
        body["location"] = view["location"]
    return target.kind.put(api, target.identity, body)


def answer_put(request: Request, api: Api, done: Put) -> Response:
    """200 or 201 with the resource; its operation in the header while it is on its way."""
    headers = _etag(done.view) | warning_headers(done.view)
    if done.operation is not None:
        site = api.site()
        headers |= operation_headers(request, done.operation, site.subscription_id, site.location)
        del headers["Location"]
    return JSONResponse(done.view, 201 if done.is_new else 200, headers)


def _target(api: Api, group: str, namespace: str, rest: str) -> Target:
    """Raises 404 for a type that is not known, 405 for a list or what is routed for another method."""
    segments = rest.split("/")
    target = target_of(api, group, namespace, segments)
    if len(segments) % 2:
        raise HTTPException(405)
    return target


def _list(api: Api, group: str, namespace: str, segments: list[str]) -> list[Json]:
    """All of a type in a group; of a child type, what its parent shows."""
    found = api.find_group(check_group_name(group))
    kind = kind_of(api, "/".join([namespace, *segments[0::2]]))
    canonical, *types = kind.type.split("/")
    if len(types) == 1:
        return list(kind.views(api, found.name))
    names = (*segments[1::2], "")
    any_child = ResourceId(found.subscription_id, found.name, canonical, tuple(types), names)
    return children(parent_of(api, any_child), types[-1])


def _etag_of(view: Json | None) -> str | None:
    """``*`` stands for a resource whose type keeps no ETag."""
    return None if view is None else str(view.get("etag", "*"))


def _etag(view: Json) -> dict[str, str]:
    return {"ETag": view["etag"]} if "etag" in view else {}
