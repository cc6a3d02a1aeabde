"""Microsoft.Resources, as far as it is needed now: one subscription, and groups that exist with their sets."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from orchestrator.api.context import ApiDep, Subscription
from orchestrator.api.requests import BodyDep
from orchestrator.model.arm.names import check_group_name
from orchestrator.model.arm.site import Site
from orchestrator.model.arm.statuses import Json
from orchestrator.model.resource import ResourceGroup

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


def group_view(group: ResourceGroup) -> Json:
    return {
        "id": group.id,
        "name": group.name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": group.location,
        "tags": dict(group.tags),
        "properties": {"provisioningState": "Deleting" if group.deletion else "Succeeded"},
    }


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
    return {"value": [group_view(group) for group in api.store.groups()]}


@router.put(GROUP)
async def put_group(subscription_id: Subscription, group: str, body: BodyDep, api: ApiDep) -> Response:
    found = api.store.group(subscription_id, check_group_name(group))
    now = api.now()
    if found is None:
        found = ResourceGroup(subscription_id, group, api.site().location, created_at=now, changed_at=now)
        with api.store.write() as tx:
            tx.put_group(found)
        return JSONResponse(group_view(found), 201)
    return JSONResponse(group_view(found))


@router.get(GROUP)
async def get_group(_subscription_id: Subscription, group: str, api: ApiDep) -> Json:
    return group_view(api.find_group(check_group_name(group)))


@router.head(GROUP)
async def has_group(subscription_id: Subscription, group: str, api: ApiDep) -> Response:
    return Response(status_code=204 if api.store.group(subscription_id, check_group_name(group)) else 404)
