"""Resource groups: make, change, show, list, delete."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from orchestrator.api.context import Api, ApiDep, Subscription
from orchestrator.api.long_running import result_headers
from orchestrator.api.manager.group_deletion import begin_deletion, force_sets
from orchestrator.api.paging import PAGED, paged
from orchestrator.api.queries import Query, filtering, takes
from orchestrator.api.requests import BodyDep, query_value
from orchestrator.api.set_writes import check_preconditions
from orchestrator.errors import BadInput, Conflict, NotPossible
from orchestrator.model.arm.manager_bodies import GroupBody
from orchestrator.model.arm.names import SCALE_SET_TYPE, VM_TYPE, check_group_name
from orchestrator.model.arm.problems import parsed
from orchestrator.model.arm.scale_set import canonical_location
from orchestrator.model.arm.statuses import Json
from orchestrator.model.resource import ResourceGroup
from orchestrator.model.resource_filter import Facts, parse_filter

router = APIRouter()
GROUPS = "/subscriptions/{subscription_id}/resourcegroups"
GROUP = f"{GROUPS}/{{group}}"
_FORCE = "forceDeletionTypes"
_FILTER = filtering("By a tag.", "tagName eq 'team' and tagValue eq 'blue'")


def group_view(group: ResourceGroup) -> Json:
    return {
        "id": group.id,
        "name": group.name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": group.location,
        "tags": dict(group.tags),
        "properties": {"provisioningState": "Deleting" if group.deletion else "Succeeded"},
    }


@router.get(GROUPS)
@takes(*PAGED, _FILTER)
async def list_groups(request: Request, _subscription: Subscription, api: ApiDep) -> Json:
    wanted = parse_filter(query_value(request, "$filter"), ("tagName", "tagValue"))
    found = [group for group in api.store.groups() if wanted.matches(Facts({}, group.tags))]
    return paged(request, map(group_view, found))


@router.put(GROUP)
async def put_group(
    request: Request, subscription_id: Subscription, group: str, body: BodyDep, api: ApiDep
) -> Response:
    found = api.store.group(subscription_id, check_group_name(group))
    check_preconditions(request, _etag(found) if found else None, group)
    given = _parsed(group, body)
    if found is None:
        _check_location(api, given.location)
        now = api.now()
        made = ResourceGroup(
            subscription_id, group, api.site().location, given.tags or {}, created_at=now, changed_at=now
        )
        with api.store.write() as tx:
            tx.put_group(made)
        return _answer(made, 201)
    api.check_group(group)
    _check_unmoved(found, given.location)
    return _answer(write_tags(api, found, given.tags or {}), 200)


@router.patch(GROUP)
async def patch_group(
    request: Request, _subscription: Subscription, group: str, body: BodyDep, api: ApiDep
) -> Response:
    """Tags alone change; those that are not given stay."""
    found = api.check_group(check_group_name(group))
    check_preconditions(request, _etag(found), group)
    given = _parsed(group, body)
    _check_unmoved(found, given.location or found.location)
    return _answer(found if given.tags is None else write_tags(api, found, given.tags), 200)


@router.get(GROUP)
async def get_group(_subscription: Subscription, group: str, api: ApiDep) -> Response:
    return _answer(api.find_group(check_group_name(group)), 200)


@router.head(GROUP)
async def has_group(subscription_id: Subscription, group: str, api: ApiDep) -> Response:
    return Response(status_code=204 if api.store.group(subscription_id, check_group_name(group)) else 404)


@router.delete(GROUP)
@takes(Query(_FORCE, "Types that are deleted without grace: scale sets."))
async def delete_group(request: Request, subscription_id: Subscription, group: str, api: ApiDep) -> Response:
    """Begins, or tells of the deletion that is under way."""
    found = api.find_group(check_group_name(group))
    check_preconditions(request, _etag(found), group)
    if _is_forced(request):
        force_sets(api, found)
    operation = begin_deletion(api, found)
    return Response(status_code=202, headers=result_headers(request, operation, subscription_id))


def write_tags(api: Api, group: ResourceGroup, tags: Mapping[str, str]) -> ResourceGroup:
    changed = group.but(tags=dict(tags), version=group.version + 1, changed_at=api.now())
    with api.store.write() as tx:
        tx.put_group(changed)
    return changed


def _answer(group: ResourceGroup, status: int) -> Response:
    return JSONResponse(group_view(group), status, {"ETag": _etag(group)})


def _etag(group: ResourceGroup) -> str:
    return f'"{int(group.created_at * 1000):x}-{group.version}"'


def _parsed(group: str, body: Mapping[str, object]) -> GroupBody:
    given = parsed(GroupBody, body)
    if given.name is not None and given.name.lower() != group.lower():
        raise BadInput(f"The name '{given.name[:90]}' is not that of the address, '{group}'.", target="name")
    return given


def _check_location(api: Api, location: str | None) -> None:
    if not location:
        words = "The location property is required: where the group is."
        raise BadInput(words, code="LocationRequired", target="location")
    own = api.site().location
    if canonical_location(location) != own:
        words = f"The location '{location[:64]}' is not available for resource groups; there is '{own}'."
        raise BadInput(words, code="LocationNotAvailableForResourceGroup", target="location")


def _check_unmoved(group: ResourceGroup, location: str | None) -> None:
    if not location or canonical_location(location) != group.location:
        there = f"The resource group '{group.name}' is in '{group.location}' and stays there"
        words = f"{there}: location cannot be '{(location or '')[:64]}'."
        raise Conflict(words, code="InvalidResourceGroupLocation", target="location")


def _is_forced(request: Request) -> bool:
    """Instances are all that can be deleted without grace. Raises for a type of which that means nothing here."""
    given = [part.strip() for part in (query_value(request, _FORCE) or "").split(",") if part.strip()]
    known = {SCALE_SET_TYPE.lower(), VM_TYPE.lower()}
    for each in given:
        if each.lower() not in known:
            there = f"there are {SCALE_SET_TYPE} and {VM_TYPE}"
            words = f"Of the type '{each[:100]}' nothing can be deleted by force; {there}."
            raise NotPossible(words, target=_FORCE)
    return bool(given)
