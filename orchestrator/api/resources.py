"""Microsoft.Resources, as far as it is needed now: one subscription, and groups that exist with their sets."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from orchestrator.api.context import Api, ApiDep, Subscription
from orchestrator.errors import NotFound
from orchestrator.model.arm.names import check_group_name
from orchestrator.model.arm.site import Site
from orchestrator.model.arm.statuses import Json

router = APIRouter()
SUBSCRIPTION = "/subscriptions/{subscription_id}"
GROUP = f"{SUBSCRIPTION}/resourcegroups/{{group}}"


def _subscription(site: Site) -> Json:
    return {
        "id": f"/subscriptions/{site.subscription_id}",
        "subscriptionId": site.subscription_id,
        "displayName": site.subscription_name,
        "state": "Enabled",
    }


def _group(site: Site, name: str) -> Json:
    return {
        "id": f"/subscriptions/{site.subscription_id}/resourceGroups/{name}",
        "name": name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": site.location,
        "properties": {"provisioningState": "Succeeded"},
    }


def _groups(api: Api) -> dict[str, str]:
    """Names by their lower case; the oldest set's spelling counts."""
    names: dict[str, str] = {}
    for record in api.store.scale_sets():
        names.setdefault(record.resource_group.lower(), record.resource_group)
    return names


@router.get("/subscriptions")
async def list_subscriptions(api: ApiDep) -> Json:
    return {"value": [_subscription(api.site())]}


@router.get(SUBSCRIPTION)
async def get_subscription(_subscription_id: Subscription, api: ApiDep) -> Json:
    return _subscription(api.site())


@router.get(f"{SUBSCRIPTION}/locations")
async def list_locations(_subscription_id: Subscription, api: ApiDep) -> Json:
    site = api.site()
    place = {
        "id": f"/subscriptions/{site.subscription_id}/locations/{site.location}",
        "name": site.location,
        "displayName": site.location,
        "regionalDisplayName": site.location,
    }
    return {"value": [place]}


@router.get(f"{SUBSCRIPTION}/resourcegroups")
async def list_groups(_subscription_id: Subscription, api: ApiDep) -> Json:
    return {"value": [_group(api.site(), name) for name in _groups(api).values()]}


@router.api_route(GROUP, methods=["GET", "HEAD"])
async def get_group(request: Request, _subscription_id: Subscription, group: str, api: ApiDep) -> Response:
    name = _groups(api).get(check_group_name(group).lower())
    if request.method == "HEAD":
        return Response(status_code=204 if name else 404)
    if name is None:
        words = f"The resource group '{group}' could not be found: groups exist with the scale sets in them."
        raise NotFound(words, code="ResourceGroupNotFound")
    return JSONResponse(_group(api.site(), name))
