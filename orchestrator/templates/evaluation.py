"""A template bound to its parameters and its place: the scope in which its expressions are evaluated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from orchestrator.templates.copies import is_loops, loops
from orchestrator.templates.parameters import NESTING_MAX, Bound
from orchestrator.templates.problems import invalid
from orchestrator.templates.scope import Place, Scope, resolve
from orchestrator.templates.template import Template, lower
from orchestrator.templates.values import WrongValue, weigh


def make_scope(template: Template, bound: Bound, place: Place, *, now: float, new_guid: Callable[[], str]) -> Scope:
    """The scope of a template's resources and outputs. Every parameter is looked at, so that a mistake in one that
    nobody uses is told as well. Raises ``BadInput``."""
    bare = Scope(place, _nothing("parameters"), _nothing("variables"), _no_reference)
    functions = _own_functions(template, bare)
    of_defaults = replace(bare, now=now, new_guid=new_guid, own_functions=functions)
    parameters = bound.reader(of_defaults)
    values = {name: parameters(name) for name in bound.declarations}
    scope = replace(bare, parameters=_reader("parameter", values), own_functions=functions)
    variables = _Variables(template.variables, scope)
    return replace(scope, variables=variables.read)


def _reader(what: str, values: Mapping[str, Any]) -> Callable[[str], Any]:
    by_name = {name.lower(): value for name, value in values.items()}

    def read(name: str) -> Any:
        if name.lower() not in by_name:
            raise invalid(f"the {what} '{name[:80]}' is not declared.")
        return by_name[name.lower()]

    return read


def _nothing(what: str) -> Callable[[str], Any]:
    def refuse(_name: str) -> Any:
        raise invalid(f"the function '{what}' cannot be used here.")

    return refuse


def _no_reference(_name: str, _is_full: bool) -> Any:
    words = "the function 'reference' can only be used in what a resource holds, and in outputs"
    raise invalid(f"{words}: not in variables, defaults of parameters and functions of one's own.")


class _Variables:
    """Evaluated when they are asked for, once."""

    def __init__(self, variables: Mapping[str, Any], scope: Scope) -> None:
        self._written: dict[str, tuple[str, Any]] = {}
        self._loops: list[Any] = []
        self._known: dict[str, Any] = {}
        self._under_way: set[str] = set()
        self._scope = replace(scope, variables=self.read)
        for name, value in variables.items():
            if name.lower() == "copy" and is_loops(value):
                self._loops = value
            else:
                self._written[name.lower()] = (name, value)

    def read(self, name: str) -> Any:
        key = name.lower()
        if key in self._known:
            return self._known[key]
        if key in self._under_way:
            raise invalid(f"the variable '{name[:80]}' depends on itself.", f"variables.{name[:80]}")
        if len(self._under_way) >= NESTING_MAX:
            raise invalid(f"variables that need each other go deeper than {NESTING_MAX}.", f"variables.{name[:80]}")
        self._under_way.add(key)
        try:
            value = self._evaluate(name, key)
            weigh(value)
        except WrongValue as error:
            raise invalid(f"the variable '{name[:80]}': {error}.", f"variables.{name[:80]}") from None
        finally:
            self._under_way.discard(key)
        self._known[key] = value
        return value

    def _evaluate(self, name: str, key: str) -> Any:
        if key in self._written:
            spelled, value = self._written[key]
            return resolve(value, self._scope, f"variables.{spelled}")
        for loop in self._loops:
            if str(lower(loop, "variables.copy")["name"]).lower() == key:
                [(_, items)] = loops([loop], self._scope, "variables.copy")
                return items
        raise invalid(f"the variable '{name[:80]}' is not declared.")


def _own_functions(template: Template, scope: Scope) -> dict[str, Callable[..., Any]]:
    """Functions of the template's own: they see their parameters, and nothing else of the template."""
    made: dict[str, Callable[..., Any]] = {}
    for index, space in enumerate(template.functions):
        path = f"functions[{index}]"
        for name, written in lower(space.get("members") or {}, f"{path}.members").items():
            full = f"{space.get('namespace')}.{name}".lower()
            made[full] = _own_function(full, lower(written, f"{path}.{name}"), scope, path)
    return made


def _own_function(name: str, written: Mapping[str, Any], scope: Scope, path: str) -> Callable[..., Any]:
    parameters = written.get("parameters") or []
    if not isinstance(parameters, list):
        raise invalid(f"the parameters of the function '{name[:80]}' must be an array.", path)
    declared = [str(lower(each, path).get("name")) for each in parameters]
    output = lower(written.get("output"), f"{path}.output")

    def work(*values: Any) -> Any:
        if len(values) != len(declared):
            raise invalid(f"the function '{name}' takes {len(declared)} arguments, and is given {len(values)}.")
        given = _reader("parameter", dict(zip(declared, values, strict=True)))
        return resolve(output.get("value"), replace(scope, parameters=given), f"{path}.output")

    return work
