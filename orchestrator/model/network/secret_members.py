"""Write-only members of a resource's children: kept apart from the body, sealed at rest, never shown. Pure.

``members`` names, for a collection, the members of its children's ``properties`` that are such. What a child has of
them belongs together: who gives one of them gives all; who gives none keeps what there was.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

Json = dict[str, Any]
Members = Mapping[str, tuple[str, ...]]


def secret_path(collection: str, child: str, member: str) -> str:
    """Under which a secret is kept: by the child's name, since its place may change."""
    return f"properties.{collection}[{child.lower()}].{member}"


def split(body: Mapping[str, Any], members: Members) -> tuple[Json, Json]:
    """The body without its secrets, and those by their path."""
    if not members:
        return dict(body), {}
    public, secrets = copy.deepcopy(dict(body)), Json()
    for path, properties, member in _places(public, members):
        if member in properties:
            secrets[path] = properties.pop(member)
    return public, secrets


def with_kept(body: Mapping[str, Any], secrets: Mapping[str, Any], members: Members) -> Json:
    """The body with the secrets of those children that it gives none for."""
    if not members:
        return dict(body)
    whole = copy.deepcopy(dict(body))
    places = list(_places(whole, members))
    given = {id(properties) for _, properties, member in places if member in properties}
    for path, properties, member in places:
        if id(properties) not in given and path in secrets:
            properties[member] = secrets[path]
    return whole


def _places(body: Json, members: Members) -> Iterator[tuple[str, Json, str]]:
    for collection, names in members.items():
        for child in (body.get("properties") or {}).get(collection) or ():
            properties = child.setdefault("properties", {})
            yield from ((secret_path(collection, child["name"], name), properties, name) for name in names)
