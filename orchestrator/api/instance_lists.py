"""GET SET/virtualMachines: filter, choice of members, pages (reference 3.1)."""

from __future__ import annotations

import re
from collections.abc import Callable

from fastapi import Request

from orchestrator.api.context import Api
from orchestrator.api.paging import SKIP, next_link
from orchestrator.api.requests import query_value, query_whole
from orchestrator.api.sights import looks
from orchestrator.errors import BadInput
from orchestrator.model.arm.instance_resources import instance_resource
from orchestrator.model.arm.statuses import Json
from orchestrator.model.scale_set import ScaleSet

PAGE = 250
FILTERS = ("startswith(instanceView/statuses/code, 'PowerState') eq true", "properties/latestModelApplied eq true")
"""What ``$filter`` can be, as examples."""
_STATUS_FILTER = re.compile(
    r"^\s*startswith\(\s*instanceView/statuses/code\s*,\s*'(?P<prefix>[A-Za-z/]{1,80})'\s*\)\s+eq\s+true\s*$",
    re.IGNORECASE | re.ASCII,
)
_LATEST_FILTER = re.compile(
    r"^\s*properties/latestModelApplied\s+eq\s+(?P<value>true|false)\s*$", re.IGNORECASE | re.ASCII
)
_VIEW_SELECTED = {"instanceview", "instanceview/statuses"}
_ALWAYS = ("id", "name", "type", "instanceId", "location")
Filter = Callable[[Json], bool]


def list_page(request: Request, api: Api, record: ScaleSet) -> Json:
    """One page, and where the next one is. Raises ``BadInput`` for a filter that is not one of the two."""
    is_wanted = _read_filter(query_value(request, "$filter"))
    selected = _read_select(request)
    is_expanded = _is_expanded(request) or selected is not None
    after = query_whole(request, SKIP, -1, 0, 10**12)
    rows = [row for row in api.store.instances(record.uid) if row.instance_id > after]
    page, rest = rows[:PAGE], rows[PAGE:]
    items: list[Json] = []
    for subject in looks(api, record, page):
        item = instance_resource(subject, is_expanded=True)
        if is_wanted(item):
            items.append(_shaped(item, selected, is_expanded=is_expanded))
    answer: Json = {"value": items}
    if rest:
        answer["nextLink"] = next_link(request, str(page[-1].instance_id))
    return answer


def _read_filter(text: str | None) -> Filter:
    if not text:
        return lambda _item: True
    if found := _LATEST_FILTER.match(text):
        wanted = found["value"].lower() == "true"
        return lambda item: item["properties"]["latestModelApplied"] is wanted
    if found := _STATUS_FILTER.match(text):
        prefix = found["prefix"].lower()
        return lambda item: any(code.lower().startswith(prefix) for code in _codes(item))
    raise BadInput(
        "$filter can be \"startswith(instanceView/statuses/code, 'PowerState') eq true\" or "
        '"properties/latestModelApplied eq true" (or false).',
        target="$filter",
    )


def _codes(item: Json) -> list[str]:
    return [str(each["code"]) for each in item["properties"]["instanceView"]["statuses"]]


def _read_select(request: Request) -> str | None:
    text = query_value(request, "$select")
    if not text:
        return None
    if text.lower() not in _VIEW_SELECTED:
        raise BadInput("$select can be instanceView or instanceView/statuses.", target="$select")
    return text.lower()


def _is_expanded(request: Request) -> bool:
    text = query_value(request, "$expand")
    if text and text.lower() != "instanceview":
        raise BadInput("Of instances in a list only instanceView can be expanded.", target="$expand")
    return bool(text)


def _shaped(item: Json, selected: str | None, *, is_expanded: bool) -> Json:
    view = item["properties"]["instanceView"]
    if selected is not None:
        shown = {"statuses": view["statuses"]} if selected.endswith("statuses") else view
        return {**{name: item[name] for name in _ALWAYS}, "properties": {"instanceView": shown}}
    if not is_expanded:
        del item["properties"]["instanceView"]
    return item
