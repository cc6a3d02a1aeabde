"""From a template to its resources: conditions, copy loops, children, symbolic names, and what waits for what.

Names, conditions and counts are known before anything is made. Bodies may hold ``reference()``, so they
are evaluated when their resource's turn comes (``ResourceNode.body``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.model.resource_id import ResourceId, named
from orchestrator.templates.copies import COUNT_MAX, count_of, is_wanted
from orchestrator.templates.problems import invalid
from orchestrator.templates.scope import Effort, NotYet, Scope, resolve
from orchestrator.templates.template import Declared, Template, declared, lower
from orchestrator.templates.values import WrongValue, weigh

RESOURCES_MAX = 800  # Azure's limit
DEPLOYMENT_TYPE = "microsoft.resources/deployments"
_SPELLED = {
    "location": "location",
    "tags": "tags",
    "sku": "sku",
    "kind": "kind",
    "plan": "plan",
    "zones": "zones",
    "identity": "identity",
    "properties": "properties",
    "extendedlocation": "extendedLocation",
    "placement": "placement",
    "managedby": "managedBy",
}


@dataclass(frozen=True)
class ResourceNode:
    """One resource to be. ``waits_for`` are the indexes of others in the same list that have to be there first.
    ``is_existing``: it is only read, never made."""

    index: int
    identity: ResourceId
    api_version: str
    path: str
    declared: Declared
    scope: Scope
    is_existing: bool = False
    loop: str | None = None
    waits_for: frozenset[int] = frozenset()

    def body(self, refer: Callable[[str, bool], Any] | None = None) -> dict[str, Any]:
        """What is put. ``refer`` answers ``reference()``. Raises ``BadInput``, or ``NotYet`` without ``refer``."""
        scope = replace(self.scope, refer=refer or self.scope.refer, effort=Effort())
        members = self.declared.members
        made = {
            name: resolve(members[key], scope, f"{self.path}.{name}")
            for key, name in _SPELLED.items()
            if key in members and key != "properties"
        }
        if "properties" in members:
            made["properties"] = self._properties(members["properties"], scope)
        try:
            weigh(made)
        except WrongValue as error:
            raise invalid(f"the resource '{self.identity.full_name}': {error}.", self.path) from None
        return made

    def _properties(self, properties: Any, scope: Scope) -> Any:
        path = f"{self.path}.properties"
        if self.identity.type.lower() != DEPLOYMENT_TYPE:
            return resolve(properties, scope, path)
        inner = lower(properties, path)
        kept = {key: value for key, value in properties.items() if key.lower() != "template"}
        made: dict[str, Any] = resolve(kept, scope, path)
        if "template" in inner:
            made["template"] = _nested_template(inner, scope, f"{path}.template")
        return made


def _nested_template(properties: Mapping[str, Any], scope: Scope, path: str) -> Any:
    """``inner``: it has its own parameters, and is left as it is. ``outer`` (the default): its expressions are this
    template's, so they are evaluated here, and what comes out is plain text for the nested deployment."""
    options = lower(properties.get("expressionevaluationoptions") or {}, path)
    if str(options.get("scope", "outer")).lower() == "inner":
        return properties["template"]
    return _escaped(resolve(properties["template"], scope, path))


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return f"[{value}" if value.startswith("[") else value
    if isinstance(value, list):
        return [_escaped(each) for each in value]
    return {key: _escaped(inner) for key, inner in value.items()} if isinstance(value, Mapping) else value


def no_reference(name: str, _is_full: bool) -> Any:
    """``refer`` while nothing is there yet."""
    raise NotYet(name)


def expand(template: Template, scope: Scope) -> list[ResourceNode]:
    """Every resource of the template whose condition is true, in the order in which they are written; ``waits_for``
    says what waits for what. Raises ``BadInput`` (``InvalidTemplate``)."""
    from orchestrator.templates.dependencies import with_dependencies  # noqa: PLC0415

    scope = replace(scope, refer=no_reference, effort=Effort())
    nodes: list[ResourceNode] = []
    skipped: list[ResourceNode] = []
    try:
        for each in template.resources:
            for node, is_there in _instances(each, scope, None):
                target = nodes if is_there else skipped
                target.append(replace(node, index=len(target)))
                if len(nodes) + len(skipped) > RESOURCES_MAX:
                    raise invalid(f"a template has at most {RESOURCES_MAX} resources.", "resources")
    except NotYet as early:
        words = (
            f"the function 'reference' (of '{early.name[:120]}') cannot be used in names, conditions and counts."
        )
        raise invalid(words, "resources") from None
    _check_once(nodes)
    return with_dependencies(nodes, skipped)


