"""Parameters: their types and constraints, and what a deployment gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.errors import BadInput, ErrorDetail
from orchestrator.templates.problems import CODE, invalid
from orchestrator.templates.scope import Scope, resolve
from orchestrator.templates.values import WrongValue, same, shown, weigh

_KNOWN = frozenset(
    {
        "type",
        "defaultvalue",
        "allowedvalues",
        "minvalue",
        "maxvalue",
        "minlength",
        "maxlength",
        "metadata",
        "nullable",
    }
)
_SECURE = {"securestring": "string", "secureobject": "object"}
_IS: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "bool": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, Mapping),
}
NESTING_MAX = 40  # of defaults, and of variables, that need each other
Declarations = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Bound:
    """``given`` are the values that were sent, by the parameter's own name; ``secure`` the names that are never
    shown."""

    declarations: Declarations
    given: Mapping[str, Any]
    secure: frozenset[str]

    def reader(self, scope: Scope) -> Callable[[str], Any]:
        """``parameters('NAME')``. Defaults are evaluated when they are asked for, once; they may use others."""
        names = {name.lower(): name for name in self.declarations}
        known: dict[str, Any] = dict(self.given)
        under_way: set[str] = set()

        def read(text: str) -> Any:
            name = names.get(text.lower())
            if name is None:
                raise invalid(f"the parameter '{text[:80]}' is not declared.")
            if name in known:
                return known[name]
            if name in under_way:
                raise invalid(f"the default of the parameter '{name}' depends on itself.", f"parameters.{name}")
            if len(under_way) >= NESTING_MAX:
                raise invalid(f"defaults that need each other go deeper than {NESTING_MAX}.", f"parameters.{name}")
            under_way.add(name)
            declaration = self.declarations[name]
            path = f"parameters.{name}.defaultValue"
            value = resolve(declaration.get("defaultvalue"), replace(scope, parameters=read), path)
            try:
                weigh(value)
            except WrongValue as error:
                raise invalid(f"the default of the parameter '{name}': {error}.", path) from None
            under_way.discard(name)
            raise_all(_problems(name, declaration, value))
            known[name] = value
            return value

        return read


def type_of(declaration: Mapping[str, Any]) -> tuple[str, bool]:
    """The plain type in small letters, and whether it is a secure one."""
    written = str(declaration.get("type", "")).lower()
    return _SECURE.get(written, written), written in _SECURE


def is_type(value: Any, kind: str) -> bool:
    return _IS[kind](value)


def bind_parameters(declarations: Declarations, given: Any) -> Bound:
    """``given`` is ``{NAME: {"value": …}}``. Raises ``BadInput`` that names every offence."""
    raise_all(problem for name, each in declarations.items() for problem in _wrong_declaration(name, each))
    names = {name.lower(): name for name in declarations}
    values: dict[str, Any] = {}
    problems: list[ErrorDetail] = []
    for text, wrapped in _given(given):
        name, found = names.get(text.lower()), _value_of(text, wrapped)
        if name is None:
            known = ", ".join(declarations) or "none"
            words = f"the parameter '{text[:80]}' is not declared by the template (there is {known})."
            problems.append(_problem(words, text))
        elif found is not _NONE:
            values[name] = found
    for name, declaration in declarations.items():
        if name in values:
            problems += _problems(name, declaration, values[name])
        elif "defaultvalue" not in declaration and declaration.get("nullable") is not True:
            problems.append(_problem(f"the value for the parameter '{name}' is not provided.", name))
    raise_all(problems)
    secure = frozenset(name for name, each in declarations.items() if type_of(each)[1])
    return Bound(declarations, values, secure)


_NONE = object()


def _given(given: Any) -> list[tuple[str, Any]]:
    if not isinstance(given or {}, Mapping):
        raise invalid("'parameters' must be an object.", "parameters")
    pairs = list((given or {}).items())
    if len({name.lower() for name, _ in pairs}) != len(pairs):
        raise invalid("a parameter is given twice, in different case.", "parameters")
    return pairs


def _value_of(name: str, wrapped: Any) -> Any:
    if not isinstance(wrapped, Mapping):
        raise invalid(f"the parameter '{name[:80]}' must be given as {{\"value\": …}}.", f"parameters.{name[:80]}")
    members = {str(key).lower(): value for key, value in wrapped.items()}
    if unknown := sorted(members.keys() - {"value", "metadata"}):
        words = f"the parameter '{name[:80]}' is given by '{unknown[0][:80]}', which is not supported here."
        raise invalid(words, f"parameters.{name[:80]}")
    return members.get("value", _NONE)


def _problem(words: str, name: str) -> ErrorDetail:
    return ErrorDetail(CODE, words, f"parameters.{name[:80]}")


def raise_all(problems: Iterator[ErrorDetail] | list[ErrorDetail]) -> None:
    """Raises one ``BadInput`` that names them all, if there are any."""
    found = list(problems)
    if found:
        words = " ".join(each.message[:1].upper() + each.message[1:] for each in found)
        message = f"Deployment template validation failed: {words}"
        raise BadInput(message, code=CODE, target=found[0].target, details=found)


def _wrong_declaration(name: str, declaration: Mapping[str, Any]) -> Iterator[ErrorDetail]:
    if unknown := sorted(declaration.keys() - _KNOWN):
        yield _problem(f"the parameter '{name}' has an unknown member '{unknown[0][:80]}'.", name)
    if type_of(declaration)[0] not in _IS:
        yield _problem(f"the parameter '{name}' has the unknown type '{str(declaration.get('type'))[:80]}'.", name)
    allowed = declaration.get("allowedvalues")
    if allowed is not None and (not isinstance(allowed, list) or not allowed):
        yield _problem(f"'allowedValues' of the parameter '{name}' must be an array with something in it.", name)
    for each in ("minvalue", "maxvalue", "minlength", "maxlength"):
        if each in declaration and not is_type(declaration[each], "int"):
            yield _problem(f"'{each}' of the parameter '{name}' must be a whole number.", name)


def _problems(name: str, declaration: Mapping[str, Any], value: Any) -> list[ErrorDetail]:
    kind, is_secure = type_of(declaration)
    if value is None and declaration.get("nullable") is True:
        return []
    said = "(secure)" if is_secure else shown(value)
    if not is_type(value, kind):
        return [_problem(f"the value {said} of the parameter '{name}' is not of type '{kind}'.", name)]
    found: list[ErrorDetail] = []
    allowed = declaration.get("allowedvalues")
    if allowed is not None and not _is_allowed(value, allowed):
        found.append(_problem(f"the value {said} of the parameter '{name}' is not one of {shown(allowed)}.", name))
    found += _outside(name, declaration, value, said)
    return found


def _is_allowed(value: Any, allowed: list[Any]) -> bool:
    """A string as it is, in any case; of an array each element."""

    def fits(each: Any) -> bool:
        return any(
            same(each, one) or (isinstance(each, str) and isinstance(one, str) and each.lower() == one.lower())
            for one in allowed
        )

    return fits(value) or (isinstance(value, list) and all(fits(each) for each in value))


def _outside(name: str, declaration: Mapping[str, Any], value: Any, said: str) -> Iterator[ErrorDetail]:
    size = value if isinstance(value, int) else len(value)
    low, high, what = (
        ("minvalue", "maxvalue", "it") if isinstance(value, int) else ("minlength", "maxlength", "its length")
    )
    if low in declaration and size < declaration[low]:
        words = (
            f"the value {said} of the parameter '{name}' is too small: {what} must be at least {declaration[low]}."
        )
        yield _problem(words, name)
    if high in declaration and size > declaration[high]:
        words = (
            f"the value {said} of the parameter '{name}' is too large: {what} may be at most {declaration[high]}."
        )
        yield _problem(words, name)
