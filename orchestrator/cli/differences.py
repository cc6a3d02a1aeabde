"""Two versions of a resource: the smallest body that turns one into the other, and the changes in words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]

_READ_ONLY = {"id", "type", "etag", "systemData", "provisioningState", "uniqueId", "timeCreated"}
_SHORT = 60

_WHOLE = {"tags", "settings", "protectedSettings", "protectionPolicy"}
"""Objects that the API replaces instead of merging: half of one would drop the other half."""


def merge_patch(before: Object, after: Object) -> dict[str, Any]:
    """What to merge into ``before`` to get ``after`` (RFC 7396, as the API does it): objects by member, anything
    else and what is ``_WHOLE`` as it is, ``null`` for what is gone."""
    patch: dict[str, Any] = {name: None for name in before if name not in after}
    for name, value in after.items():
        old = before.get(name)
        if name in before and old == value:
            continue
        is_merged = isinstance(old, Mapping) and isinstance(value, Mapping) and name not in _WHOLE
        patch[name] = merge_patch(old or {}, value) if is_merged else value
    return patch


def merge(before: Object, patch: Object) -> dict[str, Any]:
    """``before`` with ``patch`` merged in, as the API does it."""
    merged = dict(before)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping) and name not in _WHOLE:
            old = merged.get(name)
            merged[name] = merge(old if isinstance(old, Mapping) else {}, value)
        else:
            merged[name] = value
    return merged


@dataclass(frozen=True, slots=True)
class Change:
    """One property before and after; ``None`` where it is not there."""

    path: str
    before: Any
    after: Any

    def __str__(self) -> str:
        if self.before is None:
            return f"+ {self.path}: {_short(self.after)}"
        if self.after is None:
            return f"- {self.path}: {_short(self.before)}"
        return f"~ {self.path}: {_short(self.before)} -> {_short(self.after)}"


def changes(before: Any, after: Any, path: str = "") -> Iterator[Change]:
    """The properties that differ, leaf by leaf. What only the daemon writes is left out; elements of lists
    are paired by their ``name`` where they have one, else by place."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in [*before, *(each for each in after if each not in before)]:
            if name not in _READ_ONLY:
                yield from changes(before.get(name), after.get(name), f"{path}.{name}" if path else name)
    elif isinstance(before, list) and isinstance(after, list):
        old, new = _keyed(before), _keyed(after)
        for key in [*old, *(each for each in new if each not in old)]:
            yield from changes(old.get(key), new.get(key), f"{path}[{key}]")
    elif before != after:
        yield Change(path, before, after)


def _keyed(elements: list[Any]) -> dict[str, Any]:
    def key(position: int, element: Any) -> str:
        return str(element["name"]) if isinstance(element, Mapping) and "name" in element else str(position)

    return {key(position, element): element for position, element in enumerate(elements)}


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…"
