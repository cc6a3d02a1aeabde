"""Functions of arrays, objects and numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from orchestrator.templates.library import plain
from orchestrator.templates.values import WrongValue, as_text, joined, key_of, mapping, same, sequence, text, whole

_RANGE_MAX = 10_000


@plain("concat", 1, None)
def _concat(*values: Any) -> Any:
    if all(isinstance(each, list) for each in values):
        return [item for each in values for item in each]
    if any(isinstance(each, list | dict) for each in values):
        raise WrongValue("it joins either arrays or strings")
    return joined(as_text(each) for each in values)


@plain("array", 1)
def _array(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@plain("createArray", 0, None)
def _create_array(*values: Any) -> list[Any]:
    return list(values)


@plain("createObject", 0, None)
def _create_object(*values: Any) -> dict[str, Any]:
    if len(values) % 2:
        raise WrongValue("keys and values come in pairs")
    return {text(key): value for key, value in zip(values[::2], values[1::2], strict=True)}


@plain("contains", 2)
def _contains(container: Any, wanted: Any) -> bool:
    if isinstance(container, str):
        return as_text(wanted) in container
    if isinstance(container, list):
        return any(same(each, wanted) for each in container)
    return text(wanted).lower() in {key.lower() for key in mapping(container)}


@plain("empty", 1)
def _empty(value: Any) -> bool:
    if value is not None and not isinstance(value, str | list | Mapping):
        raise WrongValue("it wants a string, an array or an object")
    return not value


@plain("first", 1)
def _first(value: Any) -> Any:
    if not value:
        return "" if isinstance(value, str) else None
    return (value if isinstance(value, str) else sequence(value))[0]


@plain("last", 1)
def _last(value: Any) -> Any:
    if not value:
        return "" if isinstance(value, str) else None
    return (value if isinstance(value, str) else sequence(value))[-1]


@plain("flatten", 1)
def _flatten(value: Any) -> list[Any]:
    return [item for each in sequence(value) for item in (each if isinstance(each, list) else [each])]


@plain("intersection", 2, None)
def _intersection(first: Any, *others: Any) -> Any:
    if isinstance(first, list):
        known = [{key_of(item) for item in sequence(other)} for other in others]
        return [each for each in first if all(key_of(each) in keys for keys in known)]
    rest = [mapping(other) for other in others]
    return {
        key: value
        for key, value in mapping(first).items()
        if all(key in each and same(each[key], value) for each in rest)
    }


@plain("union", 2, None)
def _union(*values: Any) -> Any:
    if isinstance(values[0], list):
        made: dict[str, Any] = {}
        for each in (item for value in values for item in sequence(value)):
            made.setdefault(key_of(each), each)
        return list(made.values())
    merged: dict[str, Any] = {}
    for value in values:
        merged = _merged(merged, mapping(value))
    return merged


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    result = dict(one)
    for key, value in other.items():
        old = result.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        result[key] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return result


@plain("shallowMerge", 1)
def _shallow_merge(values: Any) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for each in sequence(values):
        made |= mapping(each)
    return made


@plain("items", 1)
def _items(value: Any) -> list[dict[str, Any]]:
    return [{"key": key, "value": inner} for key, inner in sorted(mapping(value).items())]


@plain("length", 1)
def _length(value: Any) -> int:
    return len(value if isinstance(value, str | list) else mapping(value))


@plain("range", 2)
def _range(start: Any, count: Any) -> list[int]:
    if not 0 <= whole(count) <= _RANGE_MAX:
        raise WrongValue(f"the count must be 0 to {_RANGE_MAX}")
    return list(range(whole(start), whole(start) + whole(count)))


@plain("skip", 2)
def _skip(value: Any, count: Any) -> Any:
    return (value if isinstance(value, str) else sequence(value))[max(0, whole(count)) :]


@plain("take", 2)
def _take(value: Any, count: Any) -> Any:
    return (value if isinstance(value, str) else sequence(value))[: max(0, whole(count))]


@plain("tryGet", 2, None)
def _try_get(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, Mapping):
            value = next((inner for name, inner in value.items() if name.lower() == str(key).lower()), None)
        elif isinstance(value, list) and isinstance(key, int) and 0 <= key < len(value):
            value = value[key]
        else:
            return None
    return value


def _numbers(values: tuple[Any, ...]) -> list[int]:
    found = sequence(values[0]) if len(values) == 1 and isinstance(values[0], list) else list(values)
    if not found:
        raise WrongValue("it wants a number")
    return [whole(each) for each in found]


@plain("min", 1, None)
def _min(*values: Any) -> int:
    return min(_numbers(values))


@plain("max", 1, None)
def _max(*values: Any) -> int:
    return max(_numbers(values))


@plain("add", 2)
def _add(one: Any, other: Any) -> int:
    return whole(one) + whole(other)


@plain("sub", 2)
def _sub(one: Any, other: Any) -> int:
    return whole(one) - whole(other)


@plain("mul", 2)
def _mul(one: Any, other: Any) -> int:
    return whole(one) * whole(other)


@plain("div", 2)
def _div(one: Any, other: Any) -> int:
    """Towards zero, as .NET does."""
    quotient: int = abs(whole(one)) // abs(whole(other))
    is_positive = (whole(one) < 0) == (whole(other) < 0)
    return quotient if is_positive else -quotient


@plain("mod", 2)
def _mod(one: Any, other: Any) -> int:
    quotient: int = _div(one, other)
    return whole(one) - quotient * whole(other)


@plain("float", 1)
def _float(value: Any) -> float:
    number = float(text(value) if isinstance(value, str) else value)
    if not math.isfinite(number):
        raise WrongValue("that is no number")
    return number


@plain("int", 1)
def _int(value: Any) -> int:
    return whole(value)
