"""What an expression can see, and how it is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.errors import BadInput
from orchestrator.templates.problems import invalid
from orchestrator.templates.syntax import Call, Literal, Member, Node, is_expression, parse, unescaped
from orchestrator.templates.values import kind_of

STEPS_MAX = 300_000  # of one evaluation: about a second of work


class NotYet(Exception):
    """A value that only exists when another resource is there (``reference``)."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Effort:
    """What one evaluation has cost so far: loops inside loops are short to write and long to run."""

    __slots__ = ("_steps",)

    def __init__(self) -> None:
        self._steps = 0

    def spend(self, steps: int) -> None:
        """Raises ``BadInput`` when it is too much."""
        self._steps += steps
        if self._steps > STEPS_MAX:
            raise invalid("the template takes too much work to evaluate.")


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
    innermost. ``effort`` is shared by all that belongs to one evaluation. ``now`` (epoch seconds) and ``new_guid``
    are there for the defaults of parameters only."""

    place: Place
    parameters: Callable[[str], Any]
    variables: Callable[[str], Any]
    refer: Callable[[str, bool], Any]
    loops: Mapping[str, int] = field(default_factory=dict)
    now: float | None = None
    new_guid: Callable[[], str] | None = None
    locals: Mapping[str, Any] = field(default_factory=dict)
    own_functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    effort: Effort = field(default_factory=Effort, compare=False)

    def inside_loop(self, name: str, index: int) -> Scope:
        return replace(self, loops={**self.loops, name.lower(): index, "": index})

    def with_locals(self, **values: Any) -> Scope:
        return replace(self, locals={**self.locals, **values})


def resolve(value: Any, scope: Scope, target: str = "") -> Any:
    """A value of the template with all expressions in it evaluated."""
    from orchestrator.templates.copies import resolved_mapping  # noqa: PLC0415  each needs the other

    scope.effort.spend(1)
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
    try:
        return run(parse(text), scope)
    except RecursionError:
        raise invalid("the template is nested too deeply.", target or None) from None
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
        said = f"'{key[:80]}'" if isinstance(node.key, Literal) else "asked for"  # else it may be a secret
        raise invalid(f"the property {said} does not exist; there is: {known or 'none'}.")
    if isinstance(of, list) and isinstance(key, int) and not isinstance(key, bool):
        if 0 <= key < len(of):
            return of[key]
        if node.is_safe:
            return None
        raise invalid(f"the index {key} is outside an array of {len(of)}.")
    if node.is_safe and of is None:
        return None
    said = f" '{str(node.key.value)[:80]}'" if isinstance(node.key, Literal) else ""
    raise invalid(f"{kind_of(of)} has no property or element{said}.")
