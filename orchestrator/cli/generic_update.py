"""az's generic update: ``--set a.b=c``, ``--add list value``, ``--remove list index`` on a resource.

A path is names joined by dots; ``name[2]`` is an element by index and ``name[key=value]`` the element whose
``key`` is ``value``. A first name that is not part of the resource's envelope is looked up below
``properties``, as az's flattened models have it. Names match in any letter case. A number or truth value stays
text where text stands now, and everything does with ``--force-string``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from orchestrator.errors import BadInput

_ENVELOPE = {
    "id", "name", "type", "location", "tags", "sku", "plan", "identity", "zones", "properties", "etag",
    "placement", "extendedlocation", "systemdata",
}  # fmt: skip
_PART = re.compile(r"^(?P<name>[^\[\]]+)(?P<indexes>(?:\[[^\[\]]+\])*)$")
_INDEX = re.compile(r"\[([^\[\]]+)\]")

Index = int | tuple[str, str]
Step = str | Index
"""One step into a resource: a member's name, a list index, or (key, value) of a list's element."""


def parse_path(text: str) -> list[Step]:
    """Split a path into steps; a path in flattened form gets ``properties`` in front."""
    steps: list[Step] = []
    for part in _split_dots(text):
        found = _PART.match(part)
        if not found:
            raise BadInput(f"not a property path: {text!r}", target=text)
        steps.append(found["name"])
        steps += [_index(each) for each in _INDEX.findall(found["indexes"])]
    if str(steps[0]).lower() not in _ENVELOPE:
        steps.insert(0, "properties")
    return steps


def _split_dots(text: str) -> list[str]:
    """Dots part names, except inside brackets (``extensions[name=a.b]``)."""
    return re.split(r"\.(?![^\[]*\])", text)


def _index(text: str) -> Index:
    key, is_filter, value = text.partition("=")
    if is_filter:
        return (key, value)
    try:
        return int(text)
    except ValueError:
        raise BadInput(f"[{text}] is neither an index nor key=value") from None


def parse_value(text: str) -> Any:
    """JSON where it reads as JSON (numbers, true, null, lists, objects), else the text itself."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def apply_updates(
    resource: dict[str, Any],
    sets: Iterable[str] = (),
    adds: Iterable[Sequence[str]] = (),
    removes: Iterable[Sequence[str]] = (),
    *,
    is_text: bool = False,
) -> None:
    """Change ``resource`` in place: all sets, then all adds, then all removes, each in the given order.
    ``is_text``: no value is read as JSON."""
    for assignment in sets:
        path, is_assignment, value = _split_assignment(assignment)
        if not is_assignment or not path:
            raise BadInput(f"--set wants path=value, not {assignment!r}")
        steps = parse_path(path)
        stays_text = is_text or _holds_text(steps)
        set_value(resource, steps, value if stays_text else _fitting(_now(resource, steps), value))
    for path, *values in adds:
        if not values:
            raise BadInput(f"--add {path} wants a value to add")
        steps = parse_path(path)
        _add(resource, steps, values, is_text=is_text or _holds_text([*steps, 0]))
    for path, *rest in removes:
        _remove(resource, path, rest)


def _now(resource: dict[str, Any], path: Sequence[Step]) -> Any:
    """What stands at ``path``; ``None`` where nothing does."""
    try:
        holder = _walk(resource, path[:-1], make=False)
        last = path[-1]
        if isinstance(last, str):
            return holder.get(_member(holder, last)) if isinstance(holder, dict) else None
        return holder[_position(_as_list(holder, path[:-1]), last, path)]
    except BadInput:
        return None


def _fitting(now: Any, text: str) -> Any:
    """The value of ``text`` beside one that is there: ``typeHandlerVersion=2.1`` is no number."""
    value = parse_value(text)
    is_plain = isinstance(value, bool | int | float)
    return text if is_plain and isinstance(now, str) else value


def _holds_text(path: Sequence[Step]) -> bool:
    """A tag's value and a zone's name are text even where they read as numbers."""
    return len(path) == 2 and str(path[0]).lower() in {"tags", "zones"}


def _split_assignment(text: str) -> tuple[str, str, str]:
    """Cut at the first ``=`` outside brackets."""
    found = re.match(r"^((?:[^=\[]|\[[^\]]*\])*)=(.*)$", text, re.DOTALL)
    return (found[1], "=", found[2]) if found else (text, "", "")


