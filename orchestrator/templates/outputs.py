"""What a deployment answers: its outputs, with Azure's spelling of names and types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from orchestrator.templates.copies import count_of, is_wanted
from orchestrator.templates.parameters import is_type, type_of
from orchestrator.templates.problems import invalid
from orchestrator.templates.scope import Effort, Scope, resolve
from orchestrator.templates.template import Template, lower
from orchestrator.templates.values import WrongValue, weigh

_KNOWN = frozenset({"type", "value", "condition", "copy", "metadata", "nullable"})
_WRITTEN = {"securestring": "SecureString", "secureobject": "SecureObject"}


def camel_case(name: str) -> str:
    """``VMSS`` is ``vmss``, ``VMSSName`` is ``vmssName``: as the Resource Manager's serializer spells names."""
    letters = list(name)
    for index, letter in enumerate(letters):
        if not letter.isupper():
            break
        has_next = index + 1 < len(letters)
        if index > 0 and has_next and not letters[index + 1].isupper():
            break
        letters[index] = letter.lower()
    return "".join(letters)


def evaluate_outputs(template: Template, scope: Scope, refer: Callable[[str, bool], Any]) -> dict[str, Any]:
    """``{name: {"type", "value"}}``; secure ones without their value. Raises ``BadInput``, or ``NotYet``."""
    inside = replace(scope, refer=refer, effort=Effort())
    made: dict[str, Any] = {}
    for name, output in template.outputs.items():
        path = f"outputs.{name}"
        if unknown := sorted(output.keys() - _KNOWN):
            raise invalid(f"an output has no member '{unknown[0][:80]}'.", path)
        if not is_wanted(output.get("condition", True), inside, f"{path}.condition"):
            continue
        kind, is_secure = type_of(output)
        value = _value(output, inside, path)
        if value is None and output.get("nullable") is True:
            continue
        try:
            fits = is_type(value, kind)
        except KeyError:
            raise invalid(f"the output '{name}' has the unknown type '{kind[:80]}'.", path) from None
        if not fits:
            raise invalid(f"the output '{name}' is not of type '{kind}'.", path)
        written = _WRITTEN.get(str(output.get("type")).lower(), kind.capitalize())
        try:
            weigh(value)
        except WrongValue as error:
            raise invalid(f"the output '{name}': {error}.", path) from None
        made[camel_case(name)] = {"type": written} if is_secure else {"type": written, "value": value}
    return made


def _value(output: Mapping[str, Any], scope: Scope, path: str) -> Any:
    if "copy" not in output:
        return resolve(output.get("value"), scope, f"{path}.value")
    copy = lower(output["copy"], f"{path}.copy")
    count = count_of(copy.get("count"), scope, f"{path}.copy")
    return [resolve(copy.get("input"), scope.inside_loop(path, n), f"{path}.copy.input") for n in range(count)]
