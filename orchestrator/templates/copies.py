"""Copy loops over properties and variables (``copy``: ``name``, ``count``, ``input``), and objects as such."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.templates.problems import invalid
from orchestrator.templates.scope import Scope, resolve
from orchestrator.templates.values import WrongValue, truth

COUNT_MAX = 800  # Azure's limit


def resolved_mapping(value: Mapping[str, Any], scope: Scope, target: str) -> dict[str, Any]:
    """An object with its expressions evaluated, in names as well, and with the arrays that its ``copy`` makes."""
    made: dict[str, Any] = {}
    for key, inner in value.items():
        path = f"{target}.{key}" if target else key
        if key.lower() == "copy" and is_loops(inner):
            for name, items in loops(inner, scope, path):
                made[name] = items
            continue
        name = resolve(key, scope, target)
        if not isinstance(name, str):
            raise invalid(f"the name of a property is an expression that gives no string: {key[:80]}.", path)
        made[name] = resolve(inner, scope, path)
    return made


def is_loops(value: Any) -> bool:
    """Whether it is the ``copy`` of a template rather than a property that has that name."""
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(each, Mapping) and {"name", "count"} <= {key.lower() for key in each} for each in value)


def loops(value: list[Any], scope: Scope, target: str) -> Iterator[tuple[str, list[Any]]]:
    """Each loop's name and what it makes."""
    for index, each in enumerate(value):
        path = f"{target}[{index}]"
        members = {key.lower(): inner for key, inner in each.items()}
        if unknown := sorted(members.keys() - {"name", "count", "input"}):
            raise invalid(f"a copy loop over a property has no member '{unknown[0][:80]}'.", path)
        if "input" not in members:
            raise invalid("a copy loop over a property wants an 'input'.", path)
        name, template = str(members["name"]), members["input"]
        count = count_of(members["count"], scope, path)
        yield name, [resolve(template, scope.inside_loop(name, n), f"{path}.input") for n in range(count)]


def is_wanted(value: Any, scope: Scope, target: str) -> bool:
    """A ``condition``. Raises ``BadInput``."""
    try:
        return truth(resolve(value, scope, target))
    except WrongValue as error:
        raise invalid(f"the condition is neither true nor false: {error}.", target) from None


def count_of(value: Any, scope: Scope, target: str) -> int:
    """How often a loop runs. Raises ``BadInput``."""
    count = resolve(value, scope, target)
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= COUNT_MAX:
        raise invalid(f"the count of a copy loop must be a whole number from 0 to {COUNT_MAX}.", f"{target}.count")
    return count