def set_value(resource: dict[str, Any], path: Sequence[Step], value: Any) -> None:
    """Put ``value`` at ``path``; missing objects on the way are made, missing list elements are an error."""
    holder = _walk(resource, path[:-1], make=True)
    last = path[-1]
    if isinstance(last, str):
        if not isinstance(holder, dict):
            raise BadInput(f"{_said(path)}: {_said(path[:-1])} is not an object", target=_said(path))
        holder[_member(holder, last)] = value
        return
    elements = _as_list(holder, path[:-1])
    elements[_position(elements, last, path)] = value


def _add(resource: dict[str, Any], path: Sequence[Step], values: Sequence[str], *, is_text: bool) -> None:
    """Append one element: ``key=value`` words make one object, any other word is an element of its own."""
    holder = _walk(resource, path[:-1], make=True)
    if not isinstance(holder, dict) or not isinstance(path[-1], str):
        raise BadInput(f"--add {_said(path)}: not a list in an object", target=_said(path))
    name = _member(holder, path[-1])
    if holder.get(name) is None:
        holder[name] = []
    elements = _as_list(holder[name], path)
    neighbour = elements[0] if elements else None
    pairs = [value.partition("=") for value in values if _is_pair(value)]
    elements.extend(value if is_text else _fitting(neighbour, value) for value in values if not _is_pair(value))
    if pairs:
        elements.append({key: value if is_text else parse_value(value) for key, _, value in pairs})


def _is_pair(text: str) -> bool:
    return re.match(r"^[A-Za-z_][\w.-]*=", text) is not None


def _remove(resource: dict[str, Any], path_text: str, rest: Sequence[str]) -> None:
    if len(rest) > 1:
        raise BadInput(f"--remove {path_text} takes one index, not {len(rest)}")
    path = parse_path(path_text) + ([_index(rest[0])] if rest else [])
    holder = _walk(resource, path[:-1], make=False)
    last = path[-1]
    if not isinstance(last, str):
        elements = _as_list(holder, path[:-1])
        del elements[_position(elements, last, path)]
        return
    name = _member(holder, last) if isinstance(holder, dict) else last
    if not isinstance(holder, dict) or name not in holder:
        raise BadInput(f"--remove {_said(path)}: there is no such property", target=_said(path))
    del holder[name]


def _walk(resource: dict[str, Any], path: Sequence[Step], *, make: bool) -> Any:
    here: Any = resource
    for depth, step in enumerate(path):
        if isinstance(step, str):
            here = _into_member(here, step, path[: depth + 1], make=make)
        else:
            elements = _as_list(here, path[:depth])
            here = elements[_position(elements, step, path[: depth + 1])]
    return here


def _into_member(here: Any, step: str, path: Sequence[Step], *, make: bool) -> Any:
    if not isinstance(here, dict):
        raise BadInput(f"{_said(path[:-1])} is not an object", target=_said(path))
    name = _member(here, step)
    if here.get(name) is None:
        if not make:
            raise BadInput(f"there is no property {_said(path)}", target=_said(path))
        here[name] = {}
    return here[name]


def _member(holder: dict[str, Any], name: str) -> str:
    """The name as the object spells it, or as given when it is new."""
    if name in holder:
        return name
    return next((known for known in holder if known.lower() == name.lower()), name)


def _as_list(value: Any, path: Sequence[Step]) -> list[Any]:
    if not isinstance(value, list):
        raise BadInput(f"{_said(path)} is not a list", target=_said(path))
    return value


def _position(elements: list[Any], step: Index, path: Sequence[Step]) -> int:
    if isinstance(step, int):
        if -len(elements) <= step < len(elements):
            return step
        raise BadInput(f"{_said(path)}: the list has {len(elements)} elements", target=_said(path))
    key, value = step
    for position, element in enumerate(elements):
        if isinstance(element, dict) and str(element.get(_member(element, key))) == value:
            return position
    raise BadInput(f"{_said(path)}: no element has {key}={value}", target=_said(path))


def _said(path: Sequence[Step]) -> str:
    """A path as a person would write it."""
    text = ""
    for step in path:
        if isinstance(step, str):
            text += f".{step}" if text else step
        else:
            text += f"[{step[0]}={step[1]}]" if isinstance(step, tuple) else f"[{step}]"
    return text
