"""The values of expressions: strings, whole numbers, booleans, null, arrays, objects. How they are told apart."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

SIZE_MAX = 4 << 20  # of one value, in characters and elements: what Azure allows a template in bytes
_DEPTH_MAX = 100
_SIZE_OF_VALUE = 4  # beside its characters: a comma, a bracket
_INTEGER_MAX = (1 << 63) - 1


class WrongValue(ValueError):
    """A function cannot work with what it is given. Its words never hold the value, which may be a secret."""


def text(value: Any) -> str:
    """Raises ``WrongValue`` for anything but a string."""
    if not isinstance(value, str):
        raise WrongValue(f"{kind_of(value)} is not a string")
    return value


def whole(value: Any) -> int:
    """A number, or a string that is one."""
    if isinstance(value, str) and value.strip().lstrip("+-").isdigit() and len(value) < 30:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise WrongValue(f"{kind_of(value)} is not an integer")
    return value


def truth(value: Any) -> bool:
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value != 0
    raise WrongValue(f"{kind_of(value)} is not a boolean")


def sequence(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise WrongValue(f"{kind_of(value)} is not an array")
    return value


def mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise WrongValue(f"{kind_of(value)} is not an object")
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


def joined(parts: Iterable[str], between: str = "") -> str:
    """One string of many. Raises ``WrongValue`` before it grows too large, not after."""
    found, size = [], 0
    for part in parts:
        found.append(part)
        size += len(part) + len(between)
        if size > SIZE_MAX:
            raise WrongValue("the result is too large")
    return between.join(found)


def weigh(value: Any) -> int:
    """How many values it is made of. Raises ``WrongValue`` for what has grown beyond reason, and for what cannot be
    kept: a few doublings of an array make more than any machine can hold, though each of them costs nothing."""
    if isinstance(value, bool) or not isinstance(value, int | str | list | Mapping):
        return 1
    count, size, left = 0, 0, [(value, 0)]
    while left:
        each, depth = left.pop()
        count += 1
        size += _SIZE_OF_VALUE + _check_one(each)
        if size > SIZE_MAX or depth > _DEPTH_MAX:
            raise WrongValue("the result is too large")
        if isinstance(each, list):
            left.extend((inner, depth + 1) for inner in each)
        elif isinstance(each, Mapping):
            left.extend((inner, depth + 1) for pair in each.items() for inner in pair)
    return count


def _check_one(value: Any) -> int:
    """The characters of a string; nought for anything else."""
    if isinstance(value, int) and abs(value) > _INTEGER_MAX:
        raise WrongValue("the result is no integer of 64 bits")
    if not isinstance(value, str):
        return 0
    if "\0" in value:
        raise WrongValue("the result holds a NUL character")
    return len(value)


def kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return "a boolean"
    names = {str: "a string", int: "an integer", float: "a number with a fraction", list: "an array"}
    return "null" if value is None else names.get(type(value), "an object")


def key_of(value: Any) -> str:
    """The same text for values that are the same."""
    return json.dumps(value, sort_keys=True)


def shown(value: Any) -> str:
    words = json.dumps(value, default=str, ensure_ascii=False)
    return words if len(words) <= 60 else f"{words[:57]}..."
