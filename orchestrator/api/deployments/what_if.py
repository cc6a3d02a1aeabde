"""What a deployment would do: resource by resource as Azure tells it, and for scale sets instance by instance.

The deployment is rehearsed: what is put is compared with what was there, and our own planner is asked what it would
do about the instances of a set as it would be. Nothing of it is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.api.context import Api
from orchestrator.api.deployments.bodies import DeploymentBody
from orchestrator.api.deployments.checks import Rehearsed, quiet, raise_problems, rehearse
from orchestrator.api.deployments.instance_changes import instance_changes
from orchestrator.api.manager.group_deletion import in_order
from orchestrator.api.settable import settable
from orchestrator.model.arm.names import SCALE_SET_TYPE
from orchestrator.model.arm.statuses import Json
from orchestrator.model.resource_id import ResourceId, is_among, parse_resource_id


def what_if(api: Api, identity: ResourceId, body: DeploymentBody) -> Json:
    """The result that clients print. Raises ``BadInput`` for a deployment that could not be."""
    rest = list(_present(api, identity.resource_group))
    with api.store.rehearsal():
        silent = quiet(api)
        _, rehearsed = rehearse(silent, identity, body)
        raise_problems(rehearsed)
        changes = [_change(each) for each in rehearsed]
        for each in rehearsed:
            if each.identity.type.lower() == SCALE_SET_TYPE.lower() and each.after is not None:
                changes += instance_changes(silent, each.identity)
    changes += _the_rest(rest, body.mode, {each.identity.key for each in rehearsed})
    if body.is_ids_only:
        changes = [{name: each[name] for name in ("resourceId", "changeType")} for each in changes]
    return {"status": "Succeeded", "properties": {"changes": changes}}


def _change(rehearsed: Rehearsed) -> Json:
    before, after = _shown(rehearsed.before), _shown(rehearsed.after)
    found: Json = {"resourceId": str(rehearsed.identity)}
    if after is None:
        why = "What it will be is known when the resources that it refers to are there."
        return {**found, "changeType": "Deploy", "before": before, "after": None, "unsupportedReason": why}
    if before is None:
        return {**found, "changeType": "Create", "before": None, "after": after}
    delta = list(differences(before, after))
    kind = "Modify" if delta else "NoChange"
    return {**found, "changeType": kind, "before": before, "after": after, "delta": delta}


def _present(api: Api, group: str) -> Iterator[Json]:
    for kind in in_order(api.kinds):
        yield from kind.views(api, group)


def _the_rest(views: list[Json], mode: str, kept: set[str]) -> Iterator[Json]:
    """What is in the group and not in the template: left alone, or in Complete mode deleted."""
    kind_of_change = "Delete" if mode == "Complete" else "Ignore"
    for view in views:
        identity = parse_resource_id(view["id"])
        if is_among(identity, kept):
            continue
        change = {"resourceId": view["id"], "changeType": kind_of_change, "before": _shown(view)}
        yield {**change, "after": None if kind_of_change == "Delete" else _shown(view)}


def _shown(view: Json | None) -> Json | None:
    """Without what no request sets."""
    return None if view is None else {"properties": {}, **settable(view)}


def differences(before: Any, after: Any, path: str = "") -> Iterator[Json]:
    """Property by property, in the shape of ``delta``."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            yield from differences(before.get(key), after.get(key), f"{path}.{key}" if path else key)
        return
    if before == after:
        return
    if isinstance(before, list) and isinstance(after, list):
        children = [
            _leaf(str(index), old, new) for index, (old, new) in enumerate(_padded(before, after)) if old != new
        ]
        yield {"path": path, "propertyChangeType": "Array", "before": None, "after": None, "children": children}
        return
    yield _leaf(path, before, after)


def _leaf(path: str, before: Any, after: Any) -> Json:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        children = list(differences(before, after))
        return {"path": path, "propertyChangeType": "Modify", "before": None, "after": None, "children": children}
    kind = "Create" if before is None else "Delete" if after is None else "Modify"
    return {"path": path, "propertyChangeType": kind, "before": before, "after": after, "children": None}


def _padded(before: list[Any], after: list[Any]) -> Iterator[tuple[Any, Any]]:
    for index in range(max(len(before), len(after))):
        yield before[index] if index < len(before) else None, after[index] if index < len(after) else None
