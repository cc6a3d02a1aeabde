"""Managed identities: a token for who knows a secret, or (where the configuration says whose) for who asks.

The protocols are those of Azure's App Service (2017-09-01 and 2019-08-01) and of the instance metadata service.
"""

from __future__ import annotations

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from orchestrator.api.context import Api, ApiDep
from orchestrator.api.identity.secrets import whose_secret
from orchestrator.api.requests import query_value
from orchestrator.model.principal import Principal

log = structlog.get_logger()
router = APIRouter()

_NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}


@router.get("/msi/token")
async def get_msi_token(request: Request, api: ApiDep) -> JSONResponse:
    """``X-IDENTITY-HEADER`` (or ``secret``, in the older protocol) is the secret of a principal."""
    secret = request.headers.get("x-identity-header") or request.headers.get("secret")
    if not secret:
        return _refuse(request, 400, "invalid_request", "The header X-IDENTITY-HEADER (or 'secret') is missing.")
    principal = whose_secret(api.store.principals(), secret)
    if principal is None:
        return _refuse(request, 401, "invalid_client", "The header's secret belongs to no principal.")
    return _answer(request, api, principal)


@router.get("/metadata/identity/oauth2/token")
async def get_metadata_token(request: Request, api: ApiDep) -> JSONResponse:
    """Whoever reaches the port gets a token of the configured principal. The header keeps web pages and simple
    forwarders out, as Azure's does."""
    if request.headers.get("metadata", "").lower() != "true" or "x-forwarded-for" in request.headers:
        return _refuse(request, 400, "invalid_request", "The header 'Metadata: true' is missing.")
    name = api.identity.metadata_identity
    principal = next((each for each in api.store.principals() if each.name == name), None)
    if principal is None:
        words = "Identity not found: 'metadata_identity' of the daemon's configuration names no principal."
        return _refuse(request, 400, "identity_not_found", words)
    return _answer(request, api, principal)


def _answer(request: Request, api: Api, principal: Principal) -> JSONResponse:
    audience = (query_value(request, "resource") or "").removesuffix("/.default")
    if not api.identity.is_audience(audience):
        return _refuse(request, 400, "invalid_resource", f"The resource '{audience[:200]}' is not here.")
    wanted = query_value(request, "client_id") or query_value(request, "clientid")
    if wanted and wanted.lower() != principal.client_id:
        return _refuse(request, 400, "identity_not_found", "There is no identity of that client_id here.")
    now = api.now()
    token, ends_at = api.identity.issue(principal, audience, now)
    body = {
        "access_token": token,
        "client_id": principal.client_id,
        "expires_in": str(int(ends_at - now)),
        "expires_on": str(ends_at),
        "not_before": str(int(now)),
        "resource": audience,
        "token_type": "Bearer",
    }
    return JSONResponse(body, headers=_NO_STORE)


def _refuse(request: Request, status: int, error: str, words: str) -> JSONResponse:
    address = request.client.host if request.client else "?"
    log.warning("a login was refused", client=address, reason=error)
    body = {"error": error, "error_description": words, "statusCode": status, "message": words}
    return JSONResponse(body, status, _NO_STORE)
