"""Functions of parameters, variables, loops, and of resources and where they are."""

from __future__ import annotations

from typing import Any

from orchestrator.templates.library import plain, special
from orchestrator.templates.problems import invalid
from orchestrator.templates.scope import Scope, run
from orchestrator.templates.syntax import Call
from orchestrator.templates.values import as_text, text, whole

_FULL = "full"


def _values(node: Call, scope: Scope) -> list[Any]:
    return [run(each, scope) for each in node.arguments]


def _word(node: Call, scope: Scope, index: int = 0) -> str:
    value = run(node.arguments[index], scope)
    if not isinstance(value, str):
        raise invalid(f"the function '{node.name}' wants a name.")
    return value


@special("parameters", 1)
def _parameters(node: Call, scope: Scope) -> Any:
    return scope.parameters(_word(node, scope))


@special("variables", 1)
def _variables(node: Call, scope: Scope) -> Any:
    return scope.variables(_word(node, scope))


@special("copyIndex", 0, 2)
def _copy_index(node: Call, scope: Scope) -> int:
    """``copyIndex()``, ``copyIndex(offset)``, ``copyIndex('loop')``, ``copyIndex('loop', offset)``."""
    values = _values(node, scope)
    name = values.pop(0).lower() if values and isinstance(values[0], str) else ""
    offset = values[0] if values else 0
    if name not in scope.loops:
        raise invalid(f"there is no copy loop{f' {name!r}' if name else ''} around the function 'copyIndex'.")
    if isinstance(offset, bool) or not isinstance(offset, int):
        raise invalid("the function 'copyIndex' wants a whole number as its offset.")
    return scope.loops[name] + offset


def _pairs(parts: list[str], name: str) -> str:
    """``NAMESPACE/TYPE…`` and names as the end of an id."""
    kind, *names = parts
    namespace, *types = [each for each in kind.split("/") if each]
    if not types or len(types) != len(names):
        raise invalid(f"the function '{name}' wants one name for each segment of the type '{kind[:120]}'.")
    pairs = "".join(f"/{each}/{value}" for each, value in zip(types, names, strict=True))
    return f"/providers/{namespace}{pairs}"


@special("resourceId", 2, None)
def _resource_id(node: Call, scope: Scope) -> str:
    """``resourceId([subscription], [group], type, names…)``: the type is the first argument with a slash."""
    parts = [as_text(each) for each in _values(node, scope)]
    start = next((index for index, each in enumerate(parts) if "/" in each), None)
    if start is None or start > 2:
        raise invalid("the function 'resourceId' wants a type such as 'Microsoft.Network/virtualNetworks'.")
    group = parts[start - 1] if start else str(scope.place.group["name"])
    subscription = parts[0] if start == 2 else str(scope.place.subscription["subscriptionId"])
    return f"/subscriptions/{subscription}/resourceGroups/{group}{_pairs(parts[start:], 'resourceId')}"


@special("subscriptionResourceId", 2, None)
def _subscription_resource_id(node: Call, scope: Scope) -> str:
    parts = [as_text(each) for each in _values(node, scope)]
    is_given = "/" not in parts[0]
    subscription = parts.pop(0) if is_given else str(scope.place.subscription["subscriptionId"])
    return f"/subscriptions/{subscription}{_pairs(parts, 'subscriptionResourceId')}"


@plain("tenantResourceId", 2, None)
def _tenant_resource_id(*parts: Any) -> str:
    return _pairs([as_text(each) for each in parts], "tenantResourceId")


@plain("extensionResourceId", 3, None)
def _extension_resource_id(base: Any, *parts: Any) -> str:
    return f"{text(base)}{_pairs([as_text(each) for each in parts], 'extensionResourceId')}"


@special("resourceGroup", 0)
def _resource_group(_node: Call, scope: Scope) -> Any:
    return scope.place.group


@special("subscription", 0)
def _subscription(_node: Call, scope: Scope) -> Any:
    return scope.place.subscription


@special("tenant", 0)
def _tenant(_node: Call, scope: Scope) -> Any:
    return scope.place.tenant


@special("environment", 0)
def _environment(_node: Call, scope: Scope) -> Any:
    return scope.place.environment


@special("deployment", 0)
def _deployment(_node: Call, scope: Scope) -> Any:
    return scope.place.deployment


@special("providers", 1, 2)
def _providers(node: Call, scope: Scope) -> Any:
    namespace = _word(node, scope)
    if len(node.arguments) == 1:
        raise invalid("the function 'providers' wants a resource type as its second argument here.")
    kind = _word(node, scope, 1)
    versions = list(scope.place.api_versions(f"{namespace}/{kind}"))
    return {"resourceType": kind, "locations": [scope.place.group["location"]], "apiVersions": versions}


@special("reference", 1, 3)
def _reference(node: Call, scope: Scope) -> Any:
    """The properties of a resource, or with 'Full' the whole of it."""
    is_full = len(node.arguments) == 3 and _word(node, scope, 2).lower() == _FULL
    return scope.refer(_word(node, scope), is_full)


@special("pickZones", 3, 5)
def _pick_zones(node: Call, scope: Scope) -> list[str]:
    """The first zones of the location that has them: every type of ours has all of them."""
    values = _values(node, scope)
    count = whole(values[3]) if len(values) > 3 else 1
    zones = [str(each) for each in scope.place.environment.get("zones", [])]
    return zones[:count]
