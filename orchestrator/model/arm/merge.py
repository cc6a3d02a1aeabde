"""How a body changes a scale set that exists (reference 1.4; what real clients rely on: PUT merges).

``az vmss scale`` puts nothing but ``location`` and ``sku``, others put back whole what they read. So on a set that
exists PUT and PATCH do the same: objects are merged member by member, arrays and ``tags`` are replaced, an explicit
null clears, what is not named stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.errors import BadInput

# Opaque to us: replaced as a whole, their members are not Resource Manager properties.
_WHOLE = frozenset({"tags", "settings", "protectedsettings"})
_PROTECTED = "protectedSettings"


def merge_body(current: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """The body to parse anew. ``current`` is the canonical JSON with its secrets joined in.

    An extension that is named again without ``protectedSettings`` keeps those it has: no client can read them,
    so none could send them back. A null clears them. Raises ``BadInput`` for a member given twice."""
    merged = _merge(current, body)
    before = {name: e for e in _extensions(current) if (name := _key(e))}
    for extension in _extensions(merged):
        name = _key(extension)
        _carry_protected(before.get(name) if name else None, extension)
    return merged


def _merge(current: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    names = {name.lower(): name for name in current}
    result: dict[str, Any] = _copy(current)
    seen: set[str] = set()
    for key, value in body.items():
        if key.lower() in seen:
            raise BadInput(f"The member '{key}' is given twice, in different case.", target=key)
        seen.add(key.lower())
        name = names.get(key.lower(), key)
        if value is None:
            result.pop(name, None)
            continue
        old = current.get(name)
        if isinstance(value, Mapping) and key.lower() not in _WHOLE:
            result[name] = _merge(old if isinstance(old, Mapping) else {}, value)
        else:
            result[name] = _copy(value)
    return result


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list | tuple) else value


def member(parent: Any, name: str) -> Any:
    """A member whatever its case; ``None`` when the parent is not an object."""
    if not isinstance(parent, Mapping):
        return None
    return next((value for key, value in parent.items() if key.lower() == name.lower()), None)


def _extensions(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: Any = body
    for name in ("properties", "virtualMachineProfile", "extensionProfile", "extensions"):
        found = member(found, name)
    return [extension for extension in found if isinstance(extension, dict)] if isinstance(found, list) else []


def _key(extension: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Name, publisher and type: another extension under the same name inherits nothing."""
    properties = member(extension, "properties")
    words = (member(extension, "name"), member(properties, "publisher"), member(properties, "type"))
    return tuple(word.lower() for word in words if isinstance(word, str)) if all(words) else None


def _carry_protected(before: Mapping[str, Any] | None, extension: dict[str, Any]) -> None:
    properties = member(extension, "properties")
    kept = member(member(before, "properties"), _PROTECTED)
    if kept is None or not isinstance(properties, dict):
        return
    if not any(key.lower() == _PROTECTED.lower() for key in properties):
        properties[_PROTECTED] = _copy(kept)
