"""What an expression can see, and how it is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.templates.problems import invalid
from orchestrator.templates.syntax import Call, Literal, Member, Node, is_expression, parse, unescaped

SIZE_MAX = 4 << 20  # of all that one evaluation makes, roughly in characters


class NotYet(Exception):
    """A value that only exists when another resource is there (``reference``)."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True)
class Place:
    """Where a template is deployed, as ``resourceGroup()``, ``subscription()``, ``deployment()`` and their like
    show it. ``api_versions`` gives those of a type, ``NAMESPACE/TYPE`` in any case."""

    subscription: Mapping[str, Any]
    group: Mapping[str, Any]
    deployment: Mapping[str, Any]
    environment: Mapping[str, Any]
    tenant: Mapping[str, Any]
    api_versions: Callable[[str], tuple[str, ...]]


@dataclass(frozen=True)
class Scope:
    """``refer`` answers ``reference()``: an id or a name, and whether the whole is wanted; it raises ``NotYet``.
    ``loops`` holds the index of each copy loop around the expression, by its name in small letters; ``""`` is the
    innermost. ``now`` (epoch seconds) and ``new_guid`` are there for the defaults of parameters only."""

    place: Place
    parameters: Callable[[str], Any]
    variables: Callable[[str], Any]
    refer: Callable[[str, bool], Any]
    loops: Mapping[str, int] = field(default_factory=dict)
    now: float | None = None
    new_guid: Callable[[], str] | None = None
    locals: Mapping[str, Any] = field(default_factory=dict)
    own_functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)

    def inside_loop(self, name: str, index: int) -> Scope:
        return replace(self, loops={**self.loops, name.lower(): index, "": index})

    def with_locals(self, **values: Any) -> Scope:
        return replace(self, locals={**self.locals, **values})


def resolve(value: Any, scope: Scope, target: str = "") -> Any:
    """A value of the template with all expressions in it evaluated."""
    from orchestrator.templates.copies import resolved_mapping  # noqa: PLC0415  each needs the other

    if isinstance(value, str):
        return evaluate(value, scope, target)
    if isinstance(value, list):
        return [resolve(each, scope, f"{target}[{index}]") for index, each in enumerate(value)]
    if isinstance(value, Mapping):
        return resolved_mapping(value, scope, target)
    return value


def evaluate(text: str, scope: Scope, target: str = "") -> Any:
    """A string of the template: plain, or an expression. Raises ``BadInput`` with the target, or ``NotYet``."""
    if not is_expression(text):
        return unescaped(text)
    from orchestrator.errors import BadInput  # noqa: PLC0415

    try:
        return run(parse(text), scope)
    except BadInput as error:
        if error.target is None and target:
            error.target = target
        raise


def run(node: Node, scope: Scope) -> Any:
    from orchestrator.templates.library import call  # noqa: PLC0415  the library evaluates lambdas

    match node:
        case Literal():
            return node.value
        case Member():
            return _member(node, scope)
        case Call():
            return call(node, scope)


def _member(node: Member, scope: Scope) -> Any:
    of, key = run(node.of, scope), run(node.key, scope)
    if isinstance(of, Mapping) and isinstance(key, str):
        name = next((each for each in of if each.lower() == key.lower()), None)
        if name is not None:
            return of[name]
        if node.is_safe:
            return None
        known = ", ".join(list(of)[:20])
        raise invalid(f"the property '{key[:80]}' does not exist; there is: {known or 'none'}.")
    if isinstance(of, list) and isinstance(key, int) and not isinstance(key, bool):
        if 0 <= key < len(of):
            return of[key]
        if node.is_safe:
            return None
        raise invalid(f"the index {key} is outside an array of {len(of)}.")
    if node.is_safe and of is None:
        return None
    raise invalid(f"{_kind(of)} has no property or element '{str(key)[:80]}'.")


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "a boolean"
    names = {str: "a string", int: "an integer", list: "an array", dict: "an object", type(None): "null"}
    return names.get(type(value), "a value")
