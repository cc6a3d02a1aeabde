"""Tenants, subscriptions, locations: there is one of each, and the configuration names them."""

from __future__ import annotations

from fastapi import APIRouter

from orchestrator.api.context import Api, ApiDep, Subscription
from orchestrator.model.arm.statuses import Json

router = APIRouter()
SUBSCRIPTION = "/subscriptions/{subscription_id}"


def _subscription(api: Api) -> Json:
    site = api.site()
    return {
        "id": f"/subscriptions/{site.subscription_id}",
        "subscriptionId": site.subscription_id,
        "tenantId": api.identity.tokens.tenant_id,
        "displayName": site.subscription_name,
        "state": "Enabled",
        "subscriptionPolicies": {"spendingLimit": "Off"},
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
    }


@router.get("/tenants")
async def list_tenants(api: ApiDep) -> Json:
    tenant = api.identity.tokens.tenant_id
    name = api.site().subscription_name
    view = {"id": f"/tenants/{tenant}", "tenantId": tenant, "displayName": name, "tenantCategory": "Home"}
    return {"value": [view]}


@router.get("/subscriptions")
async def list_subscriptions(api: ApiDep) -> Json:
    return {"value": [_subscription(api)]}


@router.get(SUBSCRIPTION)
async def get_subscription(_subscription_id: Subscription, api: ApiDep) -> Json:
    return _subscription(api)


@router.get(f"{SUBSCRIPTION}/locations")
async def list_locations(_subscription_id: Subscription, api: ApiDep) -> Json:
    site = api.site()
    zones = [
        {"logicalZone": zone, "physicalZone": f"{site.location}-az{zone}"} for zone in sorted(site.fault_domains)
    ]
    place = {
        "id": f"/subscriptions/{site.subscription_id}/locations/{site.location}",
        "name": site.location,
        "type": "Region",
        "displayName": site.location,
        "regionalDisplayName": site.location,
        "metadata": {"regionType": "Physical", "regionCategory": "Recommended", "pairedRegion": []},
        "availabilityZoneMappings": zones,
    }
    return {"value": [place]}
