"""A resource as a path or an id names it: its type from the table, its parts in canonical spelling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.api.context import Api
from orchestrator.api.kinds import Kind
from orchestrator.errors import BadInput, NotFound
from orchestrator.model.arm.names import check_group_name
from orchestrator.model.arm.statuses import Json
from orchestrator.model.resource_id import ResourceId, parse_resource_id


@dataclass(frozen=True, slots=True)
class Target:
    """``identity`` has the types of ``kind`` and the group's own name; the resource need not exist."""

    kind: Kind
    identity: ResourceId

    @property
    def label(self) -> str:
        return f"{self.kind.type}/{self.identity.full_name}"

    def view(self, api: Api) -> Json | None:
        return self.kind.view(api, self.identity)

    def found(self, api: Api) -> Json:
        """As GET shows it. Raises ``NotFound`` for it, or for its parent."""
        view = self.view(api)
        if view is not None:
            return view
        if self.identity.parent is not None:
            parent_of(api, self.identity)
        words = f"The resource '{self.label}' under resource group '{self.identity.resource_group}' was not found."
        raise NotFound(words)


def kind_of(api: Api, resource_type: str) -> Kind:
    """Raises ``NotFound`` for a type that is not known here."""
    try:
        return api.kinds.of(resource_type)
    except BadInput as unknown:
        raise NotFound(unknown.message, code=unknown.code, target=unknown.target) from None


def target_of(api: Api, group: str, namespace: str, segments: Sequence[str]) -> Target:
    """From types and names in turn. Raises ``NotFound`` for a group or a type that is not there."""
    found = api.find_group(check_group_name(group))
    kind = kind_of(api, "/".join([namespace, *segments[0::2]]))
    canonical, *types = kind.type.split("/")
    identity = ResourceId(found.subscription_id, found.name, canonical, tuple(types), tuple(segments[1::2]))
    return Target(kind, identity)


def target_of_id(api: Api, text: str) -> Target:
    """Raises ``BadInput`` for what is no id, ``NotFound`` for a subscription, group or type that is not here."""
    given = parse_resource_id(text)
    if given.subscription_id.lower() != api.site().subscription_id.lower():
        words = f"The subscription '{given.subscription_id}' could not be found."
        raise NotFound(words, code="SubscriptionNotFound")
    pairs = [part for pair in zip(given.types, given.names, strict=True) for part in pair]
    return target_of(api, given.resource_group, given.namespace, pairs)


def parent_of(api: Api, identity: ResourceId) -> Json:
    """The resource that holds this one. Raises ``NotFound`` (``ParentResourceNotFound``)."""
    parent = identity.parent
    view = kind_of(api, parent.type).view(api, parent) if parent else None
    if parent is None or view is None:
        words = f"The parent '{parent}' of '{identity.full_name}' was not found."
        raise NotFound(words, code="ParentResourceNotFound", target=str(identity))
    return view


def children(parent: Json, child_type: str) -> list[Json]:
    """What a parent's view holds of a type: its array of that name under ``properties``."""
    properties: dict[str, Any] = parent.get("properties") or {}
    held = next((value for name, value in properties.items() if name.lower() == child_type.lower()), None)
    return [each for each in held or () if isinstance(each, dict)]
