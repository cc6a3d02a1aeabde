"""All resources, whatever their type: of a group, or of the subscription. A child is shown in its parent."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from fastapi import APIRouter, Request

from orchestrator.api.context import Api, ApiDep, Subscription
from orchestrator.api.paging import PAGED, paged
from orchestrator.api.queries import expand, filtering, takes
from orchestrator.api.requests import query_value
from orchestrator.errors import BadInput
from orchestrator.model.arm.names import SCALE_SET_TYPE, check_group_name
from orchestrator.model.arm.scale_set import canonical_location
from orchestrator.model.arm.statuses import Json, time_text
from orchestrator.model.resource_filter import Facts, parse_filter
from orchestrator.model.resource_id import ResourceId, parse_resource_id

router = APIRouter()
SUBSCRIPTION = "/subscriptions/{subscription_id}"
_SHOWN = ("id", "name", "type", "kind", "location", "tags", "sku", "zones", "plan", "identity", "managedBy")
_CREATED, _CHANGED, _STATE = "createdTime", "changedTime", "provisioningState"
_EXPANSIONS = {name.lower(): name for name in (_CREATED, _CHANGED, _STATE)}
_FIELDS = ("resourceType", "name", "resourceGroup", "location", "tagName", "tagValue")
_QUERIES = (
    *PAGED,
    expand(*_EXPANSIONS.values(), ",".join(_EXPANSIONS.values())),
    filtering(
        f"By {', '.join(_FIELDS)}; eq, ne, and, or, substringof, startswith (of tagName).",
        f"resourceType eq '{SCALE_SET_TYPE}'",
        "substringof('web',name) and location ne 'elsewhere'",
    ),
)


@router.get(f"{SUBSCRIPTION}/resources")
@takes(*_QUERIES)
async def list_resources(request: Request, _subscription: Subscription, api: ApiDep) -> Json:
    return _listed(request, api, None)


@router.get(f"{SUBSCRIPTION}/resourcegroups/{{group}}/resources")
@takes(*_QUERIES)
async def list_resources_of_group(request: Request, _subscription: Subscription, group: str, api: ApiDep) -> Json:
    return _listed(request, api, api.find_group(check_group_name(group)).name)


def all_views(api: Api, group: str | None) -> Iterator[Json]:
    """Every resource as GET shows it."""
    for kind in api.kinds:
        yield from kind.views(api, group)


def _listed(request: Request, api: Api, group: str | None) -> Json:
    wanted = parse_filter(query_value(request, "$filter"), _FIELDS)
    more = _expansions(query_value(request, "$expand"))
    found = (view for view in all_views(api, group) if wanted.matches(_facts(view)))
    return paged(request, (_shortened(api, view, more) for view in found))


def _expansions(text: str | None) -> frozenset[str]:
    names = [part.strip() for part in (text or "").split(",") if part.strip()]
    if unknown := [name for name in names if name.lower() not in _EXPANSIONS]:
        words = f"'{unknown[0][:80]}' cannot be expanded; here there are {', '.join(_EXPANSIONS.values())}."
        raise BadInput(words, target="$expand")
    return frozenset(_EXPANSIONS[name.lower()] for name in names)


def _facts(view: Json) -> Facts:
    fields = {
        "resourcetype": view["type"],
        "name": view["name"],
        "resourcegroup": parse_resource_id(view["id"]).resource_group,
        "location": canonical_location(view.get("location", "")),
    }
    return Facts(fields, view.get("tags") or {})


def _shortened(api: Api, view: Json, more: Collection[str]) -> Json:
    item = {name: view[name] for name in _SHOWN if name in view}
    state = view.get("properties", {}).get(_STATE)
    if _STATE in more and state is not None:
        item[_STATE] = state
    if {_CREATED, _CHANGED} & set(more):
        times = _times(api, parse_resource_id(view["id"]))
        item |= {name: time_text(at) for name, at in times.items() if name in more}
    return item


def _times(api: Api, identity: ResourceId) -> dict[str, float]:
    """Epoch seconds, by what is stored of the resource."""
    stored: Any = api.store.resource(identity)
    if stored is None and identity.type.lower() == SCALE_SET_TYPE.lower():
        stored = api.store.find_scale_set(identity.subscription_id, identity.resource_group, identity.name)
    return {_CREATED: stored.created_at, _CHANGED: stored.changed_at} if stored else {}
