"""Resource providers: namespaces with the types that this daemon knows."""

from __future__ import annotations

from fastapi import APIRouter

from orchestrator.api.context import Api, ApiDep, Subscription
from orchestrator.api.kinds import API_VERSIONS
from orchestrator.errors import NotFound, NotPossible
from orchestrator.model.arm.names import EXTENSION_TYPE, INSTANCE_TYPE, VM_TYPE
from orchestrator.model.arm.statuses import Json

router = APIRouter()
SUBSCRIPTION = "/subscriptions/{subscription_id}"
_ROUTED = (
    "Microsoft.Resources/deployments",
    "Microsoft.Resources/deployments/operations",
    "Microsoft.Resources/resourceGroups",
    "Microsoft.Resources/subscriptions",
    "Microsoft.Resources/tags",
    "Microsoft.Resources/tenants",
    EXTENSION_TYPE,
    INSTANCE_TYPE,
    f"{INSTANCE_TYPE}/extensions",
    f"{INSTANCE_TYPE}/runCommands",
    VM_TYPE,
)
"""Types with routes of their own alone: not made by template, not listed among resources."""


def _namespaces(api: Api) -> dict[str, dict[str, str]]:
    """Canonical namespaces with their types, each to what it is capable of."""
    made: dict[str, dict[str, str]] = {}
    able = {
        kind.type: "None" if kind.type.count("/") > 1 else "SupportsTags, SupportsLocation" for kind in api.kinds
    }
    for name in sorted({*able, *_ROUTED}):
        namespace, _, rest = name.partition("/")
        made.setdefault(namespace, {})[rest] = able.get(name, "None")
    return made


def _view(api: Api, namespace: str, types: dict[str, str], prefix: str) -> Json:
    site = api.site()
    zones = [{"location": site.location, "zones": sorted(site.fault_domains)}]
    common = {"locations": [site.location], "apiVersions": list(API_VERSIONS), "zoneMappings": zones}
    return {
        "id": f"{prefix}/providers/{namespace}",
        "namespace": namespace,
        "registrationState": "Registered",
        "registrationPolicy": "RegistrationFree",
        "resourceTypes": [{"resourceType": name, **common, "capabilities": able} for name, able in types.items()],
    }


def _all(api: Api, prefix: str) -> Json:
    return {"value": [_view(api, name, types, prefix) for name, types in _namespaces(api).items()]}


def _one(api: Api, namespace: str, prefix: str) -> Json:
    """Raises ``NotFound``."""
    for name, types in _namespaces(api).items():
        if name.lower() == namespace.lower():
            return _view(api, name, types, prefix)
    raise NotFound(
        f"The resource namespace '{namespace[:100]}' is not known here.", code="InvalidResourceNamespace"
    )


@router.get("/providers")
async def list_providers_of_tenant(api: ApiDep) -> Json:
    return _all(api, "")


@router.get("/providers/{namespace}")
async def get_provider_of_tenant(namespace: str, api: ApiDep) -> Json:
    return _one(api, namespace, "")


@router.get(f"{SUBSCRIPTION}/providers")
async def list_providers(subscription_id: Subscription, api: ApiDep) -> Json:
    return _all(api, f"/subscriptions/{subscription_id}")


@router.get(f"{SUBSCRIPTION}/providers/{{namespace}}")
async def get_provider(subscription_id: Subscription, namespace: str, api: ApiDep) -> Json:
    return _one(api, namespace, f"/subscriptions/{subscription_id}")


@router.post(f"{SUBSCRIPTION}/providers/{{namespace}}/register")
async def register_provider(subscription_id: Subscription, namespace: str, api: ApiDep) -> Json:
    """Every provider that is here is registered."""
    return _one(api, namespace, f"/subscriptions/{subscription_id}")


@router.post(f"{SUBSCRIPTION}/providers/{{namespace}}/unregister")
async def unregister_provider(subscription_id: Subscription, namespace: str, api: ApiDep) -> Json:
    found = _one(api, namespace, f"/subscriptions/{subscription_id}")
    raise NotPossible(f"{found['namespace']} is part of this daemon and stays registered.")
