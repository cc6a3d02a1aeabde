"""Durable records of the Resource Manager: groups, and resources that are stored as a whole. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.model.resource_id import ResourceId


@dataclass(frozen=True, slots=True)
class ResourceGroup:
    """What holds resources. ``version`` rises with every write. ``deletion`` is the id of the operation that
    deletes it with all that is in it; while it is set, nothing is made in the group."""

    subscription_id: str
    name: str
    location: str
    tags: Mapping[str, str] = field(default_factory=dict)
    managed_by: str | None = None
    created_at: float = 0.0
    changed_at: float = 0.0
    version: int = 1
    deletion: str | None = None

    @property
    def key(self) -> str:
        return group_key(self.subscription_id, self.name)

    @property
    def id(self) -> str:
        return f"/subscriptions/{self.subscription_id}/resourceGroups/{self.name}"

    def but(self, **changes: Any) -> ResourceGroup:
        """A copy with these fields changed."""
        return replace(self, **changes)


def group_key(subscription_id: str, name: str) -> str:
    """Group names are case-insensitive."""
    return f"{subscription_id}/{name}".lower()


@dataclass(frozen=True, slots=True)
class StoredResource:
    """A resource that is one document: of Microsoft.Network, of Microsoft.Insights. ``body`` is canonical, without
    what is read-only; child resources (subnets, rules) are in their parent's body. ``secrets`` maps the path of
    each write-only member to its value. ``version`` rises with every write (the ETag)."""

    id: ResourceId
    location: str
    body: Mapping[str, Any]
    secrets: Mapping[str, Any] = field(default_factory=dict, repr=False)
    created_at: float = 0.0
    changed_at: float = 0.0
    version: int = 1

    @property
    def key(self) -> str:
        return self.id.key

    @property
    def etag(self) -> str:
        return f'W/"{int(self.created_at * 1000):x}-{self.version}"'

    def but(self, **changes: Any) -> StoredResource:
        """A copy with these fields changed."""
        return replace(self, **changes)
