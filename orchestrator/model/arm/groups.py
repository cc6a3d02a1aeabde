"""The groups that a scale set's instances are placed in: ``proximityPlacementGroup`` and ``hostGroup``."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from orchestrator.model.arm.base import ArmModel, bad_value

_ID = re.compile(
    r"^(?:/subscriptions/[^/]+/resourceGroups/[^/]+)?/providers/Microsoft\.Compute/"
    r"(?P<type>proximityPlacementGroups|hostGroups)/(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,79})$",
    re.IGNORECASE | re.ASCII,
)


def _group(kind: str) -> AfterValidator:
    def check(value: str) -> str:
        found = _ID.match(value)
        if not found or found["type"].lower() != kind.lower():
            raise bad_value(f"must be [/subscriptions/…/resourceGroups/…]/providers/Microsoft.Compute/{kind}/NAME")
        return value

    return AfterValidator(check)


class ProximityPlacementGroup(ArmModel):
    """Instances of one such group stand close together."""

    id: Annotated[str, _group("proximityPlacementGroups")]

    @property
    def name(self) -> str:
        return self.id.rsplit("/", 1)[-1]


class HostGroup(ArmModel):
    """Instances stand on the hosts of this group only."""

    id: Annotated[str, _group("hostGroups")]

    @property
    def name(self) -> str:
        return self.id.rsplit("/", 1)[-1]