def _instances(each: Declared, scope: Scope, parent: ResourceNode | None) -> Iterator[tuple[ResourceNode, bool]]:
    for inner, loop in _loops(each, scope):
        node = _node(each, inner, parent, loop)
        is_there = is_wanted(each.members.get("condition", True), inner, f"{each.path}.condition")
        yield node, is_there
        for child in declared(each.members.get("resources"), f"{each.path}.resources"):
            for below, is_child_there in _instances(child, inner, node):
                yield below, is_there and is_child_there


def _loops(each: Declared, scope: Scope) -> Iterator[tuple[Scope, str | None]]:
    copy = each.members.get("copy")
    if copy is None:
        yield scope, None
        return
    path = f"{each.path}.copy"
    members = lower(copy, path)
    if unknown := sorted(members.keys() - {"name", "count", "mode", "batchsize"}):
        raise invalid(f"a copy loop has no member '{unknown[0][:80]}'.", path)
    name = resolve(members.get("name"), scope, f"{path}.name")
    if not isinstance(name, str) or "count" not in members:
        raise invalid("a copy loop wants a 'name' and a 'count'.", path)
    if str(members.get("mode", "parallel")).lower() not in {"parallel", "serial"}:
        raise invalid("the 'mode' of a copy loop is 'parallel' or 'serial'.", f"{path}.mode")
    for index in range(count_of(members["count"], scope, path)):
        yield scope.inside_loop(name, index), name


def batch_of(node: ResourceNode) -> int | None:
    """Which batch of a serial copy loop a node is in; ``None`` for others."""
    copy = lower(node.declared.members.get("copy") or {}, node.path)
    if str(copy.get("mode", "")).lower() != "serial" or node.loop is None:
        return None
    size = copy.get("batchsize", 1)
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= COUNT_MAX:
        raise invalid("the 'batchSize' of a copy loop must be a whole number of at least 1.", f"{node.path}.copy")
    return node.scope.loops[node.loop.lower()] // size


def _node(each: Declared, scope: Scope, parent: ResourceNode | None, loop: str | None) -> ResourceNode:
    members, path = each.members, each.path
    kind = str(resolve(members["type"], scope, f"{path}.type")).strip("/")
    name = resolve(members["name"], scope, f"{path}.name")
    if not isinstance(name, str) or not name:
        raise invalid("the name of a resource is no text.", f"{path}.name")
    if parent is not None:
        kind = kind if "/" in kind else f"{parent.identity.type}/{kind}"
        name = (
            name
            if name.count("/") == kind.count("/") - 1 and "/" in name
            else f"{parent.identity.full_name}/{name}"
        )
    if "/" not in kind:
        raise invalid(f"'{kind[:120]}' is no type of resources, such as 'Microsoft.Compute/disks'.", f"{path}.type")
    for member in ("resourcegroup", "subscriptionid", "scope"):
        if members.get(member) is not None:
            raise invalid(f"a resource is made in the group of its deployment: '{member}' is not supported.", path)
    place = scope.place
    identity = named(str(place.subscription["subscriptionId"]), str(place.group["name"]), kind, name)
    version = resolve(members["apiversion"], scope, f"{path}.apiVersion")
    is_existing = members.get("existing") is True
    return ResourceNode(0, identity, str(version), path, each, scope, is_existing, loop)


def _check_once(nodes: list[ResourceNode]) -> None:
    seen: set[str] = set()
    for node in nodes:
        if node.identity.key in seen and not node.is_existing:
            words = f"the resource '{node.identity.type}/{node.identity.full_name}' is defined more than once."
            raise invalid(words, node.path)
        seen.add(node.identity.key)
