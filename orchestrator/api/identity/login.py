"""Logging in: OpenID discovery and the token endpoint (OAuth 2.0 client credentials, RFC 6749 4.4).

Under ``/adfs`` as Active Directory Federation Services has them, and under a tenant as Entra ID has them.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping
from urllib.parse import parse_qs, unquote_plus

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from orchestrator.api.context import Api, ApiDep
from orchestrator.api.identity.secrets import has_secret
from orchestrator.api.requests import BodyTooLarge, read_raw
from orchestrator.errors import VmssError
from orchestrator.model.arm.statuses import Json
from orchestrator.model.principal import Principal

log = structlog.get_logger()
router = APIRouter()

_FORM_MAX_BYTES = 32_768
_CONFIGURATION = "/.well-known/openid-configuration"
_NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}


class LoginRefused(VmssError):
    """As RFC 6749 5.2 has it: ``code`` is its ``error``."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message, code=code)
        self.status = status

    def answer(self) -> JSONResponse:
        headers = {**_NO_STORE, **({"www-authenticate": "Basic"} if self.status == 401 else {})}
        body = {"error": self.code, "error_description": self.message}
        return JSONResponse(body, self.status, headers)


@router.get(f"/adfs{_CONFIGURATION}")
async def get_configuration(request: Request, api: ApiDep) -> Json:
    root = f"{api.identity.base_url(request.scope)}/adfs"
    return _configuration(root, f"{root}/oauth2/token", api)


@router.get(f"/adfs/{{tenant}}{_CONFIGURATION}")
@router.get(f"/adfs/{{tenant}}/v2.0{_CONFIGURATION}")
async def get_tenants_configuration(request: Request, tenant: str, api: ApiDep) -> JSONResponse:
    root = f"{api.identity.base_url(request.scope)}/adfs"
    return _of_tenant(root, f"{root}/{tenant}/oauth2/token", tenant, api)


@router.get(f"/{{tenant}}{_CONFIGURATION}")
@router.get(f"/{{tenant}}/v2.0{_CONFIGURATION}")
async def get_directorys_configuration(request: Request, tenant: str, api: ApiDep) -> JSONResponse:
    root = f"{api.identity.base_url(request.scope)}/{tenant}"
    return _of_tenant(f"{root}/v2.0", f"{root}/oauth2/v2.0/token", tenant, api)


@router.get("/adfs/discovery/keys")
@router.get("/{tenant}/discovery/keys")
async def get_keys(api: ApiDep) -> Json:
    return {"keys": [api.identity.tokens.key.jwk]}


@router.post("/adfs/oauth2/token")
async def post_token(request: Request, api: ApiDep) -> JSONResponse:
    return await _log_in(request, "adfs", api)


@router.post("/adfs/{tenant}/oauth2/token")
@router.post("/adfs/{tenant}/oauth2/v2.0/token")
@router.post("/{tenant}/oauth2/v2.0/token")
@router.post("/{tenant}/oauth2/token")
async def post_tenants_token(request: Request, tenant: str, api: ApiDep) -> JSONResponse:
    return await _log_in(request, tenant, api)


def _of_tenant(issuer: str, token_endpoint: str, tenant: str, api: Api) -> JSONResponse:
    try:
        _check_tenant(tenant, api)
    except LoginRefused as refused:
        return refused.answer()
    return JSONResponse(_configuration(issuer, token_endpoint, api))


def _configuration(issuer: str, token_endpoint: str, api: Api) -> Json:
    """``authorization_endpoint`` is a member that clients require; nobody logs in through a browser here."""
    root = token_endpoint.partition("/oauth2/")[0]
    return {
        "issuer": issuer,
        "access_token_issuer": api.identity.tokens.issuer,
        "authorization_endpoint": f"{root}/oauth2/authorize",
        "token_endpoint": token_endpoint,
        "jwks_uri": f"{root}/discovery/keys",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": ["token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }


async def _log_in(request: Request, tenant: str, api: Api) -> JSONResponse:
    try:
        _check_tenant(tenant, api)
        form = await _form(request)
        client_id, secret = _credentials(request, form)
        audience = _audience(form, api)
        principal = _principal(client_id, secret, api)
    except LoginRefused as refused:
        address = request.client.host if request.client else "?"
        log.warning("a login was refused", client=address, reason=refused.code)
        return refused.answer()
    now = api.now()
    token, ends_at = api.identity.issue(principal, audience, now)
    body = {
        "token_type": "Bearer",
        "expires_in": int(ends_at - now),
        "ext_expires_in": int(ends_at - now),
        "access_token": token,
    }
    return JSONResponse(body, headers=_NO_STORE)


def _check_tenant(tenant: str, api: Api) -> None:
    if not api.identity.is_tenant(tenant):
        raise LoginRefused("invalid_tenant", f"Tenant '{tenant[:80]}' not found; here is '{_own_tenant(api)}'.")


def _own_tenant(api: Api) -> str:
    return api.identity.tokens.tenant_id


async def _form(request: Request) -> Mapping[str, str]:
    """The fields of the form. Raises ``LoginRefused`` for none, and for a field given twice (RFC 6749 3.2)."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise LoginRefused("invalid_request", "The body must be application/x-www-form-urlencoded.")
    try:
        raw = await read_raw(request, _FORM_MAX_BYTES)
        fields = parse_qs(raw.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=100)
    except (BodyTooLarge, ValueError):
        raise LoginRefused("invalid_request", "The form cannot be read.") from None
    if any(len(values) > 1 for values in fields.values()):
        raise LoginRefused("invalid_request", "A field of the form is given twice.")
    return {name: values[0] for name, values in fields.items()}


def _credentials(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
    """From the form, or by HTTP Basic (RFC 6749 2.3.1). Raises ``LoginRefused``."""
    if form.get("grant_type") != "client_credentials":
        words = "Only service principals log in here: grant_type must be client_credentials."
        raise LoginRefused("unsupported_grant_type", words)
    header = request.headers.get("authorization")
    if header is None:
        return form.get("client_id", ""), form.get("client_secret", "")
    scheme, _, encoded = header.partition(" ")
    try:
        text = b64decode(encoded.strip(), validate=True).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    client_id, colon, secret = text.partition(":")
    if not colon:
        raise LoginRefused("invalid_client", "The Authorization header is not HTTP Basic.", 401)
    return unquote_plus(client_id), unquote_plus(secret)


def _audience(form: Mapping[str, str], api: Api) -> str:
    """Whom the token is for: ``scope`` (``RESOURCE/.default``), or ``resource`` in the older form."""
    scopes = [each for each in form.get("scope", "").split() if each not in {"openid", "profile", "offline_access"}]
    wanted = form.get("resource") or (scopes[0] if len(scopes) == 1 else "")
    audience = wanted.removesuffix("/.default")
    if not api.identity.is_audience(audience):
        words = f"The resource '{wanted[:200]}' is not here: ask for 'https://localhost:PORT/.default'."
        raise LoginRefused("invalid_resource" if "resource" in form else "invalid_scope", words)
    return audience


def _principal(client_id: str, secret: str, api: Api) -> Principal:
    """One answer, in one time, for a client that is not there and a secret that is wrong."""
    found = api.store.principal(client_id)
    if not has_secret(found, secret) or found is None:
        raise LoginRefused("invalid_client", "The client id or its secret is wrong.", 401)
    return found
