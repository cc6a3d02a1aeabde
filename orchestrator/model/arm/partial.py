"""What is left of a body once its wrong values are taken out, so that the rules about several properties can
still be asked: everything that is wrong is to be told in one answer."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

_PROFILE = "properties.virtualMachineProfile"
# What a set cannot be read without. The values mean nothing: rules that look at them are not asked.
_REQUIRED: Mapping[str, Any] = {
    "location": "nowhere",
    "sku.name": "none",
    "sku.capacity": 0,
    f"{_PROFILE}.storageProfile.imageReference": {"publisher": "none", "offer": "none", "sku": "none"},
}


def without(body: Mapping[str, Any], locations: Iterable[tuple[str | int, ...]]) -> tuple[dict[str, Any], set[str]]:
    """The body without what is at these locations, readable, and the paths that now say nothing.

    An array with a wrong element is left out whole: its other elements may go by the wrong one."""
    left: dict[str, Any] = dict(body)
    unknown: set[str] = set()
    for location in locations:
        names = _up_to_the_first_array(location)
        unknown.add(".".join(names))
        left = _dropped(left, names)
    for path, value in _REQUIRED.items():
        names = path.split(".")
        if _is_absent(left, names):
            unknown.add(path)
            left = _put(left, names, value)
    return left, unknown


def overlaps(paths: Collection[str], others: Collection[str]) -> bool:
    """Whether one of the paths is, holds or lies in one of the others."""
    return any(one == other or _holds(one, other) or _holds(other, one) for one in paths for other in others)


def _holds(outer: str, inner: str) -> bool:
    return not outer or inner.startswith(f"{outer}.")


def _up_to_the_first_array(location: tuple[str | int, ...]) -> list[str]:
    names: list[str] = []
    for part in location:
        if isinstance(part, int):
            break
        names.append(part)
    return names


def _key(parent: Mapping[str, Any], name: str) -> str:
    """The member's name as the body writes it."""
    return next((key for key in parent if key.lower() == name.lower()), name)


def _dropped(parent: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    if not names:
        return {}
    key, *rest = _key(parent, names[0]), *names[1:]
    inner = parent.get(key)
    if rest and isinstance(inner, Mapping):
        return {**parent, key: _dropped(inner, rest)}
    return {name: value for name, value in parent.items() if name != key}


def _is_absent(parent: Any, names: list[str]) -> bool:
    for name in names:
        if not isinstance(parent, Mapping):
            return True
        parent = parent.get(_key(parent, name))
    return parent is None


def _put(parent: Mapping[str, Any], names: list[str], value: Any) -> dict[str, Any]:
    key, *rest = _key(parent, names[0]), *names[1:]
    if not rest:
        return {**parent, key: value}
    inner = parent.get(key)
    return {**parent, key: _put(inner if isinstance(inner, Mapping) else {}, rest, value)}
