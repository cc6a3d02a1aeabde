"""Which properties an instance's model has otherwise than the newest one, with both values (reference 6).

Write-only members are told of, never shown. What a difference costs is ``plan/upgrade_cost.py``'s to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.model.scale_set import ScaleSet

HIDDEN = "(hidden)"
_PLACES = ("proximityPlacementGroup", "hostGroup", "virtualMachineProfile")


@dataclass(frozen=True, slots=True)
class PropertyDifference:
    """One property; ``None`` where a model does not have it."""

    path: str
    applied: Any
    wanted: Any


def model_differences(applied: ScaleSet, wanted: ScaleSet) -> list[PropertyDifference]:
    """What differs between the model that an instance is on and the newest, by path.

    Only what an instance is made of counts, not capacity, policies or tags. Elements with a name are compared by
    it, so that moving one in its list is no difference. Absent, null, false and empty are one."""
    before, after = dict(_leaves(_made_of(applied), "")), dict(_leaves(_made_of(wanted), ""))
    found = [_difference(path, before.get(path), after.get(path)) for path in before.keys() | after.keys()]
    found += [
        _difference(path, applied.secrets.get(path), wanted.secrets.get(path), is_hidden=True)
        for path in applied.secrets.keys() | wanted.secrets.keys()
    ]
    return sorted((each for each in found if each is not None), key=lambda each: each.path)


def _difference(path: str, before: Any, after: Any, *, is_hidden: bool = False) -> PropertyDifference | None:
    if before == after:
        return None
    if is_hidden:
        before, after = (None if value is None else HIDDEN for value in (before, after))
    return PropertyDifference(path, before, after)


def _made_of(record: ScaleSet) -> Mapping[str, Any]:
    properties = record.model["properties"]
    return {
        "sku": {"name": record.model["sku"]["name"]},
        "zones": record.model.get("zones"),
        "properties": {name: properties.get(name) for name in _PLACES},
    }


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            key = str(inner["name"]).lower() if isinstance(inner, Mapping) and "name" in inner else number
            yield from _leaves(inner, f"{path}[{key}]")
    elif value is not None and value is not False:
        yield path, value
