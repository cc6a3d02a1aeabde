"""What of a resource as it is shown a request could set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.model.arm.statuses import Json

_SHOWN_ONLY = frozenset(
    {
        "etag",
        "ipaddress",
        "provisioningstate",
        "resourceguid",
        "systemdata",
        "timecreated",
        "uniqueid",
        "warnings",
    }
)


def settable(view: Json) -> Json:
    """The view without what is only shown, its children's too."""
    found: Json = _without(view)
    return found


def _without(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without(inner) for key, inner in value.items() if key.lower() not in _SHOWN_ONLY}
    return [_without(each) for each in value] if isinstance(value, list) else value
