"""Every path and method, as the routes and the types of resources make them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fastapi.routing import APIRoute

from orchestrator.api.kinds import Kind, Kinds

_GENERAL = "/{namespace}/{rest:path}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One method at one path, as it stands in the document. ``path`` is the route's, in small letters; ``resource``
    is the type that a general route is shown for."""

    path: str
    method: str
    endpoint: Callable[..., Any]
    depends_on: frozenset[Any]
    resource: Kind | None = None


def entries_of(routes: Sequence[APIRoute], kinds: Kinds) -> Iterator[Entry]:
    """The first route that serves a path is the one that is shown, as it is the one that answers."""
    general: list[APIRoute] = []
    for route in routes:
        if _GENERAL in route.path:
            general.append(route)
        else:
            yield from _of_route(route, route.path)
    for kind in kinds:
        for route in general:
            for path in _paths_of_type(route.path, kind.type):
                yield from (replace(each, resource=kind) for each in _of_route(route, path) if _fits(each))


def _of_route(route: APIRoute, path: str) -> Iterator[Entry]:
    calls = frozenset(_calls(route.dependant))
    for method in sorted(route.methods or ()):
        yield Entry(path, method.lower(), route.endpoint, calls)


def _calls(dependant: Any) -> Iterator[Any]:
    for each in dependant.dependencies:
        yield each.call
        yield from _calls(each)


def _paths_of_type(general: str, kind: str) -> Iterator[str]:
    """The address of one, and of the list; of a child type, the list below its parent."""
    namespace, *types = kind.split("/")
    turns = [part for each in types for part in (each.lower(), f"{{{_one_of(each)}Name}}")]
    before, _, after = general.partition(_GENERAL)
    start = f"{before}/{namespace.lower()}/"
    if "{group}" in general:
        yield start + "/".join(turns) + after
    is_listed = not after and ("{group}" in general or len(types) == 1)
    if is_listed:
        yield start + "/".join(turns[:-1])


def _one_of(types: str) -> str:
    for plural, singular in (("ies", "y"), ("sses", "ss"), ("s", "")):
        if types.endswith(plural):
            return types.removesuffix(plural) + singular
    return types


def _fits(entry: Entry) -> bool:
    """A list can be read, and no more; a resource knows no verb that has no route of its own."""
    is_one = entry.path.endswith("}")
    return entry.method != "post" if is_one else entry.method == "get"
