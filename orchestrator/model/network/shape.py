"""What a type of stored resource is made of, and how its bodies are read. Pure.

A resource is one document with its children inside. PUT replaces what stands there, but collections of children
that a body does not name stay (as Azure does it for the subnets of a virtual network); an empty array clears them.
A body without ``properties`` changes only what it names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.errors import BadInput, ErrorDetail
from orchestrator.model.arm.base import ArmModel
from orchestrator.model.arm.merge import member
from orchestrator.model.arm.problems import parsed, raise_problems
from orchestrator.model.arm.warnings import Notice
from orchestrator.model.network.secret_members import Members
from orchestrator.model.resource_id import ResourceId

Json = dict[str, Any]
Rule = Callable[[Json, ResourceId], Iterable[ErrorDetail]]


def _no_warnings(_body: Mapping[str, Any]) -> Iterable[Notice]:
    return ()


def _as_given(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return body


def _nothing_more(_view: Json) -> None:
    return None


@dataclass(frozen=True, slots=True)
class InUse:
    """How a type says that it cannot be deleted, as it is or its children."""

    code: str
    words: str


@dataclass(frozen=True, slots=True)
class Shape:
    """``collections`` names the arrays of children in ``properties``; ``addressable`` those that have addresses.
    ``given`` takes out of what a client sends what the views have of our making. ``rules`` look at a canonical
    body. ``show`` adds to a view what is only shown. ``name`` is what the name of a resource matches. ``secrets``
    names the write-only members of children, by their collection."""

    model: type[ArmModel]
    type: str
    collections: tuple[str, ...] = ()
    addressable: tuple[str, ...] = ()
    given: Callable[[Mapping[str, Any]], Mapping[str, Any]] = _as_given
    rules: tuple[Rule, ...] = ()
    in_use: InUse = InUse("Conflict", "is in use by")
    warnings: Callable[[Mapping[str, Any]], Iterable[Notice]] = _no_warnings
    show: Callable[[Json], None] = _nothing_more
    name: str = r"^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,78}[A-Za-z0-9_])?$"
    has_guid: bool = True
    secrets: Members = field(default_factory=dict)

    def parse(self, body: Mapping[str, Any], identity: ResourceId) -> Json:
        """The canonical body. Raises ``BadInput`` that names every offence at once."""
        check_name(body, identity)
        if not re.match(self.name, identity.name, re.ASCII):
            words = f"'{identity.name[:100]}' cannot be the name of a resource of type {self.type}."
            raise BadInput(words, code="InvalidResourceName", target="name")
        made: Json = parsed(self.model, self.given(body)).to_json()
        problems = [*self._twice_named(made), *(found for rule in self.rules for found in rule(made, identity))]
        raise_problems(problems)
        return made

    def children(self, body: Mapping[str, Any], collection: str) -> list[Json]:
        """The children of one collection, in their order."""
        properties = body.get("properties") or {}
        return list(properties.get(collection) or ())

    def child(self, body: Mapping[str, Any], collection: str, name: str) -> Json | None:
        """One child, whatever the case of its name."""
        return next((e for e in self.children(body, collection) if e["name"].lower() == name.lower()), None)

    def collection(self, name: str) -> str | None:
        """A collection's own spelling."""
        return next((each for each in self.collections if each.lower() == name.lower()), None)

    def _twice_named(self, body: Json) -> Iterable[ErrorDetail]:
        for collection in self.collections:
            names = [each["name"].lower() for each in self.children(body, collection)]
            if twice := sorted({name for name in names if names.count(name) > 1}):
                path = f"properties.{collection}"
                yield ErrorDetail("DuplicateResourceName", f"{path} has {', '.join(twice)} twice.", path)


def check_name(body: Mapping[str, Any], identity: ResourceId) -> None:
    """A name in the body must be that of the address, of which a child may give the whole (``lb/rule``)."""
    given = member(body, "name")
    if given is None:
        return
    if str(given).lower() not in (identity.name.lower(), identity.full_name.lower()):
        words = f"The body is of '{str(given)[:100]}', the address of '{identity.name}'."
        raise BadInput(words, code="InvalidRequestContent", target="name")


def replaced(shape: Shape, current: Mapping[str, Any], body: Mapping[str, Any]) -> Json:
    """What a PUT of ``body`` leaves of ``current``, still to be parsed."""
    given = member(body, "properties")
    if not isinstance(given, Mapping):
        named = {key.lower() for key in body}
        return {**{key: value for key, value in current.items() if key.lower() not in named}, **body}
    before = current.get("properties") or {}
    named = {key.lower() for key, value in given.items() if value is not None}
    kept = {each: before[each] for each in shape.collections if each.lower() not in named and each in before}
    rest = {key: value for key, value in given.items() if key.lower() not in {each.lower() for each in kept}}
    return {**{key: value for key, value in body.items() if key.lower() != "properties"}, "properties": rest | kept}
