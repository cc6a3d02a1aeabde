"""Which resource refers to which: ids in canonical bodies, which hold no other ids than references. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.errors import BadInput
from orchestrator.model.resource_id import ResourceId, parse_resource_id


@dataclass(frozen=True, slots=True)
class Use:
    """``holder`` refers to ``target``. ``holder`` is the id of a resource, or of its child; ``member`` the name of
    the member that holds the reference, ``path`` where it is in the body."""

    holder: str
    target: ResourceId
    member: str
    path: str


def uses_in(body: Mapping[str, Any], own_id: str) -> Iterator[Use]:
    """Every reference of a body. Children of ``properties`` are holders of their own."""
    for member, value in (body.get("properties") or {}).items():
        path = f"properties.{member}"
        if isinstance(value, list | tuple):
            for number, inner in enumerate(value):
                is_child = isinstance(inner, Mapping) and "name" in inner
                holder = f"{own_id}/{member}/{inner['name']}" if is_child else own_id
                yield from _uses(inner, holder, member, f"{path}[{number}]")
        else:
            yield from _uses(value, own_id, member, path)


def _uses(value: Any, holder: str, member: str, path: str) -> Iterator[Use]:
    if isinstance(value, Mapping):
        found = value.get("id")
        if isinstance(found, str) and (target := _target(found)):
            yield Use(holder, target, member, path)
        for name, inner in value.items():
            yield from _uses(inner, holder, name, f"{path}.{name}")
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _uses(inner, holder, member, f"{path}[{number}]")


def _target(text: str) -> ResourceId | None:
    """Ids of other sorts (images, address spaces of our own) refer to no resource of a group."""
    try:
        return parse_resource_id(text)
    except BadInput:
        return None


def respelt(value: Any, spelling: Mapping[str, ResourceId]) -> Any:
    """The same body, with the references of these keys as they are spelt here."""
    if isinstance(value, Mapping):
        made = {name: respelt(inner, spelling) for name, inner in value.items()}
        target = _target(made["id"]) if isinstance(made.get("id"), str) else None
        if target is not None and target.key in spelling:
            made["id"] = str(spelling[target.key])
        return made
    return [respelt(each, spelling) for each in value] if isinstance(value, list | tuple) else value


def is_within(target: ResourceId, whole: ResourceId) -> bool:
    """Whether it is the resource itself, or one of its children."""
    return is_of(target.key, whole)


def is_of(holder: str, whole: ResourceId) -> bool:
    """Whether the id of a holder is that of the resource itself, or of one of its children."""
    return f"{holder.lower()}/".startswith(f"{whole.key}/")


def top_of(identity: ResourceId) -> ResourceId:
    """The resource that is stored: the outermost of its parents."""
    types, names = identity.types[:1], identity.names[:1]
    return ResourceId(identity.subscription_id, identity.resource_group, identity.namespace, types, names)
