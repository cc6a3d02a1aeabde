"""Ids of resources: ``/subscriptions/S/resourceGroups/G/providers/NAMESPACE/TYPE/NAME[/TYPE/NAME…]``."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from orchestrator.errors import BadInput

_CODE = "LinkedInvalidPropertyId"


@dataclass(frozen=True, slots=True)
class ResourceId:
    """One resource of a group. ``types`` and ``names`` run in step: a subnet has two of each. Compare ``key``s:
    ids are the same in any case."""

    subscription_id: str
    resource_group: str
    namespace: str
    types: tuple[str, ...]
    names: tuple[str, ...]

    def __str__(self) -> str:
        pairs = "".join(f"/{kind}/{name}" for kind, name in zip(self.types, self.names, strict=True))
        group = f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
        return f"{group}/providers/{self.namespace}{pairs}"

    @property
    def type(self) -> str:
        """``Microsoft.Network/virtualNetworks/subnets``."""
        return "/".join((self.namespace, *self.types))

    @property
    def name(self) -> str:
        """The last name."""
        return self.names[-1]

    @property
    def full_name(self) -> str:
        """``vnet1/subnet1``, as a template names it."""
        return "/".join(self.names)

    @property
    def key(self) -> str:
        return str(self).lower()

    @property
    def parent(self) -> ResourceId | None:
        if len(self.types) == 1:
            return None
        return ResourceId(
            self.subscription_id, self.resource_group, self.namespace, self.types[:-1], self.names[:-1]
        )

    def child(self, kind: str, name: str) -> ResourceId:
        types, names = (*self.types, kind), (*self.names, name)
        return ResourceId(self.subscription_id, self.resource_group, self.namespace, types, names)


def parse_resource_id(text: str) -> ResourceId:
    """Read an id in any case; slashes may be doubled, and one may be at the end. Raises ``BadInput``."""
    parts = [part for part in text.split("/") if part]
    fixed = [part.lower() for part in (parts[0::2])][:3]
    is_whole = len(parts) >= 8 and len(parts) % 2 == 0
    if not is_whole or fixed != ["subscriptions", "resourcegroups", "providers"]:
        raise BadInput(f"'{text[:200]}' is not the id of a resource.", code=_CODE)
    return ResourceId(parts[1], parts[3], parts[5], tuple(parts[6::2]), tuple(parts[7::2]))


def named(subscription_id: str, resource_group: str, resource_type: str, full_name: str) -> ResourceId:
    """From ``NAMESPACE/TYPE[/TYPE…]`` and ``NAME[/NAME…]``. Raises ``BadInput`` when they are not in step."""
    namespace, *types = [part for part in resource_type.split("/") if part]
    names = [part for part in full_name.split("/") if part]
    if not types or len(types) != len(names):
        words = f"The name '{full_name[:200]}' does not fit the type '{resource_type[:200]}': one segment for each."
        raise BadInput(words, code="InvalidTemplate")
    return ResourceId(subscription_id, resource_group, namespace, tuple(types), tuple(names))


def is_among(identity: ResourceId, keys: Collection[str]) -> bool:
    """Whether ``keys`` name this resource, or a child of it."""
    return identity.key in keys or any(key.startswith(f"{identity.key}/") for key in keys)
