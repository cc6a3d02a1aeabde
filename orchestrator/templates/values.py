"""The values of expressions: strings, whole numbers, booleans, null, arrays, objects. How they are told apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from orchestrator.templates.scope import SIZE_MAX


def text(value: Any) -> str:
    """Raises ``ValueError`` for anything but a string."""
    if not isinstance(value, str):
        raise TypeError(f"{shown(value)} is not a string")
    return value


def whole(value: Any) -> int:
    """A number, or a string that is one."""
    if isinstance(value, str) and value.strip().lstrip("+-").isdigit() and len(value) < 30:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{shown(value)} is not an integer")
    return value


def truth(value: Any) -> bool:
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value != 0
    raise TypeError(f"{shown(value)} is not a boolean")


def sequence(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{shown(value)} is not an array")
    return value


def mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{shown(value)} is not an object")
    return dict(value)


def as_text(value: Any) -> str:
    """As ``string()`` and ``concat()`` write it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "True" if value else "False"
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def same(one: Any, other: Any) -> bool:
    """As ``equals`` sees it: types count, ``true`` is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


def bounded(value: Any) -> Any:
    """Raises ``ValueError`` for what has grown beyond reason."""
    if isinstance(value, str | list | dict) and len(value) > SIZE_MAX:
        raise ValueError("the result is too large")
    return value


def shown(value: Any) -> str:
    words = json.dumps(value, default=str, ensure_ascii=False)
    return words if len(words) <= 60 else f"{words[:57]}..."
