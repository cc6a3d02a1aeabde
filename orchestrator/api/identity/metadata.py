"""GET /metadata/endpoints: what a client is told before it logs in (`az cloud register` reads nothing else)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from orchestrator.api.context import ApiDep
from orchestrator.api.requests import query_value
from orchestrator.model.arm.statuses import Json

router = APIRouter()
CLOUD = "VmssLocal"
_FIRST_WITH_ONE_CLOUD = "2022-09-01"
"""From this version on the answer is one cloud; before, a list of them."""


@router.get("/metadata/endpoints")
async def get_endpoints(request: Request, api: ApiDep) -> JSONResponse:
    cloud = _cloud(api.identity.base_url(request.scope), api.identity.tokens.tenant_id)
    version = query_value(request, "api-version") or _FIRST_WITH_ONE_CLOUD
    shown: Any = cloud if version >= _FIRST_WITH_ONE_CLOUD else [cloud]
    return JSONResponse(shown)


def _cloud(base_url: str, tenant_id: str) -> Json:
    """Only what there is here: a client that asks for a vault or a storage account learns that there is none."""
    return {
        "name": CLOUD,
        "authentication": {
            "loginEndpoint": f"{base_url}/adfs",
            "audiences": [base_url, f"{base_url}/"],
            "tenant": tenant_id,
            "identityProvider": "ADFS",
        },
        "resourceManager": f"{base_url}/",
        "vmImageAliasDoc": f"{base_url}/metadata/aliases",
        # Clients want an address of these, and never ask it for what this API does.
        "gallery": f"{base_url}/",
        "portal": f"{base_url}/",
        "batch": f"{base_url}/",
        "media": f"{base_url}/",
        "sqlManagement": f"{base_url}/",
        "graphAudience": f"{base_url}/",
        "graph": f"{base_url}/",
        "microsoftGraphResourceId": f"{base_url}/",
        "activeDirectoryDataLake": f"{base_url}/",
        "suffixes": {},
    }
