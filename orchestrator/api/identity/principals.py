"""/providers/Vmss.Local/principals: who may log in. Ours: in Azure they are another service's (Microsoft Graph)."""

from __future__ import annotations

import re
from dataclasses import replace

import structlog
from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from orchestrator.api.context import Api, ApiDep, CallerDep
from orchestrator.api.identity.owner_file import OwnerFile
from orchestrator.api.identity.secrets import new_principal, new_secret, with_secret
from orchestrator.api.requests import Body, BodyDep
from orchestrator.errors import BadInput, Conflict, NotFound
from orchestrator.model.arm.statuses import Json, time_text
from orchestrator.model.principal import Principal, Role

log = structlog.get_logger()
router = APIRouter()
PRINCIPALS = "/providers/vmss.local/principals"
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", re.ASCII)
_ROLES = ", ".join(Role)


def show(principal: Principal, secret: str | None = None) -> Json:
    """``clientSecret`` is in the answer that made it, and never again."""
    shown: Json = {
        "id": f"/providers/Vmss.Local/principals/{principal.name}",
        "name": principal.name,
        "type": "Vmss.Local/principals",
        "properties": {
            "clientId": principal.client_id,
            "role": principal.role.value,
            "createdTime": time_text(principal.created_at),
        },
    }
    if secret is not None:
        shown["properties"]["clientSecret"] = secret
    return shown


@router.get(PRINCIPALS)
async def list_principals(api: ApiDep) -> Json:
    return {"value": [show(each) for each in api.store.principals()]}


@router.get(f"{PRINCIPALS}/{{name}}")
async def get_principal(name: str, api: ApiDep) -> Json:
    return show(_find(api, name))


@router.put(f"{PRINCIPALS}/{{name}}")
async def put_principal(name: str, body: BodyDep, api: ApiDep, caller: CallerDep) -> Response:
    """Makes one, with a secret; one that is there gets the role, and keeps its secret."""
    role = _read_role(body)
    found = _find_if_any(api, name)
    if found is None:
        return _make(api, _check_name(name), role, caller.name)
    if role is not Role.OWNER:
        _check_not_last_owner(api, found, "given a smaller role")
    changed = replace(found, role=role)
    with api.store.write() as tx:
        tx.put_principal(changed)
    log.info("a principal has a role", principal=found.name, role=role.value, by=caller.name)
    return JSONResponse(show(changed))


@router.post(f"{PRINCIPALS}/{{name}}/resetsecret")
async def reset_secret(name: str, api: ApiDep, caller: CallerDep) -> JSONResponse:
    """A new secret at once; the old one and every token made with it end."""
    found, secret = _find(api, name), new_secret()
    changed = with_secret(found, secret)
    with api.store.write() as tx:
        tx.put_principal(changed)
    if api.identity.owner_file is not None:
        OwnerFile(api.identity.owner_file).follow(changed, secret)
    log.info("a principal has a new secret", principal=found.name, by=caller.name)
    return JSONResponse(show(changed, secret), headers={"cache-control": "no-store"})


@router.delete(f"{PRINCIPALS}/{{name}}")
async def delete_principal(name: str, api: ApiDep, caller: CallerDep) -> Response:
    """Its tokens end at once."""
    found = _find_if_any(api, name)
    if found is None:
        return Response(status_code=204)
    _check_not_last_owner(api, found, "deleted")
    with api.store.write() as tx:
        tx.drop_principal(found.client_id)
    api.identity.throttle.forget(found.client_id)
    if api.identity.owner_file is not None:
        OwnerFile(api.identity.owner_file).forget(found)
    log.info("a principal was deleted", principal=found.name, by=caller.name)
    return Response(status_code=200)


def _make(api: Api, name: str, role: Role, by: str) -> JSONResponse:
    secret = new_secret()
    made = new_principal(name, role, secret, api.now())
    with api.store.write() as tx:
        tx.put_principal(made)
    log.info("a principal was made", principal=name, role=role.value, by=by)
    return JSONResponse(show(made, secret), 201, {"cache-control": "no-store"})


def _find_if_any(api: Api, name: str) -> Principal | None:
    return next((each for each in api.store.principals() if each.name.lower() == name.lower()), None)


def _find(api: Api, name: str) -> Principal:
    found = _find_if_any(api, name)
    if found is None:
        raise NotFound(f"There is no principal named '{name[:80]}'.", target=name[:80])
    return found


def _check_name(name: str) -> str:
    if not _NAME.match(name):
        words = (
            "A principal's name has 1 to 64 letters, digits, '.', '_' and '-', and begins with a letter or digit."
        )
        raise BadInput(words, target="name")
    return name


def _read_role(body: Body) -> Role:
    """``{"properties": {"role": …}}``. Raises ``BadInput``; what GET shows beside it may be sent back unchanged."""
    inner = next((value for key, value in body.items() if key.lower() == "properties"), None)
    _refuse_unknown(body, {"properties", "id", "name", "type"}, "")
    if not isinstance(inner, dict):
        raise BadInput("The member 'properties' is missing.", target="properties")
    _refuse_unknown(inner, {"role", "clientid", "createdtime"}, "properties.")
    given = next((value for key, value in inner.items() if key.lower() == "role"), None)
    try:
        return Role(given.lower() if isinstance(given, str) else "")
    except ValueError:
        raise BadInput(f"The role must be one of {_ROLES}.", target="properties.role") from None


def _refuse_unknown(body: Body, known: set[str], where: str) -> None:
    for key in body:
        if key.lower() not in known:
            raise BadInput(f"The member '{where}{key[:80]}' is not known.", target=f"{where}{key[:80]}")


def _check_not_last_owner(api: Api, principal: Principal, what: str) -> None:
    owners = [each for each in api.store.principals() if each.role is Role.OWNER]
    if [each.client_id for each in owners] == [principal.client_id]:
        words = f"'{principal.name}' is the last owner, and cannot be {what}: make another one first."
        raise Conflict(words, code="LastOwner", target=principal.name)
