"""The outline of a template: which parts it has. What is not known is refused by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.templates.problems import invalid

_TOP = frozenset(
    {
        "$schema",
        "contentversion",
        "languageversion",
        "definitions",
        "metadata",
        "parameters",
        "variables",
        "functions",
        "resources",
        "outputs",
    }
)
_RESOURCE = frozenset(
    {
        "type",
        "apiversion",
        "name",
        "location",
        "tags",
        "sku",
        "kind",
        "plan",
        "zones",
        "identity",
        "properties",
        "dependson",
        "condition",
        "copy",
        "resources",
        "comments",
        "metadata",
        "existing",
        "scope",
        "extendedlocation",
        "managedby",
        "resourcegroup",
        "subscriptionid",
        "placement",
    }
)
_DEEP = "deploymenttemplate.json"


@dataclass(frozen=True, slots=True)
class Declared:
    """One resource as it is written. ``members`` by their names in small letters; ``symbol``: its symbolic name."""

    members: Mapping[str, Any]
    path: str
    symbol: str | None = None


@dataclass(frozen=True)
class Template:
    """Its parts, checked in outline."""

    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    functions: tuple[Mapping[str, Any], ...] = ()
    resources: tuple[Declared, ...] = ()
    outputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    content_version: str = "1.0.0.0"


def load_template(template: Any) -> Template:
    """Raises ``BadInput`` (``InvalidTemplate``) with the path of what is wrong."""
    members = lower(template, "template")
    if unknown := sorted(members.keys() - _TOP):
        raise invalid(f"a template has no member '{unknown[0][:80]}'.", unknown[0][:80])
    schema = members.get("$schema")
    if not isinstance(schema, str) or not schema.split("#")[0].lower().endswith(_DEEP):
        raise invalid("'$schema' must be that of a deployment template (…/deploymentTemplate.json#).", "$schema")
    if not isinstance(members.get("contentversion"), str):
        raise invalid("'contentVersion' is missing; it is text such as '1.0.0.0'.", "contentVersion")
    if members.get("definitions"):
        raise invalid("types of one's own ('definitions') are not supported here.", "definitions")
    _check_language(members)
    return Template(
        parameters=_of_mappings(members.get("parameters"), "parameters"),
        variables=_mapping(members.get("variables"), "variables"),
        functions=tuple(_spaces(members.get("functions"))),
        resources=tuple(declared(members.get("resources"), "resources")),
        outputs=_of_mappings(members.get("outputs"), "outputs"),
        content_version=members["contentversion"],
    )


def _check_language(members: Mapping[str, Any]) -> None:
    version = members.get("languageversion")
    if version not in {None, "1.0", "2.0"}:
        raise invalid("'languageVersion' is '1.0' or '2.0' here.", "languageVersion")
    if isinstance(members.get("resources"), Mapping) and version != "2.0":
        raise invalid("resources by symbolic names want 'languageVersion' '2.0'.", "resources")


def declared(value: Any, path: str) -> Iterator[Declared]:
    """The resources of a template or a resource: an array, or an object by symbolic names (languageVersion 2.0)."""
    if isinstance(value, Mapping):
        for symbol, each in value.items():
            yield _resource(each, f"{path}.{symbol}", symbol)
        return
    for index, each in enumerate(_list(value, path)):
        yield _resource(each, f"{path}[{index}]", None)


def _spaces(value: Any) -> Iterator[Mapping[str, Any]]:
    for index, each in enumerate(_list(value, "functions")):
        yield lower(each, f"functions[{index}]")


def _resource(value: Any, path: str, symbol: str | None) -> Declared:
    members = lower(value, path)
    if unknown := sorted(members.keys() - _RESOURCE):
        raise invalid(f"a resource has no member '{unknown[0][:80]}'.", f"{path}.{unknown[0][:80]}")
    for name in ("type", "apiversion", "name"):
        if not isinstance(members.get(name), str):
            raise invalid(f"the member '{name}' of a resource is missing, or is no text.", path)
    return Declared(members, path, symbol)


def lower(value: Any, path: str) -> dict[str, Any]:
    """An object by its members' names in small letters. Raises ``BadInput`` for one that is none."""
    if not isinstance(value, Mapping):
        raise invalid(f"'{path}' must be an object.", path)
    made = {str(key).lower(): inner for key, inner in value.items()}
    if len(made) != len(value):
        raise invalid(f"'{path}' has a member twice, in different case.", path)
    return made


def _mapping(value: Any, path: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    lower(value, path)
    checked: Mapping[str, Any] = value
    return checked


def _of_mappings(value: Any, path: str) -> dict[str, Mapping[str, Any]]:
    return {name: lower(inner, f"{path}.{name}") for name, inner in _mapping(value, path).items()}


def _list(value: Any, path: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise invalid(f"'{path}' must be an array.", path)
    return value
