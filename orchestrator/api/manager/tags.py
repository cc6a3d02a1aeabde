"""``Microsoft.Resources/tags/default`` of a group or a resource, and the names of all tags in use."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import Response

from orchestrator.api.context import Api, ApiDep, Subscription
from orchestrator.api.manager.generic import put_tags
from orchestrator.api.manager.groups import write_tags
from orchestrator.api.manager.listing import all_views
from orchestrator.api.manager.targets import target_of
from orchestrator.api.paging import PAGED, paged
from orchestrator.api.queries import takes
from orchestrator.api.requests import BodyDep
from orchestrator.errors import BadInput, NotFound, NotPossible
from orchestrator.model.arm.manager_bodies import TagAction, TagsBody, changed_tags
from orchestrator.model.arm.names import check_group_name
from orchestrator.model.arm.problems import parsed
from orchestrator.model.arm.statuses import Json

router = APIRouter()
SUBSCRIPTION = "/subscriptions/{subscription_id}"
_TAGS = "providers/microsoft.resources/tags/{which}"
OF_SUBSCRIPTION = f"{SUBSCRIPTION}/{_TAGS}"
OF_GROUP = f"{SUBSCRIPTION}/resourcegroups/{{group}}/{_TAGS}"
OF_RESOURCE = f"{SUBSCRIPTION}/resourcegroups/{{group}}/providers/{{namespace}}/{{rest:path}}/{_TAGS}"
_NAMES = f"{SUBSCRIPTION}/tagnames"


@dataclass(frozen=True, slots=True)
class _Tagged:
    """What has tags. ``write`` replaces all of them."""

    id: str
    tags: Mapping[str, str]
    write: Callable[[Mapping[str, str]], object]

    def view(self, tags: Mapping[str, str]) -> Json:
        return {
            "id": f"{self.id}/providers/Microsoft.Resources/tags/default",
            "name": "default",
            "type": "Microsoft.Resources/tags",
            "properties": {"tags": dict(tags)},
        }


def _find(api: Api, request: Request, *, is_to_write: bool) -> _Tagged:
    """By the parts of the path. Raises ``NotFound``."""
    parts = request.path_params
    if parts["which"].lower() != "default":
        raise NotFound(f"There are no tags '{parts['which'][:80]}'; they are called 'default'.")
    name = check_group_name(parts["group"])
    group = api.check_group(name) if is_to_write else api.find_group(name)
    if "rest" not in parts:
        return _Tagged(group.id, group.tags, lambda tags: write_tags(api, group, tags))
    target = target_of(api, name, parts["namespace"], parts["rest"].split("/"))
    view = target.found(api)
    if "tags" not in view and "location" not in view:
        raise NotPossible(f"A resource of the type {target.kind.type} has no tags.", target=target.label)
    tags = view.get("tags") or {}
    return _Tagged(view["id"], tags, lambda wanted: put_tags(api, target, view, wanted))


@router.get(OF_RESOURCE)
@router.get(OF_GROUP)
async def get_tags(_subscription: Subscription, request: Request, api: ApiDep) -> Json:
    found = _find(api, request, is_to_write=False)
    return found.view(found.tags)


@router.put(OF_RESOURCE)
@router.put(OF_GROUP)
async def replace_tags(_subscription: Subscription, request: Request, body: BodyDep, api: ApiDep) -> Json:
    given = parsed(TagsBody, body)
    if given.operation not in {None, TagAction.REPLACE}:
        raise BadInput("operation is for PATCH; a PUT replaces all tags.", target="operation")
    found = _find(api, request, is_to_write=True)
    found.write(given.properties.tags)
    return found.view(given.properties.tags)


@router.patch(OF_RESOURCE)
@router.patch(OF_GROUP)
async def change_tags(_subscription: Subscription, request: Request, body: BodyDep, api: ApiDep) -> Json:
    given = parsed(TagsBody, body)
    if given.operation is None:
        raise BadInput("operation is required: Merge, Replace or Delete.", target="operation")
    found = _find(api, request, is_to_write=True)
    tags = changed_tags(found.tags, given.operation, given.properties.tags)
    found.write(tags)
    return found.view(tags)


@router.delete(OF_RESOURCE)
@router.delete(OF_GROUP)
async def delete_tags(_subscription: Subscription, request: Request, api: ApiDep) -> Response:
    _find(api, request, is_to_write=True).write({})
    return Response(status_code=200)


@router.get(OF_SUBSCRIPTION)
async def get_tags_of_subscription(subscription_id: Subscription, which: str) -> Json:
    if which.lower() != "default":
        raise NotFound(f"There are no tags '{which[:80]}'; they are called 'default'.")
    return _Tagged(f"/subscriptions/{subscription_id}", {}, lambda _tags: None).view({})


@router.put(OF_SUBSCRIPTION)
@router.patch(OF_SUBSCRIPTION)
@router.delete(OF_SUBSCRIPTION)
async def refuse_tags_of_subscription(_subscription: Subscription, which: str) -> Json:
    raise NotPossible("The subscription is the configuration's and has no tags; groups and resources have.")


@router.get(_NAMES)
@takes(*PAGED)
async def list_tag_names(request: Request, subscription_id: Subscription, api: ApiDep) -> Json:
    """Every tag in use, and how often each value is."""
    used: defaultdict[str, Counter[str]] = defaultdict(Counter)
    holders = [group.tags for group in api.store.groups()]
    for tags in (*holders, *(view.get("tags") or {} for view in all_views(api, None))):
        for name, value in tags.items():
            used[name][value] += 1
    return paged(request, [_name_view(subscription_id, name, values) for name, values in used.items()])


@router.put(f"{_NAMES}/{{name}}")
@router.put(f"{_NAMES}/{{name}}/tagvalues/{{value}}")
@router.delete(f"{_NAMES}/{{name}}")
@router.delete(f"{_NAMES}/{{name}}/tagvalues/{{value}}")
async def refuse_tag_names(_subscription: Subscription, name: str) -> Json:
    words = f"The tag '{name[:512]}' is there while something has it: it is neither made nor deleted by itself."
    raise NotPossible(words)


def _name_view(subscription_id: str, name: str, values: Counter[str]) -> Json:
    root = f"/subscriptions/{subscription_id}/tagNames/{name}"
    return {
        "id": root,
        "tagName": name,
        "count": _count(values.total()),
        "values": [
            {"id": f"{root}/tagValues/{value}", "tagValue": value, "count": _count(times)}
            for value, times in sorted(values.items())
        ],
    }


def _count(number: int) -> Json:
    return {"type": "Total", "value": number}
