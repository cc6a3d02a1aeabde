"""Bodies of Resource Manager's own requests: groups and tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from orchestrator.model.arm.base import ArmEnum, ArmModel, Refused
from orchestrator.model.arm.envelope import Tags
from orchestrator.model.arm.problems import parsed

_NOBODY = "nothing here manages groups for somebody else"


class NoProperties(ArmModel):
    read_only: ClassVar[frozenset[str]] = frozenset({"provisioningstate"})


class GroupBody(ArmModel):
    """PUT and PATCH of a resource group."""

    read_only: ClassVar[frozenset[str]] = frozenset({"id", "type", "etag"})
    name: str | None = None
    location: str | None = None
    tags: Tags | None = None
    managed_by: Annotated[Any, Refused(_NOBODY)] = None
    properties: NoProperties | None = None


class TagsOnly(ArmModel):
    """PATCH of a resource whose type has no PATCH of its own."""

    tags: Tags


class TagAction(ArmEnum):
    MERGE = "Merge"
    REPLACE = "Replace"
    DELETE = "Delete"


class TagProperties(ArmModel):
    tags: Tags = Field(default_factory=dict)


class TagsBody(ArmModel):
    """PUT and PATCH of ``Microsoft.Resources/tags/default``."""

    read_only: ClassVar[frozenset[str]] = frozenset({"id", "name", "type"})
    operation: TagAction | None = None
    properties: TagProperties


def changed_tags(tags: Mapping[str, str], action: TagAction, given: Mapping[str, str]) -> dict[str, str]:
    """What a PATCH of tags leaves. Names are compared without case; ``Delete`` of a name with a value wants the
    value to be that one. Raises ``BadInput`` for more tags than there may be."""
    if action is TagAction.REPLACE:
        return dict(given)
    wanted = {name.lower(): value for name, value in given.items()}
    if action is TagAction.DELETE:
        return {name: value for name, value in tags.items() if wanted.get(name.lower()) not in {"", value}}
    kept = {name: value for name, value in tags.items() if name.lower() not in wanted}
    return parsed(TagsOnly, {"tags": {**kept, **given}}).tags
